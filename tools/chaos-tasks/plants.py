"""Changes to a history that the judge has to notice: so it is seen that it can fail."""

import copy
from collections.abc import Callable

from cases import Case, collect


def _case(lines: list[dict], end: str) -> Case:
    """A task that ended so, as the last one did."""
    return [case for case in collect(lines).values() if case.ends == [end]][-1]


def _updates(lines: list[dict], task: str) -> list[dict]:
    return [
        line for line in lines if line["type"] == "event" and line["event"]["type"] == "UPDATE"
        and line["event"]["update"]["status"]["task_id"]["value"] == task
    ]


def lost(lines: list[dict]) -> list[dict]:
    """A framework never hears of a task's end."""
    task = _case(lines, "TASK_FINISHED").task
    gone = [
        line for line in _updates(lines, task)
        if line["event"]["update"]["status"]["state"] == "TASK_FINISHED"
    ]
    return [line for line in lines if not any(line is other for other in gone)]


def second(lines: list[dict]) -> list[dict]:
    """A task ends twice, in two ways."""
    line = _updates(lines, _case(lines, "TASK_FINISHED").task)[-1]
    other = copy.deepcopy(line)
    other["event"]["update"]["status"].update(state="TASK_FAILED", uuid="AAAA")
    place = next(i for i, one in enumerate(lines) if one is line)
    return lines[:place + 1] + [other] + lines[place + 1:]


def twice(lines: list[dict]) -> list[dict]:
    """A task runs twice."""
    task = _case(lines, "TASK_FINISHED").task
    for line in lines:
        if line["type"] == "marks" and line["task"] == task:
            line["lines"] = line["lines"] * 2
    return lines


def denied(lines: list[dict]) -> list[dict]:
    """A task is said not to be known, and runs."""
    line = _updates(lines, _case(lines, "TASK_FINISHED").task)[0]
    other = copy.deepcopy(line)
    other["event"]["update"]["status"].update(state="TASK_UNKNOWN")
    other["event"]["update"]["status"].pop("uuid", None)
    place = next(i for i, one in enumerate(lines) if one is line)
    other["time"] -= 1
    return lines[:place] + [other] + lines[place:]


def killed(lines: list[dict]) -> list[dict]:
    """A task is ended that nobody asked to end."""
    task = _case(lines, "TASK_KILLED").task
    return [
        line for line in lines if not (
            line["type"] == "call" and line["call"]["type"] == "KILL"
            and line["call"]["kill"]["task_id"]["value"] == task)
    ]


def clash(lines: list[dict]) -> list[dict]:
    """A port is promised to two tasks at once."""
    next(line for line in lines if line["type"] == "marks")["lines"].append("clash-31000")
    return lines


def leak(lines: list[dict]) -> list[dict]:
    """What a task held is never free again."""
    for line in lines:
        if line["type"] == "view":
            next(iter(line["agents"].values()))["used"] = {"cpus": 0.5}
    return lines


def short(lines: list[dict]) -> list[dict]:
    """An agent is not offered as a whole."""
    next(line for line in lines if line["type"] == "offered")["resources"]["cpus"] -= 0.5
    return lines


def differ(lines: list[dict]) -> list[dict]:
    """One server has another end of a task than the others."""
    view = [line for line in lines if line["type"] == "view"][-1]
    view["tasks"][_case(lines, "TASK_FINISHED").task] = "TASK_LOST"
    return lines


def again(lines: list[dict]) -> list[dict]:
    """A status that was acknowledged is told once more."""
    told = _updates(lines, _case(lines, "TASK_FINISHED").task)
    return lines + [
        line for line in told if "uuid" in line["event"]["update"]["status"]][-1:]


def left(lines: list[dict]) -> list[dict]:
    """A supervisor stays."""
    line = {"type": "left", "time": 0, "when": "the tasks' end", "pid": 1, "command": "planted"}
    return lines + [line]


PLANTS: dict[str, Callable[[list[dict]], list[dict]]] = {
    plant.__name__: plant
    for plant in (
        lost, second, twice, denied, killed, clash, leak, short, differ, again, left)
}
