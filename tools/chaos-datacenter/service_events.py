"""Listeners of /v2/events that go from server to server, and resume with Last-Event-ID."""

import asyncio
import json
import random

import mesos_http
from history import History

# Servers send a comment now and then.
SILENCE_SECONDS_MAX = 20
HEAD_SECONDS_MAX = 5
FIELDS = {
    "status_update_event": ("taskId", "taskStatus"), "instance_changed_event": ("instanceId",),
    "app_terminated_event": ("appId",), "deployment_success": ("id",),
    "deployment_failed": ("id",), "event_stream_gap": ("after", "until"),
}


class Listener:
    def __init__(
        self, name: str, addresses: dict[str, str], history: History, random: random.Random
    ):
        self.name, self.addresses = name, addresses
        self.history, self.random = history, random
        # The last event that it has; zero: none.
        self.last = 0
        # Nodes that do not have what came behind it any more.
        self._forgetful: set[str] = set()
        self._task: asyncio.Task | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            others = [n for n in self.addresses if n not in self._forgetful]
            node, why = self.random.choice(others or list(self.addresses)), "another server"
            try:
                async with asyncio.timeout(self.random.uniform(2, 15)):
                    await self._read(node)
            except asyncio.TimeoutError:
                pass
            except (mesos_http.NotSent, mesos_http.Malformed, OSError, EOFError,
                    ValueError) as error:
                why = repr(error)
            self.history.write("stream", listener=self.name, what="end", node=node, why=why)
            await asyncio.sleep(self.random.uniform(0, 0.3))

    async def _read(self, node: str) -> None:
        async with asyncio.timeout(HEAD_SECONDS_MAX):
            response, writer = await mesos_http.send(
                self.addresses[node], "/v2/events", None,
                {"Accept": "text/event-stream", "Last-Event-ID": str(self.last)}, "GET")
        try:
            if response.status != 200:
                raise EOFError(f"status {response.status}")
            self.history.write(
                "stream", listener=self.name, what="open", node=node, after=self.last)
            fields: dict[str, str] = {}
            # Of an entry whose last event has not come yet.
            open_events: list[dict] = []
            lines = response.lines()
            while True:
                async with asyncio.timeout(SILENCE_SECONDS_MAX):
                    line = (await anext(lines)).decode()
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif fields.get("data"):
                    if not self._take(fields, open_events, node):
                        return
                    fields = {}
        finally:
            writer.transport.abort()

    def _take(self, fields: dict[str, str], open_events: list[dict], node: str) -> bool:
        """Returns false where another server is to be asked first."""
        kind, data = fields["event"], json.loads(fields["data"])
        if kind == "event_stream_gap":
            return self._missed(data, node)
        if kind == "event_stream_attached":
            return True
        found = {"kind": kind, **{name: data[name] for name in FIELDS.get(kind, ())}}
        if "plan" in data:
            found["id"] = data["plan"]["id"]
        open_events.append(found)
        if "id" in fields:
            self._forgetful.clear()
            self.last = int(fields["id"])
            self.history.write(
                "events", listener=self.name, index=self.last, events=list(open_events))
            open_events.clear()
        return True

    def _missed(self, data: dict, node: str) -> bool:
        """Only what all servers have forgotten is passed over."""
        self._forgetful.add(node)
        is_final = len(self._forgetful) == len(self.addresses)
        self.history.write(
            "stream", listener=self.name, what="gap", node=node, after=data["after"],
            until=data["until"], final=is_final)
        if is_final:
            self._forgetful.clear()
            self.last = max(self.last, int(data["until"]))
        return is_final
