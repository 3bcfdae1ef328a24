"""A large store, measured on Keelson and on etcd with the same data.

usage: large.py [--keys N] [--report FILE] [--only keelson|etcd]

For each of the two, three nodes get N keys of 256 bytes; then
  1. one node is down while more is written, and catches up while writes go on;
  2. the nodes are restarted: how long until each is ready, and until all three are after a kill;
  3. small writes run at a fixed rate, without and with full ranges over all keys beside them.
What must hold (all nodes the same in the end, writes without an error, the catching up done by a
snapshot) ends the script with status 1 when it does not; times are printed, not judged.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import sys
import threading
import time

import grpc
from etcd3.etcdrpc import rpc_pb2

import clusters
import loads
from etcd_calls import hash_kv, local_revision, range_of

SECONDS_MAX = 600


class Measurement:
    def __init__(self, cluster: clusters.Cluster, keys: int):
        self.cluster, self.keys = cluster, keys
        self.result: dict = {"kind": cluster.kind, "keys": keys}
        self.failures: list[str] = []

    # Parts

    def bench(self, *arguments: str, endpoints: list[str] | None = None) -> dict:
        return loads.run(
            endpoints or self.cluster.endpoints, "--value-bytes", "256", *arguments,
            seconds_max=SECONDS_MAX)

    def put_all(self, count: int, endpoints: list[str] | None = None) -> dict:
        return self.bench(
            "--target", "put", "--connections", "20", "--streams", "10", "--sequential",
            "--key-count", str(self.keys), "--total", str(count), "--warm-up", "0",
            endpoints=endpoints)

    def small_writes(self, seconds: int, endpoints: list[str] | None = None) -> dict:
        return self.bench(
            "--target", "put", "--connections", "10", "--streams", "2", "--rate", "1000",
            "--key-count", "1000", "--duration", f"{seconds}s", endpoints=endpoints)

    def hashes(self) -> list[int]:
        """HashKV of all nodes at one revision."""
        revision = range_of(self.cluster.nodes[0], limit=1).header.revision
        found = []
        for node in self.cluster.nodes:
            # Linearizable: so it has applied what the first had.
            range_of(node, limit=1)
            found.append(hash_kv(node, revision))
        return found

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.failures.append(f"{self.cluster.kind}: {what}")

    # Measurements

    def load(self) -> None:
        begin = time.monotonic()
        loaded = self.put_all(self.keys)
        self.result["load_seconds"] = time.monotonic() - begin
        self.expect(loaded["error_count"] == 0, f"loading had errors: {loaded['errors']}")
        count = range_of(self.cluster.nodes[0], count_only=True).count
        self.expect(count >= self.keys, f"{count} keys after loading {self.keys}")
        self.result["resident_mib"] = [n.resident_bytes() >> 20 for n in self.cluster.nodes]
        self.result["disk_mib"] = [n.disk_bytes() >> 20 for n in self.cluster.nodes]

    def catch_up(self) -> None:
        """A node is down while so much is written that the others' logs no longer reach back."""
        node = self.cluster.nodes[2]
        others = self.cluster.endpoints[:2]
        node.stop()
        # In two parts with time for a checkpoint behind each: a log is released only behind the
        # checkpoint before the newest.
        for count in (self.keys, self.keys // 2):
            self.put_all(count, endpoints=others)
            time.sleep(max(4.0, self.keys / 50_000))
        writes: dict = {}
        beside = threading.Thread(
            target=lambda: writes.update(self.small_writes(8, endpoints=others)))
        beside.start()
        begin = time.monotonic()
        offset = node.launch()
        target = local_revision(self.cluster.nodes[0])
        while local_revision(node) < target:
            if time.monotonic() - begin > SECONDS_MAX:
                raise RuntimeError(f"{node.name} did not catch up:\n{node.log_tail()}")
            time.sleep(0.02)
        self.result["catch_up_seconds"] = time.monotonic() - begin
        beside.join()
        with node.log.open("rb") as log:
            log.seek(offset)
            self.result["by_snapshot"] = b"snapshot" in log.read().lower()
        self.result["writes_beside_catch_up"] = {
            "per_second": writes["per_second"], "p99_us": writes["latency_us"]["p99"],
            "longest_pause_ms": writes["longest_pause_ms"], "errors": writes["error_count"]}
        self.expect(writes["error_count"] == 0, f"writes beside it: {writes['errors']}")
        self.expect(self.result["by_snapshot"], "the log does not speak of a snapshot")
        found = self.hashes()
        self.expect(len(set(found)) == 1, f"HashKV differs after catching up: {found}")

    def restart(self) -> None:
        times = []
        for node in self.cluster.nodes:
            node.stop()
            times.append(node.start())
        self.result["restart_seconds"] = times
        for node in self.cluster.nodes:
            node.process.kill()
        for node in self.cluster.nodes:
            node.stop()
        self.result["all_after_kill_seconds"] = self.cluster.start()
        count = range_of(self.cluster.nodes[1], count_only=True).count
        self.expect(count >= self.keys, f"{count} keys after the restarts")
        found = self.hashes()
        self.expect(len(set(found)) == 1, f"HashKV differs after the restarts: {found}")

    def range_beside_puts(self) -> None:
        """p99 of small writes alone, and while full ranges run without a pause. What a range
        returns is received and thrown away."""
        self.small_writes(1)
        alone = [self.small_writes(4) for _ in range(2)]
        reader = RangeReader(self.cluster.nodes[1].endpoint)
        reader.start()
        beside = [self.small_writes(4) for _ in range(2)]
        reader.stop()
        self.result["put_p99_us"] = statistics.median(r["latency_us"]["p99"] for r in alone)
        self.result["put_p99_beside_ranges_us"] = statistics.median(
            r["latency_us"]["p99"] for r in beside)
        self.result["full_ranges"] = reader.count
        self.result["range_mib_per_second"] = reader.received / 2**20 / reader.seconds
        self.expect(reader.count > 0, f"no full range came through: {reader.error}")
        errors = sum(r["error_count"] for r in alone + beside)
        self.expect(errors == 0, f"{errors} writes failed beside full ranges")

    def run(self) -> None:
        for part in (self.load, self.catch_up, self.restart, self.range_beside_puts):
            self.cluster.wait_until_quiet()
            part()


class RangeReader:
    """Reads the whole key space again and again, in a process of its own; the answers are not
    decoded. It runs at the lowest priority: measured is what the server does to writes, not how a
    reader in Python shares two cores with it."""

    def __init__(self, endpoint: str):
        self.endpoint = endpoint
        self.ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=read_ranges, args=(endpoint, theirs), daemon=True)
        self.count, self.received, self.error, self.seconds = 0, 0, "", 0.0

    def start(self) -> None:
        self.process.start()
        self.ours.recv()  # its first range came through, or failed

    def stop(self) -> None:
        self.ours.send("stop")
        self.count, self.received, self.seconds, self.error = self.ours.recv()
        self.process.join(10)


def read_ranges(endpoint: str, pipe) -> None:
    os.nice(19)
    request = rpc_pb2.RangeRequest(key=b"\0", range_end=b"\0").SerializeToString()
    options = [("grpc.max_receive_message_length", -1)]
    count, received, error = 0, 0, ""
    with grpc.insecure_channel(endpoint, options=options) as channel:
        call = channel.unary_unary("/etcdserverpb.KV/Range")
        begin = time.monotonic()
        announced = False
        while not pipe.poll():
            try:
                received += len(call(request, timeout=SECONDS_MAX))
                count += 1
            except grpc.RpcError as failure:
                error = f"{failure.code().name}: {failure.details()}"
                time.sleep(0.2)
            if not announced:
                announced = True
                pipe.send("began")
        pipe.send((count, received, time.monotonic() - begin, error))


def lines(result: dict) -> list[str]:
    beside = result["writes_beside_catch_up"]
    factor = result["put_p99_beside_ranges_us"] / result["put_p99_us"]
    return [
        f"loading {result['keys']:,} keys of 256 B     {result['load_seconds']:.1f} s; "
        f"memory {result['resident_mib']} MiB, disk {result['disk_mib']} MiB",
        f"a node that was down catches up  {result['catch_up_seconds']:.2f} s, "
        f"{'by snapshot' if result['by_snapshot'] else 'by log'}; writes beside it "
        f"{beside['per_second']:,.0f}/s, p99 {beside['p99_us'] / 1000:.1f} ms, longest pause "
        f"{beside['longest_pause_ms']:.0f} ms",
        f"a restarted node is ready after  "
        f"{', '.join(f'{s:.2f}' for s in result['restart_seconds'])} s; all three after a kill "
        f"{result['all_after_kill_seconds']:.2f} s",
        f"p99 of puts at 1,000/s           {result['put_p99_us'] / 1000:.2f} ms alone, "
        f"{result['put_p99_beside_ranges_us'] / 1000:.2f} ms beside full ranges ({factor:.2f}x; "
        f"{result['full_ranges']} ranges, {result['range_mib_per_second']:.0f} MiB/s)",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["keelson", "etcd"])
    parser.add_argument("--report", type=pathlib.Path)
    arguments = parser.parse_args()
    # So that the logs do not reach back over the keys that are written while one node is down.
    extra = {
        "keelson": ["--snapshot-count", str(min(100_000, arguments.keys // 4))],
        "etcd": ["--snapshot-count", str(min(100_000, arguments.keys // 4)),
                 "--quota-backend-bytes", str(8 << 30)],
    }
    kinds = {
        "keelson": (clusters.keelson_kind(), clusters.keelson_binary()),
        "etcd": ("etcd", clusters.etcd_binary()),
    }
    results, failures = [], []
    for label, (kind, binary) in kinds.items():
        if arguments.only not in (None, label):
            continue
        with clusters.Cluster(f"large-{label}", kind, binary, extra[kind]) as cluster:
            measurement = Measurement(cluster, arguments.keys)
            measurement.run()
            results.append(measurement.result)
            failures += measurement.failures if label == "keelson" else []
            print(f"{label}:", *lines(measurement.result), sep="\n  ", flush=True)
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps(results, indent=1))
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
