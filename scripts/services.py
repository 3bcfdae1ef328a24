"""One service of many instances on agents without processes: how fast it starts and is replaced,
and what the scheduler costs while nothing happens.

usage: services.py [--agents N] [--instances M] [--report FILE]

Ends with status 1 where a deployment does not end in time. Times are printed, not judged. How long
it takes until the instances of a lost agent run elsewhere is printed by the tests of services.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

import clusters

SECONDS_MAX = 300
IDLE_SECONDS = 10
ROOM_SHARE = 1.5


def call(place: str, method: str, path: str, body: dict | None = None) -> object:
    request = urllib.request.Request(
        f"http://{place}{path}", method=method, data=body and json.dumps(body).encode(),
        headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def leader(places: list[str]) -> str:
    return call(places[0], "GET", "/v2/leader")["leader"]


def deploy(places: list[str], method: str, path: str, body: dict | None = None) -> float:
    """Seconds until no deployment goes on; of what is asked for, by its own leader."""
    place = leader(places)
    begin = time.monotonic()
    call(place, method, path, body)
    while call(place, "GET", "/v2/deployments"):
        if time.monotonic() - begin > SECONDS_MAX:
            raise RuntimeError(f"{method} {path}: no end after {SECONDS_MAX} s")
        time.sleep(0.02)
    return round(time.monotonic() - begin, 3)


def idle(cluster: clusters.Cluster) -> list[float]:
    """The share of a processor of each node, while nobody asks for anything."""
    before = [node.cpu_seconds() for node in cluster.nodes]
    time.sleep(IDLE_SECONDS)
    after = [node.cpu_seconds() for node in cluster.nodes]
    return [round((late - early) / IDLE_SECONDS, 4) for early, late in zip(before, after)]


def measure(
        cluster: clusters.Cluster, places: list[str], agents: int, instances: int) -> dict:
    wait_for_agents(places, agents)
    result = {"agents": agents, "instances": instances, "idle_cpu_without": idle(cluster)}
    app = {
        "id": "/bench", "cmd": "true", "cpus": 0.1, "mem": 16, "instances": instances,
        "portDefinitions": [],
        "upgradeStrategy": {"minimumHealthCapacity": 0.9, "maximumOverCapacity": 0.1},
    }
    result["start_seconds"] = deploy(places, "POST", "/v2/apps", app)
    running = call(places[0], "GET", "/v2/apps/bench")["app"]["tasksRunning"]
    if running != instances:
        raise RuntimeError(f"{running} of {instances} instances run")
    result["idle_cpu_with"] = idle(cluster)
    result["update_seconds"] = deploy(places, "PUT", "/v2/apps/bench", {"env": {"A": "1"}})
    result["delete_seconds"] = deploy(places, "DELETE", "/v2/apps/bench")
    result["resident_mib"] = [round(node.resident_bytes() / 2**20) for node in cluster.nodes]
    return result


def wait_for_agents(places: list[str], wanted: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            agents = call(places[0], "GET", "/slaves")["slaves"]
        except OSError:
            agents = []
        if sum(agent["active"] for agent in agents) >= wanted:
            return
        time.sleep(0.1)
    raise RuntimeError(f"not all of {wanted} agents register")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--instances", type=int, default=1_000)
    parser.add_argument("--report", type=pathlib.Path)
    arguments = parser.parse_args()
    binary = clusters.keelson_binary()
    cluster = clusters.Cluster("services", "keelson", binary)
    ports = clusters.free_ports(len(cluster.nodes))
    places = [f"127.0.0.1:{port}" for port in ports]
    for node, place in zip(cluster.nodes, places):
        node.arguments += ["--listen-http-urls", f"http://{place}"]
    room = round(arguments.instances / arguments.agents * ROOM_SHARE) + 1
    fleet = None
    try:
        cluster.start()
        fleet = subprocess.Popen(
            [binary, "bench", "--target", "agents", "--connections", str(arguments.agents),
             "--streams", str(room), "--duration", "1h", "--endpoints",
             ",".join(cluster.endpoints)])
        result = measure(cluster, places, arguments.agents, arguments.instances)
    finally:
        if fleet:
            fleet.kill()
            fleet.wait()
        cluster.stop()
    print(json.dumps(result, indent=1))
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
