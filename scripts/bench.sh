#!/usr/bin/env bash
# Measures Keelson on this machine, most of it beside etcd:
# scripts/bench.sh table|quick|growth|expiry|large|tasks|services [ARGUMENT...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:-table}
shift || true
scripts/setup.sh build test
scripts/venv.sh
swift build -c release --product keelson
mkdir -p .build/bench
python=.build/venv/bin/python
case $mode in
  table | quick)
    swift build -c release --product keelson-survive
    swift build -c release --product keelson-floor
    if [[ $mode == quick ]]; then set -- --quick "$@"; fi
    PYTHONPATH=scripts exec "$python" -m benchmarks table "$@"
    ;;
  growth) PYTHONPATH=scripts exec "$python" -m benchmarks growth "$@" ;;
  expiry) exec "$python" scripts/expiry.py "$@" ;;
  tasks)
    exec "$python" scripts/tasks.py --agents "${AGENTS:-1000}" --tasks "${TASKS:-20}" \
      --report .build/bench/tasks.json "$@"
    ;;
  services)
    exec "$python" scripts/services.py --agents "${AGENTS:-100}" \
      --instances "${INSTANCES:-1000}" --report .build/bench/services.json "$@"
    ;;
  large)
    exec "$python" scripts/large.py --keys 1000000 --report .build/bench/large.json "$@"
    ;;
  *)
    echo "error: there is no job '$mode'" >&2
    exit 64
    ;;
esac
