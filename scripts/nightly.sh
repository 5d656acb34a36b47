#!/usr/bin/env bash
# The long forms of the tests, one after the other: about a night. Each stops at its first failure and prints what repeats
# it (the seed of a random program, the round of a kill); the exit code says how many failed.
#
#   scripts/nightly.sh                 all of them
#   scripts/nightly.sh campaign kills  those
#
# PSTREAM_MODEL_STATES (10,000,000), PSTREAM_MODEL_FROM (the time, so that no night repeats another) and
# PSTREAM_KILL_ROUNDS (5,000) set other counts.
set -uo pipefail
cd "$(dirname "$0")/.."

export PSTREAM_MODEL_STATES="${PSTREAM_MODEL_STATES:-10000000}"
export PSTREAM_MODEL_FROM="${PSTREAM_MODEL_FROM:-$(date +%s)000}"
export PSTREAM_KILL_ROUNDS="${PSTREAM_KILL_ROUNDS:-5000}"

# A job is a function, and its name in the list.
jobs=(campaign kills soak fuzz mutants rules)

campaign() {
  echo "seeds from $PSTREAM_MODEL_FROM on"
  CARGO_PROFILE_TEST_OPT_LEVEL=3 cargo test -p pstream-core --test stream model -- --nocapture
}
kills() { npm run build && npx vitest run stream-crash --testNamePattern killed; }
soak() { npm run soak -- --minutes 60; }
# An hour in all, of five targets.
fuzz() { scripts/fuzz.sh 720; }
mutants() { env -u PSTREAM_MODEL_STATES -u PSTREAM_MODEL_FROM node scripts/mutants.mjs; }
rules() { env -u PSTREAM_MODEL_STATES -u PSTREAM_MODEL_FROM node scripts/mutants.mjs --campaign; }

if [ "$#" -gt 0 ]; then jobs=("$@"); fi
failed=0
for job in "${jobs[@]}"; do
  printf '\n== %s, %s\n' "$job" "$(date -u +%FT%TZ)"
  if ! "$job"; then
    printf '== %s FAILED\n' "$job"
    failed=$((failed + 1))
  fi
done
printf '\n%s of %s jobs failed\n' "$failed" "${#jobs[@]}"
exit "$failed"
