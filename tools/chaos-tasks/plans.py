"""What tasks are to do, and how they may end."""

import random
import shlex

ENDED = {
    "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED",
    "TASK_GONE", "TASK_GONE_BY_OPERATOR",
}

# What a plan's command ends as when nobody intervenes.
ENDS = {
    "short": "TASK_FINISHED", "long": "TASK_FINISHED", "fail": "TASK_FAILED",
    "kill": "TASK_FINISHED", "stubborn": "TASK_FINISHED", "early": "TASK_FINISHED",
}
# Plans whose end the framework asks for.
KILLED = {"kill", "stubborn", "early"}
# A task that is never killed although its framework asked for it ends by itself.
ENDLESS_SECONDS = 120


def draw(random: random.Random, weights: dict[str, int]) -> str:
    return random.choices(list(weights), list(weights.values()))[0]


def command(random: random.Random, plan: str, marks: str, task: str, ports: list[int]) -> str:
    """Writes 'start' and 'end' into a file of the task's own, and 'clash' where one of its ports is
    another live task's. The lock ends with the last process of the task."""
    seconds = {
        "short": random.uniform(0.05, 2.5), "long": random.uniform(6, 25),
        "fail": random.uniform(0.05, 2),
    }.get(plan, ENDLESS_SECONDS)
    file = shlex.quote(f"{marks}/{task}")
    lines = [f"say() {{ echo \"$1\" >>{file}; }}"]
    for number, port in enumerate(ports):
        lock = shlex.quote(f"{marks}/lock-") + f"\"$MESOS_AGENT_ID\"-{port}"
        descriptor = 3 + number
        lines.append(f"exec {descriptor}>>{lock}; flock -n {descriptor} || say clash-{port}")
    if plan == "stubborn":
        lines.append("trap '' TERM")
    lines += ["say start", f"sleep {seconds:.2f}"]
    lines += ["exit 3"] if plan == "fail" else ["say end"]
    return "; ".join(lines)
