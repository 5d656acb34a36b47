#!/usr/bin/env bash
# Runs the fuzz targets, each for so many seconds: scripts/fuzz.sh [seconds] [target...]. Needs a nightly toolchain and
# cargo-fuzz (`cargo install cargo-fuzz`). Ends at the first input that fails, which is in fuzz/artifacts/ then. Inputs
# that reach code which the corpus does not are added to fuzz/corpus/. Without a sanitizer: of what runs only
# the crate of the checksum has unsafe code.
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
  # What reaches code that the corpus does not is kept; how often it is reached does not count, so that what is committed
  # stays small.
  before="$(find "corpus/$target" -type f | wc -l)"
  cargo +nightly fuzz run -s none "$target" "corpus/$target" "$found/$target" -- \
    -merge=1 -use_counters=0 "${limits[@]}" 2>/dev/null
  echo "$target: $(($(find "corpus/$target" -type f | wc -l) - before)) new inputs in the corpus"
done
