#!/usr/bin/env bash
# Plants every bug of Sources/Primitives/Mutant.swift in turn and sees it found. Arguments go to
# scripts/mutants.py (see its first lines).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh build
# A build of its own: what is built elsewhere holds none of the bugs.
KEELSON_MUTANTS=1 swift build -c release --scratch-path .build/mutants --build-tests
exec python3 scripts/mutants.py --build .build/mutants \
  --report .build/mutants/report.json --table .build/mutants/table.md "$@"
