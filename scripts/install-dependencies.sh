#!/bin/sh
# Installs what the build needs, from Debian 12 packages; with --tests also what the tests need, with
# --peers also the brokers that tests/checker judges beside us. No service is started or left on.
# Root or sudo is needed only when something is missing. May be run any number of times.
set -eu

usage() {
    echo "usage: scripts/install-dependencies.sh [--tests] [--peers]"
}

with_tests=no
with_peers=no
for argument in "$@"; do
    case $argument in
        --tests) with_tests=yes ;;
        --peers) with_peers=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done

root=$(cd "$(dirname "$0")/.." && pwd)

packages="g++ cmake ninja-build ccache libboost1.81-dev libssl-dev libspdlog-dev libcli11-dev doctest-dev"
packages="$packages libsqlite3-dev libargon2-dev libcrypt-dev"
if [ "$with_tests" = yes ]; then
    # lld links many programs faster; clang and its runtime build the fuzz targets; the rest are clients
    # to test against, and mosquitto is the broker that the same tests and the benchmarks are compared
    # with.
    packages="$packages lld clang clang-format libclang-rt-14-dev python3 python3-paho-mqtt libpaho-mqtt-dev"
    packages="$packages mosquitto mosquitto-clients openssl python3-stomp ruby-stomp libnet-stomp-perl libcoap3-bin"
    # A browser and a reverse proxy to stand before our listeners.
    packages="$packages chromium nginx-light libnginx-mod-stream"
    command -v node > /dev/null || packages="$packages nodejs"
    command -v npm > /dev/null || packages="$packages npm"
fi
if [ "$with_peers" = yes ]; then
    # Heavy (Erlang), and wanted only where the checker is run against them by hand.
    packages="$packages mosquitto nats-server rabbitmq-server"
fi

missing=
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        echo "install-dependencies: neither root nor sudo; please install:$missing" >&2
        exit 1
    fi
}

if [ -n "$missing" ]; then
    echo "install-dependencies: installing$missing"
    as_root apt-get update -qq
    # Debian starts a service as soon as it is installed; mosquitto's would take port 1883, nginx's
    # port 80. A policy of our own, for this one call, says no, and the units stay off afterwards.
    policy=/usr/sbin/policy-rc.d
    services=
    case "$missing " in
        *" mosquitto "*) services="$services mosquitto.service" ;;
    esac
    case "$missing " in
        *" nginx-light "*) services="$services nginx.service" ;;
    esac
    # RabbitMQ's port mapper, epmd, comes with Erlang and has a service and a socket of its own.
    case "$missing " in
        *" rabbitmq-server "*) services="$services rabbitmq-server.service epmd.service epmd.socket" ;;
    esac
    case "$missing " in
        *" nats-server "*) services="$services nats-server.service" ;;
    esac
    with_policy=no
    if [ -n "$services" ] && [ ! -e $policy ]; then
        with_policy=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy > /dev/null
        as_root chmod 755 $policy
        trap 'as_root rm -f $policy' EXIT
    fi
    # shellcheck disable=SC2086  # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    if [ $with_policy = yes ]; then
        as_root rm -f $policy
        trap - EXIT
        if command -v systemctl > /dev/null; then
            # shellcheck disable=SC2086  # a list of words
            as_root systemctl disable --quiet $services || true
        fi
    fi
fi

# The npm packages for the tests, in the versions of package-lock.json.
node=$root/tests/interop/node
if [ "$with_tests" = yes ] && [ -f "$node/package-lock.json" ]; then
    made=$node/node_modules/.package-lock.json
    if [ ! -e "$made" ] || [ -n "$(find "$node/package-lock.json" -newer "$made")" ]; then
        npm ci --prefix "$node" --no-audit --no-fund --loglevel=error
    fi
fi
