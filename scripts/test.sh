#!/bin/sh
# Installs what is missing, builds, and passes the tests. Without a choice it is what every change must
# pass (CONTRIBUTING.md): the preset release whole with the tests of the label `ci`, and those of the
# core and the codecs in the preset dev. With CI=true a skipped test, or one that takes too long, is a
# failure (tests/tidy/run_check.py).
set -eu

usage() {
    cat << 'TEXT'
usage: scripts/test.sh [--full] [--dev] [--release] [--asan] [--tsan] [--fuzz SECONDS] [--no-install]
                       [--jobs N] [-- CTEST ARGUMENTS]

  --full             every test, and dev built whole too; without it those of the label ci
  --dev, --release   that preset alone, built whole
  --asan, --tsan     that sanitizer's preset alone, built whole
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
label=ci
jobs=$(nproc)
while [ $# -gt 0 ]; do
    case $1 in
        --full) label=full ;;
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
# build PRESET [TARGET]
build() {
    begin=$(date +%s)
    cmake --preset "$1" -DGW_TESTS=ON -DGW_BENCH=ON > /dev/null
    cmake --build --preset "$1" -j "$jobs" --target "${2:-all}"
    closing="$closing$1: built in $(($(date +%s) - begin)) s
"
}

finish() {
    printf '%s' "$closing"
    exit "$1"
}

# run_tests PRESET LABEL [CTEST ARGUMENTS]: remembers ctest's closing line and judges the run; ends the
# script on failure.
run_tests() {
    preset=$1
    tests=$2
    shift 2
    folder=build/$preset
    log=$folder/ctest.log
    rm -f "$log.failed" "$folder/run.xml"
    echo "== $preset: ctest, label $tests $*"
    begin=$(date +%s)
    # A pipe would hide ctest's exit code from sh, so it is written down beside it.
    { ctest --test-dir "$folder" --output-on-failure -j "$jobs" -L "^$tests\$" --no-tests=error \
        --output-junit run.xml --test-output-size-passed 1000000 --test-output-size-failed 1000000 "$@" ||
        echo $? > "$log.failed"; } | tee "$log"
    passed=$(grep 'tests passed' "$log" || echo 'no tests were run')
    closing="$closing$preset, label $tests: $passed in $(($(date +%s) - begin)) s
"
    [ $# = 0 ] || set -- --partial
    case $preset in
        asan | tsan) set -- "$@" --no-budget ;;
    esac
    judged=0
    [ ! -e "$folder/run.xml" ] || python3 tests/tidy/run_check.py --build "$folder" \
        --junit "$folder/run.xml" --label "$tests" "$@" || judged=$?
    if [ -e "$log.failed" ]; then
        code=$(cat "$log.failed")
        rm -f "$log.failed"
        finish "$code"
    fi
    [ $judged = 0 ] || finish $judged
}

if [ -z "$presets$fuzz_seconds" ]; then
    if [ $label = full ]; then
        build dev
        build release
        run_tests dev full -LE 'interop|attack' "$@"
    else
        build dev dev_tests
        build release
        run_tests dev dev "$@"
    fi
    run_tests release $label "$@"
fi
for preset in $presets; do
    build "$preset"
    run_tests "$preset" $label "$@"
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
finish 0
