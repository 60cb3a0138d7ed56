#!/bin/sh
# secrets.sh [DIR]: makes the secrets of the demo stack that are missing, and changes none that is
# there. DIR: by default $NTPLAB_SECRETS_DIR, else `secrets` beside this file.
#
# The folder is for its owner alone. Containers read the files as uid 1000: whoever may give them
# to it does, mode 0400; anybody else makes them 0444, behind the folder that nobody else enters.
set -eu
umask 077

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-${NTPLAB_SECRETS_DIR:-$here/secrets}}
case $folder in
/*) ;;
*) [ $# -gt 0 ] || folder=$here/$folder ;; # as compose reads the setting
esac
mkdir -p -- "$folder"
chmod 0700 -- "$folder"

hand_over() { # file
  case $(id -u) in
  0) chown 1000:1000 -- "$1" && chmod 0400 -- "$1" ;;
  1000) chmod 0400 -- "$1" ;;
  *) chmod 0444 -- "$1" ;;
  esac
}

random() {
  head -c 24 /dev/urandom | base64 | tr '+/' '-_'
}

# Under another name first: a full disk must not leave half a secret.
for name in database_password page_token; do
  if [ ! -s "$folder/$name" ]; then
    random >"$folder/$name.new"
    hand_over "$folder/$name.new"
    mv -f -- "$folder/$name.new" "$folder/$name"
    echo "secrets.sh: made $folder/$name" >&2
  fi
done

# Compose mounts these whether TLS wants them or not; empty ones stand for none.
for name in tls_certificate.pem tls_key.pem; do
  [ -e "$folder/$name" ] || : >"$folder/$name"
  hand_over "$folder/$name"
done
