"""What a row of the table holds: measures of two systems, and which goals are met."""

import dataclasses

OURS, THEIRS, FLOOR = "keelson", "etcd", "floor"


@dataclasses.dataclass(frozen=True)
class Goal:
    """A bound for the ratio of ours to theirs or, if `of_ours`, for our value alone."""

    bound: float
    at_least: bool
    of_ours: bool = False

    def is_met(self, ours: float, theirs: float | None) -> bool | None:
        if self.of_ours:
            value = ours
        elif theirs:
            value = ours / theirs
        else:
            return None
        return value >= self.bound if self.at_least else value <= self.bound

    def text(self, unit: str) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {number(self.bound, unit)} {unit}" if self.of_ours else (
            f"{sign} {self.bound:g}×")


def at_least(bound: float) -> Goal:
    return Goal(bound, at_least=True)


def at_most(bound: float) -> Goal:
    return Goal(bound, at_least=False)


@dataclasses.dataclass
class Measure:
    """One figure of each system. `ours` or `theirs` is None where it could not be had."""

    name: str
    unit: str
    ours: float | None
    theirs: float | None
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        if self.ours is None or not self.theirs:
            return None
        return self.ours / self.theirs

    @property
    def verdict(self) -> str:
        if self.goal is None or self.ours is None:
            return ""
        met = self.goal.is_met(self.ours, self.theirs)
        return "" if met is None else "met" if met else "MISSED"

    def as_json(self) -> dict:
        goal = self.goal and self.goal.text(self.unit)
        return {
            "measure": self.name, "unit": self.unit, OURS: self.ours, "peer": self.theirs,
            "ratio": self.ratio, "goal": goal, "verdict": self.verdict}


@dataclasses.dataclass
class Row:
    """One load. `rounds` has what was measured each time, for each system."""

    name: str
    title: str
    measures: list[Measure] = dataclasses.field(default_factory=list)
    rounds: dict[str, list] = dataclasses.field(default_factory=dict)
    # The load generator's share of all processors, for each system.
    generator_share: dict[str, float] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    # Why it could not be measured, wholly or for one system.
    failures: list[str] = dataclasses.field(default_factory=list)
    peer: str = THEIRS

    def as_json(self) -> dict:
        return {
            "name": self.name, "title": self.title, "peer": self.peer,
            "measures": [m.as_json() for m in self.measures],
            "generator_share": self.generator_share, "notes": self.notes,
            "failures": self.failures, "rounds": self.rounds}


DIGITS = {"s": 2, "ms": 1, "%": 2, "": 2}


def number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.{DIGITS.get(unit, 0)}f}"
