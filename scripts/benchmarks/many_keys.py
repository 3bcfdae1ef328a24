"""A store of a million keys on each system in turn: its memory, restarts, and minutes of puts.

Puts last: with auto-compaction that keeps a number of revisions, on both. Both look whether there
is something to compact five minutes after their start, so the puts wait until that falls into them.
"""

import statistics
import threading
import time

import clusters

from . import systems
from .rows import OURS, THEIRS, Goal, Measure, Row, at_least, at_most
from .sizes import Sizes

NAMES = ("memory", "restart", "endurance")
COMPACTION_SECONDS = 300
# Between two compactions five minutes of puts stay; the default would stop them.
QUOTA_BYTES = 16 << 30
# Puts a second while loading, of the slower of the two.
LOADING_PER_SECOND = 15_000


def expected(sizes: Sizes, names: set[str]) -> float:
    loading = 15 + sizes.keys / LOADING_PER_SECOND
    restarts = 5 * 2 * sizes.restarts if "restart" in names else 0
    seconds = loading + restarts
    if "endurance" in names:
        if sizes.seconds_before_compaction is not None:
            seconds = max(seconds, COMPACTION_SECONDS - sizes.seconds_before_compaction)
        seconds += sizes.endurance_seconds + 5
    return 2 * seconds


class Memory:
    """The resident memory of each node, once a second from its making on."""

    def __init__(self, cluster: clusters.Cluster):
        self.cluster, self.begin = cluster, time.monotonic()
        self.samples: list[tuple[float, list[int]]] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while True:
            sizes = [node.resident_bytes() for node in self.cluster.nodes]
            self.samples.append((round(time.monotonic() - self.begin, 2), sizes))
            if self.done.wait(1):
                return

    def stop(self) -> list[tuple[float, list[int]]]:
        self.done.set()
        self.thread.join()
        return self.samples


class Trial:
    """One system. What was found before something failed stays."""

    def __init__(self, label: str, sizes: Sizes, names: set[str]):
        self.label, self.sizes, self.names = label, sizes, names
        self.found: dict[str, dict] = {}
        self.failure: str | None = None

    def run(self) -> None:
        extra = [
            "--auto-compaction-mode", "revision",
            "--auto-compaction-retention", str(self.sizes.revisions_kept),
            "--quota-backend-bytes", str(QUOTA_BYTES)]
        begin = time.monotonic()
        try:
            with systems.one(self.label, "many-keys", extra) as cluster:
                self.load(cluster)
                if "restart" in self.names:
                    self.restart(cluster)
                if "endurance" in self.names:
                    self.endure(cluster, begin)
        except (RuntimeError, OSError) as error:
            self.failure = f"{self.label}: {error}"

    def load(self, cluster: clusters.Cluster) -> None:
        keys = self.sizes.keys
        loaded = systems.checked(cluster, systems.measure(
            cluster, "all",
            f"--target put --connections 20 --streams 10 --sequential --key-count {keys}"
            f" --total {keys} --warm-up 0", seconds_max=1200))
        cluster.wait_until_quiet(30)
        self.found["memory"] = {
            "load": loaded, "resident_bytes": [n.resident_bytes() for n in cluster.nodes],
            "disk_bytes": [n.disk_bytes() for n in cluster.nodes]}

    def restart(self, cluster: clusters.Cluster) -> None:
        """Followers only: the leader's clock of compaction goes on."""
        leader = cluster.leader()
        seconds = []
        for _ in range(self.sizes.restarts):
            for node in cluster.nodes:
                if node is leader:
                    continue
                node.stop()
                seconds.append(node.start())
                cluster.wait_until_quiet()
        self.found["restart"] = {"seconds": seconds}

    def endure(self, cluster: clusters.Cluster, begin: float) -> None:
        ahead = self.sizes.seconds_before_compaction
        if ahead is not None:
            systems.wait_until(begin + COMPACTION_SECONDS - ahead)
        logs = [node.log.stat().st_size for node in cluster.nodes]
        seconds = self.sizes.endurance_seconds
        memory = Memory(cluster)
        try:
            puts = systems.checked(cluster, systems.measure(
                cluster, "leader",
                f"--target put --connections 100 --streams 10 --key-count {self.sizes.keys}"
                f" --interval 1s --duration {seconds}s", seconds_max=seconds + 120))
        finally:
            samples = memory.stop()
        self.found["endurance"] = {
            "puts": puts, "memory": samples,
            "compactions": compactions(cluster, logs)}


def compactions(cluster: clusters.Cluster, offsets: list[int]) -> int:
    """On how many nodes the log speaks of one since these offsets."""
    found = 0
    for node, offset in zip(cluster.nodes, offsets):
        with node.log.open("rb") as log:
            log.seek(offset)
            found += b"compact" in log.read()
    return found


def whole_seconds(puts: dict) -> list[int]:
    """Puts in each second, without the last, which may not be a whole one."""
    counts = puts["per_interval"]
    return counts[:int(puts["seconds"])] or counts


def run(sizes: Sizes, names: set[str]) -> list[Row]:
    trials = {label: Trial(label, sizes, names) for label in (OURS, THEIRS)}
    for trial in trials.values():
        trial.run()
    makers = {"memory": memory_row, "restart": restart_row, "endurance": endurance_row}
    rows = []
    for name in NAMES:
        if name not in names:
            continue
        row = makers[name](sizes, {label: t.found.get(name) for label, t in trials.items()})
        row.failures = [
            t.failure for t in trials.values() if t.failure and name not in t.found]
        rows.append(row)
    return rows


def measure(
        name: str, unit: str, found: dict[str, dict | None], of, goal: Goal | None = None
) -> Measure:
    values = [None if found[label] is None else of(found[label]) for label in (OURS, THEIRS)]
    return Measure(name, unit, *values, goal)


def kept(found: dict[str, dict | None]) -> dict[str, list]:
    return {label: [] if value is None else [value] for label, value in found.items()}


def memory_row(sizes: Sizes, found: dict) -> Row:
    return Row(
        "memory", f"{sizes.keys:,} keys of 256 B, then idle",
        [measure("RSS of a node", "MiB", found,
                 lambda f: statistics.median(f["resident_bytes"]) / 2**20, at_most(0.5)),
         measure("loading", "/s", found, lambda f: f["load"]["per_second"])],
        kept(found))


def restart_row(sizes: Sizes, found: dict) -> Row:
    return Row(
        "restart", f"restart of a node with {sizes.keys:,} keys",
        [measure("until ready", "s", found, lambda f: statistics.median(f["seconds"]),
                 at_most(0.4))],
        kept(found))


def endurance_row(sizes: Sizes, found: dict) -> Row:
    def worst(f: dict) -> float:
        counts = whole_seconds(f["puts"])
        return min(counts) / max(1, statistics.median(counts))

    def peak(f: dict) -> float:
        return max(statistics.mean(sizes) for _, sizes in f["memory"]) / 2**20

    row = Row(
        "endurance",
        f"puts for {sizes.endurance_seconds} s over {sizes.keys:,} keys, 1,000 outstanding,"
        f" compacted to {sizes.revisions_kept:,} revisions",
        [measure("throughput, median of seconds", "/s", found,
                 lambda f: statistics.median(whole_seconds(f["puts"])), at_least(3.5)),
         measure("worst second / median", "", found, worst,
                 Goal(0.5, at_least=True, of_ours=True)),
         measure("RSS of a node, at most", "MiB", found, peak, at_most(0.6)),
         measure("p99", "µs", found, lambda f: f["puts"]["latency_us"]["p99"])],
        kept(found))
    for label, value in found.items():
        if value is None:
            continue
        row.generator_share[label] = value["puts"]["cpu_share"]
        if not value["compactions"]:
            row.notes.append(f"{label} did not compact meanwhile")
    return row


