"""One of the two clusters that are compared, as the cases see it."""

import threading
import time

import grpc

from wire import decode, message

SECONDS_MAX = 10
KV = "/etcdserverpb.KV/"
LEASE = "/etcdserverpb.Lease/"
AUTH = "/etcdserverpb.Auth/"


class Side:
    def __init__(self, endpoint: str):
        self.endpoint = endpoint
        self.channel = grpc.insecure_channel(endpoint)
        self.metadata: list = []

    # Calls: an answer is the header's revision and the other fields as they are; a refusal is its
    # status and text.

    def raw(self, path: str, body: bytes = b"", timeout: float = SECONDS_MAX) -> bytes:
        return self.channel.unary_unary(path)(body, timeout=timeout, metadata=self.metadata)

    def call(self, path: str, body: bytes = b"", timeout: float = SECONDS_MAX, without=()):
        try:
            return shown(self.raw(path, body, timeout), without)
        except grpc.RpcError as error:
            return refusal(error)

    def stream(self, path: str, body: bytes = b"", timeout: float = SECONDS_MAX):
        """All messages of a call with one request, or how it was refused."""
        try:
            answers = self.channel.unary_stream(path)(
                body, timeout=timeout, metadata=self.metadata)
            return [shown(answer) for answer in answers]
        except grpc.RpcError as error:
            return refusal(error)

    def later(self, *arguments):
        """Runs a call that waits; the thread's result is read with `wait`."""
        box: list = []
        thread = threading.Thread(target=lambda: box.append(arguments[0](*arguments[1:])))
        thread.start()
        return thread, box

    # Shorthands

    def put(self, key, value="v", lease=0, **more):
        return self.call(KV + "Put", message(f1=key, f2=value, f3=lease, **more))

    def range(self, key, end="", **more):
        return self.call(KV + "Range", message(f1=key, f2=end, **more))

    def delete(self, key, end="", **more):
        return self.call(KV + "DeleteRange", message(f1=key, f2=end, **more))

    def txn(self, compares=(), then=(), otherwise=()):
        return self.call(
            KV + "Txn", message(f1=list(compares), f2=list(then), f3=list(otherwise)))

    def compact(self, revision, physical=0):
        return self.call(KV + "Compact", message(f1=revision, f2=physical))

    def grant(self, lease, seconds=100):
        return self.call(LEASE + "LeaseGrant", message(f1=seconds, f2=lease))

    def revoke(self, lease):
        return self.call(LEASE + "LeaseRevoke", message(f1=lease))

    def keys(self, prefix: bytes):
        found = decode(self.raw(KV + "Range", message(f1=prefix, f2=prefix + b"\xff"))).get(2, [])
        pairs = [decode(kv) for kv in (found if isinstance(found, list) else [found])]
        return [(kv[1], kv.get(5, b""), kv.get(6, 0), kv.get(2, 0)) for kv in pairs]

    def revision(self) -> int:
        header = decode(decode(self.raw(KV + "Range", message(f1="?")))[1])
        return header[3]

    def lock(self, name, lease=0, timeout=SECONDS_MAX):
        return self.call("/v3lockpb.Lock/Lock", message(f1=name, f2=lease), timeout)

    def unlock(self, key):
        return self.call("/v3lockpb.Lock/Unlock", message(f1=key))

    def election(self, method, body, timeout=SECONDS_MAX):
        return self.call("/v3electionpb.Election/" + method, body, timeout)

    def campaign(self, name, lease, value, timeout=SECONDS_MAX):
        return self.election("Campaign", message(f1=name, f2=lease, f3=value), timeout)

    def until_queued(self, prefix: bytes, count: int, exactly: bool = False):
        deadline = time.monotonic() + SECONDS_MAX
        while (found := len(self.keys(prefix))) < count or exactly and found != count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} keys under {prefix!r}")
            time.sleep(0.01)


def shown(data: bytes, without=()) -> dict:
    fields = decode(data)
    header = fields.pop(1, b"")
    revision = decode(header).get(3, 0) if isinstance(header, bytes) else header
    return {"revision": revision, **{k: v for k, v in fields.items() if k not in without}}


def refusal(error: grpc.RpcError) -> str:
    # The client's own deadline and the server's are one race.
    if "deadline exceeded" in error.details().lower():
        return "gave up"
    return f"{error.code().name}: {error.details()}"


def wait(waiting):
    thread, box = waiting
    thread.join(SECONDS_MAX)
    return box[0] if box else "still waiting"
