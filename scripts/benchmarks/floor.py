"""Puts against the floor: what the same plumbing and disks do with no Raft and no store.

The floor is `keelson-floor`, measured in turns with Keelson by the same load generator.
"""

import signal
import statistics
import subprocess

import clusters
import loads

from . import systems
from .rows import FLOOR, OURS, Goal, Measure, Row, at_least
from .short_rows import calls
from .sizes import Sizes

# name, connections, streams, what is compared and its goal
POINTS = [
    ("floor-1000", 100, 10, "throughput", "/s", at_least(0.6)),
    ("floor-1", 1, 1, "mean latency", "µs", Goal(1.0, at_least=False)),
]
NAMES = tuple(point[0] for point in POINTS)


def expected(sizes: Sizes, names: set[str]) -> float:
    return 12 + len(names) * sizes.rounds * (2 * sizes.floor_seconds + 1)


class Floor:
    """The processes of the floor, while they serve."""

    def __enter__(self) -> list[str]:
        folder = clusters.ROOT / ".build/clusters/bench-floor"
        self.process = subprocess.Popen(
            [str(systems.floor_binary()), "--data-dir", str(folder)], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=clusters.die_with_parent)
        line = self.process.stdout.readline()
        if "served at " not in line:
            self.process.wait(10)
            raise RuntimeError(f"keelson-floor: {line}{self.process.stderr.read()}")
        return [line.split("served at ")[1].strip()]

    def __exit__(self, *_) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


def run(sizes: Sizes, names: set[str]) -> list[Row]:
    points = [point for point in POINTS if point[0] in names]
    if not systems.floor_binary().exists():
        note = f"{systems.floor_binary().name} is not built: not measured"
        return [
            Row(name, title(connections * streams), notes=[note], peer=FLOOR)
            for name, connections, streams, *_ in points]
    rows = []
    with systems.one(OURS, "floor") as cluster, Floor() as endpoints:
        for name, connections, streams, figure, unit, goal in points:
            words = f"{calls('put', connections, streams)} --duration {sizes.floor_seconds}s"
            found: dict[str, list[dict]] = {OURS: [], FLOOR: []}
            for _ in range(sizes.rounds):
                cluster.wait_until_quiet()
                found[FLOOR].append(loads.run(endpoints, *words.split()))
                found[OURS].append(
                    systems.checked(cluster, systems.measure(cluster, "leader", words)))
            rows.append(row(name, connections * streams, found, figure, unit, goal))
    return rows


def title(outstanding: int) -> str:
    return f"put against the floor, {outstanding:,} outstanding"


def row(
        name: str, outstanding: int, found: dict[str, list[dict]], figure: str, unit: str,
        goal: Goal) -> Row:
    def median(label: str) -> float:
        if figure == "throughput":
            return statistics.median(r["per_second"] for r in found[label])
        return statistics.median(r["latency_us"]["mean"] for r in found[label])

    return Row(
        name, title(outstanding), [Measure(figure, unit, median(OURS), median(FLOOR), goal)],
        found, {label: systems.generator_share(found[label]) for label in found}, peer=FLOOR)
