"""A framework that launches tasks, ends some of them, and keeps account."""

import asyncio
import dataclasses
import getpass
import random

import task_plans
from history import History
from scheduler import Scheduler, Stream

NAMES = ["plain", "groups", "unaware", "killer"]
WEIGHTS = {
    "plain": {"short": 6, "long": 3, "fail": 1},
    "groups": {"short": 6, "long": 2, "fail": 1, "kill": 1},
    "unaware": {"short": 5, "long": 3, "fail": 1, "kill": 1},
    "killer": {"short": 3, "kill": 4, "stubborn": 2, "early": 2, "long": 1},
}
LIVE_MAX = 7
# Launched, and nothing heard: after one of these times the framework asks.
ASK_SECONDS = [0, 0.1, 1, 1, 1]
# What a call came to that was never answered is known on another stream only.
DOUBT_SECONDS_MAX = 15


@dataclasses.dataclass
class Task:
    name: str
    agent: str
    plan: str
    accepted_on: int
    accepted_at: float
    outcome: str | None = None
    state: str | None = None
    ask_at: float = 0
    kill_at: float | None = None
    is_over: bool = False


def told(status: dict, is_aware: bool) -> str:
    """What a status means. To a framework that does not know partitions TASK_LOST is more than one
    thing: told apart by who says it, and whether the master knows the task."""
    state, reason = status["state"], status.get("reason", "")
    if state == "TASK_UNKNOWN":
        return "denied"
    if state == "TASK_LOST" and not is_aware and status.get("unreachable_time"):
        return "TASK_UNREACHABLE"
    if reason == "REASON_RECONCILIATION" and state == "TASK_LOST" and not is_aware:
        return "TASK_LOST" if status.get("agent_id") else "denied"
    if state in ("TASK_LOST", "TASK_DROPPED") and reason == "REASON_INVALID_OFFERS":
        return "refused"
    return state


class Framework(Scheduler):
    def __init__(
        self, name: str, addresses: list[str], marks: str, history: History,
        random: random.Random,
    ):
        self.is_aware = name != "unaware"
        kinds = ["PARTITION_AWARE"] if self.is_aware else []
        if name == "groups":
            kinds.append("TASK_KILLING_STATE")
        info = {
            "user": getpass.getuser(), "name": name, "failover_timeout": 3600, "roles": [name],
            "capabilities": [{"type": kind} for kind in [*kinds, "MULTI_ROLE"]],
        }
        super().__init__(name, info, addresses, history, random)
        self.marks = marks
        self.tasks: dict[str, Task] = {}
        self.is_launching = True
        self.is_acknowledging_late = True
        # Keeps the offers that it gets.
        self.is_holding = False
        self.offered: dict[str, dict] = {}
        self.count = 0
        self.ends: dict[str, int] = {}

    @property
    def live(self) -> list[Task]:
        return [task for task in self.tasks.values() if not task.is_over]

    # Events

    def heard(self, event: dict, stream: Stream) -> None:
        match event["type"]:
            case "SUBSCRIBED":
                self.offered = {}
                self.do(self._reconcile(stream, [t for t in self.live if t.outcome == "ok"]))
            case "OFFERS":
                for offer in event["offers"]["offers"]:
                    self.offered[offer["id"]["value"]] = offer
                    if not self.is_holding:
                        self.do(self._answer(stream, offer))
            case "RESCIND":
                self.offered.pop(event["rescind"]["offer_id"]["value"], None)
            case "UPDATE":
                self._updated(event["update"]["status"], stream)

    def _updated(self, status: dict, stream: Stream) -> None:
        state = told(status, self.is_aware)
        if status.get("uuid"):
            self.do(self._acknowledge(stream, status))
        task = self.tasks.get(status["task_id"]["value"])
        if task is not None and task.state == "denied" and status.get("uuid"):
            # The judge will say so; here it only has to come to an end.
            task.is_over = False
        if task is None or task.is_over:
            return
        if state == "TASK_RUNNING" and task.plan in task_plans.KILLED and task.kill_at is None:
            task.kill_at = self._clock + self.random.uniform(0, 4)
        task.state = state
        if state in task_plans.ENDED or state in ("denied", "refused"):
            task.is_over = True
            self.ends[state] = self.ends.get(state, 0) + 1

    async def _acknowledge(self, stream: Stream, status: dict) -> None:
        """Until it is taken: on this stream it is not told again."""
        body = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
        if self.is_acknowledging_late and self.random.random() < 0.3:
            await asyncio.sleep(self.random.uniform(0, 0.5))
        while stream.is_open:
            outcome = await self.call(stream, "ACKNOWLEDGE", body)
            if outcome == "ok":
                return
            await asyncio.sleep(0.3)

    # Offers

    @property
    def _clock(self) -> float:
        return self.history.now / 1e9

    async def _answer(self, stream: Stream, offer: dict) -> None:
        name = offer["id"]["value"]
        await asyncio.sleep(self.random.uniform(0, 0.2))
        if self.offered.pop(name, None) is None or not stream.is_open:
            return
        ids = [{"value": name}]
        wanted = min(self.random.randint(1, 3), LIVE_MAX - len(self.live))
        infos = self._infos(offer, wanted) if self.is_launching else []
        if not infos:
            body = {"offer_ids": ids, "filters": {"refuse_seconds": 1.0}}
            await self.call(stream, "DECLINE", body)
            return
        begun = [
            Task(info["task_id"]["value"], offer["agent_id"]["value"], info["name"],
                 stream.number, self._clock) for info in infos
        ]
        for task in begun:
            self.tasks[task.name] = task
            task.ask_at = self._clock + self.random.choice(ASK_SECONDS)
            if task.plan == "early":
                task.kill_at = self._clock + self.random.choice([0, 0, 0.05, 0.3])
        body = {
            "offer_ids": ids, "filters": {"refuse_seconds": 0.2},
            "operations": [self._operation(infos)],
        }
        outcome = await self.call(stream, "ACCEPT", body)
        for task in begun:
            task.outcome = outcome
            task.is_over = task.is_over or outcome == "failed"
        if outcome == "ok":
            await self._follow_up(stream, [task for task in begun if not task.is_over])

    async def _follow_up(self, stream: Stream, begun: list[Task]) -> None:
        """The launch may be on its way still."""
        asked = [task for task in begun if task.state is None and task.ask_at <= self._clock]
        for task in begun:
            if task.kill_at is not None and task.kill_at <= self._clock:
                task.kill_at = self._clock + 5
                await self.call(stream, "KILL", {"task_id": {"value": task.name}})
        if asked:
            for task in asked:
                task.ask_at = self._clock + 1
            await self._reconcile(stream, asked)

    def _operation(self, infos: list[dict]) -> dict:
        if self.name != "groups" or len(infos) < 2:
            return {"type": "LAUNCH", "launch": {"task_infos": infos}}
        executor = {"type": "DEFAULT", "executor_id": {"value": infos[0]["task_id"]["value"]}}
        group = {"executor": executor, "task_group": {"tasks": infos}}
        return {"type": "LAUNCH_GROUP", "launch_group": group}

    def _infos(self, offer: dict, count: int) -> list[dict]:
        """Tasks that fit into an offer, at most `count`."""
        room = {"cpus": 0.0, "mem": 0.0}
        ports: list[int] = []
        for resource in offer["resources"]:
            if resource["name"] in room:
                room[resource["name"]] += resource["scalar"]["value"]
            elif resource["name"] == "ports":
                for part in resource["ranges"]["range"]:
                    ports += range(int(part["begin"]), int(part["end"]) + 1)
        self.random.shuffle(ports)
        infos = []
        for _ in range(count):
            size = {"cpus": self.random.choice([0.1, 0.25, 0.5, 1.0]), "mem": 32.0}
            if any(room[name] < size[name] for name in room) or len(ports) < 2:
                break
            for name in room:
                room[name] -= size[name]
            own = [ports.pop() for _ in range(self.random.randint(1, 2))]
            infos.append(self._info(offer, size, own))
        return infos

    def _info(self, offer: dict, size: dict[str, float], ports: list[int]) -> dict:
        self.count += 1
        name = f"{self.name}-{self.count}"
        plan = task_plans.draw(self.random, WEIGHTS[self.name])
        role = {"allocation_info": {"role": self.name}}
        resources = [
            {"name": key, "type": "SCALAR", "scalar": {"value": value}, **role}
            for key, value in size.items()
        ]
        ranges = [{"begin": port, "end": port} for port in ports]
        resources.append({"name": "ports", "type": "RANGES", "ranges": {"range": ranges}, **role})
        return {
            "task_id": {"value": name}, "name": plan, "agent_id": offer["agent_id"],
            "resources": resources,
            "command": {"value": task_plans.command(self.random, plan, self.marks, name, ports)},
            "kill_policy": {"grace_period": {"nanoseconds": 1_000_000_000}},
        }

    # What is asked again

    def tend(self) -> None:
        """Now and then: kills that are due, and tasks of which nothing was heard."""
        stream, now = self.stream, self._clock
        if stream is None or not stream.is_open or not self.subscribed.is_set():
            return
        doubtful = []
        for task in self.live:
            if task.kill_at is not None and now >= task.kill_at and task.outcome == "ok":
                task.kill_at = now + 5
                self.do(self.call(stream, "KILL", {"task_id": {"value": task.name}}))
            is_known = task.outcome == "ok" or (
                task.outcome == "unknown" and stream.number > task.accepted_on)
            if task.state is None and is_known and now >= task.ask_at:
                task.ask_at = now + 1
                doubtful.append(task)
            if task.outcome == "unknown" and not is_known and task.state is None and (
                    now >= task.accepted_at + DOUBT_SECONDS_MAX):
                self.drop("a call that nobody answered")
        if doubtful:
            self.do(self._reconcile(stream, doubtful))

    async def reconcile_all(self, stream: Stream) -> None:
        """Of every task that was accepted, also those that are over."""
        known = [task for task in self.tasks.values() if task.outcome != "failed"]
        await self._reconcile(stream, known)

    async def _reconcile(self, stream: Stream, tasks: list[Task]) -> None:
        """Explicitly, of some tasks; implicitly, where there are none."""
        asked = [
            {"task_id": {"value": task.name}, "agent_id": {"value": task.agent}} for task in tasks
        ]
        for start in range(0, max(1, len(asked)), 100):
            await self.call(stream, "RECONCILE", {"tasks": asked[start:start + 100]})
