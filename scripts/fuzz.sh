#!/usr/bin/env bash
# libFuzzer on every target, or on those named, for MINUTES (10) in all. KEEP=1 renews the corpus.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=.build/fuzz
if [[ -z ${KEELSON_FUZZER:-} ]]; then
  scripts/setup.sh build test
  KEELSON_FUZZ=1 swift build --scratch-path "$build" -c release --product keelson-fuzz
fi
fuzzer=${KEELSON_FUZZER:-$build/release/keelson-fuzz}
# A trap is the finding; a backtrace takes minutes. Swift's runtime keeps what it has once made.
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0
targets=("$@")
[[ $# -gt 0 ]] || mapfile -t targets < <("$fuzzer")
seconds=$((${MINUTES:-10} * 60 / ${#targets[@]}))
((seconds > 0)) || seconds=1
mkdir -p "$build/logs"

status=0
for target in "${targets[@]}"; do
  export KEELSON_FUZZ_TARGET=$target
  kept=Tests/FuzzTests/Corpus/$target work=$build/corpus/$target
  found=$build/findings/$target log=$build/logs/$target.log
  mkdir -p "$kept" "$work" "$found"
  KEELSON_FUZZ_SEEDS=$work "$fuzzer"
  limits=(-max_len=4096 -timeout=10 -rss_limit_mb=2048 "-artifact_prefix=$found/")
  result=passed
  "$fuzzer" "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 "$work" "$kept" \
    >"$log" 2>&1 || result="FOUND something (exit status $?): $found, $log"
  [[ $result == passed ]] || status=1
  runs=$(awk '/stat::number_of_executed_units/ { n = $2 } END { print n + 0 }' "$log")
  echo "$target: $runs executions, $(find "$work" -type f | wc -l) inputs, $result"
  if [[ -n ${KEEP:-} && $result == passed ]]; then
    fresh=$build/fresh/$target
    rm -rf "$fresh"
    mkdir -p "$fresh"
    "$fuzzer" "${limits[@]}" -merge=1 "$fresh" "$kept" "$work" >>"$log" 2>&1
    # Findings that were mended stay whatever covers them; of the rest the hundred smallest do.
    find "$kept" -type f ! -name 'found-*' -delete
    find "$fresh" -type f -printf '%s %p\n' | sort -n | awk 'NR <= 100 { print $2 }' \
      | xargs -r cp -t "$kept"
  fi
done
exit "$status"
