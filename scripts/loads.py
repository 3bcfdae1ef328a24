"""Runs `keelson bench` against servers, and gives back what it found."""

import json
import pathlib
import signal
import subprocess
import time

import clusters

# Below this the machine is about to kill whoever is largest.
MEMORY_BYTES_MIN = 1 << 30


class LoadError(RuntimeError):
    """The load could not be carried out."""


def available_memory() -> int:
    """Bytes that can be had without swapping. Source: proc(5), MemAvailable."""
    text = pathlib.Path("/proc/meminfo").read_text()
    line = next(line for line in text.splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


class Load:
    """One run of the load generator, while it goes on."""

    def __init__(self, endpoints: list[str], arguments: list[str], seconds_max: float = 900):
        self.command = [
            clusters.bench_binary(), "bench", "-o", "json", "--endpoints", ",".join(endpoints),
            *arguments]
        self.deadline = time.monotonic() + seconds_max
        self.seconds_max = seconds_max
        # Without a function between fork and exec: callers have threads of gRPC's.
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)

    def result(self) -> dict:
        """Waits for its end. A machine that runs out of memory or time ends it before."""
        while True:
            try:
                output, errors = self.process.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                pass
            if time.monotonic() > self.deadline:
                self.give_up(f"no end after {self.seconds_max:.0f} s")
            if available_memory() < MEMORY_BYTES_MIN:
                self.give_up("the machine has no memory left")
        if self.process.returncode != 0:
            raise LoadError(
                f"exit status {self.process.returncode}: {' '.join(self.command)}\n"
                f"{output}{errors}")
        return json.loads(output.strip().splitlines()[-1])

    def give_up(self, reason: str) -> None:
        self.stop()
        raise LoadError(f"{reason}: {' '.join(self.command)}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def run(endpoints: list[str], *arguments: str, seconds_max: float = 900) -> dict:
    return Load(endpoints, list(arguments), seconds_max).result()
