#!/usr/bin/env bash
# Formatting and house rules. Writes nothing outside .build, where the tidy tests are built on
# their own, so that this takes seconds on a clean tree.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

status=0
swift format lint --strict --parallel --configuration .swift-format --recursive \
  Package.swift Sources Tests tools || status=$?

package=.build/tidy
mkdir -p "$package/Tests"
ln -sfn ../../../Tests/TidyTests "$package/Tests/TidyTests"
cat >"$package/Package.swift" <<'MANIFEST'
// swift-tools-version: 6.1
import PackageDescription

let package = Package(name: "tidy", targets: [.testTarget(name: "TidyTests")])
MANIFEST
swift test -c release --package-path "$package" --disable-xctest --quiet || status=$?
if [[ $status -ne 0 ]]; then
  echo "verify: failed; 'make fix' repairs what is only formatting" >&2
fi
exit "$status"
