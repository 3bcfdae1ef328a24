"""v3lock and v3election."""

import threading
import time

import grpc

from side import SECONDS_MAX, Side, shown, wait
from wire import message


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
    side.until_queued(b"m/", 1, exactly=True)
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
    side.until_queued(b"e/", 2, exactly=True)
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
                seen.append(shown(answer))
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


SECTIONS = [lock_cases, election_cases]
