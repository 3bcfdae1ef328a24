"""Many agents and tasks on three nodes: how fast they start, and what a leader's death does.

usage: tasks.py [--agents N] [--tasks PER_AGENT] [--report FILE]

`keelson bench --target tasks` registers N agents without processes and fills each of them. Then the
leader is killed and started again while everything is held. What must hold ends the script with
status 1: every task runs, none ends, each agent registers once more, offers come again. Times and
memory are printed, not judged.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

import clusters

HOLD_SECONDS = 45
SECONDS_MAX = 1200


def run(cluster: clusters.Cluster, agents: int, tasks: int) -> dict:
    binary = clusters.keelson_binary()
    before = [node.resident_bytes() for node in cluster.nodes]
    bench = subprocess.Popen(
        [binary, "bench", "--target", "tasks", "--connections", str(agents), "--streams",
         str(tasks), "--duration", f"{HOLD_SECONDS}s", "--endpoints",
         ",".join(cluster.endpoints), "-o", "json"],
        stdout=subprocess.PIPE, text=True)
    log = [node.log.stat().st_size for node in cluster.nodes]
    wait_for_tasks(cluster, binary, agents * tasks, bench)
    full = [node.resident_bytes() for node in cluster.nodes]
    begin = {node.name: node.cpu_seconds() for node in cluster.nodes}
    time.sleep(10)
    idle = [(node.cpu_seconds() - begin[node.name]) / 10 for node in cluster.nodes]
    first = cluster.leader()
    first.stop(signal.SIGKILL)
    time.sleep(5)
    first.start()
    output, _ = bench.communicate(timeout=SECONDS_MAX)
    if bench.returncode != 0:
        raise RuntimeError(f"keelson bench ended with {bench.returncode}: {output}")
    result = json.loads(output.strip().splitlines()[-1])
    # Beside nothing else, but for the servers' idling.
    alone = subprocess.run(
        [binary, "bench", "--target", "allocator", "--connections", str(agents), "--streams",
         str(tasks), "-o", "json"], capture_output=True, text=True, timeout=600, check=True)
    result["allocator"] = json.loads(alone.stdout)
    result["bytes_per_task"] = [
        round((after - start) / (agents * tasks)) for after, start in zip(full, before)]
    result["resident_mib"] = [round(bytes / 2**20) for bytes in full]
    result["idle_cpu"] = [round(share, 3) for share in idle]
    result["log_bytes"] = [
        node.log.stat().st_size - start for node, start in zip(cluster.nodes, log)]
    return result


def wait_for_tasks(
        cluster: clusters.Cluster, binary: str, wanted: int, bench: subprocess.Popen) -> None:
    """Until so many tasks are on record."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        if bench.poll() is not None:
            raise RuntimeError(f"keelson bench ended early, with {bench.returncode}")
        done = subprocess.run(
            [binary, "kv", "get", "/keelson/local/tasks/", "--prefix", "--count-only",
             "--endpoints", cluster.endpoints[0]], capture_output=True, text=True, timeout=60)
        if done.returncode == 0 and int(done.stdout.strip() or 0) >= wanted:
            return
        time.sleep(0.5)
    raise RuntimeError(f"not all of {wanted} tasks are on record in time")


def judge(result: dict) -> list[str]:
    wrong = []
    if result["running"] != result["tasks"]:
        wrong.append(f"{result['running']} of {result['tasks']} tasks run")
    if len(result["failovers"]) != 1:
        wrong.append(f"the framework saw {len(result['failovers'])} changes of leader, not one")
    for failover in result["failovers"]:
        if failover["first_offers_after_ms"] is None:
            wrong.append("no offer came after the change of leader")
    if result["registrations"] > 2 * result["agents"]:
        wrong.append(f"{result['registrations']} registrations of {result['agents']} agents")
    for error in result["errors"]:
        if "a task ended" in error["message"]:
            wrong.append(f"{error['count']} times: {error['message']}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--report", type=pathlib.Path)
    arguments = parser.parse_args()
    cluster = clusters.Cluster("tasks", "keelson", clusters.keelson_binary())
    ports = clusters.free_ports(len(cluster.nodes))
    for node, port in zip(cluster.nodes, ports):
        node.arguments += ["--listen-http-urls", f"http://127.0.0.1:{port}"]
    try:
        cluster.start()
        result = run(cluster, arguments.agents, arguments.tasks)
    finally:
        cluster.stop()
    print(json.dumps(result, indent=1))
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps(result, indent=1) + "\n")
    wrong = judge(result)
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
