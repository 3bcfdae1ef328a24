"""Breaks servers, agents, their connections and schedulers, as a seed says, and mends them."""

import collections
import dataclasses
import random
from collections.abc import Callable

from framework import Framework
from history import History
from processes import Datacenter

# How often each comes, among those that are asked for.
WEIGHTS = {
    "killServer": 5, "pauseServer": 3, "isolateServer": 4, "deafenServer": 3, "muteServer": 3,
    "killAllServers": 1, "killAgent": 6, "killAgentTwice": 2, "pauseAgent": 4, "cutAgent": 5,
    "deafenAgent": 2, "muteAgent": 2, "dropScheduler": 2, "twoSchedulers": 2,
}
CUTS = {kind for kind in WEIGHTS if kind.startswith(("isolate", "deafen", "mute", "cut"))}


@dataclasses.dataclass(order=True)
class Undo:
    """A fault's end, in seconds of the history."""

    at: float
    number: int
    place: str | None = dataclasses.field(compare=False)
    run: Callable[[], None] = dataclasses.field(compare=False)


class Nemesis:
    def __init__(
        self, datacenter: Datacenter, frameworks: list[Framework], history: History,
        random: random.Random, kinds: list[str], leader: Callable[[], str | None],
    ):
        self.datacenter, self.frameworks, self.history = datacenter, frameworks, history
        self.random, self.leader = random, leader
        self.kinds = {k: WEIGHTS[k] for k in kinds if datacenter.network or k not in CUTS}
        self.undos: list[Undo] = []
        self.struck: collections.Counter[str] = collections.Counter()
        self._next = 0.0

    @property
    def _now(self) -> float:
        return self.history.now / 1e9

    @property
    def _hurt(self) -> set[str]:
        return {undo.place for undo in self.undos if undo.place}

    def turn(self) -> None:
        """To be called often: what is due is taken back, and something else breaks."""
        self.take_back(self._now)
        self.look_for_deaths()
        if self._now >= self._next:
            self._next = self._now + self.random.uniform(0.2, 2.5)
            self._strike()

    def calm(self) -> None:
        """Takes everything back at once."""
        while self.undos:
            self.take_back(float("inf"))
        if self.datacenter.network:
            self.datacenter.network.heal_all()
        self.look_for_deaths()
        while self.undos:
            self.take_back(float("inf"))
        self.history.write("fault", kind="calm", what="all faults are taken back")

    def take_back(self, until: float) -> None:
        due = sorted(undo for undo in self.undos if undo.at <= until)
        self.undos = [undo for undo in self.undos if undo.at > until]
        for undo in due:
            undo.run()

    def _later(self, place: str | None, seconds: float, run: Callable[[], None]) -> None:
        number = self.struck.total()
        self.undos.append(Undo(self._now + seconds, number, place, run))

    def _note(self, kind: str, what: str) -> None:
        self.history.write("fault", kind=kind, what=what)

    def look_for_deaths(self) -> None:
        """Servers and agents that ended although nobody ended them."""
        for name, member in self.datacenter.members.items():
            if member.is_running or name in self._hurt:
                continue
            status = member.process.returncode if member.process else None
            self.history.violation(
                "process", f"{name} ended by itself with {status}; its log ends:\n{member.tail()}")
            self._later(name, 0.5, lambda name=name: self._start(name))

    def _start(self, name: str) -> None:
        if not self.datacenter.members[name].is_running:
            self._note("start", name)
            self.datacenter.members[name].start()

    # Strikes

    def _strike(self) -> None:
        kind = self.random.choices(list(self.kinds), list(self.kinds.values()))[0]
        if kind.endswith(("Scheduler", "Schedulers")):
            framework = self.random.choice(self.frameworks)
            self.struck[kind] += 1
            self._note(kind, framework.name)
            if kind == "dropScheduler":
                framework.drop("a fault")
            else:
                framework.take_over()
            return
        place = self._target(kind)
        if place is None or place in self._hurt:
            return
        self.struck[kind] += 1
        if kind == "killAllServers":
            for name in self.datacenter.servers:
                if name not in self._hurt:
                    self._kill(kind, name, self.random.uniform(0, 1.5))
        elif kind == "killAgentTwice":
            self._kill_twice(place)
        elif kind.startswith("kill"):
            self._kill(kind, place, self._seconds(place, 0, 4))
        elif kind.startswith("pause"):
            self._pause(kind, place, self._seconds(place, 0.1, 6))
        else:
            self._cut(kind, place, self._seconds(place, 0.3, 8))

    def _seconds(self, place: str, least: float, most: float) -> float:
        """An agent is sometimes away for so long that its master gives it up (10 s)."""
        if place in self.datacenter.agents and self.random.random() < 0.2:
            return self.random.uniform(10.5, 16)
        return self.random.uniform(least, most)

    def _target(self, kind: str) -> str | None:
        """Of the servers the leader half of the time; mostly a majority is left in peace."""
        if not kind.endswith(("Server", "Servers")):
            return self.random.choice(list(self.datacenter.agents))
        servers = list(self.datacenter.servers)
        hurt = [name for name in servers if name in self._hurt]
        if len(hurt) >= (len(servers) - 1) // 2 and self.random.random() >= 0.12:
            return None
        leader = self.leader()
        if leader and leader not in hurt and self.random.random() < 0.5:
            return leader
        return self.random.choice(servers)

    def _kill(self, kind: str, name: str, seconds: float) -> None:
        self._note(kind, f"{name} for {seconds:.1f} s")
        self.datacenter.members[name].kill()
        self._later(name, seconds, lambda: self._start(name))

    def _kill_twice(self, name: str) -> None:
        def again() -> None:
            self._start(name)
            self._later(name, self.random.uniform(0.01, 0.4), lambda: self._kill(
                "killAgent", name, self.random.uniform(0, 0.5)))

        self._note("killAgentTwice", name)
        self.datacenter.members[name].kill()
        self._later(name, self.random.uniform(0, 1), again)

    def _pause(self, kind: str, name: str, seconds: float) -> None:
        self._note(kind, f"{name} for {seconds:.1f} s")
        member = self.datacenter.members[name]
        member.pause()
        process = member.process

        def end() -> None:
            if member.process is process and member.is_paused:
                self._note("continue", name)
                member.resume()

        self._later(name, seconds, end)

    def _cut(self, kind: str, name: str, seconds: float) -> None:
        network = self.datacenter.network
        others = [n for n in self.datacenter.members if n != name]
        if name in self.datacenter.agents:
            others = list(self.datacenter.servers)
        # A server without its peers that clients reach all the same is the harder case.
        elif self.random.random() < 0.4:
            others.append("clients")
        elif self.random.random() < 0.5:
            others = [n for n in self.datacenter.servers if n != name]
        links = []
        for other in others:
            if not kind.startswith("deafen"):
                links.append((name, other))
            if not kind.startswith("mute"):
                links.append((other, name))
        self._note(kind, f"{name} from {', '.join(others)} for {seconds:.1f} s")
        for source, target in links:
            network.cut(source, target)

        def heal() -> None:
            self._note("heal", name)
            for source, target in links:
                network.heal(source, target)

        self._later(name, seconds, heal)
