"""What a cluster costs its machines: bytes written for a put, and processors while idle.

The bytes are the device's, so nothing else may write to it. What the kernel counts for a process
(write_bytes in /proc/PID/io) is whole folios of the page cache: a few kilobytes into a large one
count as hundreds. It stands beside in the report.
"""

import os
import pathlib
import time

import clusters

from . import systems
from .rows import OURS, THEIRS, Measure, Row, at_most
from .sizes import Sizes

# Checkpoints and snapshots that the puts caused are to be over.
SETTLE_SECONDS_MAX = 30
BACKGROUND_SECONDS = 5
# Of what was written; more is said.
BACKGROUND_SHARE_MAX = 0.05
SECTOR_BYTES = 512


def device_bytes(folder: pathlib.Path) -> int:
    """Written to the device of a folder so far. Source: Documentation/block/stat.rst."""
    os.sync()
    device = os.stat(folder).st_dev
    path = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    if not path.exists():
        raise RuntimeError(f"{folder} is on no device that counts what is written to it")
    return int(path.read_text().split()[6]) * SECTOR_BYTES


def expected_disk(sizes: Sizes) -> float:
    return 2 * (12 + BACKGROUND_SECONDS + (sizes.disk_puts_before + sizes.disk_puts) / 15_000)


def disk(sizes: Sizes) -> list[Row]:
    row = Row("disk-bytes", f"{sizes.disk_puts:,} puts of 256 B, 100 outstanding")
    values: dict[str, float | None] = {OURS: None, THEIRS: None}
    for label in (OURS, THEIRS):
        try:
            with systems.one(label, "disk") as cluster:
                puts_of(cluster, sizes.disk_puts_before)
                cluster.wait_until_quiet(SETTLE_SECONDS_MAX)
                found = written_by(cluster, sizes)
        except (RuntimeError, OSError) as error:
            row.failures.append(f"{label}: {error}")
            continue
        row.rounds[label] = [found]
        row.generator_share[label] = found["puts"]["cpu_share"]
        values[label] = found["device_bytes"] / found["puts"]["completed"]
        share = found["background_bytes"] / max(1, found["device_bytes"])
        if share > BACKGROUND_SHARE_MAX:
            row.notes.append(
                f"{label}: {share * 100:.0f} % of it would have been written anyhow: something "
                "else uses the disk")
    row.measures = [
        Measure("bytes to the disks of all nodes, a put", "B", values[OURS], values[THEIRS],
                at_most(0.6))]
    return [row]


def written_by(cluster: clusters.Cluster, sizes: Sizes) -> dict:
    """What the puts and the work that they cause write, and what was written while idle, for as
    long."""
    idle = device_bytes(cluster.folder)
    time.sleep(BACKGROUND_SECONDS)
    before, begin = device_bytes(cluster.folder), time.monotonic()
    accounted = [n.written_bytes() for n in cluster.nodes]
    puts = puts_of(cluster, sizes.disk_puts)
    cluster.wait_until_quiet(SETTLE_SECONDS_MAX)
    after, seconds = device_bytes(cluster.folder), time.monotonic() - begin
    return {
        "puts": puts, "device_bytes": after - before,
        "background_bytes": (before - idle) * seconds / BACKGROUND_SECONDS,
        "process_write_bytes": [
            n.written_bytes() - early for n, early in zip(cluster.nodes, accounted)]}


def puts_of(cluster: clusters.Cluster, count: int) -> dict:
    return systems.checked(cluster, systems.measure(
        cluster, "leader",
        f"--target put --connections 10 --streams 10 --warm-up 0 --total {count}"))


def expected_idle(sizes: Sizes) -> float:
    return 15 + sizes.idle_seconds


def idle(sizes: Sizes) -> list[Row]:
    row = Row("idle", f"a cluster that nobody asks for anything, for {sizes.idle_seconds} s")
    shares = {}
    with systems.both("idle") as pair:
        for cluster in pair.values():
            cluster.leader()
        systems.wait_until_quiet(pair)
        time.sleep(1)
        begin = time.monotonic()
        before = {label: cluster.cpu_seconds() for label, cluster in pair.items()}
        time.sleep(sizes.idle_seconds)
        seconds = time.monotonic() - begin
        for label, cluster in pair.items():
            shares[label] = (cluster.cpu_seconds() - before[label]) / seconds
    row.rounds = {label: [{"cores": share}] for label, share in shares.items()}
    row.measures = [
        Measure("CPU of all nodes, of one core", "%", 100 * shares[OURS], 100 * shares[THEIRS],
                at_most(0.5))]
    return [row]
