#!/usr/bin/env bash
# Ten thousand watchers under kills for SECONDS (300), on Keelson and then on etcd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${SECONDS_EACH:-300}
scripts/setup.sh build test
scripts/venv.sh
swift build -c release --product keelson
swift build -c release --product keelson-survive
tool=.build/release/keelson-survive
echo "==> keelson"
"$tool" --soak "$seconds" --name soak
echo "==> etcd"
"$tool" --soak "$seconds" --name soak-etcd --kind etcd \
  --server "$(.build/venv/bin/python scripts/etcd_binary.py)"
