"""Growth along one axis at a time, of Keelson and etcd: python -m benchmarks growth --help.

Puts and linearizable gets with 10^3 to 10^7 keys, 1 to 10,000 connections, 3 and 5 nodes, values
of 16 B to 1 MB; what is not on the axis is 100 calls outstanding (10 connections of 10; of values
10), 10,000 keys, 256 B, 3 nodes. Medians of three rounds of 5 s, A B A B; of keys one system after
the other. It takes about 50 minutes on two cores: 2 x 5 points of connections and values (15
minutes), 2 of nodes (3), 5 of keys for each system (14), and loading 11 million keys into each (3
for 60,000 a second, 12 for 15,000; given up after 15).

Exit status: 1 when a point could not be measured; the table says why. Where only etcd could not, it
stays 0: not every store bears ten million keys.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import time

import clusters

from . import axes, growth_plots, machine, report
from .axes import AXES, Point
from .progress import Progress, span
from .rows import OURS, THEIRS

FOLDER = clusters.ROOT / ".build/bench"
DOCS = clusters.ROOT / "docs/benchmarks"
COLUMNS = ["put/s", "ratio", "put p99 ms", "get/s", "ratio", "get p99 ms"]


def options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks growth", description=__doc__.splitlines()[0],
        epilog=f"Axes: {', '.join(AXES)}.")
    parser.add_argument("--tiny", action="store_true", help="every axis, too short to mean much")
    parser.add_argument("--only", default="", metavar="AXIS,…", help="these axes alone")
    parser.add_argument(
        "--docs", action="store_true", help="also write docs/benchmarks/growth.md and its plots")
    parser.add_argument("--report", type=pathlib.Path, default=FOLDER / "growth.json")
    found = parser.parse_args(words)
    found.axes = [name for name in found.only.split(",") if name] or list(AXES)
    for name in found.axes:
        if name not in AXES:
            parser.error(f"there is no axis {name}; there are {', '.join(AXES)}")
    if found.docs and set(found.axes) != set(AXES):
        parser.error("--docs writes a page about all axes: leave --only out")
    return found


def cells(points: list[Point], value: int) -> list[str]:
    """One line of an axis: ours and theirs side by side, and their ratio."""
    found = {point.label: point for point in points if point.value == value}
    texts = []
    for target in ("put", "get"):
        figures = [
            found[label].figures.get(target) if label in found else None
            for label in (OURS, THEIRS)]
        speeds = [f and f["per_second"] for f in figures]
        ratio = f"{speeds[0] / speeds[1]:.1f}×" if all(speeds) else "-"
        texts += [
            " / ".join("-" if not f else f"{f['per_second']:,.0f}" for f in figures), ratio,
            " / ".join("-" if not f else f"{f['p99_us'] / 1000:.1f}" for f in figures)]
    return texts


def values(points: list[Point]) -> list[int]:
    return sorted({point.value for point in points})


def lines(axis: str, points: list[Point]) -> list[str]:
    widths = [19, 7, 19]
    head = "".join(f"{name:>{widths[i % 3]}}" for i, name in enumerate(COLUMNS))
    found = [f"{AXES[axis][0]:42}{head}   (Keelson / etcd)"]
    for value in values(points):
        texts = cells(points, value)
        found.append(
            f"{value:<42,}" + "".join(f"{t:>{widths[i % 3]}}" for i, t in enumerate(texts)))
    return found + failures(points)


def failures(points: list[Point]) -> list[str]:
    return [
        f"    FAILED: {point.label} at {point.value:,} {point.axis}, {what}: {why}"
        for point in points for what, why in point.failures.items()]


def markdown(head: dict, found: dict[str, list[Point]], drawn: list[tuple[str, str]]) -> str:
    parts = [
        "# Growth", "",
        "Written by `make bench-growth ARGS=--docs`; [how it is measured](README.md).", "",
        f"{head['started']}, {machine.description(head['machine'], head['versions'])}.", ""]
    for (axis, points), (name, words) in zip(found.items(), drawn):
        parts += [
            f"## {AXES[axis][0].capitalize()}", "",
            f"| {axis} | " + " | ".join(COLUMNS) + " |", "|---:" * 7 + "|"]
        parts += [
            f"| {value:,} | " + " | ".join(cells(points, value)) + " |"
            for value in values(points)]
        parts += ["", "Keelson / etcd.", ""]
        parts += [report.first_words(text) + "\n" for text in failures(points)]
        parts += [f"![{words}]({name})", ""]
    return "\n".join(parts)


def main(words: list[str]) -> int:
    given = options(words)
    sizes = axes.TINY if given.tiny else axes.FULL
    progress = Progress([axes.expected(name, sizes) for name in given.axes])
    begin = time.monotonic()
    head = {
        "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine.facts(), "versions": machine.versions(),
        "sizes": dataclasses.asdict(sizes)}
    print(machine.description(head["machine"], head["versions"]), flush=True)
    found: dict[str, list[Point]] = {}
    given.report.parent.mkdir(parents=True, exist_ok=True)
    for name in given.axes:
        progress.step(name)
        found[name] = []
        for points in AXES[name][1](sizes):
            found[name] += points
            for point in points:
                print(
                    f"  {point.axis} {point.value:,}: {point.label} "
                    f"{'failed' if point.failures else 'measured'}", file=sys.stderr, flush=True)
            head["seconds"] = round(time.monotonic() - begin)
            document = {
                **head, "axes": {n: [p.as_json() for p in ps] for n, ps in found.items()}}
            # After each point: what was measured stays if the rest is interrupted.
            given.report.write_text(json.dumps(document, indent=1) + "\n")
        print(*lines(name, found[name]), sep="\n", flush=True)
    drawn = growth_plots.draw(found, FOLDER, "png")
    print(f"{span(head['seconds'])}; every round: {given.report}")
    print(*(f"plot: {FOLDER / name}" for name, _ in drawn), sep="\n")
    if given.docs:
        page = markdown(head, found, growth_plots.draw(found, DOCS, "svg"))
        (DOCS / "growth.md").write_text(page)
    return 1 if any(p.failures for ps in found.values() for p in ps if p.label == OURS) else 0
