"""The two systems that are compared, and how one load is put on one of them."""

import contextlib
import os
import pathlib
import statistics
import time
from collections.abc import Iterator

import clusters
import loads

from .rows import OURS, THEIRS

# Longer than any pause that is measured: a load that is given up says nothing.
PATIENCE = "60s"


def programs() -> dict[str, tuple[str, str]]:
    """The kind and the binary of each."""
    return {
        OURS: (clusters.keelson_kind(), clusters.keelson_binary()),
        THEIRS: ("etcd", clusters.etcd_binary())}


def one(
        label: str, name: str, extra: list[str] | None = None, count: int = 3
) -> clusters.Cluster:
    kind, binary = programs()[label]
    return clusters.Cluster(f"bench-{name}-{label}", kind, binary, extra, count)


@contextlib.contextmanager
def both(
        name: str, extra: list[str] | None = None, count: int = 3
) -> Iterator[dict[str, clusters.Cluster]]:
    """Both clusters, running; one is idle while the other is measured."""
    with one(OURS, name, extra, count) as ours, one(THEIRS, name, extra, count) as theirs:
        yield {OURS: ours, THEIRS: theirs}


def endpoints(cluster: clusters.Cluster, place: str) -> list[str]:
    """Where the clients of a load go: `leader`, `follower` (one of them) or `all`."""
    if place == "all":
        return cluster.endpoints
    leader = cluster.leader()
    if place == "leader":
        return [leader.endpoint]
    return [next(n.endpoint for n in cluster.nodes if n is not leader)]


def idle_ticks() -> tuple[int, int]:
    """Idle and all time of all processors so far. Source: proc(5), /proc/stat."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    ticks = [int(field) for field in fields]
    return ticks[3] + ticks[4], sum(ticks)


def measure(
        cluster: clusters.Cluster, place: str, arguments: str, beside: str | None = None,
        seconds_max: float = 900) -> dict:
    """One load, and another `beside` it whose result is under that name."""
    targets = endpoints(cluster, place)
    used, (idle, ticks) = cluster.cpu_seconds(), idle_ticks()
    other = loads.Load(
        endpoints(cluster, "leader"), [*beside.split(), "--timeout", PATIENCE], seconds_max
    ) if beside else None
    try:
        result = loads.run(
            targets, *arguments.split(), "--timeout", PATIENCE, seconds_max=seconds_max)
        if other:
            result["beside"] = other.result()
    finally:
        if other:
            other.stop()
    late_idle, late_ticks = idle_ticks()
    result["machine_idle_share"] = (late_idle - idle) / max(1, late_ticks - ticks)
    result["server_cpu_us_per_call"] = (
        (cluster.cpu_seconds() - used) * 1e6 / max(1, result["completed"]))
    return result


def checked(cluster: clusters.Cluster, result: dict) -> dict:
    """The result, if every answer was right and every server is still there."""
    parts = [result] + ([result["beside"]] if "beside" in result else [])
    for part in parts:
        if part["error_count"]:
            raise loads.LoadError(f"{part['error_count']} errors: {part['errors']}")
    if cluster.dead():
        names = ", ".join(f"{n.name} ({n.log})" for n in cluster.dead())
        raise loads.LoadError(f"ended by itself: {names}")
    return result


def generator_share(results: list[dict]) -> float:
    """Of all processors, with what ran beside."""
    return statistics.median(
        r["cpu_share"] + r.get("beside", {}).get("cpu_share", 0) for r in results)


def wait_until_quiet(found: dict[str, clusters.Cluster]) -> None:
    for cluster in found.values():
        cluster.wait_until_quiet()


def survive_binary() -> str:
    return os.environ.get("KEELSON_SURVIVE") or str(
        clusters.ROOT / ".build/release/keelson-survive")


def floor_binary() -> pathlib.Path:
    return pathlib.Path(
        os.environ.get("KEELSON_FLOOR") or clusters.ROOT / ".build/release/keelson-floor")


def wait_until(moment: float) -> None:
    """Until time.monotonic() is there."""
    time.sleep(max(0.0, moment - time.monotonic()))
