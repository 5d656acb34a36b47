#!/usr/bin/env bash
# Lints the engine for every platform, and runs its own tests on those that a Debian or Ubuntu machine (x64) can run:
#
#   npm run test:platforms -- core [clippy] [musl] [arm64] [windows]      default: all four
#
# What it needs, it fetches (tools.sh). One line per platform at the end; the logs are in target/platforms. Ends with 1
# if anything failed.
#
#   CLIPPY_ARGS   more arguments for clippy, such as "-A dead_code" while a part is being written
#   TEST_ARGS     more arguments for the test programs, such as a filter
#   TEST_TIMEOUT  seconds for one platform, build included; default 3600
#   CORE_RESULTS  a file that gets the lines of the end, too, with tabs between name, result and text
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck source=scripts/platforms/tools.sh
source scripts/platforms/tools.sh
clippy_targets=(
  x86_64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-gnu aarch64-unknown-linux-musl
  x86_64-apple-darwin aarch64-apple-darwin
  x86_64-pc-windows-msvc x86_64-pc-windows-gnu aarch64-pc-windows-msvc
  x86_64-unknown-freebsd
)
summary=()
failed=0

# --- what it does ----------------------------------------------------------------------------------------------------

report() { # NAME RESULT TEXT
  summary+=("$(printf '%-26s %-5s %s' "$1" "$2" "$3")")
  [[ -z ${CORE_RESULTS:-} ]] || printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$CORE_RESULTS"
  [[ $2 == ok ]] || failed=1
}

lint() {
  local target log messages
  need_targets "${clippy_targets[@]}"
  for target in "${clippy_targets[@]}"; do
    log=$cache/clippy-$target.log
    # shellcheck disable=SC2086  # CLIPPY_ARGS are words
    if cargo clippy -p pstream-core --all-targets --target "$target" -- -D warnings ${CLIPPY_ARGS:-} >"$log" 2>&1; then
      report "clippy $target" ok ""
    else
      messages=$(grep -cE '^(error|warning)(\[|:)' "$log" || true)
      report "clippy $target" FAIL "$messages messages, see ${log#"$PWD"/}"
    fi
  done
}

# run_tests NAME KNOWN COMMAND...: runs the tests and adds up what the test programs say. KNOWN is what does not work on
# this platform, and why.
run_tests() {
  local name=$1 known=$2 log=$cache/test-$1.log status=0 passed bad ignored programs
  shift 2
  # Input from nowhere and output to a file: wine shows nothing on a pipe.
  # shellcheck disable=SC2086  # TEST_ARGS are words
  timeout --kill-after=10 "${TEST_TIMEOUT:-3600}" "$@" --no-fail-fast -- --show-output ${TEST_ARGS:-} \
    </dev/null >"$log" 2>&1 || status=$?
  # Some tests run their own program again for a single one of its tests: what that says is theirs to judge, not ours.
  results() { tr -d '\r' <"$log" | grep -a '^test result:' | if [[ -n ${TEST_ARGS:-} ]]; then cat; else grep ' 0 filtered out'; fi; }
  sum() { results | sed -nE "s/.* ([0-9]+) $1.*/\1/p" | awk '{ n += $1 } END { print n + 0 }'; }
  passed=$(sum passed) bad=$(sum failed) ignored=$(sum ignored)
  programs=$(results | wc -l)
  echo "== $name"
  tr -d '\r' <"$log" | grep -aE '^(skipped: |SKIPPED: |error(\[|:)|test .* FAILED$)' | grep -v '^test helper ' | sort | uniq -c || true
  local text="$passed passed, $bad failed, $ignored ignored in $programs programs; $known"
  if [[ $status == 0 && $bad == 0 && $passed -gt 0 ]]; then
    report "$name" ok "$text"
  else
    report "$name" FAIL "$text (exit $status, see ${log#"$PWD"/})"
  fi
}

# The tests that touch the system. Those on the simulated disk are the same everywhere, and take an emulator for ever.
system_tests() {
  local path name
  for path in crates/core/tests/*.rs crates/core/tests/*/main.rs; do
    name=${path#crates/core/tests/} name=${name%/main.rs} name=${name%.rs}
    case $name in crash | reader | stream) ;; *) printf -- '--test %s ' "$name" ;; esac
  done
}

test_musl() {
  need_targets x86_64-unknown-linux-musl
  run_tests musl "static, on this kernel: nothing is left out" \
    cargo test -p pstream-core --target x86_64-unknown-linux-musl
}

test_arm64() {
  need_targets aarch64-unknown-linux-gnu
  need_packages /usr/bin/qemu-aarch64=qemu-user /usr/aarch64-linux-gnu/lib/libc.so.6=libc6-arm64-cross \
    /usr/aarch64-linux-gnu/lib/libgcc_s.so.1=libgcc-s1-arm64-cross
  need_zig
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
  # shellcheck disable=SC2046  # the options are words
  PATH=$cache/venv/bin:$PATH run_tests arm64 "qemu-user 7.2 has no pwritev2, so synced writes take the fallback; what strace is to see is skipped" \
    cargo-zigbuild test -p pstream-core --lib $(system_tests) --target aarch64-unknown-linux-gnu
}

test_windows() {
  need_targets x86_64-pc-windows-gnu
  need_wine
  export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=/usr/lib/wine/wine64
  # shellcheck disable=SC2046  # the options are words
  run_tests windows "wine 8 has no NtFlushBuffersFileEx, symbolic links, POSIX removal or long final paths; wine.c reserves for it" \
    cargo test -p pstream-core --lib $(system_tests) --target x86_64-pc-windows-gnu
}

[[ $# -gt 0 ]] || set -- clippy musl arm64 windows
for part in "$@"; do
  case $part in
    clippy) lint ;;
    musl | arm64 | windows) "test_$part" ;;
    *) echo "unknown: $part (clippy, musl, arm64, windows)" >&2; exit 2 ;;
  esac
done
printf '%s\n' "${summary[@]}"
exit "$failed"
