#!/usr/bin/env bash
# Every test, against the release build: what `make test` and CI run.
#
# Suites that are pure computation run in parallel; suites that start real servers run alone after
# them, one at a time, so that no test disturbs the timing of another.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A crashing test ends at once instead of spending minutes on a backtrace.
export SWIFT_BACKTRACE=enable=no
flags=(-c release)
export KEELSON_BIN=${KEELSON_BIN:-$PWD/.build/release/keelson}
export KEELSON_SURVIVE_BIN=${KEELSON_SURVIVE_BIN:-$PWD/.build/release/keelson-survive}
export KEELSON_CHAOS_BIN=${KEELSON_CHAOS_BIN:-$PWD/.build/release/keelson-chaos}
# Suites that start real servers.
real='^(EtcdTests|TLSTests|DatacenterTests|AgentTests|ChaosTests)\.'
# Suites that talk over loopback sockets with deadlines: they must not share the processors with
# simulations that keep all of them busy.
sockets='^(RPCTests|KeelsonClientTests|ControlPlaneTests)\.'
logs=.build/test-logs
mkdir -p "$logs"

# step NAME SECONDS COMMAND...: runs one step within its time and keeps what it printed.
step() {
  local name=$1 seconds=$2 status=0 started=$SECONDS
  shift 2
  echo "==> $name (at most $seconds s)"
  timeout --kill-after=20 "$seconds" "$@" 2>&1 | tee "$logs/$name.log" || status=$?
  if [[ $status -eq 124 || $status -eq 137 ]]; then
    echo "error: step '$name' took more than $seconds s and was stopped" >&2
  elif [[ $status -ne 0 ]]; then
    echo "error: step '$name' failed with exit status $status" >&2
  fi
  [[ $status -eq 0 ]] || exit "$status"
  echo "==> $name done in $((SECONDS - started)) s"
}

# closing NAME: the runner's own closing line of that step; fails if it ran no test.
closing() {
  local line
  line=$(grep -aE 'Test run with [0-9]+ tests?' "$logs/$1.log" | tail -n 1 || true)
  if [[ -z $line || $line == *"with 0 tests"* ]]; then
    echo "error: step '$1' ran no test" >&2
    exit 1
  fi
  echo "$line"
}

step setup 900 scripts/setup.sh build test
step venv 600 scripts/venv.sh
step prometheus 300 scripts/prometheus.sh
step verify 600 scripts/verify.sh
# Planted bugs first, in the same build folder: what is built behind them is what ships, and only
# our own rooms are built twice.
step mutants-build 2400 env KEELSON_MUTANTS=1 swift build "${flags[@]}" --product keelson
step mutants 300 python3 scripts/mutants.py --build .build --smoke --seeds 60
step build 2400 swift build "${flags[@]}" --build-tests
step commands 60 python3 scripts/commands.py --check
step unit 900 swift test "${flags[@]}" --skip-build --disable-xctest --parallel \
  --skip "$real" --skip "$sockets"
step sockets 600 swift test "${flags[@]}" --skip-build --disable-xctest --parallel \
  --filter "$sockets"
step real 2100 swift test "${flags[@]}" --skip-build --disable-xctest --no-parallel \
  --filter "$real"

step runbooks 600 .build/venv/bin/python scripts/runbooks.py

# Seeds that nobody has run before, drawn from what is tested, so that the same tree has the same
# ones: what they find, `keelson simulate --seed N` shows again.
first_seed=$(git rev-parse 'HEAD^{tree}' 2>/dev/null | cut -c 1-8 || true)
step seeds 600 "$KEELSON_BIN" simulate --minutes "${KEELSON_SEED_MINUTES:-3}" \
  --from "$((16#${first_seed:-1}))"

tail -n 1 "$logs/runbooks.log"
tail -n 1 "$logs/seeds.log"
tail -n 1 "$logs/mutants.log"
closing unit
closing sockets
closing real
