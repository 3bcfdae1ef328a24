"""Holds each revision of the records against what the scheduler promises."""

import collections
from collections.abc import Callable
from typing import NamedTuple

from service_state import State, allows, maximum_total, minimum_healthy

# A decision is made in view of what was there before it is on record. What happens between by
# itself (a task that dies, an agent that is back) is not its fault. While no server answers, the
# time of a revision is not known.
VIEW_NANOSECONDS = 3_000_000_000
VIEW_REVISIONS = 20


class Moment(NamedTuple):
    time: int
    revision: int

    def is_recent(self, now: "Moment") -> bool:
        return now.time - self.time < VIEW_NANOSECONDS or (
            now.revision - self.revision <= VIEW_REVISIONS)


NEVER = Moment(-(1 << 62), -(1 << 62))


class Launch(NamedTuple):
    service: str
    name: str
    revision: int
    constraint: list
    # What the constraint compares, of the instance and of the others that were there.
    places: dict[str, str | None]
    # Those that were begun before it and had no place yet.
    waiting: set[str]

    @property
    def until(self) -> int:
        """From then on the round is over."""
        return self.revision + VIEW_REVISIONS


class Walk:
    def __init__(self, racks: dict[str, str], kills: list[tuple[str, int, int]], say: Callable):
        """
        `racks`: by agent. `kills`: services whose instances clients ended, and between when and
        when that may have taken effect.
        """
        self.racks, self.kills, self._say = racks, kills, say
        self.state = State()
        # Instances and deployments that ever were.
        self.instances: dict[str, dict] = {}
        self.deployments: dict[str, dict] = {}
        self.ends: dict[str, int] = {}
        # By service and number.
        self.versions: dict[tuple[str, int], dict] = {}
        self._ended_tasks: set[str] = set()
        # When each was so last.
        self._healthy_at: dict[str, Moment] = {}
        self._unreachable_at: dict[str, Moment] = {}
        self._converged_at: dict[str, Moment] = {}
        # Those whose groups are to be compared.
        self._launches: list[Launch] = []
        # Whose rounds were over by then.
        self._compared: float = 0
        # Instances that ended although nobody asked, by service.
        self._died: dict[str, set[str]] = collections.defaultdict(set)
        # Versions as clients see them, with the moment from which on: None, none.
        self.latest: dict[str, list[tuple[int, dict | None]]] = collections.defaultdict(list)

    def step(self, line: dict) -> None:
        state, changes = self.state, line["changes"]
        now = Moment(line["time"], line["revision"])
        touched = {s for kind, name, value in changes for s in self._services(kind, name, value)}
        before = {service: self._before(service) for service in touched}
        tasks = {name: state.tasks.get(name) for kind, name, _ in changes if kind == "task"}
        known = {
            name: state.deployments.get(name) for kind, name, _ in changes
            if kind == "deployment"}
        was_waiting = {
            name for kind, name, _ in changes
            if kind == "instance" and state.instances.get(name, {}).get("waits")}
        for name, deployment in known.items():
            self._note_converged(deployment, now)
        state.apply(changes)
        for name, task in tasks.items():
            self._task(name, task, state.tasks.get(name), now)
        launched: dict[str, list[str]] = {}
        for kind, name, value in changes:
            if kind == "version" and value is not None:
                self.versions[name.rsplit(":", 1)[0], value["number"]] = value
            if kind == "instance":
                self._instance(name, value, name in was_waiting, launched)
        self.check_groups(line["revision"])
        for service, names in launched.items():
            self._placed(service, sorted(names), line["revision"])
        for service in sorted(touched):
            self._scheduled(service, before[service], now)
            latest = state.versions[service].get(
                state.services.get(service, {}).get("latest", 0))
            if not self.latest[service] or self.latest[service][-1][1] != latest:
                self.latest[service].append((now.time, latest))
        for name, deployment in known.items():
            self._deployment(name, deployment, state.deployments.get(name), now)

    def _services(self, kind: str, name: str, value: dict | None) -> list[str]:
        if kind == "service":
            return [name]
        if kind == "version":
            return [name.rsplit(":", 1)[0]]
        if kind == "instance":
            return [(value or self.state.instances[name])["service"]]
        if kind == "task" and name in self.instances:
            return [self.instances[name]["service"]]
        return []

    def _before(self, service: str) -> dict:
        state = self.state
        return {
            "members": set(state.members[service]),
            "old": {m for m in state.members[service] if state.is_old(m)},
            "healthy": state.healthy(service),
            "stopping": {m for m in state.members[service] if state.is_stopping(m)},
        }

    def version(self, instance: dict) -> dict | None:
        """Of which an instance is, though it may be forgotten by now."""
        return self.versions.get((instance["service"], instance["version"]))

    # One instance

    def _task(self, name: str, before: dict | None, after: dict | None, now: Moment) -> None:
        """Launched once, and nothing behind an end."""
        if after is None:
            return
        if before is None and name in self._ended_tasks:
            self._say("launched once", f"{name} has a task again")
        if before and before["sequence"] != after["sequence"]:
            self._say("launched once", f"{name} was launched a second time")
        if before and before["ended"] and before["state"] != after["state"]:
            self._say("final", f"{name} was {before['state']}, and is {after['state']}")
        if after["ended"]:
            self._ended_tasks.add(name)
            self.ends.setdefault(name, now.time)
            if not after["killed"] and name in self.instances:
                self._died[self.instances[name]["service"]].add(name)
            if name in self.state.instances:
                self._say("final", f"{name} has ended, and is an instance still")

    def _instance(
        self, name: str, value: dict | None, was_waiting: bool, launched: dict[str, list[str]],
    ) -> None:
        if value is None:
            return
        if name not in self.instances:
            self.instances[name] = value
            return
        if name in self.instances and not was_waiting and value["waits"]:
            self._say("launched once", f"{name} is begun again")
        if was_waiting and not value["waits"]:
            if name not in self.state.tasks:
                self._say("launched once", f"{name} was launched without a task")
            else:
                launched.setdefault(value["service"], []).append(name)

    def _placed(self, service: str, names: list[str], revision: int) -> None:
        """Constraints, as of the moment of a launch: all that run or may run count."""
        state, active = self.state, self.state.active(service)
        if active is None:
            return
        others = [
            m for m in state.members[service]
            if m not in names and state.is_launched(m) and m in state.tasks]
        for name in names:
            waiting = {
                m for m in state.members[service] if m < name and not state.is_launched(m)}
            for constraint in active["constraints"]:
                places = {m: state.place(m, constraint[0], self.racks) for m in [*others, name]}
                launch = Launch(service, name, revision, constraint, places, waiting)
                if constraint[1] == "GROUP_BY":
                    self._launches.append(launch)
                else:
                    self._check(launch)
            others.append(name)

    def _check(self, launch: Launch) -> None:
        others = [value for name, value in launch.places.items() if name != launch.name]
        if not allows(launch.constraint, launch.places[launch.name], others):
            self._say(
                "constraints", f"{launch.name} was launched at {launch.places[launch.name]} while"
                f" others are at {sorted(map(str, others))}: {launch.constraint}, revision"
                f" {launch.revision}")

    def check_groups(self, revision: float) -> None:
        """Instances get their places one after the other, and all of a round are launched at once,
        agent by agent. So whether groups are alike is known when a round is over."""
        due = [one for one in self._launches if self._compared < one.until < revision]
        self._compared = revision - 1
        for launch in due:
            round_ = [
                one for one in self._launches if one.service == launch.service
                and abs(one.revision - launch.revision) <= VIEW_REVISIONS]
            later = {one.name for one in round_ if one.name > launch.name}
            earlier = {
                one.name: one.places[one.name] for one in round_ if one.name < launch.name}
            places = {n: v for n, v in launch.places.items() if n not in later} | earlier
            # A launch of the round that was refused, for its agent has gone, left its group short.
            if launch.waiting <= set(earlier):
                self._check(launch._replace(places=places))
        self._launches = [
            one for one in self._launches if revision <= one.until + VIEW_REVISIONS]

    # One service

    def _scheduled(self, service: str, before: dict, now: Moment) -> None:
        state = self.state
        members, active = state.members[service], state.active(service)
        if state.is_converged(service):
            self._converged_at[service] = now
        healthy = state.healthy(service)
        for name in before["healthy"] | healthy:
            self._healthy_at[name] = now
        for name in members:
            if state.is_unreachable(name):
                self._unreachable_at[name] = now
        if active is None:
            return
        begun = members - before["members"]
        if begun:
            self._begun(service, active, begun, before, now)
        stopped = {m for m in members if state.is_stopping(m)} - before["stopping"]
        ended = {m for m in before["members"] - members if m not in state.tasks}
        self._ended(service, active, (stopped | ended) & before["old"], before, now)

    def _begun(
        self, service: str, active: dict, begun: set[str], before: dict, now: Moment
    ) -> None:
        """No more than are wanted, nor than fit beside those that go."""
        state = self.state
        there = {m for m in state.members[service] if not state.is_unreachable(m)}
        new = {m for m in there if not state.is_old(m) and not state.is_stopping(m)}
        back = any(self._unreachable_at.get(m, NEVER).is_recent(now) for m in there)
        if len(new) > active["instances"] and not back:
            self._say(
                "surplus", f"{service} has {len(new)} instances and is to have"
                f" {active['instances']}: {sorted(begun)} were begun, revision {now.revision}")
        if before["old"] and len(there) > maximum_total(active) and not back:
            self._say(
                "surplus", f"{service} has {len(there)} instances during an update, at most"
                f" {maximum_total(active)} may be there: revision {now.revision}")

    def _ended(
        self, service: str, active: dict, stopped: set[str], before: dict, now: Moment
    ) -> None:
        """An update ends none that is well where too few would be left."""
        state = self.state
        well = stopped & before["healthy"]
        if not well or state.services[service]["ending"] or any(
                service == name and start <= now.time <= end for name, start, end in self.kills):
            return
        there = {m for m in state.members[service] - stopped if not state.is_stopping(m)}
        left = {
            m for m in there | self._died[service]
            if self._healthy_at.get(m, NEVER).is_recent(now)}
        if len(left) < minimum_healthy(active):
            self._say(
                "minimum", f"{service}: {sorted(well)} were ended, {len(left)} are left that are"
                f" well, at least {minimum_healthy(active)} have to be: revision {now.revision}")

    # One deployment

    def _note_converged(self, deployment: dict | None, now: Moment) -> None:
        """A step's services may be well for long without a change."""
        for service, *_ in (deployment or {}).get("parts", []):
            if self.state.is_converged(service):
                self._converged_at[service] = now

    def _deployment(
        self, name: str, before: dict | None, after: dict | None, now: Moment
    ) -> None:
        known = self.deployments.get(name)
        if before is None and after is not None:
            if known is not None:
                self._say("deployments", f"{name} is begun again")
            if after["step"] != 0:
                self._say("deployments", f"{name} is begun at step {after['step']}")
            self.deployments[name] = {
                **after, "began": now.time, "ended": None, "done": False,
                "changes": [self._change(*part) for part in after["parts"]]}
            return
        if known is None or before is None:
            return
        last = max(part[4] for part in before["parts"])
        if after is None:
            known["ended"] = now.time
            known["done"] = before["step"] == last and self._is_done(before, now)
            return
        if after["parts"] != before["parts"]:
            self._say("deployments", f"{name} has become another one")
        if after["step"] != before["step"] + 1:
            self._say("deployments", f"{name} went from step {before['step']} to {after['step']}")
        if not self._is_done(before, now):
            self._say("order", f"{name} left step {before['step']} before that was done")
        known["step"] = after["step"]

    def _change(self, service: str, action: str, old: int, new: int, _: int) -> dict:
        """What a part of a deployment asks for; the versions may be forgotten later."""
        versions = self.state.versions[service]
        return {
            "service": service, "action": action, "from": versions.get(old),
            "to": versions.get(new)}

    def _is_done(self, deployment: dict, now: Moment) -> bool:
        """All that its step asked for is there, or was a moment ago."""
        return all(
            self._converged_at.get(service, NEVER).is_recent(now)
            for service, _, _, _, step in deployment["parts"] if step == deployment["step"])
