"""Holds a history against what is promised of services (docs/service-history-format.md)."""

import collections

from service_calls import LATE_NANOSECONDS, Calls
from service_heard import Heard
from service_walk import Walk

# An end that nobody answered for may come that much later.
UNKNOWN_NANOSECONDS = 60_000_000_000
# A process writes its time in hundredths of a second.
CLOCK_NANOSECONDS = 100_000_000


class Judge:
    def __init__(self, lines: list[dict]):
        self.lines = lines
        self.found: list[tuple[str, str]] = []
        self.kinds: dict[str, list[dict]] = collections.defaultdict(list)
        for line in lines:
            self.kinds[line["type"]].append(line)
        setup = (self.kinds["setup"] or [{}])[0]
        self.uptime = setup.get("uptime", 0)
        kills = [
            (call["service"], call["start"],
             call["time"] + (UNKNOWN_NANOSECONDS if call["outcome"] == "unknown" else 0)
             + LATE_NANOSECONDS)
            for call in self.kinds["call"] if call["op"] == "kill"]
        self.walk = Walk(setup.get("racks", {}), kills, self._say)

    def judge(self) -> list[tuple[str, str]]:
        """Properties that are broken, and what breaks them."""
        for line in self.kinds["violation"]:
            self._say(line["property"], line["what"])
        if not any(line["what"] == "the end" for line in self.kinds["phase"]):
            self._say("complete", "the run did not come to its end")
            return self.found
        heard = Heard(self.lines, self._say)
        for line in self.lines:
            if line["type"] == "records":
                heard.expect(line, self.walk.state)
                self.walk.step(line)
            elif line["type"] == "rest":
                self._rest(line)
        self.walk.check_groups(float("inf"))
        Calls(self.kinds["call"], self.walk, self._say).judge()
        heard.judge(self.walk.deployments)
        self._executed()
        self._free()
        for line in self.kinds["left"]:
            self._say("left", f"after {line['when']}: {line['pid']} {line['command']}")
        return self.found

    @property
    def summary(self) -> str:
        outcomes = collections.Counter(call["outcome"] for call in self.kinds["call"])
        words = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        faults = sum(line["kind"] not in ("calm", "start", "heal", "continue")
                     for line in self.kinds["fault"])
        done = sum(d["done"] for d in self.walk.deployments.values())
        return (
            f"{len(self.kinds['call'])} calls ({words}), {len(self.walk.deployments)} deployments"
            f" ({done} done), {len(self.walk.instances)} instances, {faults} faults,"
            f" {len(self.kinds['rest'])} rests")

    def _say(self, name: str, what: str) -> None:
        self.found.append((name, what))

    # At rest

    def _rest(self, line: dict) -> None:
        """Everything is as it is to be: on record, on every server, and on the machine."""
        state = self.walk.state
        wanted: dict[str, dict] = {}
        for service, record in state.services.items():
            version = state.versions[service].get(record["latest"], {})
            wanted[service] = {
                "instances": version.get("instances"), "stamp": version.get("stamp"),
                "tasks": sorted(state.members[service])}
            if record["ending"] or record["deployment"] or record["active"] != record["latest"]:
                self._say("converges", f"{service} is at rest as {record}")
            if not state.is_converged(service) or any(
                    not state.is_healthy(name) for name in state.members[service]):
                self._say("converges", f"{service} is not as it is to be: {self._shown(service)}")
        if state.deployments:
            self._say("converges", f"deployments at rest: {sorted(state.deployments)}")
        for node, view in line["views"].items():
            if view != wanted:
                names = sorted(
                    s for s in set(view) | set(wanted) if view.get(s) != wanted.get(s))
                self._say("agree", f"{node} has {[(s, view.get(s)) for s in names]}, on record"
                          f" are {[(s, wanted.get(s)) for s in names]}")
        processes = line["processes"]
        for name in sorted(set(processes) | set(state.instances)):
            count = processes.get(name, 0)
            if count != (1 if name in state.instances else 0):
                self._say("processes", f"{name} has {count} processes at rest")

    def _shown(self, service: str) -> list[dict]:
        state = self.walk.state
        return [
            {"name": name, **(state.tasks.get(name) or {"state": "waits"}),
             "old": state.is_old(name)} for name in sorted(state.members[service])]

    # Processes

    def _executed(self) -> None:
        """Each instance ran once at most, as its version says, and not beyond its end."""
        marks = {line["task"]: line["lines"] for line in self.kinds["marks"]}
        for name in sorted(set(marks) - set(self.walk.instances)):
            self._say("executed", f"{name} ran, and never was an instance")
        for name, lines in marks.items():
            words = [line.split() for line in lines]
            starts = [word for word in words if word and word[0] == "start"]
            if len(starts) > 1:
                self._say("executed", f"{name} ran {len(starts)} times: {lines}")
            for word in words:
                if word and word[0] in ("twice", "clash"):
                    self._say("exclusive", f"{name}: {word[0]}, {lines}")
            if instance := self.walk.instances.get(name):
                self._ran_rightly(name, instance, words)

    def _ran_rightly(self, name: str, instance: dict, words: list[list[str]]) -> None:
        version = self.walk.version(instance)
        end = self.walk.ends.get(name)
        for word in words:
            if len(word) != 4:
                continue
            if version and word[2:] != [version["stamp"], version["command"]]:
                self._say("executed", f"{name} ran as {word[2:]}, and is of {version}")
            at = (float(word[1]) - self.uptime) * 1e9
            if end is not None and at > end + CLOCK_NANOSECONDS:
                self._say(
                    "executed", f"{name}: {word[0]} {(at - end) / 1e9:.2f} s after its end was on"
                    " record")

    def _free(self) -> None:
        """All servers agree that nothing is used."""
        views = self.kinds["view"]
        for view in views:
            if (view["tasks"], view["agents"]) != (views[0]["tasks"], views[0]["agents"]):
                self._say("agree", f"{view['node']} and {views[0]['node']} differ")
            for name, agent in view["agents"].items():
                if not agent["active"] or any(agent["used"].values()):
                    self._say("free", f"{view['node']}: {name} is {agent}")
        state = self.walk.state
        for name in sorted([*state.services, *state.instances, *state.deployments]):
            self._say("free", f"{name} is on record when all is deleted")
