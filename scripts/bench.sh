#!/usr/bin/env bash
# Measures Keelson on this machine, most of it beside etcd:
# scripts/bench.sh full|quick|expiry|large|tasks [ARGUMENT...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:-full}
shift || true
scripts/setup.sh build test
scripts/venv.sh
swift build -c release --product keelson
mkdir -p .build/bench
python=.build/venv/bin/python
if [[ $mode == expiry ]]; then exec "$python" scripts/expiry.py "$@"; fi
if [[ $mode == tasks ]]; then
  exec "$python" scripts/tasks.py --agents "${AGENTS:-1000}" --tasks "${TASKS:-20}" \
    --report .build/bench/tasks.json "$@"
fi
if [[ $mode == large ]]; then
  exec "$python" scripts/large.py --keys 1000000 --report .build/bench/large.json "$@"
fi
"$python" scripts/peers.py --mode "$mode" --report ".build/bench/$mode.json" "$@"
if [[ $mode == full ]]; then
  echo "--- how long nobody can write when the leader goes (32 clients)"
  swift build -c release --product keelson-survive
  .build/release/keelson-survive --server .build/release/keelson --name bench-failover \
    --kills 11 --graceful-stops 11 --total-stops 1 --report .build/bench/failover.json
fi
