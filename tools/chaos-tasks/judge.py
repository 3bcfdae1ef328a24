"""Holds a history against what is promised to frameworks (docs/task-history-format.md)."""

import collections

from cases import Case, collect
from views import totals

# Tasks that have ended and that servers still know, for each framework (Mesos has as many).
ENDED_TASKS_MAX = 1000
ACKNOWLEDGED = "every status is acknowledged"


class Judge:
    def __init__(self, lines: list[dict]):
        self.lines = lines
        self.cases = collect(lines)
        self.found: list[tuple[str, str]] = []

    def judge(self) -> list[tuple[str, str]]:
        """Properties that are broken, and what breaks them."""
        for line in self._of("violation"):
            self._say(line["property"], line["what"])
        if not any(line.get("what") == "the end" for line in self._of("phase")):
            self._say("complete", "the run did not come to its end")
            return self.found
        for case in self.cases.values():
            if case.was_denied_wrongly:
                # All else follows from it.
                self._say("denied", f"{case} was unknown to reconciliation, and came after it")
                continue
            self._accounted(case)
            self._executed(case)
            self._ended_rightly(case)
            self._final(case)
        self._views()
        self._acknowledged()
        self._offers()
        for line in self._of("left"):
            self._say("left", f"after {line['when']}: {line['pid']} {line['command']}")
        return self.found

    @property
    def summary(self) -> str:
        ends = collections.Counter(case.end or "no end" for case in self.cases.values())
        words = ", ".join(f"{n} {end.removeprefix('TASK_').lower()}" for end, n in ends.items())
        faults = sum(line["kind"] not in ("calm", "start", "heal", "continue")
                     for line in self._of("fault"))
        return f"{len(self.cases)} tasks ({words}), {faults} faults"

    def _say(self, name: str, what: str) -> None:
        self.found.append((name, what))

    def _of(self, kind: str) -> list[dict]:
        return [line for line in self.lines if line["type"] == kind]

    # Each task

    def _accounted(self, case: Case) -> None:
        """Exactly one end, unless it was refused at once."""
        if case.outcome == "failed":
            if case.heard or case.starts:
                self._say("accounted", f"{case} was refused, and is heard of")
        elif len(case.ends) != 1:
            self._say("accounted", f"{case} has the ends {case.ends}")
        others = [self.cases[name] for name in case.group]
        if len({o.end == "never launched" for o in others if not o.was_denied_wrongly}) > 1:
            self._say("accounted", f"of the group of {case} a part was launched")

    def _executed(self, case: Case) -> None:
        """At most once, and as its end says."""
        starts, ends = case.starts, case.marks.count("end")
        if starts > 1 or ends > starts:
            self._say("executed", f"{case} ran {starts} times: {case.marks}")
        wanted = {
            "TASK_FINISHED": (1, 1), "TASK_FAILED": (1, 0), "TASK_LOST": (0, 0),
            "TASK_DROPPED": (0, 0), "TASK_ERROR": (0, 0), "never launched": (0, 0),
        }.get(case.end or "")
        if wanted and starts <= 1 and (starts, ends) != wanted:
            self._say("executed", f"{case} is {case.end}, and wrote {case.marks}")
        for mark in case.marks:
            if mark.startswith("clash"):
                self._say("exclusive", f"{case}: {mark}: another live task has that port")

    def _ended_rightly(self, case: Case) -> None:
        """Nothing but the task itself, its framework or its group ends it."""
        asked = any(at < (case.ended_at or 0) for at in case.kills)
        match case.end:
            case "TASK_FINISHED":
                is_right = case.plan != "fail"
            case "TASK_FAILED":
                is_right = case.plan == "fail"
            case "TASK_KILLED":
                is_right = asked or any(
                    self.cases[name].end in ("TASK_FAILED", "TASK_KILLED", "TASK_LOST")
                    for name in case.group if name != case.task)
            case "TASK_LOST" | "TASK_DROPPED":
                is_right = asked or self._was_killed(case)
            case "never launched" | None:
                is_right = True
            case _:
                is_right = False
        if not is_right:
            last = next(h.status for h in case.heard if h.end)
            said = {k: last.get(k) for k in ("source", "reason", "message") if k in last}
            self._say("ended by itself", f"{case} is {case.end}: {said}")

    def _was_killed(self, case: Case) -> bool:
        """Whether its agent was, while the task might have been."""
        return any(
            line["kind"].startswith("killAgent") and line["what"].split()[0] == case.agent
            and case.at <= line["time"] <= (case.ended_at or 0)
            for line in self._of("fault"))

    def _final(self, case: Case) -> None:
        """What is told once stays so; nothing is behind an end."""
        states: dict[str, str] = {}
        for is_update in (True, False):
            end = None
            for heard in case.heard:
                if heard.is_update != is_update:
                    continue
                if end and heard.end != end:
                    self._say("final", f"{case} was {end}, and {heard.meaning} after it")
                end = end or heard.end
                if is_update and states.setdefault(
                        heard.status["uuid"], heard.meaning) != heard.meaning:
                    self._say("final", f"{case}: one uuid has two states")

    # At the end

    def _views(self) -> None:
        """Servers agree with each other and with the frameworks; everything is free."""
        setup, views = self._of("setup")[0], self._of("view")
        whole = totals(setup["resources"])
        for view in views:
            if (view["tasks"], view["agents"]) != (views[0]["tasks"], views[0]["agents"]):
                self._say("agree", f"{view['node']} and {views[0]['node']} differ")
            self._tasks_of(view)
            for name in setup["agents"]:
                agent = view["agents"].get(name)
                if agent is None or not agent["active"]:
                    self._say("free", f"{view['node']}: {name} is not there")
                    continue
                if any(agent["used"].values()):
                    self._say("free", f"{view['node']}: of {name} {agent['used']} is in use")
                if agent["total"] != whole:
                    self._say("free", f"{view['node']}: {name} has {agent['total']}")

    def _tasks_of(self, view: dict) -> None:
        tasks, node = view["tasks"], view["node"]
        known = collections.Counter(
            self.cases[task].framework for task in tasks if task in self.cases)
        for task in sorted(set(tasks) - set(self.cases)):
            self._say("agree", f"{node} knows {task}, which nobody launched")
        for case in self.cases.values():
            if case.was_denied_wrongly:
                continue
            state = tasks.get(case.task)
            if case.outcome == "failed" or case.end == "never launched":
                if state:
                    self._say("agree", f"{node} has {case} as {state}; it never was launched")
            elif state is None and known[case.framework] < ENDED_TASKS_MAX:
                self._say("agree", f"{node} does not know {case}, which is {case.end}")
            elif state is not None and state != case.end:
                self._say("agree", f"{node} has {case} as {state}; its framework: {case.end}")

    def _acknowledged(self) -> None:
        """What was acknowledged is not told again."""
        places = [i for i, line in enumerate(self.lines)
                  if line["type"] == "phase" and line["what"] == ACKNOWLEDGED]
        for line in self.lines[places[0]:] if places else []:
            if line["type"] == "event" and line["event"]["type"] == "UPDATE":
                status = line["event"]["update"]["status"]
                if status.get("uuid"):
                    self._say("acknowledged", f"{status['task_id']['value']} is told again:"
                              f" {status['state']}")

    def _offers(self) -> None:
        """One framework alone is offered all that agents have."""
        whole = totals(self._of("setup")[0]["resources"])
        offered: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        for line in self._of("offered"):
            offered[line["agent"]].update(line["resources"])
        for name in self._of("setup")[0]["agents"]:
            found = {key: round(value, 3) for key, value in offered[name].items()}
            if found != whole:
                self._say("free", f"offered of {name}: {found}, not {whole}")
