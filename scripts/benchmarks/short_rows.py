"""Rows of some seconds a round: A B A B on two clusters that are both up, and medians.

Each row has clusters of its own, so that no row depends on which came before it.
"""

import dataclasses
import statistics
from collections.abc import Callable

import clusters

from . import systems
from .rows import OURS, THEIRS, Goal, Measure, Row, at_least, at_most
from .sizes import Sizes

# What can be asked of a result of `keelson bench`: its unit and where it stands.
FIGURES: dict[str, tuple[str, Callable[[dict], float]]] = {
    "throughput": ("/s", lambda r: r["per_second"]),
    "mean latency": ("µs", lambda r: r["latency_us"]["mean"]),
    "p99": ("µs", lambda r: r["latency_us"]["p99"]),
    "answers": ("MB/s", lambda r: r["answer_bytes_per_second"] / 1e6),
    "puts' p99 beside": ("µs", lambda r: r["beside"]["latency_us"]["p99"]),
    "events": ("/s", lambda r: r["per_second"]),
    "processors idle": ("%", lambda r: 100 * r["machine_idle_share"]),
}
SETTLE_SECONDS = 2
START_SECONDS = 4


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    title: str
    # Of `keelson bench`, with fields of Sizes in braces.
    arguments: str
    figures: tuple[tuple[str, Goal | None], ...]
    place: str = "leader"
    # A first run makes what the rounds then find: its keys or leases.
    is_prepared: bool = False
    beside: str | None = None
    # A point of a curve: fewer and shorter rounds.
    is_point: bool = False
    # So many writes are seen by so many watches that only their number can bound a round.
    counts_events: bool = False

    def rounds(self, sizes: Sizes) -> int:
        return sizes.curve_rounds if self.is_point else sizes.rounds

    def seconds(self, sizes: Sizes) -> float:
        return sizes.curve_seconds if self.is_point else sizes.seconds

    def expected(self, sizes: Sizes) -> float:
        each = self.seconds(sizes) + SETTLE_SECONDS
        preparation = 2 + sizes.leases / 5_000 if self.name == "lease" else 2
        return START_SECONDS + preparation + 2 * self.rounds(sizes) * each


def calls(target: str, connections: int, streams: int) -> str:
    return f"--target {target} --connections {connections} --streams {streams}"


LOADS = [
    Load("put-1", "put of 256 B, 1 outstanding", calls("put", 1, 1),
         (("mean latency", at_most(0.45)), ("p99", None), ("throughput", None))),
    Load("put-10", "put, 10 outstanding", calls("put", 10, 1),
         (("throughput", None), ("p99", None)), is_point=True),
    Load("put-100", "put, 100 outstanding", calls("put", 10, 10),
         (("throughput", at_least(5)), ("p99", None))),
    Load("put-1000", "put, 1,000 outstanding", calls("put", 100, 10),
         (("throughput", at_least(6)), ("p99", at_most(0.25)), ("processors idle", None))),
    Load("put-follower", "put, 1,000 outstanding, through a follower", calls("put", 100, 10),
         (("throughput", at_least(4)), ("p99", None)), place="follower"),
    Load("get-1", "linearizable get, 1 outstanding", calls("range", 1, 1),
         (("mean latency", None), ("throughput", None)), is_prepared=True, is_point=True),
    Load("get-10", "linearizable get, 10 outstanding", calls("range", 10, 1),
         (("throughput", None), ("p99", None)), is_prepared=True, is_point=True),
    Load("get-100", "linearizable get, 100 outstanding", calls("range", 10, 10),
         (("throughput", at_least(4)), ("p99", None)), is_prepared=True),
    Load("get-1000", "linearizable get, 1,000 outstanding", calls("range", 100, 10),
         (("throughput", None), ("p99", None)), is_prepared=True, is_point=True),
    Load("get-serializable", "serializable get, 100 outstanding",
         calls("range-serializable", 10, 10),
         (("throughput", at_least(2.5)), ("p99", None)), is_prepared=True),
    Load("txn", "txn (compare, put, range), 100 outstanding", calls("txn", 10, 10),
         (("throughput", at_least(4)), ("p99", None)), is_prepared=True),
    Load("mixed", "80 % get, 20 % put, a call on each of {mixed_connections:,} connections",
         "--target mixed --connections {mixed_connections} --streams 1",
         (("throughput", at_least(4)), ("p99", None)), place="all", is_prepared=True),
    # The puts overwrite the keys that are read: their values have the size that is read.
    Load("range", "range of {range_keys:,} keys of 1 KB, 8 clients; 1,000 puts a second beside",
         "--target range --range-keys {range_keys} --key-count {range_keys} --value-bytes 1024"
         " --connections 8 --streams 1 --warm-up 8",
         (("answers", at_least(3)), ("puts' p99 beside", at_most(0.3))), place="all",
         is_prepared=True,
         beside="--target put --connections 10 --streams 10 --rate 1000 --value-bytes 1024"
                " --key-count {range_keys} --warm-up 100"),
    Load("watch", "watches of one prefix: {watch_connections} connections × {watch_streams}",
         "--target watch --connections {watch_connections} --streams {watch_streams}"
         " --writers 10 --warm-up 2",
         (("events", at_least(5)), ("p99", None)), place="all", counts_events=True),
    Load("lease", "renewals of {leases:,} leases, 100 outstanding",
         "--target lease --connections 10 --streams 10 --key-count {leases}"
         " --first-lease 1000000",
         (("throughput", at_least(5)), ("p99", None)), place="all", is_prepared=True),
]


class Rounds:
    """The rounds of one load on both clusters."""

    def __init__(self, load: Load, sizes: Sizes):
        fields = dataclasses.asdict(sizes)
        self.load, self.sizes = load, sizes
        self.arguments = load.arguments.format(**fields)
        self.beside = load.beside and load.beside.format(**fields)
        self.title = load.title.format(**fields)
        self.found: dict[str, list[dict]] = {OURS: [], THEIRS: []}
        self.totals: dict[str, int] = {}

    def run(self) -> Row:
        load, row = self.load, Row(self.load.name, self.title)
        with systems.both(load.name) as pair:
            for label, cluster in pair.items():
                self.prepare(label, cluster)
            for _ in range(load.rounds(self.sizes)):
                for label, cluster in pair.items():
                    systems.wait_until_quiet(pair)
                    self.found[label].append(
                        systems.checked(cluster, self.once(label, cluster)))
        row.rounds = dict(self.found)
        row.measures = [self.figure(name, goal) for name, goal in load.figures]
        row.generator_share = {
            label: systems.generator_share(results) for label, results in self.found.items()}
        return row

    def prepare(self, label: str, cluster: clusters.Cluster) -> None:
        if self.load.is_prepared:
            systems.checked(
                cluster, systems.measure(
                    cluster, self.load.place, f"{self.arguments} --total 1 --warm-up 0"))
        if self.load.counts_events:
            # As many writes as keep the watches busy for one round.
            probe = systems.checked(
                cluster,
                systems.measure(cluster, self.load.place, f"{self.arguments} --total 10"))
            watches = self.sizes.watch_connections * self.sizes.watch_streams
            writes = probe["per_second"] * self.load.seconds(self.sizes) / watches
            self.totals[label] = max(10, round(writes))

    def once(self, label: str, cluster: clusters.Cluster) -> dict:
        seconds = self.load.seconds(self.sizes)
        words = [self.arguments]
        if label in self.totals:
            words.append(f"--total {self.totals[label]}")
        else:
            words.append(f"--duration {seconds}s")
        if self.load.is_prepared:
            words.append("--prepared")
        beside = self.beside and f"{self.beside} --duration {seconds}s"
        return systems.measure(cluster, self.load.place, " ".join(words), beside)

    def figure(self, name: str, goal: Goal | None) -> Measure:
        unit, of = FIGURES[name]
        medians = [
            statistics.median(of(result) for result in self.found[label])
            for label in (OURS, THEIRS)]
        return Measure(name, unit, *medians, goal)
