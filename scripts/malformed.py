"""Malformed requests without end against a live server.

usage: malformed.py --server BINARY | --endpoint HOST:PORT [--pid PID]
                    [--requests N | --seconds N] [--seed N]

With --server, three servers are started from that binary, and the first is called.

Three kinds, from a seed: calls of every method whose message is cut, flipped, nested, repeated or
random; HTTP/2 connections whose frames are; bodies of the JSON gateway that are. Meanwhile a client
that does nothing wrong puts and gets. Ends with status 0 when the server lives, the client was
never kept waiting for more than a second, no call was answered as an internal error, and memory
(of --pid) stayed flat after the first tenth.
"""

import argparse
import http.client
import multiprocessing
import pathlib
import random
import socket
import struct
import sys
import threading
import time

import grpc
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

import clusters

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "Tests/Conformance"))
from wire import message, varint  # noqa: E402

WORKERS = 2
IN_FLIGHT = 48
PROBE_SECONDS_MAX = 1.0
# What a server may hold more at the end than after the first tenth.
GROWTH_MAX = 64 << 20

RANGE = message(f1="bad/", f2="bad0", f3=3, f4=0, f5=1, f6=1)
PUT = message(f1="bad/key", f2="value", f3=7, f4=1)
DELETE = message(f1="bad/gone", f2="bad/gonf", f3=1)
TXN = message(
    f1=[message(f1=1, f2=0, f3="bad/key", f4=3)],
    f2=[message(f1=RANGE), message(f2=PUT)], f3=[message(f3=DELETE)])
PERMISSION = message(f1=2, f2="a", f3="b")
# A sound message of every method; none that would change who the members are.
CALLS = {
    "/etcdserverpb.KV/": {
        "Range": RANGE, "Put": PUT, "DeleteRange": DELETE, "Txn": TXN,
        "Compact": message(f1=1 << 40, f2=1), "RangeStream": RANGE},
    "/etcdserverpb.Watch/": {
        "Watch": message(f1=message(f1="bad/", f2="bad0", f3=1, f5=[1, 0], f6=1, f7=9))},
    "/etcdserverpb.Lease/": {
        "LeaseGrant": message(f1=5, f2=77), "LeaseRevoke": message(f1=77),
        "LeaseKeepAlive": message(f1=77), "LeaseTimeToLive": message(f1=77, f2=1),
        "LeaseLeases": b""},
    "/etcdserverpb.Cluster/": {
        "MemberAdd": message(f1=["not a url"]), "MemberRemove": message(f1=12345),
        "MemberUpdate": message(f1=12345, f2=["not a url"]), "MemberList": message(f1=1),
        "MemberPromote": message(f1=12345)},
    "/etcdserverpb.Maintenance/": {
        "Status": b"", "Hash": b"", "HashKV": message(f1=5), "Defragment": b"",
        "MoveLeader": message(f1=12345), "Snapshot": b"", "Alarm": message(f1=0, f2=9, f3=1)},
    "/etcdserverpb.Auth/": {
        "AuthStatus": b"", "Authenticate": message(f1="x", f2="y"),
        "UserGet": message(f1="x"), "UserList": b"", "UserDelete": message(f1="x"),
        "UserGrantRole": message(f1="x", f2="y"), "UserRevokeRole": message(f1="x", f2="y"),
        "RoleGet": message(f1="x"), "RoleList": b"", "RoleDelete": message(f1="x"),
        "RoleGrantPermission": message(f1="x", f2=PERMISSION),
        "RoleRevokePermission": message(f1="x", f2="a", f3="b")},
    "/v3lockpb.Lock/": {"Lock": message(f1="bad/lock", f2=77), "Unlock": message(f1="bad/lock")},
    "/v3electionpb.Election/": {
        "Campaign": message(f1="bad/e", f2=77, f3="v"),
        "Proclaim": message(f1=message(f1="a", f2="b", f3=1, f4=2), f2="v"),
        "Leader": message(f1="bad/e"), "Observe": message(f1="bad/e"),
        "Resign": message(f1=message(f1="a", f2="b", f3=1, f4=2))},
    "/grpc.health.v1.Health/": {"Check": message(f1="x"), "Watch": message(f1="x")},
    "/no.such.Service/": {"Method": b"x"},
}
STREAMS = {"RangeStream", "Watch", "LeaseKeepAlive", "Snapshot", "Observe"}
METHODS = [(service + name, body) for service, all in CALLS.items() for name, body in all.items()]


def spoil(body: bytes, draw: random.Random) -> bytes:
    """Another message each time; some of them are sound, which is nothing bad."""
    kind = draw.randrange(9)
    if kind == 0:
        return draw.randbytes(draw.randrange(1, 200))
    if kind == 1 and body:
        return body[:draw.randrange(len(body))] + draw.randbytes(draw.randrange(3))
    if kind == 2 and body:
        spoilt = bytearray(body)
        for _ in range(draw.randrange(1, 5)):
            spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
        return bytes(spoilt)
    if kind == 3:
        field = draw.randrange(1, 40)
        return body + varint(field << 3 | 2) + varint(draw.getrandbits(draw.randrange(1, 64)))
    if kind == 4:
        inner = body + draw.randbytes(8)
        for _ in range(draw.randrange(1, 400)):
            inner = varint(draw.choice([1, 2, 3, 4]) << 3 | 2) + varint(len(inner)) + inner
        return inner
    if kind == 5:
        return body * draw.randrange(2, 20) + draw.randbytes(6)
    if kind == 6:
        number = draw.getrandbits(64)
        return body + b"".join(
            varint(field << 3) + varint(number >> draw.randrange(64)) for field in range(1, 12))
    if kind == 7:
        return body + bytes([draw.randrange(1, 16) << 3 | draw.choice([3, 4, 6, 7])]) + \
            draw.randbytes(9)
    return body + b"\xff" * draw.randrange(1, 20) + draw.randbytes(6)


def frames(draw: random.Random) -> bytes:
    out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    if draw.randrange(4):
        out += struct.pack(">IBI", 0, 4, 0)[1:]
    for _ in range(draw.randrange(1, 8)):
        body = draw.randbytes(draw.randrange(60))
        size = len(body) if draw.randrange(5) else draw.getrandbits(24)
        out += struct.pack(">I", size)[1:] + bytes([draw.randrange(12), draw.randrange(256)])
        out += struct.pack(">I", draw.choice([0, 1, 3, 5, draw.getrandbits(32)])) + body
    return out


def garbage(draw: random.Random) -> bytes:
    return draw.choice([
        frames, frames, lambda d: d.randbytes(d.randrange(1, 300)),
        lambda d: b"GET /" + d.randbytes(30) + b" HTTP/1.1\r\n\r\n",
        lambda d: b"POST /v3/kv/put HTTP/1.1\r\nContent-Length: "
        + str(d.getrandbits(d.randrange(1, 70))).encode() + b"\r\n\r\n{",
    ])(draw)


def json_body(draw: random.Random) -> bytes:
    text = draw.choice([
        '{"key":"YQ==","value":"YQ=="}', '{"key":"YQ==","range_end":"Yg==","limit":"3"}',
        '{"compare":[{"key":"YQ=="}],"success":[{"requestRange":{"key":"YQ=="}}]}']).encode()
    kind = draw.randrange(4)
    if kind == 0:
        return text[:draw.randrange(len(text))] + draw.randbytes(3)
    if kind == 1:
        place = draw.randrange(len(text))
        return text[:place] + draw.randbytes(draw.randrange(1, 6)) + text[place:]
    if kind == 2:
        depth = draw.randrange(1, 3000)
        return draw.choice([b"[", b'{"key":']) * depth + draw.randbytes(4)
    return b'{"key":"' + draw.randbytes(20).hex().encode() + b'","limit":"' + \
        str(draw.getrandbits(70)).encode() + b'"}'


class Worker:
    def __init__(self, endpoint: str, seed: int, counts, is_over):
        self.endpoint, self.draw = endpoint, random.Random(seed)
        self.counts, self.is_over = counts, is_over
        self.room = threading.Semaphore(IN_FLIGHT)
        self.internal: list[str] = []

    def run(self) -> None:
        channel = grpc.insecure_channel(
            self.endpoint, options=[("grpc.use_local_subchannel_pool", 1)])
        unary = {path: channel.unary_unary(path) for path, _ in METHODS}
        stream = {path: channel.unary_stream(path) for path, _ in METHODS}
        host, port = self.endpoint.split(":")
        gateway = None
        number = 0
        while not self.is_over.value:
            number += 1
            if number % 40 == 0:
                self.raw(host, int(port))
            elif number % 25 == 0:
                gateway = self.post(gateway, host, int(port))
            else:
                path, body = METHODS[self.draw.randrange(len(METHODS))]
                self.room.acquire()
                if path.rsplit("/", 1)[1] in STREAMS:
                    self.begin(stream[path], path, spoil(body, self.draw))
                else:
                    call = unary[path].future(spoil(body, self.draw), timeout=2)
                    call.add_done_callback(lambda done, path=path: self.ended(done, path))
            with self.counts.get_lock():
                self.counts.value += 1
        for text in self.internal[:5]:
            print("answered as internal:", text, flush=True)
        if self.internal:
            sys.exit(1)

    def begin(self, method, path: str, body: bytes) -> None:
        call = method(body, timeout=2)
        # False: it is over already.
        if not call.add_callback(self.room.release):
            self.room.release()
        threading.Timer(0.02, call.cancel).start()

    def ended(self, done, path: str) -> None:
        self.room.release()
        code = done.code()
        if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS) and \
                "decode" not in done.details() and "unmarshal" not in done.details() and \
                "pars" not in done.details():
            self.internal.append(f"{path}: {done.details()}")

    def raw(self, host: str, port: int) -> None:
        try:
            with socket.create_connection((host, port), timeout=1) as link:
                link.sendall(garbage(self.draw))
                link.settimeout(0.01)
                link.recv(4096)
        except OSError:
            pass

    def post(self, gateway, host: str, port: int):
        try:
            gateway = gateway or http.client.HTTPConnection(host, port, timeout=2)
            path = self.draw.choice(["kv/put", "kv/range", "kv/txn", "lease/grant", "nothing"])
            gateway.request("POST", "/v3/" + path, json_body(self.draw))
            gateway.getresponse().read()
            return gateway
        except (OSError, http.client.HTTPException):
            return None


def clear_alarms(channel) -> int:
    """Clears the alarms that are raised; how many there were."""
    stub = rpc_pb2_grpc.MaintenanceStub(channel)
    raised = stub.Alarm(rpc_pb2.AlarmRequest(action="GET"), 5).alarms
    for alarm in raised:
        stub.Alarm(
            rpc_pb2.AlarmRequest(
                action="DEACTIVATE", memberID=alarm.memberID, alarm=alarm.alarm), 5)
    return len(raised)


def resident(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server")
    parser.add_argument("--endpoint")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--requests", type=int)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not given.server:
        sys.exit(0 if attack(given) else 1)
    with clusters.Cluster("malformed", "keelson", given.server) as cluster:
        given.endpoint = cluster.endpoints[0]
        given.pid = cluster.nodes[0].process.pid
        holds = attack(given)
        for node in cluster.nodes:
            if node.process.poll() is not None:
                print("FAULT:", node.name, "ended")
                holds = False
    sys.exit(0 if holds else 1)


def attack(given) -> bool:
    """Whether the server bore it."""
    counts = multiprocessing.Value("q", 0)
    is_over = multiprocessing.Value("b", 0)
    workers = [
        multiprocessing.Process(
            target=lambda seed=given.seed * 1000 + number: Worker(
                given.endpoint, seed, counts, is_over).run())
        for number in range(WORKERS)]
    for worker in workers:
        worker.start()

    channel = grpc.insecure_channel(given.endpoint)
    put = channel.unary_unary("/etcdserverpb.KV/Put")
    get = channel.unary_unary("/etcdserverpb.KV/Range")
    began = time.monotonic()
    slowest, before, number, alarms = 0.0, 0, 0, 0
    faults: list[str] = []

    def share() -> float:
        if given.requests:
            return counts.value / given.requests
        return (time.monotonic() - began) / given.seconds

    while share() < 1 and not faults:
        number += 1
        start = time.monotonic()
        try:
            put(message(f1="good", f2=str(number)), timeout=10)
            # What was spoilt may be sound, and delete it.
            get(message(f1="good"), timeout=10)
        except grpc.RpcError as error:
            # What was spoilt may be sound, and raise an alarm.
            cleared = clear_alarms(channel)
            alarms += cleared
            if not cleared:
                faults.append(f"a sound call fails: {error.code()} {error.details()}")
        slowest = max(slowest, time.monotonic() - start)
        if given.pid and not before and share() > 0.1:
            before = resident(given.pid)
        if number % 200 == 0 and sys.stdout.isatty():
            print(f"\r{counts.value} requests", end="", flush=True)
        time.sleep(0.02)
    is_over.value = 1
    for worker in workers:
        worker.join(20)
        if worker.exitcode != 0:
            faults.append(f"a worker ended with {worker.exitcode}")
    if slowest > PROBE_SECONDS_MAX:
        faults.append(f"a sound put and get took {slowest:.2f} s")
    growth = 0
    if given.pid:
        growth = resident(given.pid) - before
        if growth > GROWTH_MAX:
            faults.append(f"memory grew by {growth >> 20} MiB")
    seconds = time.monotonic() - began
    print(
        f"{counts.value} malformed requests in {seconds:.0f} s; slowest sound put and get"
        f" {slowest * 1e3:.0f} ms; memory {growth / (1 << 20):+.1f} MiB after the first tenth;"
        f" {alarms} alarms raised by some, and cleared")
    for fault in faults:
        print("FAULT:", fault)
    return not faults


if __name__ == "__main__":
    main()
