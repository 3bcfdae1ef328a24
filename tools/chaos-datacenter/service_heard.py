"""Holds what listeners of /v2/events heard against the records: nothing is missed, and nothing is
made up."""

from collections.abc import Callable

from service_calls import LATE_NANOSECONDS, number
from service_state import State


def name_of(event: dict) -> tuple | None:
    """What an event says, to be told apart by; None for those that are about no record."""
    match event["kind"]:
        case "status_update_event":
            return event["kind"], event["taskId"], event["taskStatus"].removeprefix("TASK_")
        case "instance_changed_event":
            return event["kind"], event["instanceId"]
        case "app_terminated_event":
            return event["kind"], event["appId"]
        case "deployment_info" | "deployment_step_success":
            return event["kind"], number(event["id"])
        case "deployment_success" | "deployment_failed":
            return "an end", number(event["id"])
    return None


class Heard:
    def __init__(self, lines: list[dict], say: Callable):
        self._say = say
        # By revision.
        self.expected: dict[int, set[tuple]] = {}
        self.heard: dict[str, dict[int, set[tuple]]] = {}
        self.gaps: dict[str, list[tuple[int, int]]] = {}
        # The first and the last index that a listener is to know.
        self.ends: dict[str, tuple[int, int]] = {}
        self.successes: set[str] = set()
        # When each server was started last, and when a revision was known of.
        self._started: dict[str, int] = {}
        self._known_at: dict[int, int] = {}
        for line in lines:
            self._take(line)

    def _take(self, line: dict) -> None:
        name = line.get("listener", "")
        if line["type"] == "events":
            known = self.heard.setdefault(name, {}).setdefault(line["index"], set())
            known.update(filter(None, map(name_of, line["events"])))
            self.successes.update(
                number(event["id"]) for event in line["events"]
                if event["kind"] == "deployment_success")
            first, last = self.ends.get(name, (line["index"], 0))
            self.ends[name] = first, max(last, line["index"])
        elif line["type"] == "stream" and line["what"] == "gap":
            self._forgot(line)
            if line["final"]:
                self.gaps.setdefault(name, []).append((line["after"], line["until"]))
        elif line["type"] == "fault" and line["kind"] == "start":
            self._started[line["what"]] = line["time"]
        elif line["type"] == "records":
            self._known_at.setdefault(line["revision"], line["time"])

    def _forgot(self, line: dict) -> None:
        """Only a server that was started since may have forgotten what came behind an event."""
        known = self._known_at.get(line["after"])
        if known is not None and self._started.get(line["node"], 0) < known - LATE_NANOSECONDS:
            self._say(
                "events", f"{line['node']} has forgotten what came after {line['after']}, and was"
                " not started again")

    def expect(self, line: dict, state: State) -> None:
        """`state`: before the changes of the line."""
        found = self.expected.setdefault(line["revision"], set())
        for kind, name, value in line["changes"]:
            if kind == "task" and value is not None:
                before = state.tasks.get(name) or {}
                if (before.get("state"), before.get("uuid")) != (value["state"], value["uuid"]):
                    found.add(("status_update_event", name, value["state"]))
            elif kind == "instance" and value is not None and name not in state.instances:
                found.add(("instance_changed_event", name))
            elif kind == "service" and value is None:
                found.add(("app_terminated_event", name))
            elif kind == "deployment":
                before = state.deployments.get(name)
                if value is None:
                    found.add(("an end", name))
                elif before is None:
                    found.add(("deployment_info", name))
                elif value["step"] != before["step"]:
                    found.add(("deployment_step_success", name))

    def judge(self, deployments: dict[str, dict]) -> None:
        for name in sorted(self.successes):
            if name in deployments and not deployments[name]["done"]:
                self._say("deployments", f"{name} was called a success before it was done")
        newest = max((r for r, events in self.expected.items() if events), default=0)
        for listener in sorted(self.ends):
            first, last = self.ends[listener]
            if last < newest:
                self._say("events", f"{listener} heard of {last}, the newest is {newest}")
            for revision, events in sorted(self.expected.items()):
                if first <= revision <= last:
                    self._one(listener, revision, events)
            for revision, events in self.heard[listener].items():
                for event in sorted(events - self.expected.get(revision, set())):
                    self._say(
                        "events", f"{listener} heard {event} at {revision}, which never was")

    def _one(self, listener: str, revision: int, events: set[tuple]) -> None:
        if any(after < revision <= until for after, until in self.gaps.get(listener, [])):
            return
        for event in sorted(events - self.heard[listener].get(revision, set())):
            self._say("events", f"{listener} missed {event} at {revision}")
