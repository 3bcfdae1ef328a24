"""KV: ranges in all their forms, puts, deletions, compaction."""

import itertools

from side import KV, Side
from wire import message

INT64_MAX = (1 << 63) - 1
ORDERS = {0: "no order", 1: "ascending", 2: "descending"}
TARGETS = {0: "key", 1: "version", 2: "create", 3: "mod", 4: "value"}


def fill(side: Side):
    """Keys whose orders by key, version, creation, change and value all differ."""
    for key, value in [
        ("k/b", "5"), ("k/a", "9"), ("k/d", "1"), ("k/c", "7"), ("k/a", "8"), ("k/e", "3"),
        ("k/d", "2"), ("k/a", "4"), ("k/f", "6"), ("k/b", "0"),
    ]:
        side.put(key, value)
    side.delete("k/e")
    side.put("k/e", "3")
    side.put("l/x", "1")


def range_cases(side: Side):
    fill(side)
    yield "a key", lambda: side.range("k/a")
    yield "a key that is not there", lambda: side.range("nope")
    yield "an empty key", lambda: side.range("")
    yield "an empty key with an end", lambda: side.range("", "k/b")
    yield "an empty key to the end", lambda: side.range("", b"\0")
    yield "every key", lambda: side.range(b"\0", b"\0")
    yield "from a key on", lambda: side.range("k/d", b"\0")
    yield "a prefix", lambda: side.range("k/", "k0")
    yield "a range without keys", lambda: side.range("m", "n")
    yield "a range that ends before it begins", lambda: side.range("k/d", "k/a")
    yield "a range that ends where it begins", lambda: side.range("k/d", "k/d")
    for order, target, limit in itertools.product(ORDERS, TARGETS, (0, 3)):
        if target == 1 and order != 0 or target == 1:
            continue  # Versions tie, and the order of ties is nobody's promise.
        yield (
            f"by {TARGETS[target]}, {ORDERS[order]}, limit {limit}",
            lambda o=order, t=target, n=limit: side.range("k/", "k0", f3=n, f5=o, f6=t))
    for limit in (1, 5, 6, 7, 100, -1, INT64_MAX):
        yield f"limit {limit}", lambda n=limit: side.range("k/", "k0", f3=n)
    for name, fields in {
        "keys only": {"f8": 1},
        "count only": {"f9": 1},
        "count only with a limit": {"f9": 1, "f3": 2},
        "count and keys only": {"f8": 1, "f9": 1},
        "serializable": {"f7": 1},
        "keys only by value": {"f8": 1, "f5": 1, "f6": 4},
        "changed since": {"f10": 9},
        "changed until": {"f11": 9},
        "created since": {"f12": 6},
        "created until": {"f13": 6},
        "changed and created since": {"f10": 7, "f12": 3},
        "changed since, limited": {"f10": 5, "f3": 2},
        "created until, counted": {"f13": 6, "f9": 1},
        "changed since, descending": {"f10": 5, "f5": 2},
        "an unknown order": {"f5": 9},
        "a negative order": {"f5": -1},
    }.items():
        yield name, lambda f=fields: side.range("k/", "k0", **f)
    for revision in (1, 2, 5, 8, 12, 14, 15, 1000, -1, INT64_MAX):
        yield f"at revision {revision}", lambda r=revision: side.range("k/", "k0", f4=r)
        yield f"a key at revision {revision}", lambda r=revision: side.range("k/e", f4=r)
    yield "an old count", lambda: side.range("k/", "k0", f4=5, f9=1)
    yield "an old limit", lambda: side.range("k/", "k0", f4=8, f3=2)
    yield "old, by value, descending", lambda: side.range("k/", "k0", f4=9, f5=2, f6=4)
    yield "broken bytes", lambda: side.call(KV + "Range", b"\x0a\xff")
    yield "a field that nobody knows", lambda: side.call(
        KV + "Range", message(f1="k/a", f999="what"))


def put_cases(side: Side):
    yield "a new key", lambda: side.put("p/a", "1")
    yield "again, with prev_kv", lambda: side.put("p/a", "2", f4=1)
    yield "new, with prev_kv", lambda: side.put("p/b", "1", f4=1)
    yield "an empty value", lambda: side.put("p/c", "")
    yield "an empty key", lambda: side.put("", "x")
    yield "ignore_value", lambda: side.put("p/a", "", f5=1)
    yield "ignore_value and a value", lambda: side.put("p/a", "x", f5=1)
    yield "ignore_value, not there", lambda: side.put("p/none", "", f5=1)
    yield "ignore_lease, not there", lambda: side.put("p/none", "x", f6=1)
    yield "no such lease", lambda: side.put("p/a", "x", lease=99)
    yield "a lease", lambda: (side.grant(11), side.put("p/a", "x", lease=11))
    yield "ignore_lease keeps it", lambda: (
        side.put("p/a", "y", f6=1), side.range("p/a"))
    yield "ignore_lease and a lease", lambda: side.put("p/a", "y", lease=11, f6=1)
    yield "ignore_value keeps the value, not the lease", lambda: (
        side.put("p/a", "", f5=1), side.range("p/a"))
    yield "a negative lease", lambda: side.put("p/a", "x", lease=-1)
    yield "a key of any bytes", lambda: side.put(bytes(range(256)), "x")
    yield "that key", lambda: side.range(bytes(range(256)))
    yield "a value of a megabyte", lambda: side.put("p/large", b"x" * 1_000_000)
    yield "a request that is too large", lambda: side.put("p/large", b"x" * 1_600_000)
    yield "broken bytes", lambda: side.call(KV + "Put", b"\x12\x05abc")
    yield "no bytes at all", lambda: side.call(KV + "Put", b"")


def delete_cases(side: Side):
    for key in "abcdef":
        side.put("d/" + key, key)
    yield "a key", lambda: side.delete("d/a")
    yield "it again", lambda: side.delete("d/a")
    yield "with prev_kv", lambda: side.delete("d/b", f3=1)
    yield "an empty key", lambda: side.delete("")
    yield "a range that ends before it begins", lambda: side.delete("d/e", "d/c")
    yield "a range", lambda: side.delete("d/c", "d/e", f3=1)
    yield "what is left", lambda: side.range("d/", "d0")
    yield "from a key on, far behind", lambda: side.delete("zzz", b"\0")
    yield "a range of nothing", lambda: side.delete("d/x", "d/z")
    yield "a deleted key made anew", lambda: (side.put("d/a", "2"), side.range("d/a"))


def compact_cases(side: Side):
    for number in range(6):
        side.put("c/a", str(number))
    side.delete("c/a")
    base = side.revision()
    yield "a revision that is to come", lambda: side.compact(base + 100)
    yield "revision 0", lambda: side.compact(0)
    yield "a negative revision", lambda: side.compact(-5)
    yield "an old revision", lambda: side.compact(base - 4)
    yield "the same again", lambda: side.compact(base - 4)
    yield "an older one", lambda: side.compact(base - 5)
    yield "a read below", lambda: side.range("c/a", f4=base - 5)
    yield "a read at it", lambda: side.range("c/a", f4=base - 4)
    yield "a read above", lambda: side.range("c/a", f4=base - 2)
    yield "a read of all at revision 2", lambda: side.range(b"\0", b"\0", f4=2)
    yield "physically", lambda: side.compact(base, 1)
    yield "the deleted key at its end", lambda: side.range("c/a", f4=base)
    yield "the newest", lambda: side.range("c/a")
    yield "beyond", lambda: side.compact(INT64_MAX)


SECTIONS = [range_cases, put_cases, delete_cases, compact_cases]
