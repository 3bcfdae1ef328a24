"""One run: a datacenter, frameworks and faults, and at the end a look at what is left."""

import asyncio
import json
import pathlib
import random
import shutil
import time
import traceback

import mesos_http
import network
from framework import NAMES, Framework
from history import History
from nemesis import Nemesis
from processes import Datacenter
from views import amounts, totals, view

RESOURCES = "cpus:4;mem:1024;disk:1000;ports:[31000-31049]"
# After all faults: until everything that is to come back is back.
RECOVERY_SECONDS_MAX = 60
# Until every task has ended; the longest that nobody ends takes half of it.
END_SECONDS_MAX = 90
OFFERS_SECONDS_MAX = 20
# So long nothing may be told that was acknowledged.
SILENCE_SECONDS = 3


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = pathlib.Path(arguments.folder).absolute()
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "marks").mkdir(parents=True)
        self.history = History(pathlib.Path(arguments.history).absolute())
        self.random = random.Random(arguments.seed)
        self.network: network.Network | None = None
        self.frameworks: list[Framework] = []
        self.leader: str | None = None
        self.registered = 0
        self._shown = 0.0

    async def run(self) -> None:
        self._begin()
        try:
            await self.datacenter.start()
            self._make_frameworks()
            async with asyncio.timeout(60):
                for framework in self.frameworks:
                    await framework.subscribed.wait()
            watcher = asyncio.create_task(self._watch())
            try:
                await self._rage()
                await self._settle()
            finally:
                watcher.cancel()
            await self._look()
            await self._stop()
        except Exception as error:
            traceback.print_exc()
            self.history.violation("tool", repr(error))
        finally:
            for framework in self.frameworks:
                await framework.stop()
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
            RESOURCES)
        self.history.write(
            "setup", seed=arguments.seed, seconds=arguments.seconds, servers=servers,
            agents=agents, frameworks=NAMES, resources=RESOURCES, cuts=reason is None)

    def _make_frameworks(self) -> None:
        addresses = list(self.datacenter.http.values())
        for name in NAMES:
            framework = Framework(
                name, addresses, str(self.folder / "marks"), self.history,
                random.Random(self.random.getrandbits(64)))
            self.frameworks.append(framework)
            framework.start()

    # Faults

    async def _rage(self) -> None:
        nemesis = Nemesis(
            self.datacenter, self.frameworks, self.history,
            random.Random(self.random.getrandbits(64)), self.arguments.faults,
            lambda: self.leader)
        self.nemesis = nemesis
        end = time.monotonic() + self.arguments.seconds
        calm = time.monotonic() + self.random.uniform(20, 40)
        while time.monotonic() < end:
            nemesis.turn()
            self._tend()
            if time.monotonic() >= calm:
                nemesis.calm()
                await self._recover()
                calm = time.monotonic() + self.random.uniform(20, 40)
            await asyncio.sleep(0.05)
        nemesis.calm()
        await self._recover()

    def _tend(self) -> None:
        for framework in self.frameworks:
            framework.tend()
        if time.monotonic() >= self._shown + 5:
            self._shown = time.monotonic()
            print(self._line(), flush=True)
            self.history.flush()

    def _line(self) -> str:
        launched = sum(len(f.tasks) for f in self.frameworks)
        ends: dict[str, int] = {}
        for framework in self.frameworks:
            for state, count in framework.ends.items():
                ends[state] = ends.get(state, 0) + count
        words = ", ".join(
            f"{count} {state.removeprefix('TASK_').lower()}"
            for state, count in sorted(ends.items()))
        live = sum(len(f.live) for f in self.frameworks)
        return (
            f"{self.history.now / 1e9:5.0f} s: {launched} launched, {live} live,"
            f" {words or 'no end'}; {self.nemesis.struck.total()} faults; leader {self.leader},"
            f" {self.registered} of {len(self.datacenter.agents)} agents")

    async def _watch(self) -> None:
        """Who leads, as the servers say: for the nemesis, and the line."""
        while True:
            for name in self.datacenter.servers:
                if not await self._leads(name):
                    continue
                found = await self._ask(name, "GET_AGENTS", 5)
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

    async def _ask(self, name: str, kind: str, seconds: float) -> dict | None:
        """An operator's call, which any server answers by itself."""
        try:
            status, _, body = await mesos_http.post(
                self.datacenter.http[name], "/api/v1", {"type": kind}, seconds=seconds)
        except (mesos_http.NotSent, OSError, EOFError, asyncio.TimeoutError):
            return None
        return json.loads(body)[kind.lower()] if status == 200 else None

    async def _recover(self) -> None:
        """All that was broken has to be back: one leader, every agent, every scheduler."""
        begin = time.monotonic()
        self.leader, self.registered = None, 0
        while time.monotonic() < begin + RECOVERY_SECONDS_MAX:
            self.nemesis.look_for_deaths()
            self.nemesis.take_back(self.history.now / 1e9)
            self._tend()
            if self.leader and self.registered == len(self.datacenter.agents) and all(
                    f.subscribed.is_set() for f in self.frameworks):
                self.history.write("recovered", seconds=time.monotonic() - begin)
                return
            await asyncio.sleep(0.05)
        away = [f.name for f in self.frameworks if not f.subscribed.is_set()]
        self.history.violation(
            "recovery", f"{RECOVERY_SECONDS_MAX} s after the last fault: leader {self.leader}, "
            f"{self.registered} agents, without {away or 'no'} framework")

    # The end

    async def _settle(self) -> None:
        """Nothing more is launched; what lives ends."""
        self.history.write("phase", what="nothing more is launched")
        for framework in self.frameworks:
            framework.is_launching = False
        end = time.monotonic() + END_SECONDS_MAX
        while any(f.live for f in self.frameworks) and time.monotonic() < end:
            self._tend()
            await asyncio.sleep(0.05)
        for framework in self.frameworks:
            for task in framework.live:
                self.history.violation(
                    "ends", f"{task.name} ({task.plan}) is {task.state} "
                    f"{END_SECONDS_MAX} s after the last launch; ACCEPT: {task.outcome}")

    async def _look(self) -> None:
        """What frameworks, servers and the machine say of it all."""
        for framework in self.frameworks:
            framework.is_acknowledging_late = False
            if framework.stream and framework.tasks:
                await framework.reconcile_all(framework.stream)
        await asyncio.sleep(2)
        self.history.write("phase", what="every status is acknowledged")
        for framework in self.frameworks:
            framework.subscribed.clear()
            framework.drop("to hear what is told again")
        for framework in self.frameworks:
            async with asyncio.timeout(30):
                await framework.subscribed.wait()
        await asyncio.sleep(SILENCE_SECONDS)
        await self._views()
        await self._offers()
        for pid, command in await self._supervisors():
            self.history.write("left", when="the tasks' end", pid=pid, command=command)
        for task in sorted((self.folder / "marks").iterdir()):
            if not task.name.startswith("lock-"):
                lines = task.read_text(errors="replace").splitlines()
                self.history.write("marks", task=task.name, lines=lines)
        self.history.write("phase", what="the end")

    async def _views(self) -> None:
        """Each server's, once they agree or have had their time."""
        end = time.monotonic() + 10
        while True:
            states = {
                name: await self._ask(name, "GET_STATE", 20) for name in self.datacenter.servers}
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

    async def _offers(self) -> None:
        """One framework is left, which is offered all there is."""
        last = self.frameworks[0]
        for framework in self.frameworks[1:]:
            await framework.call(framework.stream, "TEARDOWN")
            await framework.stop()
        last.is_holding = True
        last.offered = {}
        self.history.write("phase", what="one framework is left")
        last.drop("to be offered everything")
        want = totals(RESOURCES)["cpus"] * len(self.datacenter.agents)
        end = time.monotonic() + OFFERS_SECONDS_MAX
        while time.monotonic() < end and sum(
                amounts(o["resources"]).get("cpus", 0) for o in last.offered.values()) < want:
            await asyncio.sleep(0.1)
        for offer in last.offered.values():
            self.history.write(
                "offered", agent=offer["hostname"], resources=amounts(offer["resources"]))
        await last.call(last.stream, "TEARDOWN")
        await last.stop()

    async def _supervisors(self) -> list[tuple[int, str]]:
        """What is left 5 s after the last end."""
        end = time.monotonic() + 5
        while (found := self.datacenter.left()) and time.monotonic() < end:
            await asyncio.sleep(0.1)
        return found

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
