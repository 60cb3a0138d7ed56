#!/bin/sh
# A ring of three processes - office, c1, c2 - wired by FIFOs, and ten reservations in it, with
# nothing but a shell and Python. Everything it makes is removed at its end.
#
# usage: ring.sh [what|whatwho|whatwhowhere]
#   PYTHON  the interpreter (python3)
#
# office -> out.office -> relay -> in.c1 -> c1 -> out.c1 -> relay -> in.c2 -> ... -> office
set -eu

here=$(dirname -- "$(readlink -f -- "$0")")
mode=${1:-whatwhowhere}
python=${PYTHON:-python3}
reservations=10
pids=

train() {
  "$python" "$here/ntplab-train" "$@"
}

fail() {
  echo "ring.sh: $*" >&2
  exit 1
}

clean_up() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  for pid in $pids; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}

case $mode in
what | whatwho | whatwhowhere) ;;
*) echo "usage: ring.sh [what|whatwho|whatwhowhere]" >&2; exit 2 ;;
esac

work=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A FIFO that is opened for reading and writing neither waits for its other end nor ever ends: in a
# ring, everybody would wait for somebody.
node() { # name, program, options: a process of the ring
  name=$1 program=$2
  shift 2
  mkfifo "$work/in.$name" "$work/out.$name"
  "$python" "$here/ntplab-train" "$program" --ident="$name" "--$mode" --state "$work/$name" "$@" \
    <>"$work/in.$name" 1<>"$work/out.$name" 2>"$work/$name.log" &
  pids="$pids $!"
}

wire() { # from, to
  "$python" "$here/ntplab-train" relay --keep-open "$work/out.$1" --to "$work/in.$2" &
  pids="$pids $!"
}

node office office --clients=c1,c2 --timetable="$here/examples/timetable.csv"
node c1 client
node c2 client
wire office c1
wire c1 c2
wire c2 office

tries=0
for name in office c1 c2; do
  until [ -S "$work/$name/control.sock" ]; do
    tries=$((tries + 1))
    [ "$tries" -le 600 ] || { cat "$work/$name.log" >&2; fail "$name does not start"; }
    sleep 0.1
  done
done

made=0
while [ "$made" -lt "$reservations" ]; do
  for name in c1 c2; do
    echo "$name: $(train ask --control "$work/$name" reserve --from 'Paris Gare de Lyon' --wait 60s)"
    made=$((made + 1))
  done
done

echo
train ask --control "$work/office" tickets --state deleted

# What each client says it owns, not what the office believes.
owned=$(for name in c1 c2; do
  train ask --json --control "$work/$name" tickets | tr '{' '\n' | sed -n 's/.*"ticket_id": \([0-9]*\).*/\1/p'
done | sort -n)
[ "$(echo "$owned" | wc -l)" -eq "$reservations" ] || fail "tickets owned: $owned"
[ -z "$(echo "$owned" | uniq -d)" ] || fail "sold twice: $(echo "$owned" | uniq -d)"
echo "$reservations reservations, no ticket sold twice"
