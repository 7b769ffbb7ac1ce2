#!/bin/sh
# Installs what is missing, builds, and passes all tests. Without a choice: the dev and release
# presets are built, the unit tests run in both, the tests over real sockets in release.
set -eu

usage() {
    cat << 'TEXT'
usage: scripts/test.sh [--dev] [--release] [--asan] [--tsan] [--fuzz SECONDS] [--no-install]
                       [--jobs N] [-- CTEST ARGUMENTS]

  --dev, --release   that preset alone, all its tests
  --asan, --tsan     that sanitizer's preset, all its tests
  --fuzz SECONDS     builds the fuzz targets and runs each for so long
  --no-install       takes the packages as they are
  --jobs N           builds and tests so many at once (default: the number of cores)
Several may be given. Example: scripts/test.sh --asan -- -R config
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
presets=
fuzz_seconds=
install=yes
jobs=$(nproc)
while [ $# -gt 0 ]; do
    case $1 in
        --dev | --release | --asan | --tsan) presets="$presets ${1#--}" ;;
        --fuzz) fuzz_seconds=${2:?--fuzz needs seconds}; shift ;;
        --jobs) jobs=${2:?--jobs needs a number}; shift ;;
        --no-install) install=no ;;
        -h | --help) usage; exit 0 ;;
        --) shift; break ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

[ $install = no ] || scripts/install-dependencies.sh --tests

closing=
build() {
    cmake --preset "$1" -DGW_TESTS=ON -DGW_BENCH=ON > /dev/null
    cmake --build --preset "$1" -j "$jobs"
}

# run_tests PRESET [CTEST ARGUMENTS]: remembers ctest's closing line; ends the script on failure.
run_tests() {
    preset=$1
    shift
    log=build/$preset/ctest.log
    rm -f "$log.failed"
    echo "== $preset: ctest $*"
    # A pipe would hide ctest's exit code from sh, so it is written down beside it.
    { ctest --test-dir "build/$preset" --output-on-failure -j "$jobs" "$@" || echo $? > "$log.failed"; } |
        tee "$log"
    closing="$closing$preset: $(grep 'tests passed' "$log" || echo 'no tests were run')
"
    if [ -e "$log.failed" ]; then
        code=$(cat "$log.failed")
        rm -f "$log.failed"
        printf '%s' "$closing"
        exit "$code"
    fi
}

if [ -z "$presets$fuzz_seconds" ]; then
    build dev
    build release
    run_tests dev -LE interop "$@"
    run_tests release "$@"
fi
for preset in $presets; do
    build "$preset"
    run_tests "$preset" "$@"
done

if [ -n "$fuzz_seconds" ]; then
    # A target is named like its source; nothing else is built, with clang and two sanitizers.
    set --
    for source in tests/fuzz/*_fuzz.cpp; do
        set -- "$@" "$(basename "$source" .cpp)"
    done
    cmake --preset fuzz -DGW_TESTS=ON > /dev/null
    cmake --build --preset fuzz -j "$jobs" --target "$@"
    for target in "$@"; do
        name=${target%_fuzz}
        # Seeds lie under the target's name or the beginning of it: mqtt_codec, mqtt.
        seeds=$name
        while [ ! -d "tests/fuzz/seeds/$seeds" ] && [ "$seeds" != "${seeds%_*}" ]; do
            seeds=${seeds%_*}
        done
        corpus=build/fuzz/corpus/$name
        mkdir -p "$corpus"
        [ -d "tests/fuzz/seeds/$seeds" ] && seeds=tests/fuzz/seeds/$seeds || seeds=$corpus
        echo "== fuzz: $name, $fuzz_seconds s"
        "build/fuzz/$target" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=2048 \
            -print_final_stats=0 -verbosity=0 -artifact_prefix="build/fuzz/$name-" "$corpus" "$seeds"
        closing="${closing}fuzz: $name found nothing in $fuzz_seconds s
"
    done
fi
printf '%s' "$closing"
