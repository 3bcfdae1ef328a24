"""Plants one bug after the other and sees whether the simulation, or else a test, finds it.

usage: mutants.py --build DIR [--only NAME,...] [--smoke] [--seeds N] [--report FILE] [--table FILE]

DIR is the build folder of a build with KEELSON_MUTANTS=1 and --build-tests. Each mutant runs
`keelson simulate` over seeds 1, 2, ... until a promise is broken; one that survives them runs the
tests of the rooms and the named scenarios. Two mutants run at a time. Ends with status 1 when one
survives. --smoke takes a few that die quickly, and runs no tests.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
REGISTRY = ROOT / "Sources/Primitives/Mutant.swift"
SEEDS_MAX = 50
SECONDS_MAX = 240
TEST_SECONDS_MAX = 900
# The quick ones first.
TESTS = [
    "^(RaftCoreTests|ReplicationTests|SchedulingTests|StateMachineTests|StorageTests)\\.",
    # Not those with real processes.
    "^AgentTests\\.(Executor|ExecutorRestart|History|Order|Run|Store|Update)Tests/",
    "^SimulationTests\\."]
SMOKE = [
    "votesTwice", "acknowledgesBeforeSync", "commitsUnmatched", "readsWithoutRound",
    "votesWithoutAdmission", "takesForwardsTwice", "skipsSyncsOfTheLog", "countsEmptyRevisions",
    "checksOnlyWhereAnswered", "keepsRemainders", "losesTheRestOfAWindow", "revokesOneKey",
]


def registry() -> list[tuple[str, str, str]]:
    """(name, what the bug is, part of the product), in the order of the source."""
    found, part, text = [], "", []
    for line in REGISTRY.read_text().splitlines():
        line = line.strip()
        if re.fullmatch(r"// [A-Z].*", line):
            part = line[3:]
        elif line.startswith("/// "):
            text.append(line[4:])
        elif line.startswith("case ") and "=" not in line:
            found.append((line.removeprefix("case "), " ".join(text), part))
            text = []
        else:
            text = []
    return found


class Trial:
    def __init__(self, build: pathlib.Path, seeds: int, runs_tests: bool):
        self.binary = build / "release/keelson"
        # Run as it is: two `swift test` of one build folder wait for each other.
        self.tests = build / "release/keelsonPackageTests.xctest"
        self.seeds, self.runs_tests = seeds, runs_tests

    def run(self, name: str, part: str) -> dict:
        begin = time.monotonic()
        environment = dict(
            os.environ, KEELSON_MUTANT=name, SWIFT_BACKTRACE="enable=no")
        result = {"mutant": name, "killed_by": None, "seeds": None}
        killer, seeds = self.simulate(environment, part)
        if killer is None and self.runs_tests:
            killer = self.test(environment)
        result["killed_by"], result["seeds"] = killer, seeds
        result["seconds"] = round(time.monotonic() - begin, 1)
        return result

    def simulate(self, environment: dict, part: str) -> tuple[str | None, int]:
        command = [self.binary, "simulate", "--jobs", "1", "--seeds", str(self.seeds)]
        if part == "The datacenter":
            command += ["--with", "datacenter"]
        if part == "Services":
            command += ["--with", "services"]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, errors="replace",
                timeout=SECONDS_MAX)
            output, status = done.stdout + done.stderr, done.returncode
        except subprocess.TimeoutExpired as late:
            output, status = (late.stderr or b"").decode(errors="replace"), 0
        begun = len(re.findall(r"^seed \d+$", output, re.MULTILINE))
        if status == 0:
            return None, begun
        broken = re.search(r"^broken promise: (.*)$", output, re.MULTILINE)
        if broken:
            return broken.group(1), begun
        stopped = re.search(r"invariant[^\n]*", output)
        return (stopped.group(0)[:100] if stopped else f"exit status {status}"), begun

    def test(self, environment: dict) -> str | None:
        found = (self.run_tests(environment, which) for which in TESTS)
        return next((killer for killer in found if killer), None)

    def run_tests(self, environment: dict, which: str) -> str | None:
        command = [self.tests, "--testing-library", "swift-testing", "--filter", which]
        try:
            done = subprocess.run(
                command, env=environment, cwd=ROOT, capture_output=True, text=True,
                errors="replace", timeout=TEST_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return "tests: no end"
        if done.returncode == 0:
            return None
        plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        failed = re.search(r'✘ Test (?:case [^"]*)?"([^"]+)"', plain)
        return "test: " + (failed.group(1) if failed else "a trap")


def table(results: list[dict], known: dict[str, tuple[str, str]]) -> list[str]:
    lines = ["| mutant | what it does | killed by | seeds |", "|---|---|---|---|"]
    for result in results:
        killer = result["killed_by"] or "**survives**"
        seeds = result["seeds"] if not killer.startswith("test") else "-"
        what = known[result["mutant"]][0].rstrip(".")
        lines.append(f"| `{result['mutant']}` | {what} | {killer} | {seeds} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path)
    arguments = parser.parse_args()
    known = {name: (what, part) for name, what, part in registry()}
    names = [name for name in arguments.only.split(",") if name] or list(known)
    if arguments.smoke:
        names = SMOKE
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"no such mutant: {', '.join(unknown)}; they are in {REGISTRY.name}")
    trial = Trial(arguments.build.resolve(), arguments.seeds, not arguments.smoke)
    results: dict[str, dict] = {}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        trials = [pool.submit(trial.run, name, known[name][1]) for name in names]
        for done in concurrent.futures.as_completed(trials):
            result = done.result()
            results[result["mutant"]] = result
            how = result["killed_by"] or "SURVIVES"
            print(
                f"{len(results)}/{len(names)} {result['mutant']}: {how} "
                f"({result['seeds']} seeds, {result['seconds']} s)", flush=True)
    ordered = [results[name] for name in names]
    survivors = [result["mutant"] for result in ordered if not result["killed_by"]]
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps(ordered, indent=1))
    if arguments.table:
        arguments.table.write_text("\n".join(table(ordered, known)) + "\n")
    print(f"{len(ordered) - len(survivors)} of {len(ordered)} mutants killed")
    for name in survivors:
        print(f"SURVIVES: {name}: {known[name][0]}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
