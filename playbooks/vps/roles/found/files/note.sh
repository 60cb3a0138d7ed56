#!/bin/sh
# note.sh FOUND LINE...: notes each package that came (+) or went (-), once.
set -eu

found=$1
shift
touch "$found/packages"
for line in "$@"; do
  grep -qxF -e "$line" "$found/packages" || echo "$line" >>"$found/packages"
done
