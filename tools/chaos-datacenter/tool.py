"""What both tools do around a run: options, the judge's words, and plants."""

import argparse
import asyncio
import pathlib
import random
import signal
import sys
from collections.abc import Callable

import history
from layout import ROOT, keelson_binary

VIOLATIONS_SHOWN_MAX = 20
Plants = dict[str, Callable[[list[dict]], list[dict]]]


def parse(name: str, words: str, faults: list[str], plants: Plants) -> argparse.Namespace:
    """Options of the tool `name`, which is described by `words`."""
    parser = argparse.ArgumentParser(description=words.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=90, help="of faults")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--agents", type=int, default=5)
    parser.add_argument("--faults", default=",".join(faults), help=", ".join(faults))
    parser.add_argument("--loopback", action="store_true", help="cut no connections")
    parser.add_argument("--binary", default=keelson_binary())
    parser.add_argument("--folder", default=str(ROOT / f".build/clusters/{name}"))
    parser.add_argument("--history", default=str(ROOT / f".build/{name}/history.jsonl"))
    parser.add_argument("--check", metavar="FILE", help="judge a history, without a run")
    parser.add_argument(
        "--plant", choices=[*plants, "all"],
        help="change the history before it is judged; all: each in turn has to be found")
    arguments = parser.parse_args()
    arguments.faults = [kind for kind in arguments.faults.split(",") if kind]
    if unknown := set(arguments.faults) - set(faults):
        parser.error(f"no such faults: {', '.join(sorted(unknown))}")
    return arguments


async def perform(run) -> None:
    """SIGTERM and an interrupt end the run, and leave nothing behind."""
    task = asyncio.create_task(run.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def judged(path: pathlib.Path, judge_of, plants: Plants, plant: str | None, praise: str) -> bool:
    lines = history.read(path)
    if plant:
        lines = plants[plant](lines)
    judge = judge_of(lines)
    found = judge.judge()
    seed = next((line["seed"] for line in lines if line["type"] == "setup"), "unknown")
    print(f"{judge.summary}; seed {seed}; history {path}")
    for name, what in found[:VIOLATIONS_SHOWN_MAX]:
        print(f"violation of '{name}': {what}")
    if len(found) > VIOLATIONS_SHOWN_MAX:
        print(f"and {len(found) - VIOLATIONS_SHOWN_MAX} more")
    if not found:
        print(praise)
    return not found


def find_all(path: pathlib.Path, judge_of, plants: Plants) -> bool:
    """Whether a good history becomes a bad one by each plant."""
    missed = []
    for name, plant in plants.items():
        found = {kind for kind, _ in judge_of(plant(history.read(path))).judge()}
        print(f"{name}: {', '.join(sorted(found)) or 'NOT FOUND'}")
        missed += [] if found else [name]
    return not missed


def main(name: str, words: str, faults: list[str], run_of, judge_of, plants: Plants, praise: str):
    """Runs, judges, and ends the process with the status that says whether all was well."""
    arguments = parse(name, words, faults, plants)
    path = pathlib.Path(arguments.check or arguments.history).absolute()
    if not arguments.check:
        print(f"seed {arguments.seed}", flush=True)
        try:
            asyncio.run(perform(run_of(arguments)))
        except asyncio.CancelledError:
            sys.exit("the run was ended")
    if arguments.plant == "all":
        is_good = judged(path, judge_of, plants, None, praise)
        sys.exit(0 if is_good and find_all(path, judge_of, plants) else 1)
    sys.exit(0 if judged(path, judge_of, plants, arguments.plant, praise) else 1)
