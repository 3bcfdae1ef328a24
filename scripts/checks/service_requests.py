"""Asks the instances of a service, as a load balancer would, until it is told to end:

    service_requests.py APP HOST:PORT…

HOST:PORT are the HTTP APIs of the servers: which instances there are, and which of them are well,
is read from any of them that answers, ten times a second. A request goes to the instances in turn;
where one does not take it, to the next; it fails where nobody takes it. SIGTERM ends it, with
status 1 when a request failed.
"""

import itertools
import json
import signal
import sys
import threading
import time
import urllib.request

# An instance that ends is asked until the next look.
LOOK_SECONDS = 0.1
places = []
ended = threading.Event()


def look(app, servers):
    """Keeps the places of those instances that are well."""
    while not ended.is_set():
        for server in servers:
            try:
                url = f"http://{server}/v2/apps/{app}"
                with urllib.request.urlopen(url, timeout=1) as answer:
                    tasks = json.load(answer)["app"]["tasks"]
            except (OSError, ValueError, KeyError):
                continue
            found = [
                f"{task['host']}:{port}"
                for task in tasks
                for port in task["ports"][:1]
                if task["state"] == "TASK_RUNNING"
                and any(result["alive"] for result in task.get("healthCheckResults", []))
            ]
            # While nobody tells of any, those that were known are asked.
            if found:
                places[:] = found
            break
        time.sleep(LOOK_SECONDS)


def request(turn):
    known = list(places)
    start = next(turn)
    for step in range(len(known)):
        _, _, port = known[(start + step) % len(known)].rpartition(":")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
                if answer.status == 200:
                    return step
        except OSError:
            continue
    return None


def main():
    app, servers = sys.argv[1], sys.argv[2:]
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threading.Thread(target=look, args=(app, servers), daemon=True).start()
    turn = itertools.count()
    served = failed = repeated = 0
    while not ended.is_set():
        if not places:
            time.sleep(LOOK_SECONDS)
            continue
        step = request(turn)
        if step is None:
            failed += 1
            print(f"FAILED: nobody of {places} answers", flush=True)
        else:
            served += 1
            repeated += step > 0
            if served == 1:
                print("served the first request", flush=True)
        time.sleep(0.01)
    print(
        f"note: {served} requests served, {repeated} of them by the next instance, {failed} failed")
    sys.exit(1 if failed or not served else 0)


main()
