"""Measures every row of the table on Keelson and on etcd: python -m benchmarks table --help.

Exit status: 1 when a row could not be measured or an answer was wrong. A goal that is missed is in
the table, and does not change it.
"""

import argparse
import dataclasses
import pathlib
import time
import traceback
from collections.abc import Callable

import clusters

from . import costs, disruptions, floor, machine, many_keys, plots, report, short_rows, sizes
from .progress import Progress, span
from .rows import Row
from .sizes import Sizes

FOLDER = clusters.ROOT / ".build/bench"
DOCS = clusters.ROOT / "docs/benchmarks"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is measured together. `run` gets the names of those of its rows that are wanted."""

    names: tuple[str, ...]
    expected: Callable[[Sizes, set[str]], float]
    run: Callable[[Sizes, set[str]], list[Row]]


def short(load: short_rows.Load) -> Experiment:
    return Experiment(
        (load.name,), lambda sizes, _: load.expected(sizes),
        lambda sizes, _: [short_rows.Rounds(load, sizes).run()])


def single(
        name: str, expected: Callable[[Sizes], float], run: Callable[[Sizes], list[Row]]
) -> Experiment:
    return Experiment((name,), lambda sizes, _: expected(sizes), lambda sizes, _: run(sizes))


EXPERIMENTS = [
    *(short(load) for load in short_rows.LOADS),
    Experiment(floor.NAMES, floor.expected, floor.run),
    Experiment(many_keys.NAMES, many_keys.expected, many_keys.run),
    single("disk-bytes", costs.expected_disk, costs.disk),
    single("catch-up", disruptions.expected_catch_up, disruptions.catch_up),
    single("failover", disruptions.expected_failover, disruptions.failover),
    single("idle", costs.expected_idle, costs.idle),
]
NAMES = [name for experiment in EXPERIMENTS for name in experiment.names]


def options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks table", description=__doc__.splitlines()[0],
        epilog=f"Rows: {', '.join(NAMES)}.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few rows, in three minutes")
    size.add_argument("--tiny", action="store_true", help="every row, too short to mean anything")
    parser.add_argument("--only", default="", metavar="NAME,…", help="these rows alone")
    parser.add_argument("--rounds", type=int, help="rounds of the short rows")
    parser.add_argument("--seconds", type=float, help="seconds of each round")
    parser.add_argument(
        "--minutes", type=float, help="of the puts over a million keys: 3, or 10 by hand")
    parser.add_argument(
        "--docs", action="store_true", help="also write docs/benchmarks/results.md and its plots")
    parser.add_argument("--report", type=pathlib.Path, help="where the JSON goes")
    found = parser.parse_args(words)
    found.rows = [name for name in found.only.split(",") if name] or (
        sizes.QUICK_ROWS if found.quick else NAMES)
    for name in found.rows:
        if name not in NAMES:
            parser.error(f"there is no row {name}; there are {', '.join(NAMES)}")
    for name in ("rounds", "seconds", "minutes"):
        value = getattr(found, name)
        if value is not None and not 0 < value <= 1_000:
            parser.error(f"--{name} must be from above 0 to 1000, not {value}")
    if found.docs and set(found.rows) != set(NAMES):
        parser.error("--docs writes a page about all rows: leave --only and --quick out")
    return found


def chosen_sizes(given: argparse.Namespace) -> Sizes:
    chosen = sizes.TINY if given.tiny else sizes.QUICK if given.quick else sizes.FULL
    changes: dict = {}
    if given.rounds:
        changes |= {"rounds": given.rounds, "curve_rounds": given.rounds}
    if given.seconds:
        changes |= {"seconds": given.seconds, "curve_seconds": given.seconds}
    if given.minutes:
        changes["endurance_seconds"] = max(1, round(given.minutes * 60))
    return dataclasses.replace(chosen, **changes)


def measured(experiment: Experiment, chosen: Sizes, wanted: set[str]) -> list[Row]:
    """Its rows; where it fails as a whole, rows that say so."""
    try:
        return experiment.run(chosen, wanted)
    except Exception as error:  # Whatever happened to one row, the others are measured.
        if not isinstance(error, (RuntimeError, OSError)):
            traceback.print_exc()
        return [
            Row(name, name, failures=[str(error) or repr(error)])
            for name in experiment.names if name in wanted]


def main(words: list[str]) -> int:
    given = options(words)
    chosen, wanted = chosen_sizes(given), set(given.rows)
    steps = [
        (experiment, wanted.intersection(experiment.names)) for experiment in EXPERIMENTS
        if wanted.intersection(experiment.names)]
    progress = Progress([experiment.expected(chosen, names) for experiment, names in steps])
    begin = time.monotonic()
    head = {
        "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine.facts(), "versions": machine.versions(),
        "sizes": dataclasses.asdict(chosen)}
    print(report.machine_line(head), report.HEADER, sep="\n", flush=True)
    path = given.report or FOLDER / f"{'quick' if given.quick else 'report'}.json"
    rows: list[Row] = []
    for experiment, names in steps:
        progress.step(", ".join(name for name in experiment.names if name in names))
        for row in measured(experiment, chosen, names):
            rows.append(row)
            print(*report.lines(row), sep="\n", flush=True)
        head["seconds"] = round(time.monotonic() - begin)
        # After each row: what was measured stays if the rest is interrupted.
        report.write_json(path, head, rows)
    drawn = plots.draw(rows, FOLDER, "png")
    print(f"{report.totals(rows)}; {span(head['seconds'])}")
    print(f"every round: {path}", *(f"plot: {FOLDER / name}" for name, _ in drawn), sep="\n")
    if given.docs:
        DOCS.mkdir(parents=True, exist_ok=True)
        page = report.markdown(head, rows, plots.draw(rows, DOCS, "svg"))
        (DOCS / "results.md").write_text(page)
        print(f"page: {DOCS / 'results.md'}")
    return 1 if any(row.failures for row in rows) else 0


