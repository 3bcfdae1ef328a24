"""Auth: users, roles, permissions, logging in, and what they let through."""

import grpc

from lease_cases import look
from side import AUTH, Side, refusal
from txn_cases import EQUAL, VERSION, compare, delete, get, nested, put
from watch_cases import Watching
from wire import decode, message

READ, WRITE, READWRITE = range(3)
NO_TOKEN: list = []


def auth(side: Side, method, **fields):
    return side.call(AUTH + method, message(**fields))


def permission(kind, key, end=""):
    return [message(f1=kind, f2=key, f3=end)]


def token(side: Side, name, password):
    """Logs in, and calls as that user from then on; what is answered but for the token."""
    side.metadata = NO_TOKEN
    try:
        answer = decode(side.raw(AUTH + "Authenticate", message(f1=name, f2=password)))
    except grpc.RpcError as error:
        return refusal(error)
    side.metadata = [("token", answer[2].decode())]
    return sorted(answer)


def user_cases(side: Side):
    yield "logging in while nobody has to", lambda: auth(side, "Authenticate", f1="root", f2="x")
    yield "enabling without root", lambda: auth(side, "AuthEnable")
    yield "no users", lambda: auth(side, "UserList")
    yield "adding root", lambda: auth(side, "UserAdd", f1="root", f2="rp")
    yield "adding root again", lambda: auth(side, "UserAdd", f1="root", f2="rp")
    yield "adding nobody", lambda: auth(side, "UserAdd", f1="", f2="x")
    yield "enabling without the role root", lambda: auth(side, "AuthEnable")
    for name in ("alice", "bob", "carol"):
        yield f"adding {name}", lambda n=name: auth(side, "UserAdd", f1=n, f2=n + "p")
    yield "a user without a password", lambda: auth(
        side, "UserAdd", f1="cert", f3=[message(f1=1)])
    yield "all users", lambda: auth(side, "UserList")
    yield "a user", lambda: auth(side, "UserGet", f1="alice")
    yield "a user that is not there", lambda: auth(side, "UserGet", f1="nobody")
    yield "another password", lambda: auth(side, "UserChangePassword", f1="bob", f2="bp2")
    yield "another password of nobody", lambda: auth(
        side, "UserChangePassword", f1="nobody", f2="x")
    yield "deleting carol", lambda: auth(side, "UserDelete", f1="carol")
    yield "deleting carol again", lambda: auth(side, "UserDelete", f1="carol")


def role_cases(side: Side):
    yield "no roles", lambda: auth(side, "RoleList")
    yield "a role", lambda: auth(side, "RoleAdd", f1="dev")
    yield "it again", lambda: auth(side, "RoleAdd", f1="dev")
    yield "a role without a name", lambda: auth(side, "RoleAdd", f1="")
    yield "another role", lambda: auth(side, "RoleAdd", f1="audit")
    yield "all roles", lambda: auth(side, "RoleList")
    yield "a role that allows nothing", lambda: auth(side, "RoleGet", f1="dev")
    yield "a role that is not there", lambda: auth(side, "RoleGet", f1="none")
    yield "the role root", lambda: auth(side, "RoleGet", f1="root")
    for kind, key, end in [
        (READWRITE, "/dev/", "/dev0"), (READ, "/shared/", "/shared0"), (WRITE, "/out", ""),
        (READ, "/all", b"\0"),
    ]:
        yield f"granting {key}", lambda k=kind, s=key, e=end: auth(
            side, "RoleGrantPermission", f1="dev", f2=permission(k, s, e))
    yield "granting the same differently", lambda: auth(
        side, "RoleGrantPermission", f1="dev", f2=permission(READ, "/all", b"\0"))
    yield "granting nothing", lambda: auth(side, "RoleGrantPermission", f1="dev")
    yield "granting to nobody", lambda: auth(
        side, "RoleGrantPermission", f1="none", f2=permission(READ, "k"))
    yield "what the role allows", lambda: auth(side, "RoleGet", f1="dev")
    yield "taking what was not granted", lambda: auth(
        side, "RoleRevokePermission", f1="dev", f2="/none")
    yield "taking from nobody", lambda: auth(side, "RoleRevokePermission", f1="none", f2="k")
    yield "taking", lambda: auth(side, "RoleRevokePermission", f1="dev", f2="/all", f3=b"\0")
    yield "what is left", lambda: auth(side, "RoleGet", f1="dev")
    yield "a role for alice", lambda: auth(side, "UserGrantRole", f1="alice", f2="dev")
    yield "the same again", lambda: auth(side, "UserGrantRole", f1="alice", f2="dev")
    yield "no such role", lambda: auth(side, "UserGrantRole", f1="alice", f2="none")
    yield "no such user", lambda: auth(side, "UserGrantRole", f1="nobody", f2="dev")
    yield "two roles", lambda: (
        auth(side, "UserGrantRole", f1="alice", f2="audit"), auth(side, "UserGet", f1="alice"))
    yield "a role that she does not have", lambda: auth(
        side, "UserRevokeRole", f1="bob", f2="dev")
    yield "a role of nobody", lambda: auth(side, "UserRevokeRole", f1="nobody", f2="dev")
    yield "taking a role", lambda: auth(side, "UserRevokeRole", f1="alice", f2="audit")
    yield "deleting a role", lambda: auth(side, "RoleDelete", f1="audit")
    yield "deleting it again", lambda: auth(side, "RoleDelete", f1="audit")
    yield "root is root", lambda: auth(side, "UserGrantRole", f1="root", f2="root")


def login_cases(side: Side):
    for key in ("/dev/a", "/shared/a", "/out", "/all", "/secret"):
        side.put(key, key)
    side.grant(61)
    side.put("/secret/leased", "1", lease=61)
    yield "enabling", lambda: auth(side, "AuthEnable")
    yield "a put of nobody", lambda: side.put("/dev/a")
    yield "a range of nobody", lambda: side.range("/dev/a")
    yield "a transaction of nobody", lambda: side.txn([], [get("/dev/a")])
    yield "a deletion of nobody", lambda: side.delete("/dev/a")
    yield "a change of nobody", lambda: auth(side, "UserAdd", f1="x", f2="x")
    yield "a wrong password", lambda: token(side, "alice", "wrong")
    yield "no such user", lambda: token(side, "nobody", "x")
    yield "the old password", lambda: token(side, "bob", "bobp")
    yield "the new password", lambda: token(side, "bob", "bp2")
    yield "a user without roles reads", lambda: side.range("/dev/a")
    yield "a made-up token", lambda: _with(side, "made.up", lambda: side.range("/dev/a"))
    yield "enabling again", lambda: (token(side, "root", "rp"), auth(side, "AuthEnable"))[1]
    yield "deleting root", lambda: auth(side, "UserDelete", f1="root")
    yield "taking root's role", lambda: auth(side, "UserRevokeRole", f1="root", f2="root")


def _with(side: Side, text, body):
    before = side.metadata
    side.metadata = [("token", text)]
    try:
        return body()
    finally:
        side.metadata = before


def permission_cases(side: Side):
    yield "alice logs in", lambda: token(side, "alice", "alicep")
    for key, end in [
        ("/dev/a", ""), ("/dev/", "/dev0"), ("/dev/a", "/dev/c"), ("/dev/", "/dev1"),
        ("/de", "/dev0"), ("/dev/a", b"\0"), ("/shared/a", ""), ("/out", ""), ("/all", ""),
        (b"\0", b"\0"), ("/dev/", "/shared0"),
    ]:
        yield f"reading {key!r} to {end!r}", lambda k=key, e=end: side.range(k, e)
        yield f"deleting {key!r} to {end!r}", lambda k=key, e=end: side.delete(k, e)
    for key in ("/dev/n", "/shared/a", "/out", "/all", "/secret"):
        yield f"writing {key}", lambda k=key: side.put(k)
    yield "prev_kv of what may not be read", lambda: side.put("/out", "x", f4=1)
    yield "prev_kv of what may", lambda: side.put("/dev/n", "x", f4=1)
    yield "deleting with prev_kv", lambda: side.delete("/out", f3=1)
    yield "a compare of what may not be read", lambda: side.txn(
        [compare("/secret", EQUAL, VERSION, 1)], [get("/dev/a")])
    yield "a put in the other branch", lambda: side.txn([], [get("/dev/a")], [put("/secret")])
    yield "a range in a transaction", lambda: side.txn([], [get("/secret")])
    yield "a deletion in a transaction", lambda: side.txn([], [delete("/secret")])
    yield "a good transaction", lambda: side.txn(
        [compare("/dev/n", EQUAL, VERSION, 2)], [put("/dev/m"), get("/dev/m")])
    yield "hidden in a nested one", lambda: side.txn([], [nested([], [get("/secret")])])
    yield "her lease", lambda: side.grant(62)
    yield "tying a key to it", lambda: side.put("/dev/l", lease=62)
    yield "tying a key to another's", lambda: side.put("/dev/l", lease=61)
    yield "ending another's lease", lambda: side.revoke(61)
    yield "another's keys", lambda: look(side, 61, 1)
    yield "ending hers", lambda: side.revoke(62)
    yield "who she is", lambda: auth(side, "UserGet", f1="alice")
    yield "who bob is", lambda: auth(side, "UserGet", f1="bob")
    yield "her role", lambda: auth(side, "RoleGet", f1="dev")
    yield "another role", lambda: auth(side, "RoleGet", f1="root")
    for method in (
        "UserAdd", "UserDelete", "UserChangePassword", "UserGrantRole", "UserRevokeRole",
        "RoleAdd", "RoleDelete", "RoleGrantPermission", "RoleRevokePermission", "UserList",
        "RoleList", "AuthDisable", "AuthEnable",
    ):
        grant = permission(READ, "k") if method == "RoleGrantPermission" else "k"
        yield f"{method} by a user", lambda m=method, g=grant: auth(side, m, f1="x", f2=g)


def ending_cases(side: Side):
    watching = Watching(side)
    yield "watching what she may", lambda: watching.create("/dev/", "/dev0").next()
    yield "watching what she may not", lambda: watching.create("/secret").next()
    yield "watching too much", lambda: watching.create("/dev/", b"\0").next()
    yield "what she may is told", lambda: (side.put("/dev/w", "1"), watching.events(1))
    watching.close()
    yield "root comes back", lambda: token(side, "root", "rp")
    yield "disabling", lambda: auth(side, "AuthDisable")
    side.metadata = NO_TOKEN
    yield "disabling again", lambda: auth(side, "AuthDisable")
    yield "everybody reads again", lambda: side.range("/secret")


SECTIONS = [user_cases, role_cases, login_cases, permission_cases, ending_cases]
