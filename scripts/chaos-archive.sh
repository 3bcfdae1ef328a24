#!/usr/bin/env bash
# A cluster of three under load and kills is archived for MINUTES (10 without it), destroyed, and
# restored to five moments; with KEYS keys (200,000 without it). Lag and speed are printed beside
# those of etcdutl. `make test` does the same for a minute.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh build test
scripts/venv.sh
swift build -c release --build-tests
export KEELSON_BIN=${KEELSON_BIN:-$PWD/.build/release/keelson}
export KEELSON_ARCHIVE_SECONDS=$((${MINUTES:-10} * 60))
export KEELSON_ARCHIVE_KEYS=${KEYS:-200000}
exec swift test -c release --skip-build --disable-xctest --no-parallel --filter ArchiveChaosTests
