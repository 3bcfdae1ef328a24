#!/usr/bin/env bash
# Unpacks Debian's Prometheus below .build, for the tests in which it discovers what runs: installed
# as a package it would run by itself. Does nothing when it is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=.build/prometheus
if [[ -x $folder/usr/bin/prometheus ]]; then exit 0; fi
echo "setup: Debian's prometheus in $folder"
rm -rf "$folder"
mkdir -p "$folder/download"
fetch() { (cd "$folder/download" && apt-get -q download prometheus); }
if ! fetch; then
  # A fresh machine has no list of packages yet.
  as_root=()
  if [[ $(id -u) -ne 0 ]]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -q
  fetch
fi
dpkg -x "$folder"/download/prometheus_*.deb "$folder"
rm -rf "$folder/download"
"$folder/usr/bin/prometheus" --version 2>&1 | head -n 1
