#!/usr/bin/env bash
# Formats every Swift file in place and wraps long comments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift format --in-place --parallel --configuration .swift-format --recursive \
  Package.swift Sources Tests tools
python3 scripts/wrap_comments.py Sources Tests tools
