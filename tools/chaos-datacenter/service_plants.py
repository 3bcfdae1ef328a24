"""Changes to a history that the judge has to notice: so it is seen that it can fail."""

import copy
from collections.abc import Callable, Iterator

from service_calls import number
from service_state import State, minimum_healthy


def _walked(lines: list[dict]) -> Iterator[tuple[int, dict, State]]:
    """Each line of records with its place, and the state before it."""
    state = State()
    for place, line in enumerate(lines):
        if line["type"] == "records":
            yield place, line, state
            state.apply(line["changes"])


def _insert(lines: list[dict], place: int, *changes: list) -> list[dict]:
    """A revision of its own, behind the line at `place`."""
    line = {**lines[place], "changes": list(changes)}
    return lines[:place + 1] + [line] + lines[place + 1:]


def _nowhere() -> list[dict]:
    raise LookupError("nothing in this history can be changed so")


def _rests(lines: list[dict]) -> list[dict]:
    """Of the last moment of rest, what each server said."""
    return list([line for line in lines if line["type"] == "rest"][-1]["views"].values())


def twice(lines: list[dict]) -> list[dict]:
    """An instance runs twice."""
    marks = next(
        line for line in lines
        if line["type"] == "marks" and any(word.startswith("start") for word in line["lines"]))
    marks["lines"] = marks["lines"] * 2
    return lines


def relaunched(lines: list[dict]) -> list[dict]:
    """A task that runs is launched a second time."""
    for place, line, _ in _walked(lines):
        for kind, name, value in line["changes"]:
            if kind == "task" and value and value["state"] == "RUNNING":
                return _insert(
                    lines, place, [kind, name, {**value, "sequence": value["sequence"] + 1}])
    return _nowhere()


def repeated(lines: list[dict]) -> list[dict]:
    """A leader begins what the one before it had begun."""
    for place, line, state in _walked(lines):
        for kind, name, value in line["changes"]:
            if kind == "instance" and value and name not in state.instances and (
                    not state.members[value["service"]]):
                others = [
                    [kind, f"{name}-{i}", value]
                    for i in range(state.active(value["service"])["instances"])]
                return _insert(lines, place, *others)
    return _nowhere()


def crowded(lines: list[dict]) -> list[dict]:
    """A constraint is not kept."""
    for place, line, state in _walked(lines):
        for change in line["changes"]:
            kind, name, value = change
            if kind != "task" or not value or value["state"] != "STAGING" or (
                    name not in state.instances):
                continue
            service = state.instances[name]["service"]
            others = [
                state.tasks[m] for m in state.members[service]
                if m != name and m in state.tasks and state.is_healthy(m)]
            if service == "/unique" and others and name not in state.tasks:
                value["agent"] = others[0]["agent"]
                return lines
    return _nowhere()


def lopsided(lines: list[dict]) -> list[dict]:
    """All instances of a group are in one place."""
    home = None
    for line in lines:
        for change in line["changes"] if line["type"] == "records" else []:
            kind, name, value = change
            if kind == "task" and value and name.startswith("spread."):
                home = home or value["agent"]
                value["agent"] = home
    return lines


def undercut(lines: list[dict]) -> list[dict]:
    """An update ends all at once."""
    killed = {line["service"] for line in lines if line["type"] == "call" and line["op"] == "kill"}
    for place, line, state in _walked(lines):
        for kind, name, value in line["changes"]:
            if kind != "service" or not value or name not in state.services or (
                    value["active"] == state.services[name]["active"]) or value["ending"]:
                continue
            well = state.healthy(name)
            active = state.versions[name].get(value["active"]) or next(
                (v for k, n, v in line["changes"] if k == "version" and v
                 and n.startswith(name + ":") and v["number"] == value["active"]), None)
            if name not in killed and active and well and minimum_healthy(active) and all(
                    state.instances[m]["configuration"] != active["configuration"]
                    for m in well):
                return _insert(lines, place, *(
                    ["task", m, {**state.tasks[m], "killed": True}] for m in sorted(well)))
    return _nowhere()


def hasty(lines: list[dict]) -> list[dict]:
    """A deployment goes on before its step is done."""
    for place, line, _ in _walked(lines):
        for kind, name, value in line["changes"]:
            if kind == "deployment" and value and value["step"] == 0 and any(
                    part[4] > 0 for part in value["parts"]) and any(
                    part[4] == 0 and part[1] in ("start", "restart")
                    for part in value["parts"]):
                later = copy.deepcopy(value)
                later["step"] = 1
                # Nobody hears of it either.
                return _insert(lines, place, [kind, name, later])
    return _nowhere()


def _acknowledged(lines: list[dict], *ops: str) -> list[dict]:
    known = {
        name for line in lines if line["type"] == "records"
        for kind, name, value in line["changes"] if kind == "deployment" and value}
    return [
        line for line in lines
        if line["type"] == "call" and line["op"] in ops and line["outcome"] == "ok"
        and line["deployment"] and number(line["deployment"]) in known]


def lost(lines: list[dict]) -> list[dict]:
    """A deployment that was acknowledged is not on record."""
    name = number(_acknowledged(lines, "update", "create")[0]["deployment"])
    for line in lines:
        if line["type"] == "records":
            line["changes"] = [c for c in line["changes"] if c[:2] != ["deployment", name]]
    return lines


def endless(lines: list[dict]) -> list[dict]:
    """A deployment never ends."""
    name = number(_acknowledged(lines, "update", "create")[0]["deployment"])
    for line in lines:
        if line["type"] == "records":
            line["changes"] = [
                c for c in line["changes"] if c[:2] != ["deployment", name] or c[2]]
    return lines


def unasked(lines: list[dict]) -> list[dict]:
    """What was refused took effect."""
    _acknowledged(lines, "update")[0].update(outcome="failed")
    return lines


def other(lines: list[dict]) -> list[dict]:
    """What was acknowledged is something else on record."""
    call = _acknowledged(lines, "scale", "suspend")[0]
    call["instances"] += 1
    return lines


def missed(lines: list[dict]) -> list[dict]:
    """A listener never hears of an end."""
    lines.remove([
        line for line in lines if line["type"] == "events"
        and any(event["kind"] == "deployment_success" for event in line["events"])][-1])
    return lines


def made_up(lines: list[dict]) -> list[dict]:
    """A listener hears of what never was."""
    line = [line for line in lines if line["type"] == "events"][-1]
    line["events"].append({"kind": "instance_changed_event", "instanceId": "nobody"})
    return lines


def differ(lines: list[dict]) -> list[dict]:
    """One server has another definition than the others."""
    next(iter(_rests(lines)[-1].values()))["stamp"] = "planted"
    return lines


def missing(lines: list[dict]) -> list[dict]:
    """A service has too few instances at rest, and everybody says so."""
    for view in _rests(lines):
        next(app for _, app in sorted(view.items()) if app["tasks"])["tasks"].pop()
    return lines


def stray(lines: list[dict]) -> list[dict]:
    """Something runs that is no instance any more."""
    [line for line in lines if line["type"] == "rest"][-1]["processes"]["gone"] = 1
    return lines


def leak(lines: list[dict]) -> list[dict]:
    """What an instance held is never free again."""
    for line in lines:
        if line["type"] == "view":
            next(iter(line["agents"].values()))["used"] = {"cpus": 0.05}
    return lines


def left(lines: list[dict]) -> list[dict]:
    """A process stays."""
    line = {"type": "left", "time": 0, "when": "the tasks' end", "pid": 1, "command": "planted"}
    return lines + [line]


PLANTS: dict[str, Callable[[list[dict]], list[dict]]] = {
    plant.__name__: plant
    for plant in (
        twice, relaunched, repeated, crowded, lopsided, undercut, hasty, lost, endless, unasked,
        other, missed, made_up, differ, missing, stray, leak, left)
}
