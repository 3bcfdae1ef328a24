"""The axes along which growth is measured: each point has figures of puts and gets of a system."""

import dataclasses
import statistics
from collections.abc import Callable, Iterator

import clusters
import loads

from . import systems
from .rows import OURS, THEIRS


@dataclasses.dataclass(frozen=True)
class GrowthSizes:
    rounds: int = 3
    seconds: float = 5
    # With the last number the values have 64 B: ten million of 256 B would not fit three times.
    keys: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    connections: tuple[int, ...] = (1, 10, 100, 1_000, 10_000)
    nodes: tuple[int, ...] = (3, 5)
    values: tuple[int, ...] = (16, 256, 4 << 10, 64 << 10, 1 << 20)
    # A system that has not loaded its keys by then is not waited for.
    load_seconds_max: int = 900


FULL = GrowthSizes()
TINY = GrowthSizes(
    rounds=1, seconds=0.5, keys=(1_000, 3_000), connections=(1, 100), nodes=(3, 5),
    values=(16, 64 << 10), load_seconds_max=60)

# Every node keeps what is put in memory and on the disk: no more than this for each round.
PUT_BYTES_MAX = 256 << 20
LARGE_VALUE_BYTES = 64 << 10
SMALL_VALUE_BYTES = 64
QUOTA = ["--quota-backend-bytes", str(16 << 30)]


@dataclasses.dataclass
class Point:
    """What one system did at one place of an axis, and why it could not do the rest."""

    axis: str
    value: int
    label: str
    figures: dict[str, dict] = dataclasses.field(default_factory=dict)
    rounds: dict[str, list[dict]] = dataclasses.field(default_factory=dict)
    # By what was tried: put, get or load.
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def take(self, target: str, found: list[dict]) -> None:
        self.rounds[target] = found
        self.figures[target] = {
            "per_second": statistics.median(r["per_second"] for r in found),
            "mean_us": statistics.median(r["latency_us"]["mean"] for r in found),
            "p99_us": statistics.median(r["latency_us"]["p99"] for r in found),
            "generator_share": systems.generator_share(found)}

    def as_json(self) -> dict:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Shape:
    """The calls of one point."""

    connections: int = 10
    streams: int = 10
    value_bytes: int = 256
    key_count: int = 10_000

    def words(self, target: str) -> str:
        return (
            f"--target {target} --connections {self.connections} --streams {self.streams}"
            f" --value-bytes {self.value_bytes} --key-count {self.key_count}"
            f" --warm-up {2 * self.connections * self.streams}")

    def bound(self, target: str, seconds: float) -> str:
        """Of one round: time, or bytes where that would be too many."""
        if target == "put" and self.value_bytes >= LARGE_VALUE_BYTES:
            return f"--total {PUT_BYTES_MAX // self.value_bytes}"
        return f"--duration {seconds}s"


def rounds(
        found: dict[str, clusters.Cluster], shape: Shape, points: dict[str, Point],
        sizes: GrowthSizes) -> None:
    """Puts and then gets, in turns on the clusters that are there. Who fails at one is not asked
    for more of that."""
    for name, target in (("put", "put"), ("get", "range")):
        results: dict[str, list[dict]] = {label: [] for label in found}
        for _ in range(sizes.rounds):
            for label, cluster in found.items():
                if name in points[label].failures:
                    continue
                words = f"{shape.words(target)} {shape.bound(target, sizes.seconds)} --prepared"
                try:
                    systems.wait_until_quiet(found)
                    results[label].append(systems.checked(
                        cluster, systems.measure(cluster, "leader", words, seconds_max=300)))
                except (RuntimeError, OSError) as error:
                    points[label].failures[name] = str(error)
        for label, some in results.items():
            if some and name not in points[label].failures:
                points[label].take(name, some)


def pair(
        axis: str, value: int, shape: Shape, sizes: GrowthSizes, count: int = 3
) -> list[Point]:
    """Both systems in turns, on clusters of their own."""
    points = {label: Point(axis, value, label) for label in (OURS, THEIRS)}
    try:
        with systems.both(f"growth-{axis}", QUOTA, count) as found:
            for cluster in found.values():
                load(cluster, shape, sizes)
            rounds(found, shape, points, sizes)
    except (RuntimeError, OSError) as error:
        for point in points.values():
            point.failures["load"] = str(error)
    return list(points.values())


def along_connections(sizes: GrowthSizes) -> Iterator[list[Point]]:
    for value in sizes.connections:
        yield pair("connections", value, Shape(connections=value, streams=1), sizes)


def along_nodes(sizes: GrowthSizes) -> Iterator[list[Point]]:
    for value in sizes.nodes:
        yield pair("nodes", value, Shape(), sizes, count=value)


def along_values(sizes: GrowthSizes) -> Iterator[list[Point]]:
    for value in sizes.values:
        count = min(10_000, PUT_BYTES_MAX // value)
        # Fewer are outstanding than elsewhere: of the largest, that many are a lot.
        yield pair(
            "values", value, Shape(streams=1, value_bytes=value, key_count=count), sizes)


def along_keys(sizes: GrowthSizes) -> Iterator[list[Point]]:
    """Each system alone: two stores of ten million keys would not fit beside each other."""
    *growing, last = sizes.keys
    for label in (OURS, THEIRS):
        for counts, value_bytes in ((growing, 256), ([last], SMALL_VALUE_BYTES)):
            yield from keys_of(label, counts, value_bytes, sizes)


def keys_of(
        label: str, counts: list[int], value_bytes: int, sizes: GrowthSizes
) -> Iterator[list[Point]]:
    """One store that grows from each number of keys to the next."""
    points = [Point("keys", count, label) for count in counts]
    with systems.one(label, "growth-keys", QUOTA) as cluster:
        for point in points:
            try:
                shape = Shape(value_bytes=value_bytes, key_count=point.value)
                load(cluster, shape, sizes)
                rounds({label: cluster}, shape, {label: point}, sizes)
            except (RuntimeError, OSError) as error:
                point.failures["load"] = str(error)
            yield [point]
            if "load" in point.failures:
                return


def load(cluster: clusters.Cluster, shape: Shape, sizes: GrowthSizes) -> None:
    """Puts every key once."""
    count = shape.key_count
    streams = 1 if shape.value_bytes >= LARGE_VALUE_BYTES else 40
    try:
        systems.checked(cluster, systems.measure(
            cluster, "leader",
            f"--target put --connections 10 --streams {streams} --sequential --warm-up 0"
            f" --key-count {count} --total {count} --value-bytes {shape.value_bytes}",
            seconds_max=sizes.load_seconds_max))
    except loads.LoadError as error:
        raise RuntimeError(f"{count:,} keys were not loaded: {error}") from error
    cluster.wait_until_quiet(30)


# name, what its values are, and how they are measured
AXES: dict[str, tuple[str, Callable[[GrowthSizes], Iterator[list[Point]]]]] = {
    "connections": ("connections, a call outstanding on each", along_connections),
    "nodes": ("nodes", along_nodes),
    "values": ("bytes of a value", along_values),
    "keys": ("keys in the store", along_keys),
}


def expected(axis: str, sizes: GrowthSizes) -> float:
    """Seconds."""
    each = 2 * sizes.rounds * (sizes.seconds + 2)
    if axis == "keys":
        puts = sum(sizes.keys) / 60_000 + sum(sizes.keys) / 15_000
        return 2 * len(sizes.keys) * each + puts + 20
    return len(getattr(sizes, axis)) * (2 * each + 8)
