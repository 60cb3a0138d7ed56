#!/bin/sh
# How many lines are torn when two processes write to one FIFO: with cat, the usual wiring, and with
# the relay. Prints both counts; the relay's is zero on every machine, cat's depends on luck.
#
# usage: torn-lines.sh [LINES]   lines of each of the two writers (10000)
set -eu

here=$(dirname -- "$(readlink -f -- "$0")")
python=${PYTHON:-python3}
lines=${1:-10000}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for writer in a b; do
  awk -v lines="$lines" -v letter="$writer" 'BEGIN {
    while (length(text) < 900) text = text letter
    for (i = 0; i < lines; i++) print text
  }' >"$work/$writer"
done

copy() { # how, file: write the file's lines to the FIFO
  case $1 in
  cat) tail -c +1 "$2" | cat >"$work/fifo" ;;
  relay) "$python" "$here/ntplab-train" relay "$2" --to "$work/fifo" ;;
  esac
}

for how in cat relay; do
  rm -f "$work/fifo"
  mkfifo "$work/fifo"
  # Whole lines are 900 times the same letter.
  grep -c -v -E '^(a{900}|b{900})$' <"$work/fifo" >"$work/torn" &
  counter=$!
  # Both hold the FIFO open from the start, so that it ends when both have.
  exec 3>"$work/fifo"
  copy "$how" "$work/a" &
  first=$!
  copy "$how" "$work/b" &
  second=$!
  wait "$first"
  wait "$second"
  exec 3>&-
  wait "$counter" || true
  echo "$how: $(cat "$work/torn") lines torn of $((2 * lines))"
done
