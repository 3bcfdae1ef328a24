#!/usr/bin/env bash
# How many instructions one piece of the hot path runs an operation, and in which functions, counted
# with callgrind: the same on every machine with the same code.
#
# usage: scripts/micro.sh NAME [OPERATIONS]      .build/release/keelson-micro --list has the names
#
# The piece runs twice, with a tenth of the operations and with all of them: the difference is what
# the operations cost, without getting ready. Where so few are no whole batch, with none instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ $# -lt 1 || $# -gt 2 || $1 == -* ]]; then
  sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 64
fi
name=$1
more=${2:-10000}
if ! [[ $more =~ ^[1-9][0-9]*$ ]]; then
  echo "error: OPERATIONS must be a positive number, not '$more'" >&2
  exit 64
fi
scripts/setup.sh build profile
swift build -c release --product keelson-micro
folder=.build/callgrind
mkdir -p "$folder"
# Symbols are all that is needed; valgrind gives up on debug information that is newer than itself.
tool=$folder/keelson-micro
objcopy --strip-debug .build/release/keelson-micro "$tool"

# Wrong names and numbers are refused here, in seconds.
"$tool" "$name" --operations "$more" --data-dir "$folder/data" >/dev/null
fewer=$((more / 10))
if ! "$tool" "$name" --operations "$fewer" --data-dir "$folder/data" >/dev/null 2>&1; then
  fewer=0
fi

# Tables in the same order in both runs.
export SWIFT_DETERMINISTIC_HASHING=1
for operations in "$fewer" "$more"; do
  log=$folder/$name-$operations.log
  rm -f "$folder/$name-$operations.out"
  if ! valgrind --tool=callgrind --callgrind-out-file="$folder/$name-$operations.out" \
    "$tool" "$name" --operations "$operations" --data-dir "$folder/data" >"$log" 2>&1; then
    cat "$log" >&2
    echo "error: callgrind failed; what it said is in $log" >&2
    exit 1
  fi
done
python3 scripts/callgrind_difference.py "$folder/$name-$fewer.out" "$folder/$name-$more.out" \
  --operations $((more - fewer))
echo "all of it: callgrind_annotate $folder/$name-$more.out | swift demangle | less"
