"""One run: a datacenter, clients of some kind and faults, and at the end a look at what is left.

Subclasses say who the clients are, and what is looked at."""

import asyncio
import json
import pathlib
import random
import shutil
import time
import traceback

import mesos_http
import network
from history import History
from nemesis import Nemesis
from processes import Datacenter
from views import view

# After all faults: until everything that is to come back is back.
RECOVERY_SECONDS_MAX = 60
# Between two moments without any fault.
CALM_SECONDS = (20, 40)


class ChaosRun:
    RESOURCES = "cpus:4;mem:1024;disk:1000;ports:[31000-31049]"

    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = pathlib.Path(arguments.folder).absolute()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.marks = self.folder / "marks"
        self.marks.mkdir(parents=True)
        self.history = History(pathlib.Path(arguments.history).absolute())
        self.random = random.Random(arguments.seed)
        self.network: network.Network | None = None
        self.leader: str | None = None
        self.registered = 0
        self._shown = 0.0

    # What subclasses say

    def setup(self) -> dict:
        """More about the run, for the history."""
        return {}

    async def prepare(self) -> None:
        """Servers and agents are there."""

    def schedulers(self) -> list:
        """Whose subscriptions the nemesis may break."""
        return []

    def tend(self) -> None:
        """Some twenty times a second."""

    def away(self) -> list[str]:
        """Which of our own has not come back after faults."""
        return []

    async def calmed(self) -> None:
        """All faults are taken back, and all are back."""

    async def settle(self) -> None:
        """There are no more faults."""

    async def look(self) -> None:
        """What is left to be written down."""

    async def close(self) -> None:
        """Whatever happened."""

    def words(self) -> str:
        """How far it is."""
        return ""

    # The run

    async def run(self) -> None:
        self._begin()
        try:
            await self.datacenter.start()
            await self.prepare()
            watcher = asyncio.create_task(self._watch())
            try:
                await self._rage()
                await self.settle()
            finally:
                watcher.cancel()
            await self.look()
            await self._stop()
        except Exception as error:
            traceback.print_exc()
            self.history.violation("tool", repr(error))
        finally:
            await self.close()
            self._end()

    def _begin(self) -> None:
        arguments = self.arguments
        reason = "not asked for" if arguments.loopback else network.missing()
        servers = [f"node{i + 1}" for i in range(arguments.nodes)]
        agents = [f"agent{i + 1}" for i in range(arguments.agents)]
        if reason is None:
            self.network = network.Network(servers + agents)
        else:
            print(f"connections are not cut: {reason}", flush=True)
        self.datacenter = Datacenter(
            self.folder, arguments.binary, arguments.nodes, arguments.agents, self.network,
            self.RESOURCES)
        self.history.write(
            "setup", seed=arguments.seed, seconds=arguments.seconds, servers=servers,
            agents=agents, resources=self.RESOURCES, cuts=reason is None, **self.setup())

    async def _rage(self) -> None:
        nemesis = Nemesis(
            self.datacenter, self.schedulers(), self.history,
            random.Random(self.random.getrandbits(64)), self.arguments.faults,
            lambda: self.leader)
        self.nemesis = nemesis
        end = time.monotonic() + self.arguments.seconds
        calm = time.monotonic() + self.random.uniform(*CALM_SECONDS)
        while time.monotonic() < end:
            nemesis.turn()
            self._tend()
            if time.monotonic() >= calm:
                nemesis.calm()
                await self._recover()
                begin = time.monotonic()
                await self.calmed()
                # What it takes to look is not taken from the time for faults.
                end += time.monotonic() - begin
                calm = time.monotonic() + self.random.uniform(*CALM_SECONDS)
            await asyncio.sleep(0.05)
        nemesis.calm()
        await self._recover()

    def _tend(self) -> None:
        self.tend()
        if time.monotonic() >= self._shown + 5:
            self._shown = time.monotonic()
            print(self._line(), flush=True)
            self.history.flush()

    def _line(self) -> str:
        return (
            f"{self.history.now / 1e9:5.0f} s: {self.words()}; {self.nemesis.struck.total()}"
            f" faults; leader {self.leader}, {self.registered} of"
            f" {len(self.datacenter.agents)} agents")

    async def _watch(self) -> None:
        """Who leads, as the servers say: for the nemesis, and the line."""
        while True:
            for name in self.datacenter.servers:
                if not await self._leads(name):
                    continue
                found = await self.ask(name, "GET_AGENTS", 5)
                agents = (found or {}).get("agents", [])
                self.leader = name
                self.registered = sum(1 for agent in agents if agent.get("active"))
            await asyncio.sleep(0.5)

    async def _leads(self, name: str) -> bool:
        """Only the leader takes this call by itself; without an id that it knows it refuses it."""
        message = {"type": "REVIVE", "framework_id": {"value": "nobody"}}
        try:
            status, _, _ = await mesos_http.post(
                self.datacenter.http[name], "/api/v1/scheduler", message, seconds=3)
        except (mesos_http.NotSent, OSError, EOFError, asyncio.TimeoutError):
            return False
        return status == 400

    async def ask(self, name: str, kind: str, seconds: float) -> dict | None:
        """An operator's call, which any server answers by itself."""
        try:
            status, _, body = await mesos_http.post(
                self.datacenter.http[name], "/api/v1", {"type": kind}, seconds=seconds)
        except (mesos_http.NotSent, OSError, EOFError, asyncio.TimeoutError):
            return None
        return json.loads(body)[kind.lower()] if status == 200 else None

    async def _recover(self) -> None:
        """All that was broken has to be back: one leader, every agent, every one of ours."""
        begin = time.monotonic()
        self.leader, self.registered = None, 0
        while time.monotonic() < begin + RECOVERY_SECONDS_MAX:
            self.nemesis.look_for_deaths()
            self.nemesis.take_back(self.history.now / 1e9)
            self._tend()
            if self.leader and self.registered == len(self.datacenter.agents) and not self.away():
                self.history.write("recovered", seconds=time.monotonic() - begin)
                return
            await asyncio.sleep(0.05)
        self.history.violation(
            "recovery", f"{RECOVERY_SECONDS_MAX} s after the last fault: leader {self.leader}, "
            f"{self.registered} agents, without {self.away() or 'nobody'}")

    # The end

    async def views(self) -> None:
        """Each server's, once they agree or have had their time."""
        end = time.monotonic() + 10
        while True:
            states = {
                name: await self.ask(name, "GET_STATE", 20) for name in self.datacenter.servers}
            views = {name: view(state) for name, state in states.items() if state}
            shown = [json.dumps(v, sort_keys=True) for v in views.values()]
            if time.monotonic() > end or (
                    len(views) == len(states) and len(set(shown)) == 1):
                break
            await asyncio.sleep(0.3)
        for name in self.datacenter.servers:
            if name in views:
                self.history.write("view", node=name, **views[name])
            else:
                self.history.violation("views", f"{name} does not say what it knows")

    async def write_left(self) -> None:
        """Processes that are left 5 s after the last end, and what tasks wrote down."""
        end = time.monotonic() + 5
        while (found := self.datacenter.left()) and time.monotonic() < end:
            await asyncio.sleep(0.1)
        for pid, command in found:
            self.history.write("left", when="the tasks' end", pid=pid, command=command)
        for task in sorted(self.marks.iterdir()):
            if not task.name.startswith("lock-"):
                lines = task.read_text(errors="replace").splitlines()
                self.history.write("marks", task=task.name, lines=lines)
        self.history.write("phase", what="the end")

    async def _stop(self) -> None:
        for name in await self.datacenter.stop():
            self.history.violation("process", f"{name} did not stop within 30 s of SIGTERM")
        for pid, command in self.datacenter.left():
            self.history.write("left", when="the end of agents", pid=pid, command=command)

    def _end(self) -> None:
        """Whatever happened: nothing of the run stays but its files."""
        self.datacenter.kill_all()
        self.datacenter.remove_left()
        if self.network:
            self.network.close()
        self.history.close()
