#!/usr/bin/env bash
# newer_pythons.sh ROOT [COMMAND]: runs a shell command beside CPython 3.14 and 3.15 of Debian's testing suite.
#
# The packages are unpacked into the folder ROOT, once. Nothing is installed on the machine. ROOT is the command's root
# folder, the current one its working directory, /mnt; what is mounted there vanishes with the command. Without a command
# the packages are unpacked, no more. Ends with status 75 where the packages or a root folder of one's own cannot be had.
set -euo pipefail
root=$(realpath -m "$1")
shift
packages=(python3.14-venv python3.14-dev python3.15-venv python3.15-dev bash coreutils grep sed procps ca-certificates gcc libc6-dev)
suite=${DEBIAN_SUITE:-forky}

skip() {
  printf '!!! SKIPPED: no CPython 3.14 and 3.15 from Debian: %s\n' "$1" >&2
  exit 75
}

# Mounts of its own, and its own root folder, are for root; who is not becomes it in a namespace of users.
unshare=(unshare --mount --propagation private)
[ "$(id -u)" -eq 0 ] || unshare+=(--map-root-user)

# The mirror that apt uses on this machine, read from either form of its lists.
mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +(http[^ ]*\/debian)\/?( .*)?$/\3/p' | sed -n 1p
}

unpack() {
  local mirror state=$root.apt keys=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=${DEBIAN_MIRROR:-$(mirror || true)}
  [ -n "$mirror" ] || skip "apt knows no mirror of Debian here; DEBIAN_MIRROR can name one"
  [ -e "$keys" ] || skip "$keys is missing"
  rm -rf "$root" "$state"
  mkdir -p "$root" "$state"/{lists,archives}/partial
  : >"$state/status"
  printf 'deb [signed-by=%s] %s %s main\n' "$keys" "$mirror" "$suite" >"$state/sources.list"
  apt() {
    # No dpkg database of this machine: every package counts as missing and is downloaded, down to the C library.
    timeout 600 apt-get -qq \
      -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=- \
      -o Dir::State::Lists="$state/lists" -o Dir::State::status="$state/status" \
      -o Dir::Cache::archives="$state/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
      -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o Acquire::http::Timeout=30 -o Acquire::Retries=2 \
      -o APT::Install-Recommends=false -o APT::Sandbox::User=root "$@" >&2
  }
  apt -o APT::Update::Error-Mode=any update || skip "$mirror $suite cannot be read"
  apt install -y --download-only "${packages[@]}" || skip "$mirror $suite does not give the packages"
  for package in "$state"/archives/*.deb; do dpkg-deb --extract "$package" "$root"; done
  mkdir -p "$root/mnt" "$root/etc/ssl/certs"
  printf 'root:x:0:0:root:/var/tmp:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
  rm -rf "$state"
  touch "$root/.complete"
}

for tool in apt-get dpkg-deb unshare chroot; do
  command -v "$tool" >/dev/null || skip "there is no $tool"
done
"${unshare[@]}" true || skip "mounts of one's own are not allowed"
[ -e "$root/.complete" ] || unpack
[ "$#" -gt 0 ] || exit 0

# The network as this machine has it, pip's settings included.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
if [ -e /etc/pip.conf ]; then cp -L /etc/pip.conf "$root/etc/"; fi
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
# shellcheck disable=SC2016
exec "${unshare[@]}" bash -euo pipefail -c '
  root=$1
  mount --rbind /proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --bind "$PWD" "$root/mnt"
  exec env --unset=PIP_FIND_LINKS HOME=/var/tmp TMPDIR=/tmp LANG=C.UTF-8 PATH=/usr/bin:/usr/sbin \
    chroot "$root" bash -euo pipefail -c "cd /mnt && $2"' - "$root" "$*"
