"""What scripts/corruptions.py damages: every kind of file that Keelson leaves, by real servers.

A cluster of three is loaded with keys, leases, deletions, transactions, users and services, is
backed up and archived meanwhile, and stopped. What was written is kept: what may be read.
"""

import base64
import dataclasses
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import clusters

# A segment of the log has 64 MiB: so much is written that two are filled.
BULK_VALUES = 340
BULK_BYTES = 400 << 10
KEYS = 600
APPS = 6
# Files by their kind, in the folder `files`.
SINGLE_FILES = {
    "backup": "plain.kbk", "backup, encrypted": "sealed.kbk", "etcd's snapshot, saved": "saved.db",
    "etcd's snapshot, exported": "exported.db"}
WAIT_SECONDS = 60
TOOL_SECONDS = 120


@dataclasses.dataclass
class Outcome:
    status: int
    text: str
    errors: str


def run(
        binary: str, *arguments: str | pathlib.Path,
        folder: pathlib.Path | None = None) -> Outcome:
    """A command to its end. A status below zero is a signal's number."""
    try:
        done = subprocess.run(
            [binary, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=TOOL_SECONDS, cwd=folder)
    except subprocess.TimeoutExpired:
        return Outcome(-signal.SIGALRM, "", f"no end within {TOOL_SECONDS} s")
    return Outcome(
        done.returncode, done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"))


def must(binary: str, *arguments: str | pathlib.Path) -> str:
    done = run(binary, *arguments)
    if done.status != 0:
        words = " ".join(map(str, arguments))
        raise RuntimeError(f"{words}: status {done.status}\n{done.text}{done.errors}")
    return done.text


def encoded(raw: bytes | str) -> str:
    return base64.b64encode(raw.encode() if isinstance(raw, str) else raw).decode()


def fingerprint(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:16]


class Gateway:
    """The JSON gateway of one server, on one connection."""

    def __init__(self, endpoint: str, seconds: float = 20):
        self.connection = http.client.HTTPConnection(endpoint, timeout=seconds)

    def post(self, path: str, body: dict) -> dict:
        self.connection.request("POST", path, json.dumps(body))
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {text}")
        return json.loads(text) if text else {}

    def call(self, method: str, **fields) -> dict:
        return self.post("/v3/" + method, fields)

    def put(self, key: str, value: bytes | str, lease: int = 0) -> int:
        done = self.call("kv/put", key=encoded(key), value=encoded(value), lease=str(lease))
        return int(done["header"]["revision"])

    def everything(self, serializable: bool = False) -> dict[str, str]:
        """All keys, as this server has them, with values in base 64."""
        found = self.call(
            "kv/range", key=encoded("\0"), range_end=encoded("\0"), serializable=serializable)
        return {
            base64.b64decode(pair["key"]).decode(): pair.get("value", "")
            for pair in found.get("kvs", [])}


class Stock:
    """A folder with three data directories, backups, an archive and snapshots of etcd's."""

    def __init__(self, binary: str, again: bool = False, port: int | None = None):
        self.binary = binary
        self.folder = clusters.ROOT / ".build/clusters/corruptions"
        self.files = self.folder / "files"
        self.key_file = self.files / "backup.key"
        # What clients were told is written, in the end and ever: key to value in base 64, and to
        # fingerprints of those.
        self.written: dict[str, str] = {}
        self.ever: dict[str, set[str]] = {}
        if again:
            kept = json.loads((self.folder / "stock.json").read_text())
            self.ports, self.written = kept["ports"], kept["written"]
            self.ever = {key: set(found) for key, found in kept["ever"].items()}
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.files.mkdir(parents=True)
            self.ports = clusters.free_ports(9, port) if port else clusters.free_ports(9)
        self.nodes = self.made_nodes(self.folder)

    def made_nodes(self, folder: pathlib.Path) -> list[clusters.Node]:
        # Short names: what is drawn at random then more often strikes something else.
        nodes = [
            clusters.Node(
                f"n{n + 1}", "keelson", self.binary, folder, self.ports[3 * n:3 * n + 2])
            for n in range(3)]
        members = ",".join(f"{n.name}={n.peer_url}" for n in nodes)
        for number, node in enumerate(nodes):
            node.http_port = self.ports[3 * number + 2]
            node.arguments = [
                "--initial-cluster", members, "--initial-cluster-token", "corruptions",
                "--snapshot-count", "1500", "--election-timeout", "500",
                "--heartbeat-interval", "50",
                "--listen-http-urls", f"http://127.0.0.1:{node.http_port}"]
        return nodes

    @property
    def endpoints(self) -> str:
        return ",".join(n.endpoint for n in self.nodes)

    def live_nodes(self) -> list[clusters.Node]:
        return self.made_nodes(self.folder / "live")

    def fresh_directories(self) -> None:
        """Copies of all three, under `live`, for servers to run in."""
        (self.folder / "live").mkdir(exist_ok=True)
        for node in self.nodes:
            copy(node.data, self.folder / "live" / node.name)

    def discard(self) -> None:
        """What servers stored goes; what they logged stays."""
        for name in ["n1", "n2", "n3", "files", "live"]:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def make(self, seed: int) -> None:
        draw = random.Random(seed)
        self.key_file.write_text(random.Random(seed).randbytes(32).hex() + "\n")
        try:
            offsets = [node.launch() for node in self.nodes]
            for node, offset in zip(self.nodes, offsets):
                node.wait_until_ready(offset)
            self.load_people()
            self.load_services()
            follower = self.follow()
            self.load_keys(draw)
            self.take_backups()
            self.finish_following(follower)
            self.load_bulk(draw)
            found = Gateway(self.nodes[0].endpoint).everything()
            self.written = {
                key: value for key, value in found.items() if not key.startswith("/keelson/")}
            self.check()
        finally:
            for node in self.nodes:
                node.stop()
        (self.folder / "stock.json").write_text(json.dumps({
            "ports": self.ports, "written": self.written,
            "ever": {key: sorted(found) for key, found in self.ever.items()}}))

    def check(self) -> None:
        """What there is in the end is what was put last."""
        for key, value in self.written.items():
            if fingerprint(value) not in self.ever.get(key, ()):
                raise RuntimeError(f"{key} has a value that nobody wrote")

    def put(self, gateway: Gateway, key: str, value: bytes | str, lease: int = 0) -> int:
        self.ever.setdefault(key, set()).add(fingerprint(encoded(value)))
        return gateway.put(key, value, lease)

    # Parts

    def load_people(self) -> None:
        gateway = Gateway(self.nodes[0].endpoint)
        for name in ["root", "alice", "bob"]:
            gateway.call("auth/user/add", name=name, password=f"{name}'s password")
        for name in ["root", "readers"]:
            gateway.call("auth/role/add", name=name)
        gateway.call(
            "auth/role/grant", name="readers",
            perm={"permType": "READ", "key": encoded("k/"), "range_end": encoded("k0")})
        gateway.call("auth/user/grant", user="alice", role="readers")
        gateway.call("auth/user/grant", user="root", role="root")

    def load_services(self) -> None:
        """Records of the datacenter: services that wait for agents."""
        port = self.leader().http_port
        deadline = time.monotonic() + WAIT_SECONDS
        for number in range(APPS):
            app = {"id": f"/web{number}", "cmd": "sleep 1000", "instances": 3, "cpus": 0.1}
            while True:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
                connection.request(
                    "POST", "/v2/apps", json.dumps(app), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read().decode()
                if answer.status in (201, 409):
                    break
                if time.monotonic() > deadline:
                    raise RuntimeError(f"POST /v2/apps: {answer.status} {text}")
                port = self.leader().http_port
                time.sleep(0.2)

    def leader(self) -> clusters.Node:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            for node in self.nodes:
                status = Gateway(node.endpoint).call("maintenance/status")
                if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                    return node
            time.sleep(0.1)
        raise RuntimeError("nobody leads")

    def load_bulk(self, draw: random.Random) -> None:
        """Values that no compression makes smaller, over a few keys: segments of the log."""
        gateway = Gateway(self.nodes[0].endpoint)
        revision = 0
        for number in range(BULK_VALUES):
            revision = self.put(gateway, f"bulk/{number % 4}", draw.randbytes(BULK_BYTES))
            if number % 60 == 59:
                gateway.call("kv/compaction", revision=str(revision), physical=True)

    def load_keys(self, draw: random.Random) -> None:
        """What there is of everything, through all three; enough entries for two checkpoints."""
        gateways = [Gateway(node.endpoint) for node in self.nodes]
        leases = [
            gateways[0].call("lease/grant", TTL=str(86_400 + n), ID=str(7_000 + n))["ID"]
            for n in range(20)]
        revision = 0
        for number in range(KEYS * 8):
            gateway = draw.choice(gateways)
            key = f"k/{draw.randrange(KEYS):04}"
            kind = draw.randrange(12)
            if kind == 0:
                gateway.call("kv/deleterange", key=encoded(key))
            elif kind == 1:
                self.transact(gateway, key, draw)
            else:
                lease = int(draw.choice(leases)) if kind == 2 else 0
                value = draw.randbytes(draw.randrange(1, 300)).hex()
                revision = self.put(gateway, key, value, lease)
            if number == KEYS * 5:
                gateway.call("kv/compaction", revision=str(revision - 50))
        gateways[0].call("lease/revoke", ID=leases[0])

    def transact(self, gateway: Gateway, key: str, draw: random.Random) -> None:
        """A put of two keys where the first is there, a deletion where it is not."""
        value = encoded(draw.randbytes(40).hex())
        self.ever.setdefault(key, set()).add(fingerprint(value))
        self.ever.setdefault(key + "/more", set()).add(fingerprint(encoded("more")))
        compare = {
            "key": encoded(key), "target": "VERSION", "result": "GREATER", "version": "0"}
        gateway.call(
            "kv/txn", compare=[compare],
            success=[
                {"requestPut": {"key": encoded(key), "value": value}},
                {"requestPut": {"key": encoded(key + "/more"), "value": encoded("more")}}],
            failure=[{"requestDeleteRange": {"key": encoded(key + "/more")}}])

    def follow(self) -> subprocess.Popen:
        """`keelson backup follow`, once its first backup is there."""
        archive = self.files / "archive"
        with (self.folder / "follow.log").open("wb") as log:
            follower = subprocess.Popen(
                [self.binary, "backup", "follow", "--endpoints", self.endpoints,
                 "--to", str(archive), "--base-every", "3s"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=clusters.die_with_parent)
        deadline = time.monotonic() + WAIT_SECONDS
        while not list(archive.glob("base-*.kbk")):
            if time.monotonic() > deadline or follower.poll() is not None:
                raise RuntimeError((self.folder / "follow.log").read_text(errors="replace"))
            time.sleep(0.05)
        return follower

    def finish_following(self, follower: subprocess.Popen) -> None:
        """Ends it once it has another base, and behind that a last write."""
        archive = self.files / "archive"
        gateway = Gateway(self.nodes[0].endpoint)
        deadline = time.monotonic() + WAIT_SECONDS
        while len(list(archive.glob("base-*.kbk"))) < 2 and time.monotonic() < deadline:
            self.put(gateway, "k/meanwhile", "x" * 100)
            time.sleep(0.1)
        self.put(gateway, "k/last", "x" * 100)
        while time.monotonic() < deadline:
            if run(self.binary, "inspect", "log", archive, "--key", "k/last").text.strip():
                break
        follower.send_signal(signal.SIGTERM)
        follower.wait(30)

    def take_backups(self) -> None:
        plain, sealed = self.files / "plain.kbk", self.files / "sealed.kbk"
        must(self.binary, "backup", "take", "--endpoints", self.endpoints, "--out", plain)
        must(self.binary, "backup", "take", "--endpoints", self.endpoints, "--out", sealed,
             "--key-file", self.key_file)
        must(self.binary, "snapshot", "save", self.files / "saved.db",
             "--endpoints", self.nodes[0].endpoint)
        must(self.binary, "backup", "export", "--etcd", plain,
             "--out", self.files / "exported.db")


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """A copy of a folder that leaves holes where there are only zeros."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(
        ["cp", "-r", "--sparse=always", str(source), str(target)], check=True)


def quietly() -> None:
    """This process, and what it starts, give way to others."""
    os.nice(10)
