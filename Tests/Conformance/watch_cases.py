"""Watch: what streams are told, in what order, and how watches end."""

import queue
import threading

import grpc

from side import Side, refusal
from wire import decode, message

SILENCE = 0.4


class Watching:
    """One stream, whose requests are sent and whose answers are read one by one."""

    def __init__(self, side: Side):
        self.requests: queue.Queue = queue.Queue()
        self.answers: queue.Queue = queue.Queue()
        self.call = side.channel.stream_stream("/etcdserverpb.Watch/Watch")(
            iter(self.requests.get, None), timeout=30, metadata=side.metadata)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for answer in self.call:
                self.answers.put(self._shown(answer))
        except grpc.RpcError as error:
            self.answers.put(refusal(error))

    @staticmethod
    def _shown(answer: bytes) -> dict:
        fields = decode(answer)
        header = decode(fields.pop(1, b""))
        return {"revision": header.get(3, 0), **fields}

    def create(self, key, end="", start=0, **more):
        self.requests.put(message(f1=[message(f1=key, f2=end, f3=start, **more)]))
        return self

    def cancel(self, watch):
        self.requests.put(message(f2=[message(f1=watch)]))
        return self

    def ask_progress(self):
        self.requests.put(message(f3=[b""]))
        return self

    def next(self, count=1):
        return [self.answers.get(timeout=10) for _ in range(count)]

    def events(self, count):
        """Messages until so many events have come: how they are cut is not promised."""
        found: list = []
        while len(found) < count:
            events = self.answers.get(timeout=10).get(11, [])
            found += events if isinstance(events, list) else [events]
        return found

    def silent(self):
        try:
            return self.answers.get(timeout=SILENCE)
        except queue.Empty:
            return "silent"

    def close(self):
        self.requests.put(None)
        self.call.cancel()


def creating_cases(side: Side):
    watching = Watching(side)
    yield "a watch", lambda: watching.create("w/a").next()
    yield "another", lambda: watching.create("w/", "w0").next()
    yield "an id of its own", lambda: watching.create("w/a", f7=10).next()
    yield "an id that is taken", lambda: watching.create("w/a", f7=10).next()
    yield "a negative id", lambda: watching.create("w/none", f7=-3).next()
    yield "an empty key", lambda: watching.create("", f7=20).next()
    yield "a range that ends before it begins", lambda: watching.create("w/b", "w/a").next()
    yield "a range that ends where it begins", lambda: watching.create("w/b", "w/b").next()
    yield "cancelling", lambda: watching.cancel(10).next()
    yield "cancelling again", lambda: watching.cancel(10).silent()
    yield "cancelling what never was", lambda: watching.cancel(99).silent()
    watching.close()
    negative = Watching(side)
    yield "a negative start", lambda: negative.create("w/a", start=-1).next()
    negative.close()


def event_cases(side: Side):
    side.grant(51)
    watching = Watching(side)
    watching.create("v/", "v0").next()
    yield "a put", lambda: (side.put("v/a", "1"), watching.next())
    yield "a second put", lambda: (side.put("v/a", "2"), watching.next())
    yield "a deletion", lambda: (side.delete("v/a"), watching.next())
    yield "a put with a lease", lambda: (side.put("v/l", "1", lease=51), watching.next())
    yield "its end", lambda: (side.revoke(51), watching.next())
    yield "what is elsewhere", lambda: (side.put("x/a"), watching.silent())
    yield "a deletion of nothing", lambda: (side.delete("v/none"), watching.silent())
    yield "a transaction in one message", lambda: (_both(side), watching.next())
    yield "a range that is deleted, in one message", lambda: (
        side.delete("v/", "v0"), watching.next())
    watching.close()
    previous = Watching(side)
    previous.create("v/", "v0", f6=1).next()
    yield "prev_kv of a new key", lambda: (side.put("v/p", "1"), previous.next())
    yield "prev_kv of a change", lambda: (side.put("v/p", "2"), previous.next())
    yield "prev_kv of a deletion", lambda: (side.delete("v/p"), previous.next())
    previous.close()
    filtered = Watching(side)
    filtered.create("v/", "v0", f5=[b"\0"]).next()
    yield "without puts", lambda: (side.put("v/f"), side.delete("v/f"), filtered.next())
    filtered.close()
    puts = Watching(side)
    puts.create("v/", "v0", f5=[b"\1"]).next()
    yield "without deletions", lambda: (
        side.put("v/f"), side.delete("v/f"), side.put("v/g"), puts.events(2))
    puts.close()
    single = Watching(side)
    single.create("v/one").next()
    yield "one key, not its neighbours", lambda: (
        side.put("v/one2"), side.put("v/on"), side.put("v/one"), single.next())
    single.close()
    tail = Watching(side)
    tail.create("v/x", b"\0").next()
    yield "from a key on", lambda: (
        side.put("v/a"), side.put("v/x"), side.put("v/y"), tail.events(2))
    tail.close()


def _both(side: Side):
    from txn_cases import delete, put
    side.put("v/t0")
    side.txn([], [put("v/t1"), delete("v/t0"), put("v/t2")])


def history_cases(side: Side):
    base = side.revision()
    for number in range(5):
        side.put("h/a", str(number))
    side.delete("h/a")
    old = Watching(side)
    yield "from an old revision", lambda: (old.create("h/a", start=base + 1).next(), old.events(6))
    yield "and on", lambda: (side.put("h/a", "new"), old.events(1))
    old.close()
    middle = Watching(side)
    yield "from the middle, with prev_kv", lambda: (
        middle.create("h/a", start=base + 3, f6=1).next(), middle.events(5))
    middle.close()
    future = Watching(side)
    head = side.revision()
    yield "from a revision to come", lambda: (
        future.create("h/f", start=head + 3).next(), side.put("h/f", "1"), side.put("h/f", "2"),
        side.put("h/f", "3"), future.events(1))
    future.close()
    side.compact(base + 3)
    compacted = Watching(side)
    yield "below what was compacted", lambda: compacted.create("h/a", start=base + 1).next(2)
    yield "at what was compacted", lambda: (
        compacted.create("h/a", start=base + 3).next(), compacted.events(5))
    compacted.close()


def progress_cases(side: Side):
    asked = Watching(side)
    asked.create("g/a").next()
    yield "progress is asked for", lambda: asked.ask_progress().next()
    yield "after a change elsewhere", lambda: (side.put("g/b"), asked.ask_progress().next())
    asked.close()
    nobody = Watching(side)
    yield "progress of a stream without watches", lambda: nobody.ask_progress().silent()
    nobody.close()
    fragmented = Watching(side)
    fragmented.create("g/", "g0", f8=1).next()
    yield "fragments of what is small", lambda: (side.put("g/s", "1"), fragmented.next())
    fragmented.close()
    empty = Watching(side)
    yield "an empty request", lambda: (empty.requests.put(b""), empty.silent())[1]
    empty.close()


SECTIONS = [creating_cases, event_cases, history_cases, progress_cases]
