#!/usr/bin/env bash
# N blocks (10,000 without it) are damaged over every kind of file. More arguments go to
# scripts/corruptions.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ -z ${KEELSON_BIN:-} ]]; then
  scripts/setup.sh build
  swift build -c release --product keelson
fi
exec python3 scripts/corruptions.py --count "${N:-10000}" --report .build/corruptions.json "$@"
