"""What a history knows of each task."""

import dataclasses

import plans
from framework import told

NEVER_LAUNCHED = {"denied", "refused"}


@dataclasses.dataclass
class Heard:
    """A status as its framework heard it."""

    time: int
    meaning: str
    status: dict

    @property
    def end(self) -> str | None:
        """None where it is none. What was refused may be denied later: that is one end."""
        if self.meaning in NEVER_LAUNCHED:
            return "never launched"
        return self.meaning if self.meaning in plans.ENDED else None

    @property
    def is_update(self) -> bool:
        """To be acknowledged; else it answers a question."""
        return bool(self.status.get("uuid"))


@dataclasses.dataclass
class Case:
    task: str
    framework: str
    plan: str
    # The agent's name, not its id.
    agent: str
    # Tasks of the same group, itself among them.
    group: list[str]
    # Of its ACCEPT, and when that was sent.
    outcome: str
    at: int
    heard: list[Heard] = dataclasses.field(default_factory=list)
    # When its framework asked for its end.
    kills: list[int] = dataclasses.field(default_factory=list)
    # What it wrote itself.
    marks: list[str] = dataclasses.field(default_factory=list)

    @property
    def ends(self) -> list[str]:
        """Distinct, in the order in which they were heard."""
        return list(dict.fromkeys(h.end for h in self.heard if h.end))

    @property
    def end(self) -> str | None:
        return self.ends[0] if self.ends else None

    @property
    def ended_at(self) -> int | None:
        return next((h.time for h in self.heard if h.end), None)

    @property
    def starts(self) -> int:
        return self.marks.count("start")

    @property
    def was_denied_wrongly(self) -> bool:
        """Reconciliation did not know it, asked behind its ACCEPT, and then it was launched."""
        denied = next((h.time for h in self.heard if h.meaning == "denied"), None)
        return denied is not None and any(h.is_update and h.time > denied for h in self.heard)

    def __str__(self) -> str:
        return f"{self.task} ({self.plan}, on {self.agent}, ACCEPT {self.outcome})"


def collect(lines: list[dict]) -> dict[str, Case]:
    """By task. The answer to an ACCEPT may stand behind what came of it."""
    agents, cases = {}, {}
    for line in lines:
        if line["type"] == "event" and line["event"]["type"] == "OFFERS":
            for offer in line["event"]["offers"]["offers"]:
                agents[offer["agent_id"]["value"]] = offer["hostname"]
        elif line["type"] == "call" and line["call"]["type"] == "ACCEPT":
            for operation in line["call"]["accept"].get("operations", []):
                _launched(line, operation, agents, cases)
    for line in lines:
        if line["type"] == "event" and line["event"]["type"] == "UPDATE":
            status = line["event"]["update"]["status"]
            if case := cases.get(status["task_id"]["value"]):
                meaning = told(status, line["framework"] != "unaware")
                case.heard.append(Heard(line["time"], meaning, status))
        elif line["type"] == "call" and line["call"]["type"] == "KILL":
            if case := cases.get(line["call"]["kill"]["task_id"]["value"]):
                case.kills.append(line["start"])
        elif line["type"] == "marks" and line["task"] in cases:
            cases[line["task"]].marks = line["lines"]
    return cases


def _launched(
    line: dict, operation: dict, agents: dict[str, str], cases: dict[str, Case]
) -> None:
    infos = operation.get("launch", {}).get("task_infos", [])
    group = operation.get("launch_group", {}).get("task_group", {}).get("tasks", [])
    names = [info["task_id"]["value"] for info in group]
    for info in infos + group:
        name, agent = info["task_id"]["value"], info["agent_id"]["value"]
        cases[name] = Case(
            name, line["framework"], info["name"], agents.get(agent, agent), names,
            line["outcome"], line["start"])
