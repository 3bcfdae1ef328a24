"""A run with services that clients never let be, each of which comes to rest between faults."""

import asyncio
import os
import pathlib
import random
import time

from chaos_run import ChaosRun
from processes import Datacenter
from service_clients import Api, Client, GroupClient
from service_definitions import SERVICES
from service_events import Listener
from service_records import Recorder

LISTENERS = 3
# Clients that change whichever service.
MEDDLERS = 3
# Without faults and calls: until all services are as they are to be.
REST_SECONDS_MAX = 90
END_SECONDS_MAX = 60


class ServiceRun(ChaosRun):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.clients: list[Client] = []
        self.listeners: list[Listener] = []
        self.recorder: Recorder | None = None
        self.rests: list[float] = []

    def setup(self) -> dict:
        uptime = float(pathlib.Path("/proc/uptime").read_text().split()[0])
        racks = {name: Datacenter.rack(i) for i, name in enumerate(self.datacenter.agents)}
        return {
            "services": [service.id for service in SERVICES], "racks": racks,
            "uptime": uptime - self.history.now / 1e9,
        }

    def _draw(self) -> random.Random:
        return random.Random(self.random.getrandbits(64))

    async def prepare(self) -> None:
        self.api = Api(self.datacenter.http, str(self.marks), self.history, self._draw())
        self.recorder = Recorder(
            list(self.datacenter.clients.values()), self.history, self._draw())
        self.recorder.start()
        for number in range(LISTENERS):
            self.listeners.append(Listener(
                f"listener{number + 1}", self.datacenter.http, self.history, self._draw()))
        self.clients = [Client(self.api, service, self._draw()) for service in SERVICES]
        self.clients += [Client(self.api, None, self._draw()) for _ in range(MEDDLERS)]
        self.clients.append(GroupClient(self.api, None, self._draw()))
        for one in [*self.listeners, *self.clients]:
            one.start()

    async def close(self) -> None:
        for one in [*self.clients, *self.listeners, self.recorder]:
            if one:
                await one.stop()

    def words(self) -> str:
        outcomes = ", ".join(f"{n} {name}" for name, n in sorted(self.api.outcomes.items()))
        rests = ", ".join(f"{seconds:.0f}" for seconds in self.rests[-3:])
        known = self.recorder.names("instance")
        return (
            f"calls: {outcomes or 'none'}; {len(known)} instances;"
            f" at rest after {rests or '-'} s")

    # At rest

    async def calmed(self) -> None:
        await self._rest()
        for client in self.clients:
            client.resume()

    async def _rest(self) -> None:
        """Nobody changes or breaks anything: services become what they are to be, and stay so."""
        await asyncio.gather(*(client.pause() for client in self.clients))
        calm = self.marks / "lock-calm"
        calm.touch()
        begin = time.monotonic()
        problem: object = "nothing was seen"
        while time.monotonic() < begin + REST_SECONDS_MAX:
            self._tend()
            self.nemesis.look_for_deaths()
            views = {node: await self._view(node) for node in self.datacenter.servers}
            processes = self._processes()
            problem = self._problem(views, processes)
            if problem is None:
                self.rests.append(time.monotonic() - begin)
                self.history.write(
                    "rest", seconds=self.rests[-1], processes=processes,
                    views={node: view["apps"] for node, view in views.items()})
                break
            await asyncio.sleep(0.3)
        else:
            queue = await self.api.get("/v2/queue")
            self.history.write("unrest", problem=problem, queue=queue)
            self.history.violation(
                "converges", f"{REST_SECONDS_MAX} s after the last fault and call: {problem}")
        calm.unlink()

    async def _view(self, node: str) -> dict | None:
        """What a server says of all services, in short."""
        apps = await self.api.get("/v2/apps?embed=apps.tasks", node)
        deployments = await self.api.get("/v2/deployments", node)
        if apps is None or deployments is None:
            return None
        found = {}
        is_settled = not deployments
        for app in apps["apps"]:
            count = app["instances"]
            checked = bool(app["healthChecks"])
            is_settled = is_settled and not app["deployments"] and (
                app["tasksRunning"] == count == len(app["tasks"])
                and (not checked or app["tasksHealthy"] == count))
            found[app["id"]] = {
                "instances": count, "stamp": app["env"].get("STAMP", ""),
                "tasks": sorted(task["id"] for task in app["tasks"])}
        return {"apps": found, "settled": is_settled, "deployments": len(deployments)}

    def _problem(self, views: dict[str, dict | None], processes: dict[str, int]) -> object:
        """What is not as it is to be; None where all is."""
        for node, view in views.items():
            if view is None:
                return f"{node} does not answer"
            tasks = sorted(name for app in view["apps"].values() for name in app["tasks"])
            if not view["settled"]:
                return {
                    "node": node, "deployments": view["deployments"],
                    "short": {
                        name: app for name, app in view["apps"].items()
                        if app["instances"] != len(app["tasks"])}}
            if tasks != self.recorder.names("instance") or self.recorder.names("deployment"):
                return f"{node} has {tasks}, on record are {self.recorder.names('instance')}"
            if processes != dict.fromkeys(tasks, 1):
                odd = {n: c for n, c in processes.items() if c != 1 or n not in tasks}
                return f"processes: {odd} are odd, {set(tasks) - set(processes)} do not run"
        return None

    def _processes(self) -> dict[str, int]:
        """How often each instance runs: its processes whose parent is none of its own."""
        parents: dict[int, int] = {}
        owners: dict[int, str] = {}
        mark = b"KEELSON_RUN=" + os.fsencode(self.folder)
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            try:
                words = pathlib.Path(entry.path, "environ").read_bytes().split(b"\0")
                if not any(word.startswith(mark) for word in words):
                    continue
                if b"agent-supervise" in pathlib.Path(entry.path, "cmdline").read_bytes():
                    continue
                stat = pathlib.Path(entry.path, "stat").read_text()
            except OSError:
                continue
            pid = int(entry.name)
            parents[pid] = int(stat.rpartition(")")[2].split()[1])
            names = [w for w in words if w.startswith(b"MESOS_TASK_ID=")]
            owners[pid] = names[0].partition(b"=")[2].decode() if names else f"process {pid}"
        found: dict[str, int] = {}
        for pid, owner in owners.items():
            if owners.get(parents[pid]) != owner:
                found[owner] = found.get(owner, 0) + 1
        return found

    # The end

    async def settle(self) -> None:
        await self._rest()
        self.history.write("phase", what="all is deleted")
        end = time.monotonic() + END_SECONDS_MAX
        asked = 0.0
        while time.monotonic() < end and any(
                self.recorder.names(kind) for kind in ("service", "instance", "deployment")):
            if time.monotonic() >= asked + 10 and self.recorder.names("service"):
                asked = time.monotonic()
                await self.api.change(
                    "clear", "DELETE", "/v2/groups", None, True,
                    services=[service.id for service in SERVICES])
            self._tend()
            await asyncio.sleep(0.1)
        for kind in ("service", "instance", "deployment"):
            for name in self.recorder.names(kind):
                self.history.violation(
                    "ends", f"{kind} {name} is there {END_SECONDS_MAX} s after all was deleted")

    async def look(self) -> None:
        await self._events()
        await self.views()
        await self.write_left()

    async def _events(self) -> None:
        """Listeners come to the last event."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            newest = self.recorder.newest
            if all(listener.last >= newest for listener in self.listeners):
                return
            await asyncio.sleep(0.1)
