#!/usr/bin/env bash
# What it takes to build and test for other platforms on a Debian or Ubuntu machine (x64): each function fetches what is
# not there yet, into target/platforms where it can. To be sourced from the root of the repository, or run with one of
# the functions: scripts/platforms/tools.sh need_targets x86_64-apple-darwin
set -euo pipefail

cache=$PWD/target/platforms
mkdir -p "$cache"

need_targets() {
  local installed target
  installed=$(rustup target list --installed)
  for target in "$@"; do
    grep -qx "$target" <<<"$installed" || rustup target add "$target"
  done
}

# need_packages PROBE=PACKAGE...: installs the packages whose probe, a file, is not there.
need_packages() {
  local pair missing=() sudo=()
  for pair in "$@"; do
    [[ -e ${pair%%=*} ]] || missing+=("${pair#*=}")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  [[ $(id -u) == 0 ]] || sudo=(sudo)
  "${sudo[@]}" apt-get update
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# zig is a linker and a C library for every target, in one Python package.
need_zig() {
  [[ -x $cache/venv/bin/cargo-zigbuild && -x $cache/venv/bin/python-zig ]] && return
  python3 -c 'import ensurepip' 2>/dev/null || need_packages /nowhere=python3-venv
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install --quiet --disable-pip-version-check cargo-zigbuild==0.24.0 ziglang==0.17.1
}

need_wine() {
  need_packages /usr/lib/wine/wine64=wine64 /usr/bin/x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64-win32
  export WINEPREFIX=$cache/wineprefix WINEDEBUG=-all
  if [[ ! -e $WINEPREFIX/system.reg ]]; then
    # Neither .NET nor a browser: wine would ask for them in a window.
    WINEDLLOVERRIDES="mscoree=;mshtml=" /usr/lib/wine/wine64 wineboot -i </dev/null >/dev/null 2>&1
    /usr/lib/wine/wine64 winecfg -v win10 </dev/null >/dev/null 2>&1
  fi
  # What wine lacks; in the place of its own, where it has one.
  export WINEDLLOVERRIDES="bcryptprimitives=n"
  local library=$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll source=scripts/platforms/wine.c
  [[ $cache/wine-is-ready -nt $source && -e $library ]] && return
  x86_64-w64-mingw32-gcc -O -Wall -Wextra -shared -o "$library" "$source" -ladvapi32 -lpsapi
  touch "$cache/wine-is-ready"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || "$@"
