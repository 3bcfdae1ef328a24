"""Has Debian's Prometheus discover the instances of a service, as it discovers Marathon's apps:

    prometheus_discovery.py PROMETHEUS FOLDER APP COUNT HOST:PORT…

PROMETHEUS is the program, FOLDER where it may store. HOST:PORT are the HTTP APIs of the servers.
Ends with status 1 unless it finds COUNT targets of APP within a minute, each at a port of its own.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

CONFIGURATION = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: services
  marathon_sd_configs:
  - servers: {servers}
    refresh_interval: 1s
  relabel_configs:
  - source_labels: [__meta_marathon_app]
    target_label: app
"""
SECONDS_MAX = 60


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def targets(place, app):
    url = f"http://{place}/api/v1/targets"
    with urllib.request.urlopen(url, timeout=5) as answer:
        active = json.load(answer)["data"]["activeTargets"]
    return {
        target["discoveredLabels"]["__address__"]: target["discoveredLabels"]
        for target in active
        if target["labels"].get("app") == app
    }


def main():
    program, folder, app, count = sys.argv[1:5]
    servers = [f"http://{place}" for place in sys.argv[5:]]
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(CONFIGURATION.format(servers=json.dumps(servers)))
    place = f"127.0.0.1:{free_port()}"
    with open(os.path.join(folder, "log"), "wb") as log:
        process = subprocess.Popen(
            [
                program, f"--config.file={path}", f"--web.listen-address={place}",
                f"--storage.tsdb.path={folder}/data",
            ],
            stdout=log,
            stderr=log,
        )
    found = {}
    try:
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline and len(found) != int(count):
            if process.poll() is not None:
                break
            time.sleep(0.2)
            try:
                found = targets(place, app)
            except OSError:
                continue
    finally:
        process.terminate()
        process.wait()
    for address, labels in sorted(found.items()):
        named = {n: v for n, v in labels.items() if n.startswith("__meta_marathon")}
        print(f"found {address}: {named}")
    if len(found) != int(count):
        with open(os.path.join(folder, "log"), encoding="utf-8") as log:
            print("FAILED", len(found), log.read()[-3000:])
        sys.exit(1)


main()
