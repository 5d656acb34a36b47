#!/usr/bin/env bash
# Runs the fuzz targets, each for so many seconds: scripts/fuzz.sh [seconds] [target...]. Needs a nightly toolchain and
# cargo-fuzz (`cargo install cargo-fuzz`). What it finds goes to fuzz/artifacts/; inputs that reach something new are
# merged into fuzz/corpus/ if none was found. Without a sanitizer: the targets have no unsafe code but the system's.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds="${1:-60}"
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then targets=(headers records names files mutations); fi
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
  echo 'a nightly toolchain and cargo-fuzz are needed: rustup toolchain install nightly, cargo install cargo-fuzz' >&2
  exit 1
fi
cargo +nightly fuzz build -s none
found="$(mktemp -d)"
trap 'rm -rf "$found"' EXIT
for target in "${targets[@]}"; do
  case "$target" in
    files) longest=49152 ;;
    mutations | headers) longest=256 ;;
    *) longest=512 ;;
  esac
  mkdir -p "$found/$target" "corpus/$target"
  limits=(-timeout=20 -rss_limit_mb=1024 "-max_len=$longest")
  cargo +nightly fuzz run -s none "$target" "$found/$target" "corpus/$target" -- \
    "-max_total_time=$seconds" "${limits[@]}" -print_final_stats=1
  # The smallest inputs that reach all that was reached, a few of them: what is committed must stay small.
  mkdir -p "$found/$target.least"
  cargo +nightly fuzz run -s none "$target" "$found/$target.least" "$found/$target" "corpus/$target" -- \
    -merge=1 "${limits[@]}" 2>/dev/null
  echo "$target: $(find "$found/$target" -type f | wc -l) new inputs, of all $(find "$found/$target.least" -type f | wc -l) are needed"
done
