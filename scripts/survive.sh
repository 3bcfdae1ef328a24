#!/usr/bin/env bash
# The whole chaos run with real processes. More arguments go to keelson-survive (see its --help).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh build
swift build -c release --product keelson
swift build -c release --product keelson-survive
mkdir -p .build/survive
exec .build/release/keelson-survive --server .build/release/keelson \
  --kills 30 --graceful-stops 10 --total-stops 10 --report .build/survive/report.json "$@"
