"""A run with frameworks, each of whose tasks is accounted for."""

import asyncio
import collections
import random
import time

from chaos_run import ChaosRun
from framework import NAMES, Framework
from views import amounts, totals

# Until every task has ended; the longest that nobody ends takes half of it.
END_SECONDS_MAX = 90
OFFERS_SECONDS_MAX = 20
# So long nothing may be told that was acknowledged.
SILENCE_SECONDS = 3


class TaskRun(ChaosRun):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.frameworks: list[Framework] = []

    def setup(self) -> dict:
        return {"frameworks": NAMES}

    async def prepare(self) -> None:
        addresses = list(self.datacenter.http.values())
        for name in NAMES:
            framework = Framework(
                name, addresses, str(self.marks), self.history,
                random.Random(self.random.getrandbits(64)))
            self.frameworks.append(framework)
            framework.start()
        async with asyncio.timeout(60):
            for framework in self.frameworks:
                await framework.subscribed.wait()

    def schedulers(self) -> list[Framework]:
        return self.frameworks

    def tend(self) -> None:
        for framework in self.frameworks:
            framework.tend()

    def away(self) -> list[str]:
        return [f.name for f in self.frameworks if not f.subscribed.is_set()]

    async def close(self) -> None:
        for framework in self.frameworks:
            await framework.stop()

    def words(self) -> str:
        launched = sum(len(f.tasks) for f in self.frameworks)
        ends: collections.Counter[str] = collections.Counter()
        for framework in self.frameworks:
            ends.update(framework.ends)
        words = ", ".join(
            f"{count} {state.removeprefix('TASK_').lower()}"
            for state, count in sorted(ends.items()))
        live = sum(len(f.live) for f in self.frameworks)
        return f"{launched} launched, {live} live, {words or 'no end'}"

    # The end

    async def settle(self) -> None:
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

    async def look(self) -> None:
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
        await self.views()
        await self._offers()
        await self.write_left()

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
        want = totals(self.RESOURCES)["cpus"] * len(self.datacenter.agents)
        end = time.monotonic() + OFFERS_SECONDS_MAX
        while time.monotonic() < end and sum(
                amounts(o["resources"]).get("cpus", 0) for o in last.offered.values()) < want:
            await asyncio.sleep(0.1)
        for offer in last.offered.values():
            self.history.write(
                "offered", agent=offer["hostname"], resources=amounts(offer["resources"]))
        await last.call(last.stream, "TEARDOWN")
        await last.stop()
