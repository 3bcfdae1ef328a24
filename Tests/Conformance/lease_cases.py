"""Lease, and what is tied to one."""

from side import LEASE, Side
from wire import message


def renew(side: Side, *leases):
    """A stream of renewals: TTL and id of each answer."""
    answers = side.channel.stream_stream(LEASE + "LeaseKeepAlive")(
        iter([message(f1=lease) for lease in leases]), timeout=10, metadata=side.metadata)
    from side import shown
    return [shown(answer) for answer in answers]


def look(side: Side, lease, keys=0):
    """What is left is compared roughly: it is rounded, and time passes. Keys come in any order."""
    answer = side.call(LEASE + "LeaseTimeToLive", message(f1=lease, f2=keys))
    if isinstance(answer, dict):
        if 0 <= answer.get(4, 0) - answer.get(3, 0) <= 2:
            answer[3] = "about all of it"
        if isinstance(answer.get(5), list):
            answer[5] = sorted(answer[5])
    return answer


def lease_cases(side: Side):
    yield "a lease", lambda: side.grant(41, 100)
    yield "its id again", lambda: side.grant(41, 100)
    yield "too short", lambda: side.grant(42, 1)
    yield "no time", lambda: side.grant(43, 0)
    yield "less than no time", lambda: side.grant(44, -5)
    yield "the longest", lambda: side.grant(45, 9_000_000_000)
    yield "longer", lambda: side.grant(46, 9_000_000_001)
    yield "a negative id", lambda: side.grant(-7, 100)
    yield "time to live", lambda: look(side, 41)
    yield "of none", lambda: look(side, 4711)
    yield "of no id", lambda: look(side, 0)
    yield "with keys, of which there are none", lambda: look(side, 41, 1)
    yield "with keys", lambda: (
        side.put("le/b", lease=41), side.put("le/a", lease=41), look(side, 41, 1))
    yield "a key that leaves", lambda: (side.put("le/b"), look(side, 41, 1))
    yield "a key that goes elsewhere", lambda: (side.put("le/a", lease=45), look(side, 41, 1))
    yield "there it is", lambda: look(side, 45, 1)
    yield "a key that is deleted", lambda: (side.delete("le/a"), look(side, 45, 1))
    yield "a renewal", lambda: renew(side, 41)
    yield "three, of which one is unknown", lambda: renew(side, 41, 4711, 42)
    yield "no id", lambda: renew(side, 0)
    yield "no renewal", lambda: renew(side)
    yield "all leases", lambda: sorted(_ids(side))
    yield "the old path of listing", lambda: side.call(LEASE + "LeaseRevoke", message(f1=4711))
    yield "ending one takes its keys in one revision", lambda: (
        side.put("le/x", lease=42), side.put("le/y", lease=42), side.revoke(42),
        side.range("le/", "le0"))
    yield "ending it again", lambda: side.revoke(42)
    yield "ending no id", lambda: side.revoke(0)
    yield "ending one without keys", lambda: side.revoke(43)
    yield "broken bytes", lambda: side.call(LEASE + "LeaseGrant", b"\x08")


def _ids(side: Side):
    from wire import decode
    found = decode(side.raw(LEASE + "LeaseLeases")).get(2, [])
    return [decode(one).get(1, 0) for one in (found if isinstance(found, list) else [found])]


SECTIONS = [lease_cases]
