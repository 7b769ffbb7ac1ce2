#!/usr/bin/env bash
# Measures Mangrove beside Debian's mosquitto, in one run, interleaved round by round: broker CPU a
# delivered message, both brokers and the generator pinned to one CPU.
#
#   LOADGEN=<binary> bench/compare.sh [profile ...]     all profiles when none is named
#   MANGROVE=<binary>   default build/release/mangrove
#   ROUNDS=5 SECONDS_EACH=1.2
#   MANGROVE_ARGS="--set node.workers=1"                 more arguments for `mangrove run`
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${LOADGEN:?set LOADGEN to the load generator}"
: "${MANGROVE:=$here/../build/release/mangrove}"
: "${ROUNDS:=5}" "${SECONDS_EACH:=1.2}" "${MANGROVE_ARGS:=}"
work=$(mktemp -d)
pids=()
stop() { [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"; }
trap stop EXIT
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
wait_port() { for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; echo "nothing listens on $1" >&2; exit 1; }

start_brokers() {
  mp=$(free_port)
  printf 'listener %s 127.0.0.1\nallow_anonymous true\npersistence false\n' "$mp" > "$work/m.conf"
  mosquitto -c "$work/m.conf" > "$work/m.log" 2>&1 & mosq=$!
  gp=$(free_port)
  # shellcheck disable=SC2086
  "$MANGROVE" run --data "$work/data" --set "listener.tcp.bench=127.0.0.1:$gp" \
    --set allow_anonymous=local --set log.console=off $MANGROVE_ARGS > "$work/g.log" 2>&1 & gate=$!
  pids=("$mosq" "$gate")
  wait_port "$mp"; wait_port "$gp"
}
stop_brokers() { kill "${pids[@]}"; wait "${pids[@]}" 2>/dev/null || true; pids=(); rm -rf "$work/data"; }

ab() {
  local name=$1; shift
  echo "== $name"
  "$LOADGEN" ab --targets "mosquitto=127.0.0.1:$mp:$mosq,mangrove=127.0.0.1:$gp:$gate" \
    --rounds "$ROUNDS" --quiet -- "$@" --seconds "$SECONDS_EACH" --same-cpu 0 | grep '^# '
}

each_alone() {  # memory figures want fresh brokers
  local name=$1; shift
  echo "== $name"
  start_brokers
  for target in "mosquitto $mp $mosq" "mangrove $gp $gate"; do
    read -r who port pid <<< "$target"
    "$LOADGEN" "$@" --port "$port" --pid "$pid" --name "$who" | grep '^# ' | sed "s/^# /# $who: /"
  done
  stop_brokers
}

cpu() { start_brokers; ab "$@"; stop_brokers; }

beside() {  # another client's wait, while nothing bounds the load
  local name=$1; shift
  echo "== $name"
  start_brokers
  for target in "mosquitto $mp $mosq" "mangrove $gp $gate"; do
    read -r who port pid <<< "$target"
    echo "# $who: $("$here/ping_beside.py" 127.0.0.1 "$port" -- "$LOADGEN" "$@" --port "$port" --pid "$pid" --quiet)"
  done
  stop_brokers
}

profile() {
  case $1 in
    p2p)     cpu "p2p window 1000 pace 1000" p2p --n 1 --window 1000 --pace 1000 ;;
    p2p5)    cpu "p2p window 1000 pace 1000, MQTT 5" p2p --n 1 --window 1000 --pace 1000 --version 5 ;;
    p2pq1)   cpu "p2p window 500 pace 1000, QoS 1" p2p --n 1 --window 500 --pace 1000 --qos 1 ;;
    w1)      cpu "p2p window 1" p2p --n 1 --window 1 ;;
    pairs)   cpu "100 pairs window 10 pace 1000" p2p --n 100 --window 10 --pace 1000 ;;
    pairsq1) cpu "100 pairs window 10 pace 1000, QoS 1" p2p --n 100 --window 10 --pace 1000 --qos 1 ;;
    fanout)  cpu "fan-out to 1000 window 16 pace 20000" fanout --n 1000 --window 16 --pace 20000 ;;
    fanin)   cpu "fan-in 100 window 10 pace 1000" fanin --n 100 --window 10 --pace 1000 ;;
    qos2)    cpu "p2p QoS 2 window 20 pace 200" p2p --n 1 --window 20 --pace 200 --qos 2 ;;
    shared)  cpu "shared group of 10 window 1000 pace 1000" shared --n 10 --window 1000 --pace 1000 ;;
    flood)   beside "ping beside 4 publishers and 50 subscribers at full speed" fanout --n 50 --pubs 4 --window 100000 --lag 0 --size 16 --seconds 8 ;;
    idle)    each_alone "10,000 idle connections" idle --n 10000 ;;
    idlesub) each_alone "10,000 idle connections, one subscription each" idle --n 10000 --subscribe ;;
    subs)    each_alone "1,000,000 subscriptions, QoS 1 publishes" subs --count 1000000 --conns 100 --wild 10 --qos 1 --window 500 --pace 1000 ;;
    subs1k)  each_alone "1,000 subscriptions, QoS 1 publishes" subs --count 1000 --conns 100 --wild 10 --qos 1 --window 500 --pace 1000 ;;
    *) echo "unknown profile $1" >&2; exit 2 ;;
  esac
}
for name in "${@:-p2p p2p5 p2pq1 w1 pairs pairsq1 fanout fanin qos2 shared flood idle idlesub subs1k subs}"; do
  for one in $name; do profile "$one"; done
done
