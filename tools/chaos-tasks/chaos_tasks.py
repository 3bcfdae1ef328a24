"""Real servers, agents and frameworks under faults, and every task accounted for.

    chaos_tasks.py --seconds 90 [--seed N] [--faults KIND,…]
    chaos_tasks.py --check FILE [--plant NAME|all]

Ends with status 1, the seed and the history's path where a promise is broken. Recipes:
docs/testing.md.
"""

import argparse
import asyncio
import pathlib
import random
import signal
import sys

import history
import plants
from judge import Judge
from layout import ROOT, keelson_binary
from nemesis import WEIGHTS
from run import Run

VIOLATIONS_SHOWN_MAX = 20


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=90, help="of faults")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--agents", type=int, default=5)
    parser.add_argument("--faults", default=",".join(WEIGHTS), help=", ".join(WEIGHTS))
    parser.add_argument("--loopback", action="store_true", help="cut no connections")
    parser.add_argument("--binary", default=keelson_binary())
    parser.add_argument("--folder", default=str(ROOT / ".build/clusters/chaos-tasks"))
    parser.add_argument("--history", default=str(ROOT / ".build/chaos-tasks/history.jsonl"))
    parser.add_argument("--check", metavar="FILE", help="judge a history, without a run")
    parser.add_argument(
        "--plant", choices=[*plants.PLANTS, "all"],
        help="change the history before it is judged; all: each in turn has to be found")
    arguments = parser.parse_args()
    arguments.faults = [kind for kind in arguments.faults.split(",") if kind]
    if unknown := set(arguments.faults) - set(WEIGHTS):
        parser.error(f"no such faults: {', '.join(sorted(unknown))}")
    return arguments


async def perform(run: Run) -> None:
    """SIGTERM and an interrupt end the run, and leave nothing behind."""
    task = asyncio.create_task(run.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def judged(path: pathlib.Path, plant: str | None) -> bool:
    lines = history.read(path)
    if plant:
        lines = plants.PLANTS[plant](lines)
    judge = Judge(lines)
    found = judge.judge()
    seed = next((line["seed"] for line in lines if line["type"] == "setup"), "unknown")
    print(f"{judge.summary}; seed {seed}; history {path}")
    for name, what in found[:VIOLATIONS_SHOWN_MAX]:
        print(f"violation of '{name}': {what}")
    if len(found) > VIOLATIONS_SHOWN_MAX:
        print(f"and {len(found) - VIOLATIONS_SHOWN_MAX} more")
    if not found:
        print("every task is accounted for")
    return not found


def find_all(path: pathlib.Path) -> bool:
    """Whether a good history becomes a bad one by each plant."""
    missed = []
    for name, plant in plants.PLANTS.items():
        found = {kind for kind, _ in Judge(plant(history.read(path))).judge()}
        print(f"{name}: {', '.join(sorted(found)) or 'NOT FOUND'}")
        missed += [] if found else [name]
    return not missed


def main() -> None:
    arguments = parse()
    path = pathlib.Path(arguments.check or arguments.history).absolute()
    if not arguments.check:
        print(f"seed {arguments.seed}", flush=True)
        try:
            asyncio.run(perform(Run(arguments)))
        except asyncio.CancelledError:
            sys.exit("the run was ended")
    if arguments.plant == "all":
        sys.exit(0 if judged(path, None) and find_all(path) else 1)
    sys.exit(0 if judged(path, arguments.plant) else 1)


main()
