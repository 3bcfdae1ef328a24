"""Transactions: compares of all kinds, nesting, overlaps, limits."""

from side import Side
from wire import message

EQUAL, GREATER, LESS, NOT_EQUAL = range(4)
VERSION, CREATE, MOD, VALUE, LEASE = range(5)
RELATIONS = ["equal", "greater", "less", "not equal"]


def compare(key, relation, target, operand, end=""):
    field = {VERSION: "f4", CREATE: "f5", MOD: "f6", VALUE: "f7", LEASE: "f8"}[target]
    # A oneof is on the wire even if it is zero.
    value = [operand] if isinstance(operand, (bytes, str)) else operand
    body = message(f1=relation, f2=target, f3=key, **{field: value})
    if operand == 0:
        body += bytes([int(field[1:]) << 3, 0])
    return body + message(f64=end)


def get(key, end="", **more):
    return message(f1=[message(f1=key, f2=end, **more)])


def put(key, value="v", **more):
    return message(f2=[message(f1=key, f2=value, **more)])


def delete(key, end="", **more):
    return message(f3=[message(f1=key, f2=end, **more)])


def nested(compares=(), then=(), otherwise=()):
    return message(f4=[message(f1=list(compares), f2=list(then), f3=list(otherwise))])


def compare_cases(side: Side):
    side.put("t/a", "m")
    side.put("t/a", "m")
    side.put("t/b", "n")
    side.grant(31)
    side.put("t/l", "x", lease=31)
    created = side.keys(b"t/a")[0][3]
    for relation in range(4):
        for name, key, target, operand in [
            ("version", "t/a", VERSION, 2), ("version, missing", "t/no", VERSION, 0),
            ("creation", "t/a", CREATE, created), ("creation, missing", "t/no", CREATE, 0),
            ("change", "t/a", MOD, created + 1), ("value", "t/a", VALUE, "m"),
            ("value, missing", "t/no", VALUE, ""), ("lease", "t/l", LEASE, 31),
            ("no lease", "t/a", LEASE, 0),
        ]:
            yield (
                f"{name} {RELATIONS[relation]}",
                lambda k=key, r=relation, t=target, o=operand: side.txn(
                    [compare(k, r, t, o)], [get("t/a")], [get("t/b")]))
    yield "an unknown relation", lambda: side.txn([compare("t/a", 9, VERSION, 1)], [get("t/a")])
    yield "a range of which all match", lambda: side.txn(
        [compare("t/", GREATER, VERSION, 0, "t0")], [get("t/a")])
    yield "a range of which one does not", lambda: side.txn(
        [compare("t/", EQUAL, VERSION, 1, "t0")], [get("t/a")])
    yield "a range without keys, against zero", lambda: side.txn(
        [compare("u/", EQUAL, VERSION, 0, "u0")], [get("t/a")])
    yield "a range without keys, by value", lambda: side.txn(
        [compare("u/", EQUAL, VALUE, "", "u0")], [get("t/a")])
    yield "from a key on", lambda: side.txn(
        [compare("t/b", GREATER, VERSION, 0, b"\0")], [get("t/a")])
    yield "an empty key", lambda: side.txn([compare("", EQUAL, VERSION, 0)], [get("t/a")])
    yield "two, of which one fails", lambda: side.txn(
        [compare("t/a", EQUAL, VERSION, 2), compare("t/b", EQUAL, VERSION, 2)],
        [put("t/x")], [get("t/a")])
    yield "no compare", lambda: side.txn([], [get("t/a")], [get("t/b")])
    yield "nothing at all", lambda: side.txn()


def operation_cases(side: Side):
    yield "a put and a range of it", lambda: side.txn(
        [], [put("t/p", "1"), get("t/p"), put("t/q", "2"), get("t/", "t0", f9=1)])
    yield "a range, a put, a range", lambda: side.txn([], [get("t/r"), put("t/r"), get("t/r")])
    yield "a put with prev_kv", lambda: side.txn([], [put("t/p", "3", f4=1)])
    yield "a deletion with prev_kv", lambda: side.txn([], [delete("t/p", f3=1), get("t/p")])
    yield "a deletion of nothing", lambda: side.txn([], [delete("t/none")])
    yield "the revision stays", lambda: side.range("t/none")
    yield "two deletions of one key", lambda: side.txn([], [delete("t/q"), delete("t/q")])
    yield "the same key twice", lambda: side.txn([], [put("t/d"), put("t/d")])
    yield "a put where it deletes", lambda: side.txn([], [delete("t/", "t0"), put("t/d")])
    yield "a put and a deletion of its key", lambda: side.txn([], [put("t/d"), delete("t/d")])
    yield "a put beside a deletion", lambda: side.txn([], [delete("t/d", "t/e"), put("t/e")])
    yield "a put, and a deletion from a key on", lambda: side.txn(
        [], [put("t/zz"), delete("t/z", b"\0")])
    yield "both in branches of their own", lambda: side.txn([], [put("t/d")], [put("t/d")])
    yield "an empty operation", lambda: side.txn([], [b""])
    yield "an empty operation elsewhere", lambda: side.txn([], [get("t/a")], [b""])
    yield "an empty key", lambda: side.txn([], [put("")])
    yield "an empty key to read", lambda: side.txn([], [get("")])
    yield "a lease that is not there", lambda: side.txn([], [put("t/d", "x", f3=77)])
    yield "nothing of it was done", lambda: side.txn(
        [], [put("t/n1"), put("t/n2", "x", f3=77)])
    yield "indeed", lambda: side.range("t/n1")
    yield "ignore_value of what is not there", lambda: side.txn([], [put("t/none", "", f5=1)])
    yield "a range at an old revision", lambda: side.txn([], [get("t/a", f4=5)])
    yield "a range to come", lambda: side.txn([], [get("t/a", f4=1 << 40)])
    yield "a put and a range to come", lambda: side.txn(
        [], [put("t/f"), get("t/a", f4=1 << 40)])
    yield "a bad order", lambda: side.txn([], [get("t/a", f5=9)])
    yield "128 operations", lambda: side.txn([], [put(f"t/m{n}") for n in range(128)])
    yield "129 operations", lambda: side.txn([], [put(f"t/m{n}") for n in range(129)])
    yield "129 compares", lambda: side.txn([compare("t/a", EQUAL, VERSION, 2)] * 129)
    yield "129 in the branch that does not run", lambda: side.txn(
        [], [], [get("t/a")] * 129)


def nested_cases(side: Side):
    hold, fail = [compare("t/a", GREATER, VERSION, 0)], [compare("t/a", EQUAL, VERSION, 0)]
    yield "one in one", lambda: side.txn([], [nested(hold, [put("t/i", "1")], [get("t/a")])])
    yield "its other branch", lambda: side.txn([], [nested(fail, [put("t/i")], [get("t/i")])])
    yield "three deep", lambda: side.txn(
        hold, [nested(hold, [nested(fail, [get("t/a")], [put("t/deep", "1")])])])
    yield "compares see what was before", lambda: side.txn(
        [], [put("t/new"), nested([compare("t/new", EQUAL, VERSION, 0)], [get("t/new")])])
    yield "branches may overlap", lambda: side.txn(
        [], [nested(hold, [put("t/o")], [put("t/o")])])
    yield "a put outside and inside", lambda: side.txn(
        [], [put("t/o"), nested(hold, [put("t/o")])])
    yield "a put outside and in the branch that does not run", lambda: side.txn(
        [], [put("t/o"), nested(fail, [put("t/o")])])
    yield "a deletion outside, a put inside", lambda: side.txn(
        [], [delete("t/o"), nested(hold, [put("t/o")])])
    yield "two nested puts of one key", lambda: side.txn(
        [], [nested(hold, [put("t/o")]), nested(hold, [put("t/o")])])
    yield "two nested deletions", lambda: side.txn(
        [], [nested(hold, [delete("t/o")]), nested(hold, [delete("t/o")])])
    yield "the limit is shared", lambda: side.txn(
        [], [nested([], [put(f"t/s{n}") for n in range(127)])])
    yield "and exceeded", lambda: side.txn(
        [], [nested([], [put(f"t/s{n}") for n in range(128)])])
    yield "an empty one", lambda: side.txn([], [nested()])
    yield "an empty operation inside", lambda: side.txn([], [nested(hold, [b""])])


SECTIONS = [compare_cases, operation_cases, nested_cases]
