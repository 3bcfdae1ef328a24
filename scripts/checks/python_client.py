"""Drives the PyPI client etcd3 (0.12.0) through everything that the tests promise for it.

usage: python_client.py HOST:PORT...

Every check runs against every endpoint; keys carry the check's and the endpoint's name, so that
runs do not meet. Prints one line a check and ends with status 1 when any failed.
"""

import sys
import threading
import traceback

import etcd3
from etcd3.etcdrpc import kv_pb2, rpc_pb2

SECONDS_MAX = 20


class Check:
    """One endpoint's client and a key prefix of its own."""

    def __init__(self, endpoint: str, name: str):
        host, port = endpoint.rsplit(":", 1)
        self.client = etcd3.client(host=host, port=int(port), timeout=SECONDS_MAX)
        self.prefix = f"python/{name}/{endpoint}/"
        self.client.delete_prefix(self.prefix)

    def key(self, rest: str) -> str:
        return self.prefix + rest

    def fill(self, count: int) -> int:
        """Puts k0, k1, … with the values v0, v1, …; returns the last revision."""
        revision = 0
        for i in range(count):
            revision = self.client.put(self.key(f"k{i}"), f"v{i}").header.revision
        return revision

    def range(self, **fields) -> rpc_pb2.RangeResponse:
        end = etcd3.utils.increment_last_byte(etcd3.utils.to_bytes(self.prefix))
        request = rpc_pb2.RangeRequest(
            key=self.prefix.encode(), range_end=end, **fields)
        return self.client.kvstub.Range(request, SECONDS_MAX)


def equal(actual, expected, what: str) -> None:
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r} is not {expected!r}")


def check_put_and_get(c: Check) -> None:
    first = c.client.put(c.key("a"), "one")
    second = c.client.put(c.key("a"), "two", prev_kv=True)
    equal(second.header.revision, first.header.revision + 1, "a put's revision")
    equal(second.prev_kv.value, b"one", "the previous value")
    value, meta = c.client.get(c.key("a"))
    equal(value, b"two", "value")
    equal(meta.version, 2, "version")
    equal(meta.mod_revision, second.header.revision, "mod_revision")
    equal(meta.create_revision, first.header.revision, "create_revision")
    equal(c.client.get(c.key("missing")), (None, None), "a missing key")
    binary = bytes(range(256))
    c.client.put(c.key("binary"), binary)
    equal(c.client.get(c.key("binary"))[0], binary, "a value of every byte")
    equal(c.client.get(c.key("a"), serializable=False)[0], b"two", "a linearizable get")


def check_ranges(c: Check) -> None:
    last = c.fill(10)
    names = [m.key.decode() for _, m in c.client.get_prefix(c.prefix)]
    equal(names, [c.key(f"k{i}") for i in range(10)], "a prefix in key order")
    down = [v for v, _ in c.client.get_prefix(c.prefix, sort_order="descend", sort_target="key")]
    equal(down, [f"v{i}".encode() for i in reversed(range(10))], "descending order")
    part = [v for v, _ in c.client.get_range(c.key("k3"), c.key("k6"))]
    equal(part, [b"v3", b"v4", b"v5"], "a half-open range")
    limited = c.range(limit=4)
    equal((len(limited.kvs), limited.more, limited.count), (4, True, 10), "a limited range")
    counted = c.range(count_only=True)
    equal((len(counted.kvs), counted.more, counted.count), (0, False, 10), "a count")
    keys = c.range(keys_only=True)
    equal([kv.value for kv in keys.kvs], [b""] * 10, "keys only")
    equal(len(keys.kvs), 10, "keys only: their number")
    old = c.range(revision=last - 5)
    equal(old.count, 5, "a range at an older revision")
    equal(old.header.revision >= last, True, "the header of an old range has the store's revision")
    by_mod = c.range(
        sort_order=rpc_pb2.RangeRequest.DESCEND, sort_target=rpc_pb2.RangeRequest.MOD, limit=2)
    equal([kv.value for kv in by_mod.kvs], [b"v9", b"v8"], "the newest two")
    filtered = c.range(min_mod_revision=last - 1)
    equal([kv.value for kv in filtered.kvs], [b"v8", b"v9"], "a filter by mod_revision")


def check_delete(c: Check) -> None:
    c.fill(5)
    equal(c.client.delete(c.key("k0")), True, "a delete of what is there")
    equal(c.client.delete(c.key("k0")), False, "a delete of what is not")
    response = c.client.delete(c.key("k1"), prev_kv=True, return_response=True)
    equal(response.prev_kvs[0].value, b"v1", "what was deleted")
    equal(c.client.delete_prefix(c.prefix).deleted, 3, "a deleted prefix")
    equal(c.range().count, 0, "what is left")


def check_transactions(c: Check) -> None:
    t = c.client.transactions
    key = c.key("t")
    equal(c.client.put_if_not_exists(key, "first"), True, "put if absent")
    equal(c.client.put_if_not_exists(key, "second"), False, "put if absent, again")
    equal(c.client.replace(key, "first", "third"), True, "replace")
    equal(c.client.replace(key, "first", "fourth"), False, "replace what is not there")
    ok, answers = c.client.transaction(
        compare=[t.value(key) == "third", t.version(key) > 0],
        success=[t.put(c.key("u"), "x"), t.get(key), t.delete(key)],
        failure=[t.put(c.key("no"), "x")],
    )
    equal(ok, True, "the guard holds")
    equal(answers[1][0][0], b"third", "a get inside sees the state before the delete")
    equal(c.client.get(key)[0], None, "deleted inside")
    before = c.client.get_response(c.key("u")).header.revision
    ok, _ = c.client.transaction(
        compare=[t.create(c.key("u")) == 0], success=[],
        failure=[t.put(c.key("p"), "1"), t.put(c.key("q"), "2")])
    equal(ok, False, "the guard fails")
    metas = [c.client.get(c.key(k))[1] for k in "pq"]
    equal([m.mod_revision for m in metas], [before + 1] * 2, "one revision for one transaction")


def check_watch(c: Check) -> None:
    start = c.fill(3) - 2
    events, cancel = c.client.watch_prefix(c.prefix, start_revision=start, prev_kv=True)
    c.client.put(c.key("k1"), "changed")
    c.client.delete(c.key("k2"))
    seen = []
    timer = threading.Timer(SECONDS_MAX, cancel)
    timer.start()
    for event in events:
        kind = type(event).__name__
        seen.append((kind, event.key.decode()[len(c.prefix):], event.value, event.prev_value))
        if len(seen) == 5:
            break
    timer.cancel()
    cancel()
    equal(seen, [
        ("PutEvent", "k0", b"v0", b""), ("PutEvent", "k1", b"v1", b""),
        ("PutEvent", "k2", b"v2", b""), ("PutEvent", "k1", b"changed", b"v1"),
        ("DeleteEvent", "k2", b"", b"v2"),
    ], "history, then what is new")


def check_watch_of_one_key(c: Check) -> None:
    result = []
    ready = threading.Event()

    def callback(response) -> None:
        result.extend(response.events)
        ready.set()

    watch_id = c.client.add_watch_callback(c.key("w"), callback)
    c.client.put(c.key("other"), "x")
    c.client.put(c.key("w"), "y")
    equal(ready.wait(SECONDS_MAX), True, "an event within the limit")
    c.client.cancel_watch(watch_id)
    equal([(e.key, e.value) for e in result], [(c.key("w").encode(), b"y")], "its events alone")


def check_leases(c: Check) -> None:
    lease = c.client.lease(60)
    equal(lease.ttl, 60, "the granted time")
    c.client.put(c.key("leased"), "x", lease=lease)
    c.client.put(c.key("leased2"), "x", lease=lease.id)
    equal(0 < lease.remaining_ttl <= 60, True, "the remaining time")
    equal(sorted(lease.keys), [c.key("leased").encode(), c.key("leased2").encode()], "its keys")
    renewed = [r.TTL for r in lease.refresh()]
    equal(renewed, [60], "a renewal")
    chosen = 0x1234567 + hash(c.prefix) % 1_000_000
    own = c.client.lease(30, lease_id=chosen)
    equal(own.id, chosen, "a chosen id")
    own.revoke()
    equal(c.client.get_lease_info(chosen).TTL, -1, "the time of a lease that is gone")
    lease.revoke()
    equal(c.client.get(c.key("leased")), (None, None), "a revoked lease's key")
    equal(c.range().count, 0, "all its keys")


def check_lease_expiry(c: Check) -> None:
    events, cancel = c.client.watch(c.key("short"))
    lease = c.client.lease(2)
    c.client.put(c.key("short"), "x", lease=lease)
    timer = threading.Timer(SECONDS_MAX, cancel)
    timer.start()
    kinds = []
    for event in events:
        kinds.append(type(event).__name__)
        if len(kinds) == 2:
            break
    timer.cancel()
    cancel()
    equal(kinds, ["PutEvent", "DeleteEvent"], "put, then expired")


def check_status_members_alarms(c: Check) -> None:
    status = c.client.status()
    equal(status.leader is not None, True, "a leader")
    equal([int(part) >= 0 for part in status.version.split(".")], [True] * 3, "a semantic version")
    equal(status.raft_term > 0 and status.raft_index > 0, True, "term and index")
    members = list(c.client.members)
    equal(len(members), 3, "three members")
    equal(len({m.id for m in members}), 3, "ids that differ")
    equal(sorted(m.name for m in members), ["node1", "node2", "node3"], "their names")
    equal(list(c.client.list_alarms()), [], "no alarms")


def check_errors(c: Check) -> None:
    import grpc

    def code_of(call) -> tuple:
        try:
            call()
        except grpc.RpcError as error:
            return (error.code().name, error.details())
        return ("OK", "")

    kv, lease = c.client.kvstub, c.client.leasestub
    key = c.key("e").encode()
    equal(code_of(lambda: kv.Put(rpc_pb2.PutRequest(), SECONDS_MAX)),
          ("INVALID_ARGUMENT", "etcdserver: key is not provided"), "an empty key")
    equal(code_of(lambda: kv.Put(rpc_pb2.PutRequest(key=key, lease=77), SECONDS_MAX)),
          ("NOT_FOUND", "etcdserver: requested lease not found"), "an unknown lease")
    equal(code_of(lambda: kv.Put(rpc_pb2.PutRequest(key=key, ignore_value=True), SECONDS_MAX)),
          ("INVALID_ARGUMENT", "etcdserver: key not found"), "ignore_value on a missing key")
    equal(code_of(lambda: kv.Range(rpc_pb2.RangeRequest(key=key, revision=1 << 50), SECONDS_MAX)),
          ("OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision"), "future")
    equal(code_of(lambda: lease.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=99), SECONDS_MAX)),
          ("NOT_FOUND", "etcdserver: requested lease not found"), "a revoke of nothing")
    put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key))
    equal(code_of(lambda: kv.Txn(rpc_pb2.TxnRequest(success=[put] * 2), SECONDS_MAX)),
          ("INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request"), "a key twice")
    equal(code_of(lambda: kv.Txn(rpc_pb2.TxnRequest(success=[put] * 129), SECONDS_MAX)),
          ("INVALID_ARGUMENT", "etcdserver: too many operations in txn request"), "129 operations")
    equal(kv_pb2.KeyValue(key=key).key, key, "the client's own types")


def check_compaction(c: Check) -> None:
    last = c.fill(4)
    c.client.compact(last - 1)
    old = rpc_pb2.RangeRequest(key=c.key("k0").encode(), revision=last - 2)
    try:
        c.client.kvstub.Range(old, SECONDS_MAX)
    except Exception as error:
        equal(error.details(), "etcdserver: mvcc: required revision has been compacted", "too old")
    else:
        raise AssertionError("a compacted revision was readable")
    equal(c.range(revision=last - 1).count, 3, "the compaction's own revision is readable")
    events, cancel = c.client.watch_prefix(c.prefix, start_revision=last - 2)
    try:
        next(events)
    except etcd3.exceptions.RevisionCompactedError as error:
        equal(error.compacted_revision, last - 1, "the floor that a watch is told")
    else:
        raise AssertionError("a watch from a compacted revision was served")
    finally:
        cancel()


CHECKS = [
    check_put_and_get, check_ranges, check_delete, check_transactions, check_watch,
    check_watch_of_one_key, check_leases, check_lease_expiry, check_status_members_alarms,
    check_errors, check_compaction,
]


def main() -> int:
    failures = 0
    for endpoint in sys.argv[1:]:
        for check in CHECKS:
            name = check.__name__.removeprefix("check_")
            try:
                check(Check(endpoint, name))
                print(f"ok     {endpoint} {name}", flush=True)
            except Exception:
                failures += 1
                print(f"FAILED {endpoint} {name}", flush=True)
                traceback.print_exc()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
