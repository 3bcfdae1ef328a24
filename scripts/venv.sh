#!/usr/bin/env bash
# Makes the Python environment of the tests under .build/venv: the etcd client library that they
# drive Keelson with, and the etcd binary that they compare it to. Does nothing when it is current.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.build/venv
stamp=$venv/requirements.txt
if [[ -x $venv/bin/python ]] && cmp -s scripts/requirements.txt "$stamp"; then exit 0; fi
echo "setup: Python environment in $venv"
rm -rf "$venv"
mkdir -p .build
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/requirements.txt
cp scripts/requirements.txt "$stamp"
