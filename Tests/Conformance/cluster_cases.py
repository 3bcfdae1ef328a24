"""Cluster and Maintenance of a cluster of one, as far as answers can be equal."""

import grpc

from side import Side, refusal, shown
from wire import decode, message

CLUSTER = "/etcdserverpb.Cluster/"
MAINTENANCE = "/etcdserverpb.Maintenance/"


def members(data) -> list:
    """Name, number of peer and of client URLs, learner: ids and ports are each side's own."""
    found = decode(data).get(2, [])
    found = found if isinstance(found, list) else [found]
    result = []
    for one in found:
        fields = decode(one)
        result.append((fields.get(2, b"") != b"", fields.get(5, 0)))
    return sorted(result)


def status(side: Side):
    fields = decode(side.raw(MAINTENANCE + "Status"))
    leads = decode(fields[1]).get(2) == fields.get(4)
    return {"leads": leads, "learner": fields.get(10, 0), "errors": fields.get(8, b"")}


def cluster_cases(side: Side):
    yield "the members", lambda: members(side.raw(CLUSTER + "MemberList"))
    yield "the members, linearizably", lambda: members(
        side.raw(CLUSTER + "MemberList", message(f1=1)))
    yield "a list has no revision", lambda: shown(
        side.raw(CLUSTER + "MemberList"), without=(2,))
    yield "adding nowhere", lambda: side.call(CLUSTER + "MemberAdd")
    yield "adding at a bad address", lambda: side.call(
        CLUSTER + "MemberAdd", message(f1=["not a url"]))
    yield "adding at a path", lambda: side.call(
        CLUSTER + "MemberAdd", message(f1=["http://10.0.0.9:1/path"]))
    yield "adding without a port", lambda: side.call(
        CLUSTER + "MemberAdd", message(f1=["http://10.0.0.9"]))
    yield "removing nobody", lambda: side.call(CLUSTER + "MemberRemove", message(f1=4711))
    yield "updating nobody", lambda: side.call(
        CLUSTER + "MemberUpdate", message(f1=4711, f2=["http://10.0.0.9:1"]))
    yield "promoting nobody", lambda: side.call(CLUSTER + "MemberPromote", message(f1=4711))
    yield "status", lambda: status(side)
    yield "no alarms", lambda: side.call(MAINTENANCE + "Alarm", message(f1=0))
    yield "an alarm that is not raised", lambda: side.call(
        MAINTENANCE + "Alarm", message(f1=2, f2=0, f3=1))
    yield "defragmenting", lambda: side.call(MAINTENANCE + "Defragment")
    yield "a hash at a revision to come", lambda: side.call(
        MAINTENANCE + "HashKV", message(f1=1 << 40), without=(2,))
    yield "moving the lead to nobody", lambda: side.call(
        MAINTENANCE + "MoveLeader", message(f1=4711))
    yield "health", lambda: side.call("/grpc.health.v1.Health/Check")
    yield "health of nothing", lambda: side.call(
        "/grpc.health.v1.Health/Check", message(f1="nothing"))
    yield "no such method", lambda: side.call(MAINTENANCE + "Nothing")
    yield "no such service", lambda: side.call("/what.Ever/Nothing")


def downgrade(side: Side, action: int, version: str = ""):
    """The answer's version but for its numbers, which are each side's own."""
    try:
        fields = decode(side.raw(MAINTENANCE + "Downgrade", message(f1=action, f2=version)))
    except grpc.RpcError as error:
        return refusal(error)
    return {"header": 1 in fields, "parts": len(fields[2].split(b"."))}


def below(side: Side, minor: int) -> str:
    """A version so many minor versions below the cluster's."""
    parts = decode(side.raw(MAINTENANCE + "Status"))[2].decode().split(".")
    return f"{parts[0]}.{int(parts[1]) - minor}"


def downgrade_cases(side: Side):
    for name, action in (("validating", 0), ("enabling", 1)):
        for text in ("", "3", "x", "3.x", "3.6.0.0", "-3.6", "3.", "v3.6"):
            yield f"{name} {text!r}", lambda a=action, t=text: downgrade(side, a, t)
        for minor in (-1, 0, 2):
            yield f"{name}, {minor} below", lambda a=action, m=minor: downgrade(
                side, a, below(side, m))
    yield "cancelling nothing", lambda: downgrade(side, 2)
    yield "doing what nobody knows", lambda: downgrade(side, 9)
    for patch in ("", ".0", ".7", ".0-rc.1"):
        yield f"validating with {patch!r}", lambda p=patch: downgrade(
            side, 0, below(side, 1) + p)


SECTIONS = [cluster_cases, downgrade_cases]
