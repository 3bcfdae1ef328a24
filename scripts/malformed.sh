#!/usr/bin/env bash
# A million malformed requests against a live server. More arguments go to scripts/malformed.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh build test
scripts/venv.sh
swift build -c release --product keelson
exec .build/venv/bin/python scripts/malformed.py --server .build/release/keelson \
  --requests 1000000 "$@"
