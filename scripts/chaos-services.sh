#!/usr/bin/env bash
# Real agents and services under a nemesis for MINUTES (3 without it), while clients change the
# services all the time. More arguments go to chaos_services.py (see its --help); recipes:
# docs/testing.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh build test
swift build -c release --product keelson
exec python3 tools/chaos-datacenter/chaos_services.py --seconds "$((${MINUTES:-3} * 60))" "$@"
