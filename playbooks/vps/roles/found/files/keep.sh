#!/bin/sh
# keep.sh FOUND PATH...: remembers each path as it is now, unless it was remembered before. Says
# what it remembered. Also how the host forwarded packets, which Docker switches on.
#
# A file is copied; of a folder it is only noted whether it was there, and empty: Docker's may hold
# anything.
set -eu

found=$1
shift
umask 077
mkdir -p "$found/files"
touch "$found/absent" "$found/empty" "$found/there"
if [ ! -e "$found/ip_forward" ]; then
  cat /proc/sys/net/ipv4/ip_forward >"$found/ip_forward"
  echo ip_forward
fi
for path in "$@"; do
  if [ -e "$found/files$path" ] || grep -qxF -e "$path" "$found/absent" "$found/empty" "$found/there"; then
    continue
  fi
  if [ ! -e "$path" ]; then
    list=absent
  elif [ ! -d "$path" ]; then
    cp -a --parents -- "$path" "$found/files"
    list=
  elif [ -z "$(ls -A -- "$path")" ]; then
    list=empty
  else
    list=there
  fi
  [ -z "$list" ] || echo "$path" >>"$found/$list"
  echo "$path"
done
