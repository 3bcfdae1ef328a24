"""The facts without which a figure says nothing: the machine, its disk, and who was compared."""

import os
import pathlib
import platform
import statistics
import subprocess
import time

import clusters

from . import systems
from .rows import OURS, THEIRS

SYNCS = 500
BLOCK_BYTES = 4096


def sync_microseconds(folder: pathlib.Path) -> float:
    """The median of writing a block into a file that has its size, and fdatasync."""
    path = folder / "sync-probe"
    times = []
    with path.open("wb", buffering=0) as file:
        file.write(bytes(BLOCK_BYTES * SYNCS))
        os.fsync(file.fileno())
        for number in range(SYNCS):
            begin = time.perf_counter()
            os.pwrite(file.fileno(), os.urandom(BLOCK_BYTES), number * BLOCK_BYTES)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1e6)
    path.unlink()
    return round(statistics.median(times), 1)


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_bytes() -> int:
    line = pathlib.Path("/proc/meminfo").read_text().splitlines()[0]
    return int(line.split()[1]) * 1024


def file_system(folder: pathlib.Path) -> str:
    return first_line(["findmnt", "-n", "-o", "FSTYPE", "-T", str(folder)])


def facts() -> dict:
    folder = clusters.ROOT / ".build/clusters"
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "cores": os.cpu_count(), "processor": processor(), "memory_bytes": memory_bytes(),
        "kernel": platform.release(), "file_system": file_system(folder),
        "fdatasync_median_us": sync_microseconds(folder)}


def first_line(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=clusters.ROOT, timeout=60)
    return done.stdout.strip().split("\n")[0]


def versions() -> dict:
    programs = systems.programs()
    changed = first_line(["git", "status", "--porcelain", "--untracked-files=no"])
    return {
        OURS: "commit " + first_line(["git", "rev-parse", "--short", "HEAD"]) + (
            " and changes" if changed else ""),
        THEIRS: first_line([programs[THEIRS][1], "--version"]).removeprefix("etcd Version: ")}


def description(facts: dict, versions: dict) -> str:
    return (
        f"{facts['cores']} cores ({facts['processor']}), "
        f"{facts['memory_bytes'] / 2**30:.0f} GiB, Linux {facts['kernel']}, "
        f"{facts['file_system']} with a median fdatasync of {facts['fdatasync_median_us']} µs; "
        f"Keelson at {versions[OURS]}, etcd {versions[THEIRS]}")
