"""The datacenter's records, in short: one line of the history for each revision. Field numbers are
those of Proto/keelson."""

import asyncio
import base64
import json
import random
import re

import mesos_http
from history import History

PREFIX = "/keelson/local/"
RANGE = {
    "key": base64.b64encode(PREFIX.encode()).decode(),
    "range_end": base64.b64encode(PREFIX[:-1].encode() + b"0").decode(),
}
# Revisions that one call asks for.
REVISIONS_MAX = 60
POLL_SECONDS = 0.2
CALL_SECONDS_MAX = 6
OPERATORS = ["", "UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS"]
ACTIONS = ["", "start", "scale", "restart", "stop"]
# mesos.v1.TaskState
STATES = [
    "STARTING", "RUNNING", "FINISHED", "FAILED", "KILLED", "LOST", "STAGING", "ERROR", "KILLING",
    "DROPPED", "UNREACHABLE", "GONE", "GONE_BY_OPERATOR", "UNKNOWN",
]
STAMP = re.compile(r"\bCOMMAND=(\w+)")


class Message:
    """A protobuf message: values by field number, bytes or integers."""

    def __init__(self, data: bytes):
        self.values: dict[int, list] = {}
        place = 0
        while place < len(data):
            tag, place = _varint(data, place)
            number, kind = tag >> 3, tag & 7
            if kind == 0:
                value, place = _varint(data, place)
            elif kind == 1:
                value, place = data[place:place + 8], place + 8
            elif kind == 2:
                size, place = _varint(data, place)
                value, place = data[place:place + size], place + size
            elif kind == 5:
                value, place = data[place:place + 4], place + 4
            else:
                raise ValueError(f"wire type {kind}")
            self.values.setdefault(number, []).append(value)

    def number(self, field: int) -> int:
        return self.values.get(field, [0])[-1]

    def data(self, field: int) -> bytes:
        return self.values.get(field, [b""])[-1]

    def text(self, field: int) -> str:
        return self.data(field).decode(errors="replace")

    def texts(self, field: int) -> list[str]:
        return [value.decode(errors="replace") for value in self.values.get(field, [])]

    def messages(self, field: int) -> list["Message"]:
        return [Message(value) for value in self.values.get(field, [])]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


# Each kind of record, in short

def _service(m: Message) -> dict:
    return {
        "latest": m.number(2), "active": m.number(3), "ending": bool(m.number(4)),
        "deployment": m.number(5), "begun": m.number(6),
    }


def _version(m: Message) -> dict:
    definition = m.messages(3)[0]
    stamp = STAMP.search(definition.text(2))
    environment = {pair.text(1): pair.text(2) for pair in definition.messages(10)}
    return {
        "number": m.number(1), "configuration": m.number(2), "instances": definition.number(9),
        "stamp": environment.get("STAMP", ""), "command": stamp.group(1) if stamp else "",
        "constraints": [
            [c.text(1), OPERATORS[c.number(2)], c.text(3) if 3 in c.values else None]
            for c in definition.messages(15)],
        "checks": len(definition.messages(16)), "minimum": definition.number(18),
        "over": definition.number(19),
    }


def _instance(m: Message) -> dict:
    return {
        "service": m.text(2), "version": m.number(3), "configuration": m.number(4),
        "waits": m.number(6) == 1,
    }


def _deployment(m: Message) -> dict:
    return {
        "step": m.number(3),
        "parts": [
            [p.text(1), ACTIONS[p.number(2)], p.number(3), p.number(4), p.number(5)]
            for p in m.messages(2)],
    }


def _task(m: Message) -> dict:
    status = Message(m.data(11))
    # mesos.v1.TaskStatus.healthy
    healthy = bool(status.number(8)) if 8 in status.values else None
    return {
        "agent": m.text(3), "state": STATES[m.number(8)], "healthy": healthy,
        "killed": m.number(13) > 0, "ended": m.number(16) > 0, "sequence": m.number(7),
        "uuid": m.data(12).hex()[:12],
    }


def _agent(m: Message) -> dict:
    # mesos.v1.AgentInfo.hostname
    return {"name": Message(m.data(2)).text(1), "reachable": m.number(6) == 1}


KINDS = {
    "services/": ("service", _service), "service-versions/": ("version", _version),
    "instances/": ("instance", _instance), "deployments/": ("deployment", _deployment),
    "tasks/marathon/": ("task", _task), "agents/": ("agent", _agent),
}


def short(key: str, value: bytes | None) -> tuple[str, str, dict | None] | None:
    """Kind, name and what matters; None for records that do not matter here."""
    rest = key.removeprefix(PREFIX)
    for folder, (kind, read) in KINDS.items():
        if rest.startswith(folder):
            name = rest.removeprefix(folder)
            if kind in ("service", "version"):
                name = "/" + name
            return kind, name, None if value is None else read(Message(value))
    return None


class Recorder:
    """Reads what each revision changed, from the first one on, at whichever server answers. No
    watch sees these records, but a range at a revision does."""

    def __init__(self, addresses: list[str], history: History, random: random.Random):
        self.addresses, self.history, self.random = addresses, history, random
        self.revision = 0
        # Of what listeners of /v2/events hear.
        self.newest = 0
        # Values by kind and name, as of that revision; and the keys that were there.
        self._known: dict[tuple[str, str], dict] = {}
        self._keys: set[bytes] = set()
        self._task: asyncio.Task | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def names(self, kind: str) -> list[str]:
        """Of the records of a kind that are there, sorted."""
        return sorted(name for known, name in self._known if known == kind)

    async def _follow(self) -> None:
        while True:
            try:
                address = self.random.choice(self.addresses)
                newest = await self._newest(address)
                while self.revision < newest:
                    await self._read(address, min(newest, self.revision + REVISIONS_MAX))
                await asyncio.sleep(POLL_SECONDS)
            except (mesos_http.NotSent, mesos_http.Malformed, OSError, EOFError,
                    asyncio.TimeoutError):
                await asyncio.sleep(self.random.uniform(0.02, 0.2))
            except Exception as error:
                self.history.violation("tool", f"the recorder: {error!r}")
                await asyncio.sleep(1)

    async def _post(self, address: str, path: str, body: dict) -> dict:
        status, _, text = await mesos_http.post(address, path, body, seconds=CALL_SECONDS_MAX)
        if status != 200:
            raise EOFError(f"status {status}: {text[:200]}")
        return json.loads(text)

    async def _newest(self, address: str) -> int:
        answer = await self._post(address, "/v3/kv/range", {
            **RANGE, "limit": "1", "keys_only": True})
        return int(answer["header"]["revision"])

    async def _ranges(self, address: str, requests: list[dict]) -> list[dict]:
        """Many at once."""
        body = {"success": [{"request_range": {**RANGE, **request}} for request in requests]}
        answer = await self._post(address, "/v3/kv/txn", body)
        return [part.get("response_range", {}) for part in answer["responses"]]

    async def _read(self, address: str, through: int) -> None:
        """The next revisions. Only what one wrote is asked for; where there are fewer keys than
        that explains, all keys of the revision tell which are gone."""
        revisions = range(self.revision + 1, through + 1)
        found = await self._ranges(address, [
            {"revision": str(r), "min_mod_revision": str(r)} for r in revisions])
        keys, written, short_of = set(self._keys), {}, []
        count = len(keys)
        for revision, answer in zip(revisions, found):
            written[revision] = {
                base64.b64decode(kv["key"]): kv for kv in answer.get("kvs", [])}
            created = sum(
                int(kv["create_revision"]) == revision for kv in answer.get("kvs", []))
            now = int(answer.get("count", 0))
            if now != count + created:
                short_of.append(revision)
            count = now
        listed = await self._ranges(address, [
            {"revision": str(r), "keys_only": True} for r in short_of]) if short_of else []
        there = {
            revision: {base64.b64decode(kv["key"]) for kv in answer.get("kvs", [])}
            for revision, answer in zip(short_of, listed)}
        for revision in revisions:
            gone = sorted(keys - there[revision]) if revision in there else []
            keys = there.get(revision, keys | set(written[revision]))
            self._take(revision, written[revision], gone)
        self._keys = keys

    def _take(self, revision: int, written: dict[bytes, dict], gone: list[bytes]) -> None:
        changes = []
        values = {key: base64.b64decode(kv.get("value", "")) for key, kv in written.items()}
        for key, value in [*sorted(values.items()), *((key, None) for key in gone)]:
            change = short(key.decode(), value)
            if change is not None and self._is_news(*change):
                changes.append(change)
        self.revision = revision
        if any(change[0] in ("instance", "deployment") for change in changes):
            self.newest = revision
        if changes:
            self.history.write("records", revision=revision, changes=changes)

    def _is_news(self, kind: str, name: str, value: dict | None) -> bool:
        if self._known.get((kind, name)) == value:
            return False
        if value is None:
            del self._known[kind, name]
        else:
            self._known[kind, name] = value
        return True
