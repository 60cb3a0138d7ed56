#!/bin/sh
# give_back.sh FOUND [KEEP...]: the host as keep.sh and packages.yml found it: packages that came go
# and those that went come, files are put back or removed, Docker's traces in the kernel as well.
# KEEP: paths that stay all the same. The services are stopped by now.
set -eu
export DEBIAN_FRONTEND=noninteractive

found=$1
shift
installed() { # package
  dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}
ours() { # package: it came with us
  grep -qxF "+$1" "$found/packages" 2>/dev/null
}
kept() { # path
  for keep in $keeps; do
    case $1 in "$keep" | "$keep"/*) return 0 ;; esac
  done
  return 1
}
keeps=$*

# What Docker leaves in the kernel, while the programs to remove it are still there.
if ours docker.io; then
  if command -v iptables-save >/dev/null; then
    for family in iptables ip6tables; do
      "$family-save" 2>/dev/null | grep -v -E 'DOCKER|docker0|br-[0-9a-f]{12}' |
        sed 's/^:FORWARD DROP/:FORWARD ACCEPT/' | "$family-restore" || true
    done
  fi
  for link in /sys/class/net/docker0 /sys/class/net/br-*; do
    case ${link##*/} in
    docker0 | br-????????????) [ ! -d "$link/bridge" ] || ip link delete "${link##*/}" ;;
    esac
  done
  if ours iptables && command -v nft >/dev/null; then
    for table in 'ip nat' 'ip filter' 'ip raw' 'ip6 nat' 'ip6 filter'; do
      # shellcheck disable=SC2086 # family and name are two words
      rules=$(nft --json list table $table 2>/dev/null | grep -c '"rule"' || true)
      # shellcheck disable=SC2086
      [ "$rules" != 0 ] || nft delete table $table 2>/dev/null || true
    done
  fi
fi

touch "$found/packages"
came=
while read -r package; do
  case $package in +*) if installed "${package#+}"; then came="$came ${package#+}"; fi ;; esac
done <"$found/packages"
# shellcheck disable=SC2086 # a list of packages
[ -z "$came" ] || apt-get purge -y -q -o DPkg::Lock::Timeout=120 $came

while read -r path; do kept "$path" || rm -rf -- "$path"; done <"$found/absent"
while read -r path; do kept "$path" || find "$path" -xdev -mindepth 1 -delete 2>/dev/null || true; done <"$found/empty"
# One by one: copying the folder would hand its own mode to /.
find "$found/files" ! -type d -printf '%P\n' | while read -r path; do
  mkdir -p "$(dirname "/$path")"
  cp -a -T -- "$found/files/$path" "/$path"
done

went=
while read -r package; do
  case $package in -*) if ! installed "${package#-}"; then went="$went ${package#-}"; fi ;; esac
done <"$found/packages"
if [ -n "$came$went" ]; then
  apt-get update -q || echo 'the lists of packages could not be renewed' >&2
fi
# shellcheck disable=SC2086
[ -z "$went" ] || apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 $went

if ours docker.io; then
  ! getent group docker >/dev/null || groupdel docker
  if [ "$(cat /proc/sys/net/ipv4/ip_forward)" != "$(cat "$found/ip_forward")" ]; then
    cat "$found/ip_forward" >/proc/sys/net/ipv4/ip_forward
  fi
fi
systemctl daemon-reload
systemctl restart systemd-journald.service
rm -rf -- "$(dirname "$found")"
