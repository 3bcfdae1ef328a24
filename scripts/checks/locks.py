"""Compares v3lock and v3election of two clusters, call by call.

usage: locks.py --left HOST:PORT --right HOST:PORT

Both clusters must be fresh. Each case runs on one and then on the other, and what came of it is
compared whole: status, text, messages, and revisions; left out are cluster, member and term. Ends
with status 1 and both answers where they differ, else with "N cases alike".
"""

import argparse
import sys
import threading
import time

import grpc
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

SECONDS_MAX = 10


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(**fields) -> bytes:
    """f1=…, f2=…: bytes and text are length-delimited, numbers varints; zero is left out."""
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            out += varint(number << 3 | 2) + varint(len(value)) + value
        elif value:
            out += varint(number << 3) + varint(value)
    return out


def decode(data: bytes) -> dict:
    fields, place = {}, 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while place < len(data):
        tag = number()
        if tag & 7 == 0:
            fields[tag >> 3] = number()
        else:
            count = number()
            fields[tag >> 3] = data[place:place + count]
            place += count
    return fields


class Side:
    def __init__(self, endpoint: str):
        self.channel = grpc.insecure_channel(endpoint)
        self.kv = rpc_pb2_grpc.KVStub(self.channel)
        self.leases = rpc_pb2_grpc.LeaseStub(self.channel)
        self.results: list = []

    def call(self, path: str, body: bytes, timeout: float = SECONDS_MAX):
        method = self.channel.unary_unary(path)
        try:
            return self.shown(method(body, timeout=timeout))
        except grpc.RpcError as error:
            # The client's own deadline and the server's are one race.
            if "deadline exceeded" in error.details().lower():
                return "gave up"
            return f"{error.code().name}: {error.details()}"

    def shown(self, data: bytes):
        """The revision of the header, and the other fields as they are."""
        fields = decode(data)
        header = decode(fields.pop(1, b""))
        return {"revision": header.get(3, 0), **fields}

    def lock(self, name, lease=0, timeout=SECONDS_MAX):
        return self.call("/v3lockpb.Lock/Lock", message(f1=name, f2=lease), timeout)

    def unlock(self, key):
        return self.call("/v3lockpb.Lock/Unlock", message(f1=key))

    def election(self, method, body, timeout=SECONDS_MAX):
        return self.call("/v3electionpb.Election/" + method, body, timeout)

    def campaign(self, name, lease, value, timeout=SECONDS_MAX):
        return self.election("Campaign", message(f1=name, f2=lease, f3=value), timeout)

    def grant(self, lease, seconds=100):
        self.leases.LeaseGrant(rpc_pb2.LeaseGrantRequest(ID=lease, TTL=seconds))

    def revoke(self, lease):
        self.leases.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=lease))

    def keys(self, prefix: bytes):
        found = self.kv.Range(rpc_pb2.RangeRequest(key=prefix, range_end=prefix + b"\xff"))
        return [(kv.key, kv.value, kv.lease, kv.create_revision) for kv in found.kvs]

    def later(self, *arguments):
        """Runs a call that waits; the thread's result is read with `wait`."""
        box: list = []
        thread = threading.Thread(target=lambda: box.append(arguments[0](*arguments[1:])))
        thread.start()
        return thread, box

    def until_queued(self, prefix: bytes, count: int):
        deadline = time.monotonic() + SECONDS_MAX
        while len(self.keys(prefix)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} keys under {prefix!r}")
            time.sleep(0.01)


def wait(waiting):
    thread, box = waiting
    thread.join(SECONDS_MAX)
    return box[0] if box else "still waiting"


def lock_cases(side: Side):
    for lease in range(1, 9):
        side.grant(lease)
    yield "a free lock", lambda: side.lock("m", 1)
    yield "the same lease again", lambda: side.lock("m", 1)
    yield "its key", lambda: side.keys(b"m/")
    yield "a lease that is not there", lambda: side.lock("m", 77)
    yield "an empty name", lambda: side.lock("", 2)
    yield "unlocking what is not there", lambda: side.unlock("m/ff")
    yield "unlocking without a key", lambda: side.unlock("")
    waiting = side.later(side.lock, "m", 2)
    side.until_queued(b"m/", 2)
    behind = side.later(side.lock, "m", 3)
    side.until_queued(b"m/", 3)
    yield "the owner unlocks", lambda: side.unlock("m/1")
    yield "the next one owns it", lambda: wait(waiting)
    yield "the owner's lease ends", lambda: side.revoke(2)
    yield "the last one owns it", lambda: wait(behind)
    yield "who does not wait for ever", lambda: side.lock("m", 4, 0.3)
    time.sleep(0.3)
    yield "has given its place up", lambda: side.keys(b"m/")
    yield "a negative lease", lambda: side.lock("m", -1)
    yield "a name with a slash", lambda: side.lock("m/3", 5)
    yield "all keys", lambda: side.keys(b"m")


def election_cases(side: Side):
    for lease in range(21, 29):
        side.grant(lease)
    yield "nobody leads", lambda: side.election("Leader", message(f1="e"))
    yield "a leader", lambda: side.campaign("e", 21, "a")
    yield "the leader", lambda: side.election("Leader", message(f1="e"))
    yield "again, with another value", lambda: side.campaign("e", 21, "a2")
    yield "again, with the same", lambda: side.campaign("e", 21, "a2")
    yield "the leader's value", lambda: side.election("Leader", message(f1="e"))
    created = side.keys(b"e/")[0][3]
    key = message(f1="e", f2="e/15", f3=created, f4=21)
    yield "it proclaims", lambda: side.election("Proclaim", message(f1=key, f2="a3"))
    yield "what it proclaimed", lambda: side.election("Leader", message(f1="e"))
    wrong = message(f1="e", f2="e/15", f3=created + 1, f4=21)
    yield "another proclaims", lambda: side.election("Proclaim", message(f1=wrong, f2="x"))
    yield "another resigns", lambda: side.election("Resign", message(f1=wrong))
    yield "no key to proclaim with", lambda: side.election("Proclaim", message(f2="x"))
    yield "no key to resign with", lambda: side.election("Resign", b"")
    waiting = side.later(side.campaign, "e", 22, "b")
    side.until_queued(b"e/", 2)
    yield "who gives up", lambda: side.campaign("e", 23, "c", 0.3)
    time.sleep(0.3)
    yield "is gone", lambda: side.keys(b"e/")
    yield "it resigns", lambda: side.election("Resign", message(f1=key))
    yield "the next one leads", lambda: wait(waiting)
    yield "the next one's value", lambda: side.election("Leader", message(f1="e"))
    yield "it resigns again", lambda: side.election("Resign", message(f1=key))
    yield "it proclaims no more", lambda: side.election("Proclaim", message(f1=key, f2="x"))
    yield "a lease that is not there", lambda: side.campaign("e", 77, "x")
    yield "an empty name", lambda: side.campaign("", 24, "x")
    yield "observers", lambda: observed(side)
    yield "all keys", lambda: side.keys(b"e")


def observed(side: Side):
    call = side.channel.unary_stream("/v3electionpb.Election/Observe")(
        message(f1="o"), timeout=SECONDS_MAX)
    seen: list = []

    def read():
        try:
            for answer in call:
                seen.append(side.shown(answer))
        except grpc.RpcError:
            pass

    thread = threading.Thread(target=read)
    thread.start()

    def until(count):
        deadline = time.monotonic() + SECONDS_MAX
        while len(seen) < count and time.monotonic() < deadline:
            time.sleep(0.01)

    side.campaign("o", 25, "first")
    until(1)
    created = side.keys(b"o/")[0][3]
    key = message(f1="o", f2="o/19", f3=created, f4=25)
    side.election("Proclaim", message(f1=key, f2="second"))
    until(2)
    waiting = side.later(side.campaign, "o", 26, "third")
    side.until_queued(b"o/", 2)
    side.revoke(25)
    wait(waiting)
    until(3)
    call.cancel()
    thread.join(SECONDS_MAX)
    return [{name: value for name, value in one.items() if name != "revision"} for one in seen]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--left", required=True)
    parser.add_argument("--right", required=True)
    arguments = parser.parse_args()
    left, right = Side(arguments.left), Side(arguments.right)
    count = differences = 0
    for cases in (lock_cases, election_cases):
        for (name, one), (_, other) in zip(cases(left), cases(right)):
            count += 1
            answers = one(), other()
            if answers[0] != answers[1]:
                differences += 1
                print(f"{name}:\n  left  {answers[0]}\n  right {answers[1]}")
    print(f"{count} cases, {differences} differ" if differences else f"{count} cases alike")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
