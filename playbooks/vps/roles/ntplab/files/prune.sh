#!/bin/sh
# prune.sh HOME RELEASE...: removes the releases that are not named, and the tags of images and the
# certificates that only those used. The images themselves go with their last tag. Says what it
# removed.
set -eu

home=$1
shift
needed=' '
for release in "$@"; do
  if [ -f "$home/releases/$release/complete" ]; then
    needed="$needed$(cut -d' ' -f2 "$home/releases/$release/complete") "
  fi
done
for folder in "$home"/releases/*/; do
  release=$(basename "$folder")
  case " $* " in *" $release "*) continue ;; esac
  rm -rf -- "$folder"
  echo "release $release"
done
for folder in /etc/ntplab/tls/*/; do
  [ -d "$folder" ] || continue
  grep -qxF "NTPLAB_TLS_DIR=${folder%/}" "$home"/releases/*/settings.env && continue
  rm -rf -- "$folder"
  echo "certificate $(basename "$folder")"
done
for list in "$home"/images/*.yaml; do
  [ -e "$list" ] || continue
  id=$(basename "$list" .yaml)
  case $needed in *" $id "*) continue ;; esac
  rm -- "$list"
  docker image ls --format '{{.Repository}}:{{.Tag}}' | grep "^ntplab/.*:$id\$" |
    xargs -r docker image rm >/dev/null
  echo "images $id"
done
