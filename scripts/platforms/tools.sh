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
  local system32=$WINEPREFIX/drive_c/windows/system32
  [[ -e $cache/wine-is-ready ]] && return
  # Neither .NET nor a browser: wine would ask for them in a window.
  WINEDLLOVERRIDES="mscoree=;mshtml=" /usr/lib/wine/wine64 wineboot -i </dev/null >/dev/null 2>&1
  /usr/lib/wine/wine64 winecfg -v win10 </dev/null >/dev/null 2>&1
  # wine 8 lacks the DLL from which Rust's standard library takes its random numbers; later ones have it.
  if [[ -e $system32/bcryptprimitives.dll ]]; then
    touch "$cache/wine-is-ready"
    return
  fi
  cat >"$cache/bcryptprimitives.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T len) { return SystemFunction036(bytes, (ULONG)len); }
C
  x86_64-w64-mingw32-gcc -shared -o "$system32/bcryptprimitives.dll" "$cache/bcryptprimitives.c" -ladvapi32
  touch "$cache/wine-is-ready"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || "$@"
