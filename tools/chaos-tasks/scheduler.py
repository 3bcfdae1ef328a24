"""A scheduler of Mesos' v1 HTTP API, each of whose calls and events is in the history."""

import asyncio
import contextlib
import random

import mesos_http
from history import History

# The master sends a heartbeat every 15 s.
SILENCE_SECONDS_MAX = 20
# A SUBSCRIBE may wait half a minute for a leader.
HEAD_SECONDS_MAX = 35
CALL_SECONDS_MAX = 10


class Stream:
    """A subscription that stands, or stood."""

    def __init__(self, number: int, address: str, stream_id: str, writer: asyncio.StreamWriter):
        self.number, self.address, self.stream_id = number, address, stream_id
        self.is_open = True
        self._writer = writer

    def close(self) -> None:
        self._writer.transport.abort()


class Scheduler:
    """Keeps one framework subscribed, at whichever server leads. Subclasses say what to do with
    events."""

    def __init__(
        self, name: str, info: dict, addresses: list[str], history: History,
        random: random.Random,
    ):
        self.name, self.info = name, info
        self.addresses, self.history, self.random = addresses, history, random
        self.id: str | None = None
        self.stream: Stream | None = None
        self.streams = 0
        self.subscribed = asyncio.Event()
        self._hint: str | None = None
        self._keeper: asyncio.Task | None = None
        self._jobs: set[asyncio.Task] = set()

    def heard(self, event: dict, stream: Stream) -> None:
        """An event of the stream that stands."""
        raise NotImplementedError

    # The subscription

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        keeper, self._keeper = self._keeper, None
        self.drop("stop")
        for job in [keeper, *self._jobs]:
            if job:
                job.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await job

    def drop(self, why: str) -> None:
        """Closes the stream, as a scheduler does that dies; it comes back at once."""
        if self.stream and self.stream.is_open:
            self.history.write("stream", framework=self.name, what="drop", why=why)
            self.stream.is_open = False
            self.stream.close()

    def take_over(self) -> None:
        """Subscribes a second time, as another scheduler of the framework does that takes the first
        one for dead. The first one's stream is for the master to end."""
        if self._keeper:
            self._jobs.add(self._keeper)
            self._keeper.add_done_callback(self._finished)
        self.start()

    def do(self, job) -> None:
        """Beside the reading of events."""
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task) -> None:
        self._jobs.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.history.violation("tool", f"{self.name}: {error!r}")

    async def _keep(self) -> None:
        pause = 0.05
        while asyncio.current_task() is self._keeper:
            begin = self.streams
            try:
                await self._subscribe()
            except (mesos_http.NotSent, mesos_http.Malformed, EOFError, OSError,
                    asyncio.TimeoutError, ValueError) as error:
                self.history.write(
                    "stream", framework=self.name, what="failed", why=repr(error))
            pause = 0.05 if self.streams > begin else min(1, pause * 2)
            await asyncio.sleep(pause * self.random.uniform(0.5, 1))

    async def _subscribe(self) -> None:
        address = self._hint or self.random.choice(self.addresses)
        self._hint = None
        message = {"type": "SUBSCRIBE", "subscribe": {"framework_info": dict(self.info)}}
        if self.id:
            message["framework_id"] = {"value": self.id}
            message["subscribe"]["framework_info"]["id"] = {"value": self.id}
        async with asyncio.timeout(HEAD_SECONDS_MAX):
            response, writer = await mesos_http.send(
                address, "/api/v1/scheduler", message, {})
        try:
            if response.status == 200:
                await self._follow(response, address, writer)
                return
            where = response.headers.get("location", "")
            self._hint = mesos_http.place(where) if response.status == 307 else None
            self.history.write(
                "stream", framework=self.name, what="refused", node=address,
                why=f"{response.status} {where}")
        finally:
            writer.transport.abort()

    async def _follow(
        self, response: mesos_http.Response, address: str, writer: asyncio.StreamWriter
    ) -> None:
        self.streams += 1
        stream = Stream(
            self.streams, address, response.headers.get("mesos-stream-id", ""), writer)
        self.stream = stream
        self.history.write(
            "stream", framework=self.name, what="open", number=stream.number, node=address)
        why = "stop"
        try:
            await self._read(response, stream)
        except Exception as error:
            why = repr(error)
        finally:
            stream.is_open = False
            if self.stream is stream:
                self.subscribed.clear()
            self.history.write(
                "stream", framework=self.name, what="end", number=stream.number, why=why)

    async def _read(self, response: mesos_http.Response, stream: Stream) -> None:
        records = response.records()
        while True:
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                event = await anext(records)
            if event["type"] != "HEARTBEAT":
                self.history.write(
                    "event", framework=self.name, stream=stream.number, event=event)
            if event["type"] == "ERROR":
                raise EOFError(event["error"]["message"])
            if event["type"] == "SUBSCRIBED":
                self.id = event["subscribed"]["framework_id"]["value"]
            # Whatever comes on a stream that another one has followed is for nobody.
            if stream is self.stream:
                if event["type"] == "SUBSCRIBED":
                    self.subscribed.set()
                self.heard(event, stream)

    # Calls

    async def call(self, stream: Stream, kind: str, body: dict | None = None) -> str:
        """Returns ok, failed (no effect, now or later) or unknown."""
        message = {"framework_id": {"value": self.id}, "type": kind}
        if body is not None:
            message[kind.lower()] = body
        start, status, error = self.history.now, 0, None
        try:
            status, _, text = await mesos_http.post(
                stream.address, "/api/v1/scheduler", message,
                {"Mesos-Stream-Id": stream.stream_id}, CALL_SECONDS_MAX)
            outcome = "ok" if 200 <= status < 300 else "failed"
            if outcome == "failed":
                error = text.decode(errors="replace")[:300]
        except mesos_http.NotSent as problem:
            outcome, error = "failed", str(problem)
        except (mesos_http.Malformed, EOFError, OSError, asyncio.TimeoutError) as problem:
            outcome, error = "unknown", repr(problem)
        message.pop("framework_id")
        self.history.write(
            "call", framework=self.name, stream=stream.number, start=start, call=message,
            status=status, outcome=outcome, error=error)
        return outcome
