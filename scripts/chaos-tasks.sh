#!/usr/bin/env bash
# Real agents and frameworks under a nemesis for MINUTES (3 without it), and every task accounted
# for. More arguments go to chaos_tasks.py (see its --help); recipes: docs/testing.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh build test
swift build -c release --product keelson
exec python3 tools/chaos-tasks/chaos_tasks.py --seconds "$((${MINUTES:-3} * 60))" "$@"
