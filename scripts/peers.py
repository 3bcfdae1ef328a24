"""Compares three Keelson nodes with three etcd nodes under the same loads: A B A B.

usage: peers.py --mode full|quick [--report FILE] [--only NAME,…]

One load at a time runs against one cluster at a time; both clusters are up throughout and idle when
it is not their turn. Clients speak to the leader, or, where a row says so, to all nodes alike (then
two thirds of what they write is forwarded). Quoted are medians, and the ratio of the medians:
absolute figures move from machine to machine and from run to run. The load comes from
`keelson bench` for both.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

import clusters

# name, arguments of `keelson bench`, calls per round (full, quick), what is asked of it: a lowest
# ratio of throughputs, or a highest ratio of mean latencies
LOADS = [
    ("put, 1 outstanding", "put 1 1 --key-count 1 --leader-only", (8_000, 3_000),
     ("latency", 0.6)),
    ("put, 10 x 10", "put 10 10 --leader-only", (100_000, 30_000), None),
    ("put, 100 x 10", "put 100 10 --leader-only", (300_000, 150_000), ("throughput", 4.0)),
    ("put, 100 x 10, over all nodes", "put 100 10", (300_000, 100_000), None),
    ("get, linearizable, 1 outstanding", "range 1 1 --leader-only", (8_000, 3_000), None),
    ("get, linearizable, 10 x 10", "range 10 10 --leader-only", (400_000, 200_000),
     ("throughput", 3.0)),
    ("get, linearizable, over all nodes", "range 10 10", (300_000, 150_000), None),
    ("get, linearizable, 100 x 10", "range 100 10", (400_000, 80_000), None),
    ("get, serializable, 10 x 10", "range-serializable 10 10", (300_000, 50_000), None),
    ("txn, 10 x 10", "txn 10 10", (60_000, 20_000), None),
    ("lease renewals, 10 x 10", "lease 10 10", (60_000, 20_000), None),
    ("watch events, 1,000 watches", "watch 10 100", (1_000, 300), None),
]
QUICK = {LOADS[index][0] for index in (0, 2, 3, 5, 6)}


def bench(bench_binary: str, cluster: clusters.Cluster, load: str, total: int) -> dict:
    target, connections, streams, *rest = load.split()
    before = cluster.cpu_seconds()
    command = [
        bench_binary, "bench", "--target", target, "--connections", connections,
        "--streams", streams, "--total", str(total), "--value-bytes", "256",
        "--endpoints", ",".join(cluster.endpoints), "-o", "json", *rest,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    used = cluster.cpu_seconds() - before
    result["server_cpu_us_per_call"] = used * 1e6 / max(1, result["completed"])
    return result


def summary(rounds: list[dict]) -> dict:
    """The medians of some rounds."""
    return {
        "per_second": statistics.median(r["per_second"] for r in rounds),
        "mean_us": statistics.median(r["latency_us"]["mean"] for r in rounds),
        "p99_us": statistics.median(r["latency_us"]["p99"] for r in rounds),
        "server_cpu_us": statistics.median(r["server_cpu_us_per_call"] for r in rounds),
        "generator_share": statistics.median(r["cpu_share"] for r in rounds),
        "errors": sum(r["error_count"] for r in rounds),
    }


def verdict(goal, ours: dict, theirs: dict) -> str:
    if goal is None:
        return ""
    kind, bound = goal
    if kind == "latency":
        ratio = ours["mean_us"] / theirs["mean_us"]
        return f"{'met' if ratio <= bound else 'MISSED'}: latency {ratio:.2f}x of {bound}x"
    ratio = ours["per_second"] / theirs["per_second"]
    return f"{'met' if ratio >= bound else 'MISSED'}: {ratio:.1f}x of {bound}x"


HEADER = (
    f"{'load':34} {'Keelson/s':>10} {'etcd/s':>10} {'ratio':>6}   {'mean us':>15} {'ratio':>6}   "
    f"{'p99 us':>17}   {'server us/call':>14}  {'load CPU':>9}")


def row(name: str, ours: dict, theirs: dict, note: str) -> str:
    return (
        f"{name:34} {ours['per_second']:10,.0f} {theirs['per_second']:10,.0f} "
        f"{ours['per_second'] / theirs['per_second']:5.1f}x   "
        f"{ours['mean_us']:7,.0f} {theirs['mean_us']:7,.0f} "
        f"{ours['mean_us'] / theirs['mean_us']:5.2f}x   "
        f"{ours['p99_us']:8,.0f} {theirs['p99_us']:8,.0f}   "
        f"{ours['server_cpu_us']:6.1f} {theirs['server_cpu_us']:7.1f}  "
        f"{ours['generator_share'] * 100:3.0f}% {theirs['generator_share'] * 100:3.0f}%  {note}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=["full", "quick"], default="full")
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--only", default="", help="names of loads, or parts of them")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--bench", default=clusters.keelson_binary(), help="binary with `bench`")
    arguments = parser.parse_args()
    quick = arguments.mode == "quick"
    rounds = arguments.rounds or (2 if quick else 3)
    wanted = [part for part in arguments.only.split(",") if part]
    loads = [
        load for load in LOADS
        if (any(part in load[0] for part in wanted) if wanted else not quick or load[0] in QUICK)
    ]
    report = {"rounds": rounds, "loads": []}
    with (
        clusters.Cluster(
            "bench-keelson", clusters.keelson_kind(), clusters.keelson_binary()) as ours,
        clusters.Cluster("bench-etcd", "etcd", clusters.etcd_binary()) as theirs,
    ):
        print(HEADER, flush=True)
        for name, load, totals, goal in loads:
            results = {"keelson": [], "etcd": []}
            for _ in range(rounds):
                for label, cluster in (("keelson", ours), ("etcd", theirs)):
                    ours.wait_until_quiet()
                    theirs.wait_until_quiet()
                    results[label].append(
                        bench(arguments.bench, cluster, load, totals[1 if quick else 0]))
            medians = {label: summary(found) for label, found in results.items()}
            note = verdict(goal, medians["keelson"], medians["etcd"])
            errors = sum(m["errors"] for m in medians.values())
            note += f" ({errors} errors)" if errors else ""
            print(row(name, medians["keelson"], medians["etcd"], note), flush=True)
            report["loads"].append(
                {"name": name, "goal": goal, "note": note, "medians": medians, "rounds": results})
        report["resident_bytes"] = {
            c.kind: [n.resident_bytes() for n in c.nodes] for c in (ours, theirs)}
        for c in (ours, theirs):
            sizes = ", ".join(
                f"{n.resident_bytes() >> 20} / {n.disk_bytes() >> 20}" for n in c.nodes)
            print(f"{c.name}: memory / disk of the nodes afterwards, MiB: {sizes}")
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps(report, indent=1))
        print(f"all rounds: {arguments.report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
