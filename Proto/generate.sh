#!/bin/sh
# Rebuilds Sources/API/Generated (etcd, gRPC) and Sources/API/Mesos/Generated from the .proto files
# beside this script.
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
#
# One file more has the descriptors of all files but Mesos', for gRPC's server reflection. Another
# has the names of all required fields of Mesos' messages, for answers that say what is missing.
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

# generate FOLDER FILE...
generate() {
    folder=$1
    shift
    mkdir -p "$folder"
    rm -f "$folder"/*.swift
    protoc \
        --plugin=protoc-gen-swift="$plugin" \
        --proto_path="$proto" \
        --swift_out="$folder" \
        --swift_opt=Visibility=Package \
        --swift_opt=UseAccessLevelOnImports=true \
        --swift_opt=FileNaming=PathToUnderscores \
        "$@"
}

all=$(cd "$proto" && find . -name '*.proto' | sed 's|^\./||' | sort)
mesos=$(echo "$all" | grep '^mesos/')
all=$(echo "$all" | grep -v '^mesos/')
# Described, and not generated: reflection's old version, which has the messages of the new one, and
# those of Keelson's own that are read and written by hand, for whoever else reads them.
generate "$output" $(echo "$all" | grep -v -e '/v1alpha/' \
    -e '^keelson/records' -e '^keelson/services' -e '^keelson/backup' -e '^keelson/agent_port')
generate "$proto/../Sources/API/Mesos/Generated" $mesos
{
    cat <<'HEAD'
// DO NOT EDIT.
// swift-format-ignore-file
//
// Source: generate.sh

enum MesosRequiredFields {
    /// Numbers and names of the required fields of each message that has some.
    static let byMessage: [String: [Int: String]] = [
HEAD
    (cd "$proto" && awk -f required.awk $mesos)
    printf '    ]\n}\n'
} >"$proto/../Sources/API/Mesos/Generated/RequiredFields.swift"

set_file=$(mktemp)
trap 'rm -f "$set_file"' EXIT
protoc --proto_path="$proto" --descriptor_set_out="$set_file" $all
{
    cat <<'HEAD'
// DO NOT EDIT.
// swift-format-ignore-file
//
// Source: generate.sh

/// What the files under Proto/ declare.
package enum FileDescriptors {
    /// A google.protobuf.FileDescriptorSet, in base64.
    package static let base64 = """
HEAD
    base64 -w 92 "$set_file" | sed '$!s/$/\\/; s/^/        /'
    printf '        """\n}\n'
} >"$output/FileDescriptors.swift"
echo "generated $(ls "$output" | wc -l) files in Sources/API/Generated," \
    "$(ls "$proto/../Sources/API/Mesos/Generated" | wc -l) in Sources/API/Mesos/Generated"
