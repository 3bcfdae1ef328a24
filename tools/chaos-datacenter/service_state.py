"""What the records say at one revision, from the changes that led there."""

import collections
import re


class State:
    def __init__(self):
        self.services: dict[str, dict] = {}
        # By service, then by number.
        self.versions: dict[str, dict[int, dict]] = collections.defaultdict(dict)
        self.instances: dict[str, dict] = {}
        # Instances by service.
        self.members: dict[str, set[str]] = collections.defaultdict(set)
        self.tasks: dict[str, dict] = {}
        self.agents: dict[str, dict] = {}
        self.deployments: dict[str, dict] = {}

    def apply(self, changes: list) -> None:
        for kind, name, value in changes:
            table = {
                "service": self.services, "instance": self.instances, "task": self.tasks,
                "agent": self.agents, "deployment": self.deployments,
            }.get(kind)
            if kind == "version":
                service, number = name.rsplit(":", 1)
                table, name = self.versions[service], int(number, 16)
            elif kind == "instance":
                service = (value or self.instances[name])["service"]
                (self.members[service].add if value else self.members[service].discard)(name)
            if value is None:
                del table[name]
            else:
                table[name] = value

    # Of a service

    def active(self, service: str) -> dict | None:
        """The version that the scheduler goes by."""
        record = self.services.get(service)
        return record and self.versions[service].get(record["active"])

    def is_old(self, instance: str) -> bool:
        record = self.instances[instance]
        active = self.active(record["service"])
        return active is None or record["configuration"] != active["configuration"]

    def is_converged(self, service: str) -> bool:
        """As it is to be, and nothing on its way."""
        record, members = self.services.get(service), self.members[service]
        if record is None or record["ending"]:
            return not members
        active = self.active(service)
        there = [name for name in members if not self.is_unreachable(name)]
        return active is not None and len(there) == active["instances"] and all(
            self.is_healthy(name) and not self.is_old(name) for name in there)

    def healthy(self, service: str) -> set[str]:
        return {name for name in self.members[service] if self.is_healthy(name)}

    # Of an instance

    def is_launched(self, instance: str) -> bool:
        return not self.instances[instance]["waits"]

    def is_unreachable(self, instance: str) -> bool:
        return self._state(instance) == "UNREACHABLE"

    def is_stopping(self, instance: str) -> bool:
        task = self.tasks.get(instance)
        return task is not None and (task["killed"] or task["state"] == "KILLING")

    def is_healthy(self, instance: str) -> bool:
        """It runs, and its checks are content."""
        record = self.instances[instance]
        version = self.versions[record["service"]].get(record["version"])
        if self._state(instance) != "RUNNING" or self.is_stopping(instance):
            return False
        return not (version and version["checks"]) or self.tasks[instance]["healthy"] is True

    def _state(self, instance: str) -> str | None:
        task = self.tasks.get(instance)
        return task["state"] if task and self.is_launched(instance) else None

    def place(self, instance: str, field: str, racks: dict[str, str]) -> str | None:
        """What a constraint on `field` compares."""
        agent = self.agents.get(self.tasks[instance]["agent"], {}).get("name")
        return racks.get(agent) if field == "rack" else agent


def allows(constraint: list, value: str | None, others: list[str | None]) -> bool:
    """Whether an instance may be at `value` while others of its service are where they are."""
    _, operator, wanted = constraint
    count = others.count(value)
    match operator:
        case "UNIQUE":
            return count == 0
        case "MAX_PER":
            return count < int(wanted)
        case "LIKE":
            return re.fullmatch(wanted, value or "") is not None
        case "UNLIKE":
            return re.fullmatch(wanted, value or "") is None
        case "IS":
            return value == wanted
        case "CLUSTER":
            return value == wanted if wanted else not others or count > 0
        case "GROUP_BY":
            counts = collections.Counter(others)
            least = 0 if len(counts) < int(wanted or 1) else min(counts.values(), default=0)
            return count <= least
    raise ValueError(f"no such operator: {operator}")


def minimum_healthy(version: dict) -> int:
    """Of a version's instances, how many stay well during an update."""
    return -(-version["instances"] * version["minimum"] // 1000)


def maximum_total(version: dict) -> int:
    """How many may be there during an update: one more than have to stay, at least."""
    most = version["instances"] * (1000 + version["over"]) // 1000
    return max(most, minimum_healthy(version) + 1)
