#!/usr/bin/env bash
# The documentation of KeelsonClient, as a folder for any web server: .build/docs/KeelsonClient.
# A warning is an error: links lead somewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

docc=$(command -v docc || echo "$(dirname "$(readlink -f "$(command -v swift)")")/docc")
out=.build/docs/KeelsonClient
graphs=.build/docs/graphs
swift build -c release --target KeelsonClient
rm -rf "$out" "$graphs"
mkdir -p "$graphs"
# The modules of C that the library's dependencies are made with.
maps=()
while read -r map; do maps+=(-Xcc "-fmodule-map-file=$map"); done < <(
  find .build/checkouts/*/Sources Sources -maxdepth 4 -name module.modulemap
  find .build/release/ -maxdepth 2 -path '*/C*.build/module.modulemap'
)
swift symbolgraph-extract -module-name KeelsonClient -minimum-access-level public \
  -target "$(uname -m)-unknown-linux-gnu" -I .build/release/Modules "${maps[@]}" \
  -output-dir "$graphs"
"$docc" convert Sources/KeelsonClient/KeelsonClient.docc --additional-symbol-graph-dir "$graphs" \
  --fallback-display-name KeelsonClient --fallback-bundle-identifier keelson.KeelsonClient \
  --warnings-as-errors --output-path "$out"
echo "docs: $out"
