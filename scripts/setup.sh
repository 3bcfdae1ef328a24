#!/usr/bin/env bash
# Installs the Debian packages that a job needs and that are missing; silent when all are there.
#
# usage: scripts/setup.sh GROUP...      groups: build (to compile), test (to run every test),
#                                               profile (to count instructions)
set -euo pipefail

# package | group | what proves that it is there | what it is for
# The first ones are what the Swift toolchain itself needs, which an archive of it does not bring.
needs=(
  "libncurses6|build|compgen -G '/usr/lib/*/libncurses.so.6'|the Swift toolchain runs on it"
  "libxml2|build|compgen -G '/usr/lib/*/libxml2.so.2'|the Swift toolchain runs on it"
  "libedit2|build|compgen -G '/usr/lib/*/libedit.so.2'|the Swift toolchain runs on it"
  "libcurl4|build|compgen -G '/usr/lib/*/libcurl.so.4'|the Swift toolchain runs on it"
  "binutils|build|command -v ld|links what Swift compiles"
  "libstdc++-12-dev|build|compgen -G '/usr/include/c++/*/vector'|headers to compile against"
  "libc6-dev|build|test -e /usr/include/stdlib.h|headers to compile against"
  "pkg-config|build|command -v pkg-config|finds the C libraries"
  "libnghttp2-dev|build|pkg-config --exists libnghttp2|HTTP/2 under gRPC"
  "libsqlite3-dev|build|pkg-config --exists sqlite3|checkpoints of the store"
  "liblz4-dev|build|pkg-config --exists liblz4|compression of the log and of snapshots"
  "libjemalloc-dev|build|pkg-config --exists jemalloc|memory allocation, in the C library's place"
  "zlib1g-dev|build|pkg-config --exists zlib|gzip in gRPC and HTTP"
  "etcd-client|test|command -v etcdctl|etcd's own client, which the tests run against Keelson"
  "sqlite3|test|command -v sqlite3|opens the databases that backups become"
  "openssl|test|command -v openssl|makes the certificates of the tests, and speaks old TLS"
  "curl|test|command -v curl|a client for HTTP"
  "iproute2|test|command -v ip|network namespaces, between which connections are cut"
  "iptables|test|command -v iptables|loses packets between servers, all or some at random"
  "chromium|test|command -v chromium|looks at the dashboard"
  "chromium-driver|test|command -v chromedriver|steers chromium"
  "valgrind|profile|command -v valgrind|counts instructions, function by function"
  "python3|profile|command -v python3|compares two such counts"
  "python3-venv|test|python3 -c 'import venv, ensurepip'|a place of its own for Python clients"
)

if ! command -v swift >/dev/null; then
  echo "error: no 'swift' in PATH: install a Swift 6.1 (or newer) toolchain, then try again" >&2
  exit 1
fi

missing=()
for need in "${needs[@]}"; do
  IFS='|' read -r package group probe reason <<<"$need"
  [[ " $* " == *" $group "* ]] || continue
  if ! bash -c "$probe" >/dev/null 2>&1; then
    echo "setup: $package is missing ($reason)"
    missing+=("$package")
  fi
done
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi

if ! command -v apt-get >/dev/null; then
  echo "error: no apt-get here; install by hand: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "error: system packages are missing; neither root nor sudo is here; run as root:" >&2
    echo "         apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]} with apt-get${as_root:+ through sudo}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! {
  "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -q --no-install-recommends "${missing[@]}"
} >"$log" 2>&1; then
  cat "$log" >&2
  echo "error: apt-get could not install ${missing[*]}" >&2
  exit 1
fi
