#!/bin/sh
# Rebuilds Sources/API/Generated from the .proto files beside this script.
#
#   Proto/generate.sh [path of protoc-gen-swift]
#
# It needs `protoc` (Debian: protobuf-compiler, 3.21 or later) and `protoc-gen-swift`, which comes
# with swift-protobuf at the version that Package.swift names:
#
#   swift build -c release --product protoc-gen-swift
#
# run in the root of this package builds it as .build/release/protoc-gen-swift, where this script
# looks first, then in PATH. It downloads nothing. The output is committed: building Keelson needs
# neither tool.
set -eu

proto=$(cd "$(dirname "$0")" && pwd)
output=$proto/../Sources/API/Generated

plugin=${1:-$proto/../.build/release/protoc-gen-swift}
if [ ! -x "$plugin" ]; then
    plugin=$(command -v protoc-gen-swift) || {
        echo "generate.sh: no protoc-gen-swift; build it with:" >&2
        echo "    swift build -c release --product protoc-gen-swift" >&2
        exit 1
    }
fi
command -v protoc >/dev/null || {
    echo "generate.sh: no protoc; install it with: apt-get install protobuf-compiler" >&2
    exit 1
}

mkdir -p "$output"
rm -f "$output"/*.pb.swift
protoc \
    --plugin=protoc-gen-swift="$plugin" \
    --proto_path="$proto" \
    --swift_out="$output" \
    --swift_opt=Visibility=Package \
    --swift_opt=UseAccessLevelOnImports=true \
    --swift_opt=FileNaming=PathToUnderscores \
    $(cd "$proto" && find . -name '*.proto' | sed 's|^\./||' | sort)
echo "generated $(ls "$output" | wc -l) files in Sources/API/Generated"
