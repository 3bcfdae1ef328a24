"""Sends the same random operations to two clusters and compares every answer.

usage: differential.py --left HOST:PORT,… --right HOST:PORT,… [--seed N] [--operations N]

Both clusters must be fresh. An answer is compared whole: values, revisions, counts, error codes and
texts. What may differ is left out of the comparison: cluster and member ids, terms, remaining
times, and the order of what a request left unordered. At the end both histories are compared by a
watch. Requests go to the endpoints of each cluster in turn. A difference prints the request and
both answers, the seed and the operation's number; the status is 1 then.
"""

import argparse
import random
import sys

import grpc
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

SECONDS_MAX = 20
KEYS = [f"{a}{b}".encode() for a in "abcde" for b in ("", "1", "2", "/x", "\x00")]
Range = rpc_pb2.RangeRequest
Compare = rpc_pb2.Compare


class Cluster:
    """One cluster's stubs; each call goes to the next endpoint."""

    def __init__(self, endpoints: list[str]):
        options = [("grpc.max_receive_message_length", -1)]
        channels = [grpc.insecure_channel(e, options=options) for e in endpoints]
        self.kv = [rpc_pb2_grpc.KVStub(c) for c in channels]
        self.lease = [rpc_pb2_grpc.LeaseStub(c) for c in channels]
        self.watch = [rpc_pb2_grpc.WatchStub(c) for c in channels]

    def call(self, operation: "Operation", turn: int):
        stubs = self.lease if operation.method.startswith("Lease") else self.kv
        stub = stubs[turn % len(stubs)]
        try:
            return getattr(stub, operation.method)(operation.request, SECONDS_MAX)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"

    def history(self, start: int, through: int) -> list[str]:
        """All events from one revision through another, as text."""
        create = rpc_pb2.WatchCreateRequest(
            key=b"\0", range_end=b"\0", start_revision=start, prev_kv=True)
        requests = iter([rpc_pb2.WatchRequest(create_request=create)])
        call = self.watch[0].Watch(endless(requests), timeout=SECONDS_MAX)
        events = []
        for response in call:
            if response.canceled:
                return [f"canceled, compacted at {response.compact_revision}"]
            events += [str(e) for e in response.events]
            if response.events and response.events[-1].kv.mod_revision >= through:
                break
        call.cancel()
        return events


def endless(first):
    """A stream of requests that stays open until the call is cancelled."""
    import threading
    yield from first
    threading.Event().wait(SECONDS_MAX)


class Operation:
    def __init__(self, method: str, request):
        self.method = method
        self.request = request

    def __str__(self) -> str:
        return f"{self.method} {{\n{self.request}}}"


class Generator:
    """Draws operations from a seed. It follows the store's revision to draw sensible ones."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.revision = 1
        self.compacted = 0
        self.count = 0
        self.leases: list[int] = []

    def key(self) -> bytes:
        return self.random.choice(KEYS)

    def span(self) -> tuple[bytes, bytes]:
        """A key, and the end of a range: none, an ordinary one, everything after, everything."""
        r = self.random
        start = self.key()
        kind = r.random()
        if kind < 0.4:
            return start, b""
        if kind < 0.8:
            other = self.key()
            return (start, other) if r.random() < 0.1 else (min(start, other), max(start, other))
        return (start, b"\0") if kind < 0.9 else (b"\0", b"\0")

    def old_revision(self) -> int:
        low = max(1, self.compacted - 2)
        return self.random.randint(low, max(low, self.revision + 1))

    def range(self) -> rpc_pb2.RangeRequest:
        r = self.random
        key, end = self.span()
        request = Range(key=key, range_end=end)
        if r.random() < 0.3:
            request.limit = r.randint(1, 5)
        if r.random() < 0.3:
            request.revision = self.old_revision()
        if r.random() < 0.4:
            request.sort_order = r.choice([Range.NONE, Range.ASCEND, Range.DESCEND])
            request.sort_target = r.choice(
                [Range.KEY, Range.VERSION, Range.CREATE, Range.MOD, Range.VALUE])
        request.keys_only = r.random() < 0.1
        request.count_only = r.random() < 0.1
        for name in ("min_mod_revision", "max_mod_revision", "min_create_revision",
                     "max_create_revision"):
            if r.random() < 0.06:
                setattr(request, name, self.old_revision())
        return request

    def put(self) -> rpc_pb2.PutRequest:
        r = self.random
        self.count += 1
        request = rpc_pb2.PutRequest(key=self.key(), value=f"value {self.count}".encode())
        if r.random() < 0.2:
            request.lease = r.choice(self.leases) if self.leases and r.random() < 0.9 else 4242
        request.prev_kv = r.random() < 0.3
        if r.random() < 0.05:
            request.ignore_value = True
            if r.random() < 0.8:
                request.value = b""
        if r.random() < 0.05:
            request.ignore_lease = True
            if r.random() < 0.8:
                request.lease = 0
        if r.random() < 0.02:
            request.key = b""
        return request

    def delete(self) -> rpc_pb2.DeleteRangeRequest:
        key, end = self.span()
        if end == b"\0" and self.random.random() < 0.8:
            end = b""
        return rpc_pb2.DeleteRangeRequest(
            key=key, range_end=end, prev_kv=self.random.random() < 0.4)

    def compare(self) -> rpc_pb2.Compare:
        r = self.random
        compare = Compare(
            key=self.key(),
            result=r.choice([Compare.EQUAL, Compare.GREATER, Compare.LESS, Compare.NOT_EQUAL]),
            target=r.choice([
                Compare.VERSION, Compare.CREATE, Compare.MOD, Compare.VALUE, Compare.LEASE]))
        if compare.target == Compare.VERSION:
            compare.version = r.randint(0, 3)
        elif compare.target == Compare.CREATE:
            compare.create_revision = r.choice([0, self.old_revision()])
        elif compare.target == Compare.MOD:
            compare.mod_revision = r.choice([0, self.old_revision()])
        elif compare.target == Compare.VALUE:
            compare.value = f"value {r.randint(1, self.count + 1)}".encode()
        else:
            compare.lease = r.choice(self.leases) if self.leases else 0
        if r.random() < 0.15:
            key, end = self.span()
            compare.key, compare.range_end = key, end
        return compare

    def branch(self, depth: int) -> list[rpc_pb2.RequestOp]:
        operations = []
        for _ in range(self.random.randint(0, 3)):
            kind = self.random.random()
            if kind < 0.45:
                operations.append(rpc_pb2.RequestOp(request_put=self.put()))
            elif kind < 0.75:
                operations.append(rpc_pb2.RequestOp(request_range=self.range()))
            elif kind < 0.9 or depth == 0:
                operations.append(rpc_pb2.RequestOp(request_delete_range=self.delete()))
            else:
                operations.append(rpc_pb2.RequestOp(request_txn=self.transaction(depth - 1)))
        return operations

    def transaction(self, depth: int = 2) -> rpc_pb2.TxnRequest:
        compares = [self.compare() for _ in range(self.random.randint(0, 2))]
        success, failure = self.branch(depth), self.branch(depth)
        if not success and not failure:
            # Without any operation etcd answers from the asked node's own, perhaps older, state.
            failure = [rpc_pb2.RequestOp(request_range=self.range())]
        return rpc_pb2.TxnRequest(compare=compares, success=success, failure=failure)

    def next(self) -> Operation:
        kind = self.random.random()
        if kind < 0.34:
            return Operation("Put", self.put())
        if kind < 0.56:
            return Operation("Range", self.range())
        if kind < 0.66:
            return Operation("DeleteRange", self.delete())
        if kind < 0.88:
            return Operation("Txn", self.transaction())
        if kind < 0.89:
            revision = self.random.choice(
                [self.compacted, max(1, self.revision - 250), self.revision + 9])
            return Operation("Compact", rpc_pb2.CompactionRequest(revision=revision))
        return self.next_of_leases()

    def next_of_leases(self) -> Operation:
        r = self.random
        kind = r.random()
        known = r.choice(self.leases) if self.leases else 7
        if kind < 0.5:
            fresh = known if r.random() < 0.1 else 1000 + r.randint(0, 10_000)
            ttl = r.choice([60, 600, 3600, 9_000_000_001])
            return Operation("LeaseGrant", rpc_pb2.LeaseGrantRequest(ID=fresh, TTL=ttl))
        if kind < 0.75:
            return Operation("LeaseRevoke", rpc_pb2.LeaseRevokeRequest(ID=known))
        request = rpc_pb2.LeaseTimeToLiveRequest(ID=known, keys=r.random() < 0.7)
        return Operation("LeaseTimeToLive", request)

    def learn(self, operation: Operation, answer) -> None:
        """Takes in what an answer says about the store."""
        if isinstance(answer, str):
            return
        self.revision = max(self.revision, answer.header.revision)
        request = operation.request
        if operation.method == "Compact":
            self.compacted = max(self.compacted, request.revision)
        elif operation.method == "LeaseGrant":
            self.leases.append(request.ID)
        elif operation.method == "LeaseRevoke" and request.ID in self.leases:
            self.leases.remove(request.ID)


def sort_value(kv, target: int):
    fields = {Range.VERSION: kv.version, Range.CREATE: kv.create_revision,
              Range.MOD: kv.mod_revision, Range.VALUE: kv.value}
    return fields[target]


def normal_range(request, response) -> None:
    """Ties of a sort are in no promised order: only what was sorted by is kept then. A lease is not
    promised to come with keys alone."""
    if request.sort_target != Range.KEY:
        kept = [str(sort_value(kv, request.sort_target)) for kv in response.kvs]
        del response.kvs[:]
        response.kvs.add().value = "; ".join(kept).encode()
    if request.keys_only:
        for kv in response.kvs:
            kv.lease = 0


def normal_txn(request, response) -> None:
    branch = request.success if response.succeeded else request.failure
    for asked, answer in zip(branch, response.responses):
        kind = answer.WhichOneof("response")
        if kind == "response_range":
            normal_range(asked.request_range, answer.response_range)
        elif kind == "response_txn":
            normal_txn(asked.request_txn, answer.response_txn)


def normal(operation: Operation, answer) -> str:
    """An answer as text, without what may differ between two right ones."""
    if isinstance(answer, str):
        return answer
    copy = type(answer)()
    copy.CopyFrom(answer)
    copy.header.cluster_id = copy.header.member_id = copy.header.raft_term = 0
    if operation.method == "Range":
        normal_range(operation.request, copy)
    elif operation.method == "Txn":
        normal_txn(operation.request, copy)
    elif operation.method == "LeaseTimeToLive":
        copy.header.revision = 0  # of the node that was asked, which may be behind
        copy.TTL = -1 if copy.TTL < 0 else 1
        ordered = sorted(copy.keys)
        del copy.keys[:]
        copy.keys.extend(ordered)
    return str(copy)


def compare(left: Cluster, right: Cluster, seed: int, count: int) -> bool:
    generator = Generator(seed)
    methods: dict[str, int] = {}
    refused = 0
    for number in range(count):
        operation = generator.next()
        one, other = left.call(operation, number), right.call(operation, number)
        expected, actual = normal(operation, one), normal(operation, other)
        if expected != actual:
            print(f"operation {number} of seed {seed} differs:\n{operation}\n"
                  f"--- left\n{expected}\n--- right\n{actual}")
            return False
        generator.learn(operation, one)
        methods[operation.method] = methods.get(operation.method, 0) + 1
        refused += isinstance(one, str)
    start = generator.compacted + 1
    one, other = (c.history(start, generator.revision) for c in (left, right))
    if one != other:
        place = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b),
                     min(len(one), len(other)))
        print(f"the histories of seed {seed} from revision {start} differ at event {place}: "
              f"{one[place:place + 1]} and {other[place:place + 1]}")
        return False
    print(f"seed {seed}: {count} operations and {len(one)} events agree ({refused} refused alike; "
          + ", ".join(f"{n} {m}" for m, n in sorted(methods.items())) + ")")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--left", required=True, type=lambda text: text.split(","))
    parser.add_argument("--right", required=True, type=lambda text: text.split(","))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=1500)
    arguments = parser.parse_args()
    ok = compare(Cluster(arguments.left), Cluster(arguments.right), arguments.seed,
                 arguments.operations)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
