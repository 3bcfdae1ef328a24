#!/usr/bin/env bash
# Real servers under a nemesis for MINUTES (3 without it), and what their clients saw held against
# every promise. More arguments go to keelson-chaos (see its --help); recipes: docs/testing.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh build test
swift build -c release --product keelson
swift build -c release --product keelson-chaos
swift build -c release --product WallClock
mkdir -p .build/chaos
exec .build/release/keelson-chaos --server .build/release/keelson \
  --seconds "$((${MINUTES:-3} * 60))" --history .build/chaos --report .build/chaos/report.json "$@"
