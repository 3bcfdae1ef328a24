"""What happens when a node is gone: a follower catches up, a leader is killed."""

import json
import statistics
import subprocess
import time

import clusters
from etcd_calls import local_revision

from . import systems
from .rows import OURS, THEIRS, Goal, Measure, Row, at_most
from .sizes import Sizes

CATCH_UP_SECONDS_MAX = 300
# What the logs of the two say about it.
SNAPSHOT_MARKS = (b"snapshot installed", b"applied snapshot")
# A kill, the election, the pauses around it and the restart; of the slower of the two.
KILL_SECONDS = {OURS: 2.0, THEIRS: 5.0}


def expected_catch_up(sizes: Sizes) -> float:
    return 10 + sizes.catch_ups * (2 * sizes.missed_puts / 15_000 + 20)


def catch_up(sizes: Sizes) -> list[Row]:
    row = Row("catch-up", f"a follower that missed {sizes.missed_puts:,} puts catches up")
    values: dict[str, float | None] = {OURS: None, THEIRS: None}
    for label in (OURS, THEIRS):
        try:
            with systems.one(label, "catch-up") as cluster:
                found = [one_catch_up(cluster, sizes) for _ in range(sizes.catch_ups)]
        except (RuntimeError, OSError) as error:
            row.failures.append(f"{label}: {error}")
            continue
        row.rounds[label] = found
        values[label] = statistics.median(f["seconds"] for f in found)
        snapshots = sum(f["by_snapshot"] for f in found)
        row.notes.append(f"{label}: by snapshot {snapshots} of {len(found)} times")
    row.measures = [
        Measure("from its start on", "s", values[OURS], values[THEIRS], at_most(0.4))]
    return [row]


def one_catch_up(cluster: clusters.Cluster, sizes: Sizes) -> dict:
    leader = cluster.leader()
    node = next(n for n in cluster.nodes if n is not leader)
    node.stop()
    systems.measure(
        cluster, "leader",
        "--target put --connections 10 --streams 10 --sequential --warm-up 0"
        f" --key-count {sizes.missed_puts} --total {sizes.missed_puts}")
    target = local_revision(leader)
    if target < sizes.missed_puts:
        raise RuntimeError(f"{leader.name} is at revision {target}")
    cluster.wait_until_quiet()
    begin = time.monotonic()
    offset = node.launch()
    while local_revision(node) < target:
        if time.monotonic() - begin > CATCH_UP_SECONDS_MAX or node.process.poll() is not None:
            raise RuntimeError(f"{node.name} does not catch up:\n{node.log_tail()}")
        time.sleep(0.02)
    seconds = time.monotonic() - begin
    with node.log.open("rb") as log:
        log.seek(offset)
        words = log.read()
    by_snapshot = any(mark in words for mark in SNAPSHOT_MARKS)
    return {"seconds": seconds, "by_snapshot": by_snapshot}


def expected_failover(sizes: Sizes) -> float:
    return 15 + sizes.kills * sum(KILL_SECONDS.values())


def failover(sizes: Sizes) -> list[Row]:
    """`keelson-survive` kills the leader again and again, and looks for every write at the end."""
    row = Row("failover", f"kill -9 of the leader, {sizes.kills} times; 32 clients")
    values: dict[str, float | None] = {OURS: None, THEIRS: None}
    for label, (kind, binary) in systems.programs().items():
        report = clusters.ROOT / f".build/bench/failover-{label}.json"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [systems.survive_binary(), "--server", binary, "--kind", kind, "--name",
             f"bench-failover-{label}", "--kills", str(sizes.kills), "--graceful-stops", "0",
             "--total-stops", "0", "--report", str(report)],
            capture_output=True, text=True, timeout=120 + 30 * sizes.kills,
            preexec_fn=clusters.die_with_parent)
        if not report.exists():
            row.failures.append(f"{label}: {(done.stdout + done.stderr)[-2000:]}")
            continue
        found = json.loads(report.read_text())
        row.rounds[label] = [found]
        values[label] = found["withoutWritesAfterKillMilliseconds"]["median"]
        lost = found["violations"]
        if lost and label == OURS:
            row.failures.append(f"{label}: {lost[0]} (and {len(lost) - 1} more)")
        elif lost:
            row.notes.append(f"{label}: {len(lost)} violations, the first: {lost[0]}")
    row.measures = [
        Measure("without a write, median", "ms", values[OURS], values[THEIRS], at_most(0.1)),
        Measure("the same, by itself", "ms", values[OURS], values[THEIRS],
                Goal(100, at_least=False, of_ours=True))]
    return [row]
