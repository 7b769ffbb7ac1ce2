#!/bin/sh
# Installs what is missing, builds the release preset and runs the gateway in the foreground.
# Arguments are handed to `mangrove run`: scripts/run.sh --set listener.tcp.lan=0.0.0.0:1883
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
"$root/scripts/install-dependencies.sh"
(
    cd "$root"
    # Without tests and benchmarks, unless somebody has configured the folder already.
    [ -f build/release/build.ninja ] || cmake --preset release -DGW_TESTS=OFF -DGW_BENCH=OFF
    cmake --build --preset release --target mangrove
)
for argument in "$@"; do
    case $argument in
        --config | --config=*) exec "$root/build/release/mangrove" run "$@" ;;
    esac
done
[ -z "${MANGROVE_CONFIG:-}" ] || exec "$root/build/release/mangrove" run "$@"
exec "$root/build/release/mangrove" run --config "$root/config/gateway.conf" "$@"
