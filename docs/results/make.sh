#!/bin/sh
# Reports, slides and screenshots of two runs, as they stand in this folder:
#
#   ./ntplab run playbooks/scenarios/concert.yaml --out runs/concert-shown
#   ./ntplab run playbooks/scenarios/cures.yaml --out runs/cures-shown
#   docs/results/make.sh runs/concert-shown runs/cures-shown
#
# NTPLAB is the command (./ntplab); PYTHON one with playwright (.venv/bin/python, after
# `./ntplab test browser`).
set -eu

top=$(dirname -- "$(readlink -f -- "$0")")/../..
concert=$(readlink -f -- "$1")
cures=$(readlink -f -- "$2")
cd "$top"
ntplab=${NTPLAB:-./ntplab}
here=docs/results

for run in concert cures; do
  mkdir -p "$here/$run"
  path=$concert
  if [ "$run" = cures ]; then path=$cures; fi
  # Unquoted: NTPLAB may be several words.
  # shellcheck disable=SC2086
  for lang in en fr; do
    suffix=.$lang
    if [ "$lang" = en ]; then suffix=; fi
    $ntplab -q report "$path" --lang "$lang" --out "$here/$run/report$suffix.html"
    $ntplab -q slides "$path" --cures "$cures" --lang "$lang" --out "$here/$run/slides$suffix.pdf"
  done
  cp "$path/results.json" "$here/$run/results.json"
done
"${PYTHON:-.venv/bin/python}" "$here/shots.py" "$here"
