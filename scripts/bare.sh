#!/bin/sh
# Proves the README's two commands on a bare Debian 12: makes a minimal root with debootstrap, clones HEAD
# into it and runs them there, with nothing but what the project's own script installs, Debian's Node
# included. The mirror, proxies, certificates and npm's settings are this machine's. Needs root and
# debootstrap (apt-get install debootstrap). The last 20 lines are a summary.
set -eu

usage() {
    cat << 'TEXT'
usage: scripts/bare.sh [--folder FOLDER] [--keep] [--only run|test]

  --folder FOLDER  makes the root there (default: a new one under $TMPDIR); it must not exist
  --keep           leaves the root there; chroot FOLDER to look around
  --only run       scripts/run.sh alone: built, started, tried with mosquitto_pub and mosquitto_sub, stopped
  --only test      scripts/test.sh alone, with CI=true
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
folder=
keep=no
commands="run test"
while [ $# -gt 0 ]; do
    case $1 in
        --folder) folder=${2:?--folder needs a folder}; shift ;;
        --keep) keep=yes ;;
        --only)
            case ${2:-} in
                run | test) commands=$2 ;;
                *) usage >&2; exit 2 ;;
            esac
            shift
            ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

fail() {
    echo "bare: $1" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "only root may do that"
for program in debootstrap git unshare; do
    command -v $program > /dev/null || fail "$program is missing"
done

# Mounts and processes of the root live in namespaces of their own: they end with this script, however
# it ends.
if [ -z "${BARE_INSIDE:-}" ]; then
    if [ -z "$folder" ]; then
        folder=$(mktemp -d "${TMPDIR:-/tmp}/mangrove-bare.XXXXXX")
    else
        mkdir "$folder"
        folder=$(cd "$folder" && pwd)
    fi
    child=
    # shellcheck disable=SC2317  # called by trap
    clean_up() {
        # unshare is deaf to a polite signal; with it everything in its namespaces is killed.
        [ -z "$child" ] || { kill -KILL "$child" && wait "$child"; } 2> /dev/null || true
        [ "$keep" = yes ] || rm -rf --one-file-system "$folder"
    }
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    only=
    [ "$commands" = "run test" ] || only=$commands
    BARE_INSIDE=$folder unshare --mount --pid --fork --kill-child "$0" ${only:+--only "$only"} &
    child=$!
    code=0
    wait $child || code=$?
    child=
    [ "$keep" = no ] || echo "bare: the root is left in $folder"
    exit $code
fi

folder=$BARE_INSIDE
summary=$folder/summary
began=$(date +%s)
result=failed
step=$began

# seconds: since the last call.
seconds() {
    now=$(date +%s)
    echo $((now - step))
    step=$now
}

version() {
    inside "$@" 2> /dev/null | head -n 1
}

# The end of the output, whatever happened: 20 lines at most.
print_summary() {
    {
        echo "bare: $(cat "$folder/etc/debian_version" 2> /dev/null) on $(nproc) processors, commit" \
            "$(git -C "$root" log -1 --format='%h %s')"
        echo "bare: $(version g++ --version); $(version cmake --version); $(version ccache --version)"
        echo "bare: node $(version node --version), npm $(version npm --version)," \
            "$(version python3 --version), $(version chromium --version)"
        cat "$summary"
        echo "bare: $result after $(($(date +%s) - began)) s"
    } | tail -n 20
}
trap print_summary EXIT
trap 'exit 143' TERM

# inside COMMAND ...: in the root, in the clone, with this machine's settings for the network and no
# other variable of it.
inside() {
    set -- LANG=C.UTF-8 HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
    for name in $(env | sed -n 's/^\([A-Za-z_]*\)=.*/\1/p'); do
        case $name in
            [Nn][Pp][Mm]_[Cc][Oo][Nn][Ff][Ii][Gg]_* | *_proxy | *_PROXY)
                set -- "$name=$(printenv "$name")" "$@"
                ;;
        esac
    done
    # shellcheck disable=SC2016  # expanded inside
    chroot "$folder" env -i NODE_EXTRA_CA_CERTS=/etc/machine-certificates.pem \
        sh -c 'cd /srv/mangrove && exec env "$@"' sh "$@"
}

# archives FORMAT: what this machine's apt knows of Debian 12 itself, a line for each part; other
# vendors' are left out.
archives() {
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|'"$1" 'Created-By: Packages' |
        sed -n 's/^Debian|bookworm[a-z-]*|//p' | sort -u
}

make_root() {
    # shellcheck disable=SC2016  # apt's own variables
    mirror=$(archives '$(CODENAME) $(REPO_URI)' | sed -n 's/^bookworm //p' | head -n 1)
    [ -n "$mirror" ] || fail "apt knows no mirror of Debian 12 here; has apt-get update been run?"
    debootstrap --variant=minbase bookworm "$folder" "$mirror" > "$summary.log" 2>&1 ||
        { tail -n 20 "$summary.log"; fail "debootstrap failed"; }
    # shellcheck disable=SC2016  # apt's own variables
    archives 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' > "$folder/etc/apt/sources.list"
    apt-config dump | grep '^Acquire::' > "$folder/etc/apt/apt.conf.d/00machine" || true
    cp -L /etc/resolv.conf /etc/hosts "$folder/etc/"
    for settings in "$HOME/.npmrc" /etc/npmrc; do
        # `cafile` is left out: it would name a file of the root, which has not this machine's
        # certificates, and npm would then not look at NODE_EXTRA_CA_CERTS.
        [ ! -f "$settings" ] || sed '/^cafile *=/d' "$settings" > "$folder/root/.npmrc"
    done
    # Authorities that this machine trusts beside the usual ones.
    cat "${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}" \
        > "$folder/etc/machine-certificates.pem" 2> /dev/null || true

    mount -t proc proc "$folder/proc"
    mount -t sysfs -o ro sysfs "$folder/sys"
    mkdir -p "$folder/dev/pts" "$folder/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$folder/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$folder/dev/shm"
    git clone --quiet --no-hardlinks "$root" "$folder/srv/mangrove"
    echo "bare: root of $(du -sm --one-file-system "$folder" | cut -f 1) MB in $(seconds) s" >> "$summary"
}

# try_run: the first command, as the README's five minutes go.
try_run() {
    port=1883
    arguments=
    if grep -q "^ *[0-9]*: [0-9A-F]*:075B [0-9A-F:]* 0A " /proc/net/tcp; then
        port=18831
        arguments="--set listener.tcp.default=127.0.0.1:$port"
        echo "bare: somebody has port 1883 here; run.sh was given $arguments" >> "$summary"
    fi
    # shellcheck disable=SC2086  # two words or none
    inside scripts/run.sh $arguments > "$folder/run.log" 2>&1 &
    runner=$!
    until inside build/release/mangrove status > /dev/null 2>&1; do
        kill -0 $runner 2> /dev/null || { tail -n 40 "$folder/run.log"; fail "run.sh ended by itself"; }
        sleep 1
    done
    echo "bare: scripts/run.sh installed, built and listens after $(seconds) s" >> "$summary"
    inside DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        mosquitto-clients > "$folder/apt.log" 2>&1 || { cat "$folder/apt.log"; fail "no mosquitto-clients"; }
    inside mosquitto_sub -p $port -t 'hello/#' -v -C 1 -W 60 > "$folder/heard" &
    subscriber=$!
    while kill -0 $subscriber 2> /dev/null; do
        inside mosquitto_pub -p $port -t hello/world -m 'it works'
        sleep 0.2
    done
    wait $subscriber || fail "mosquitto_sub heard nothing"
    [ "$(cat "$folder/heard")" = "hello/world it works" ] || fail "heard: $(cat "$folder/heard")"
    kill -INT "$(cat "$folder/srv/mangrove/data/mangrove.pid")"
    wait $runner || fail "run.sh ended with $?"
    echo "bare: mosquitto_sub printed '$(cat "$folder/heard")'; stopped, exit code 0" >> "$summary"
    seconds > /dev/null
}

try_test() {
    code=0
    { inside CI=true scripts/test.sh || echo $? > "$folder/failed"; } 2>&1 | tee "$folder/test.log"
    [ ! -e "$folder/failed" ] || code=$(cat "$folder/failed")
    echo "bare: scripts/test.sh ended with $code after $(seconds) s" >> "$summary"
    grep -E '^(dev|release)[:,]|^label |^run_check:' "$folder/test.log" | tail -n 11 >> "$summary" || true
    [ "$code" = 0 ] || fail "scripts/test.sh failed"
}

: > "$summary"
make_root
for command in $commands; do
    try_"$command"
done
result=passed
