#!/bin/bash
# The shell's clocks and those of the programs it starts, as in clock.py.

tell() {
  printf 'EPOCHSECONDS 1000000000 %s000000000 ' "$EPOCHSECONDS"
  printf 'EPOCHREALTIME 1000 %s000 ' "${EPOCHREALTIME/[.,]/}"
  printf 'printf 1000000000 %(%s)T000000000 ' -1
  printf 'date 1 %s\n' "$(date +%s%N)"
}

while read -r verb way seconds; do
  if [ "$verb" = now ]; then
    tell
    continue
  fi
  echo begun
  case $way in
  sleep) sleep "$seconds" ;;
  timeout) timeout "$seconds" sleep 1000 ;;
  read) read -r -t "$seconds" _ <> <(:) ;;
  *) exit 1 ;;
  esac
  echo ended
done
