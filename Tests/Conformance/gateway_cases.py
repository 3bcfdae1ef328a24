"""The JSON gateway: the same API as JSON over HTTP/1.1."""

import base64
import http.client
import json
import socket

from side import Side

SILENCE = 0.4


def b64(text) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return base64.b64encode(raw).decode()


def shown(value):
    """Without what is each side's own; etcd 3.5 says a refusal's text twice."""
    if isinstance(value, dict):
        hidden = ("cluster_id", "member_id", "raft_term")
        found = {k: shown(v) for k, v in value.items() if k not in hidden}
        if "code" in found and "message" in found:
            found.pop("error", None)
        return found
    return [shown(one) for one in value] if isinstance(value, list) else value


def ask(side: Side, path, body=None, method="POST", headers=None, raw=None):
    """Status and answer; the answer as it is where it is no JSON."""
    connection = http.client.HTTPConnection(side.endpoint, timeout=10)
    try:
        text = raw if raw is not None else json.dumps(body or {})
        connection.request(method, path, text, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        try:
            return answer.status, shown(json.loads(data))
        except json.JSONDecodeError:
            lines = data.decode(errors="replace").strip().split("\n")
            try:
                return answer.status, [shown(json.loads(line)) for line in lines]
            except json.JSONDecodeError:
                return answer.status, data.decode(errors="replace")
    finally:
        connection.close()


class Lines:
    """An answer that comes line by line."""

    def __init__(self, side: Side, path, *bodies):
        self.connection = http.client.HTTPConnection(side.endpoint, timeout=10)
        text = "".join(json.dumps(body) for body in bodies)
        self.connection.request("POST", path, text)
        self.answer = self.connection.getresponse()

    def next(self):
        return shown(json.loads(self.answer.readline()))

    def silent(self):
        self.connection.sock.settimeout(SILENCE)
        try:
            return self.answer.readline()
        except (TimeoutError, socket.timeout):
            return "silent"

    def close(self):
        self.connection.close()


def put(side: Side, key, value, **more):
    return ask(side, "/v3/kv/put", {"key": b64(key), "value": b64(value), **more})


def gateway_store_cases(side: Side):
    yield "a put", lambda: put(side, "j/a", "1")
    yield "a put with prev_kv", lambda: put(side, "j/a", "2", prev_kv=True)
    yield "a put with a name in camel case", lambda: put(side, "j/a", "3", prevKv=True)
    yield "a put below /v3beta", lambda: ask(
        side, "/v3beta/kv/put", {"key": b64("j/b"), "value": b64("x")})
    yield "no key", lambda: ask(side, "/v3/kv/put", {"value": b64("x")})
    yield "a field that nobody knows", lambda: ask(
        side, "/v3/kv/put", {"key": b64("j/c"), "what": 1})
    yield "no lease", lambda: put(side, "j/a", "x", lease="4711")
    yield "a lease as a number", lambda: put(side, "j/a", "x", lease=4711)
    yield "a range", lambda: ask(
        side, "/v3/kv/range", {"key": b64("j/"), "range_end": b64("j0")})
    yield "a range with options", lambda: ask(
        side, "/v3/kv/range", {
            "key": b64("j/"), "range_end": b64("j0"), "limit": "1", "sort_order": "DESCEND",
            "sort_target": "VALUE", "keys_only": True})
    yield "a count", lambda: ask(
        side, "/v3/kv/range", {"key": b64("j/"), "range_end": b64("j0"), "count_only": True})
    yield "enums as numbers", lambda: ask(
        side, "/v3/kv/range", {"key": b64("j/"), "range_end": b64("j0"), "sort_order": 2})
    yield "a revision to come", lambda: ask(
        side, "/v3/kv/range", {"key": b64("j/a"), "revision": str(1 << 40)})
    yield "a transaction", lambda: ask(
        side, "/v3/kv/txn", {
            "compare": [{
                "target": "VERSION", "result": "GREATER", "key": b64("j/a"), "version": "0"}],
            "success": [
                {"request_put": {"key": b64("j/t"), "value": b64("1")}},
                {"request_range": {"key": b64("j/t")}}],
            "failure": [{"request_delete_range": {"key": b64("j/a")}}]})
    yield "a deletion", lambda: ask(
        side, "/v3/kv/deleterange", {"key": b64("j/b"), "prev_kv": True})
    yield "a compaction to come", lambda: ask(
        side, "/v3/kv/compaction", {"revision": str(1 << 40)})
    yield "no body", lambda: ask(side, "/v3/kv/range", raw="")
    yield "an empty object", lambda: ask(side, "/v3/kv/range", raw="{}")


def gateway_broken_cases(side: Side):
    """How it is said differs; that it is refused, and as what, does not."""

    def status(*arguments, **more):
        return ask(side, *arguments, **more)[0]

    yield "no JSON", lambda: status("/v3/kv/put", raw="what")
    yield "half an object", lambda: status("/v3/kv/put", raw='{"key":')
    yield "a list", lambda: status("/v3/kv/put", raw="[]")
    yield "no base64", lambda: status("/v3/kv/put", raw='{"key":"!!"}')
    yield "no number", lambda: status("/v3/kv/range", raw='{"key":"aa==","limit":"x"}')
    yield "no such path", lambda: status("/v3/kv/nothing")
    yield "no path at all", lambda: status("/v3/")
    yield "GET", lambda: status("/v3/kv/range", method="GET")
    yield "too large", lambda: status(
        "/v3/kv/put", {"key": b64("j/l"), "value": b64(b"x" * 1_600_000)})


def gateway_other_cases(side: Side):
    yield "a lease", lambda: ask(side, "/v3/lease/grant", {"TTL": "100", "ID": "81"})
    yield "the lease again", lambda: ask(side, "/v3/lease/grant", {"TTL": "100", "ID": "81"})
    yield "a renewal", lambda: ask(side, "/v3/lease/keepalive", {"ID": "81"})
    yield "a renewal of none", lambda: ask(side, "/v3/lease/keepalive", {"ID": "4711"})
    yield "time to live of none", lambda: ask(side, "/v3/lease/timetolive", {"ID": "4711"})
    yield "below the old path", lambda: ask(side, "/v3/kv/lease/timetolive", {"ID": "4711"})
    yield "all leases", lambda: "81" in json.dumps(ask(side, "/v3/lease/leases"))
    yield "ending it", lambda: ask(side, "/v3/lease/revoke", {"ID": "81"})
    yield "ending it again", lambda: ask(side, "/v3/kv/lease/revoke", {"ID": "81"})
    yield "alarms", lambda: ask(side, "/v3/maintenance/alarm")
    yield "defragmenting", lambda: ask(side, "/v3/maintenance/defragment")
    yield "moving the lead to nobody", lambda: ask(
        side, "/v3/maintenance/transfer-leadership", {"targetID": "4711"})
    yield "removing nobody", lambda: ask(side, "/v3/cluster/member/remove", {"ID": "4711"})
    yield "a member's fields", lambda: sorted(
        ask(side, "/v3/cluster/member/list")[1]["members"][0])
    yield "users", lambda: ask(side, "/v3/auth/user/list")
    yield "roles", lambda: ask(side, "/v3/auth/role/list")
    yield "the role root", lambda: ask(side, "/v3/auth/role/get", {"role": "root"})
    yield "logging in", lambda: ask(
        side, "/v3/auth/authenticate", {"name": "root", "password": "x"})
    yield "enabling", lambda: ask(side, "/v3/auth/enable")
    yield "a lock", lambda: ask(side, "/v3/lock/lock", {"name": b64("jl"), "lease": "4711"})
    yield "a leader", lambda: ask(side, "/v3/election/leader", {"name": b64("je")})


def gateway_watch_cases(side: Side):
    watching = Lines(side, "/v3/watch", {
        "create_request": {"key": b64("jw/"), "range_end": b64("jw0"), "prev_kv": True}})
    yield "a watch", lambda: watching.next()
    yield "its put", lambda: (put(side, "jw/a", "1"), watching.next())
    yield "its second put", lambda: (put(side, "jw/a", "2"), watching.next())
    yield "its deletion", lambda: (
        ask(side, "/v3/kv/deleterange", {"key": b64("jw/a")}), watching.next())
    yield "and no more", lambda: watching.silent()
    watching.close()
    two = Lines(
        side, "/v3/watch", {"create_request": {"key": b64("jw/x")}},
        {"create_request": {"key": b64("jw/y"), "filters": ["NODELETE"]}})
    yield "two watches in one request", lambda: [two.next(), two.next()]
    yield "each is told", lambda: (
        put(side, "jw/x", "1"), put(side, "jw/y", "1"), two.next(), two.next())
    two.close()


def gateway_auth_cases(side: Side):
    for path, body in [
        ("user/add", {"name": "root", "password": "rp"}), ("role/add", {"role": "x"}),
        ("role/add", {"name": "jr"}), ("user/grant", {"user": "root", "role": "root"}),
        ("user/add", {"name": "ju", "password": "jp"}),
        ("role/grant", {"name": "jr", "perm": {
            "permType": "READWRITE", "key": b64("j/"), "range_end": b64("j0")}}),
        ("user/grant", {"user": "ju", "role": "jr"}), ("role/get", {"role": "jr"}),
        ("user/get", {"name": "ju"}),
    ]:
        yield f"{path} {body}", lambda p=path, b=body: ask(side, "/v3/auth/" + p, b)
    yield "enabled", lambda: ask(side, "/v3/auth/enable")
    yield "nobody reads", lambda: ask(side, "/v3/kv/range", {"key": b64("j/a")})
    yield "a made-up token", lambda: ask(
        side, "/v3/kv/range", {"key": b64("j/a")}, headers={"Authorization": "made.up"})
    yield "a wrong password", lambda: ask(
        side, "/v3/auth/authenticate", {"name": "ju", "password": "x"})
    user = _login(side, "ju", "jp")
    yield "a user reads", lambda: ask(
        side, "/v3/kv/range", {"key": b64("j/a")}, headers=user)
    yield "a user reads too much", lambda: ask(
        side, "/v3/kv/range", {"key": b64("x")}, headers=user)
    root = _login(side, "root", "rp")
    yield "disabled", lambda: ask(side, "/v3/auth/disable", headers=root)
    for path, body in [
        ("user/delete", {"name": "ju"}), ("role/delete", {"role": "jr"}),
        ("user/delete", {"name": "root"}),
    ]:
        yield f"{path} {body}", lambda p=path, b=body: ask(side, "/v3/auth/" + p, b)


def _login(side: Side, name, password) -> dict:
    _, answer = ask(side, "/v3/auth/authenticate", {"name": name, "password": password})
    return {"Authorization": answer.get("token", "")}


SECTIONS = [
    gateway_store_cases, gateway_broken_cases, gateway_other_cases, gateway_watch_cases,
    gateway_auth_cases]
