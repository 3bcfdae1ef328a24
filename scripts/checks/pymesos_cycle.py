"""Drives PyPI's pymesos against servers that are served already, with agents behind them:

    pymesos_cycle.py HOST:PORT [PID]

HOST:PORT is the HTTP API of one server. A subscription, offers, a launch, updates that it
acknowledges, reconciliation, the operator calls, a scheduler that fails over to another one, a kill
and the tear-down. PID is the server that leads, another than the one at HOST:PORT: it is killed
while a task runs, and everything has to go on.

Prints one line a check and ends with status 1 when any failed.
"""

import os
import queue
import signal
import sys
import time

from pymesos import MesosOperatorMasterDriver, MesosSchedulerDriver, Scheduler

SECONDS_MAX = 30
failures = 0


class Framework(Scheduler):
    """Launches what is in `wanted`, name and command, as soon as there is an offer."""

    def __init__(self, wanted):
        self.seen = queue.Queue()
        self.wanted = wanted
        self.agent = None

    def registered(self, driver, framework_id, master_info):
        self.seen.put(("registered", framework_id["value"], master_info["port"]))

    def reregistered(self, driver, master_info):
        self.seen.put(("reregistered", master_info["port"]))

    def resourceOffers(self, driver, offers):
        self.agent = offers[0]["agent_id"]
        for offer in offers:
            wanted, self.wanted = self.wanted, []
            if not wanted:
                driver.declineOffer(offer["id"], {"refuse_seconds": 0.5})
                continue
            names = {resource["name"] for resource in offer["resources"]}
            self.seen.put(("offers", sorted(names)))
            tasks = [self.task(name, command, offer["agent_id"]) for name, command in wanted]
            driver.launchTasks(offer["id"], tasks)

    @staticmethod
    def task(name, command, agent):
        def scalar(resource, value):
            return {"name": resource, "type": "SCALAR", "scalar": {"value": value}}

        return {
            "task_id": {"value": name},
            "name": name,
            "agent_id": agent,
            "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            "command": {"value": command},
        }

    def statusUpdate(self, driver, update):
        self.seen.put(
            ("status", update["task_id"]["value"], update["state"], update.get("reason"))
        )

    def offerRescinded(self, driver, offer_id):
        self.seen.put(("rescinded",))

    def error(self, driver, message):
        self.seen.put(("error", message))
        # It would subscribe again otherwise, and end the one that followed it.
        driver.stop(failover=True)

    def next(self, *kinds):
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            found = self.seen.get(timeout=SECONDS_MAX)
            if found[0] in kinds:
                return found
        raise TimeoutError(kinds)


def check(what, found, expected):
    global failures
    good = found == expected
    failures += not good
    print(f"{'ok' if good else 'FAILED'}: {what}: {found}" + ("" if good else f", not {expected}"))


def states(framework, *ends):
    """What is heard of tasks until each of `ends` (task, state) was."""
    left = set(ends)
    heard = []
    while left:
        _, task, state, _ = framework.next("status")
        left.discard((task, state))
        if state != "TASK_STARTING" and (task, state) not in heard:
            heard.append((task, state))
    return sorted(heard)


def operators(master, framework_id):
    driver = MesosOperatorMasterDriver(master)
    check("getHealth", driver.getHealth()["get_health"], {"healthy": True})
    check("getVersion", driver.getVersion()["get_version"]["version_info"]["version"], "1.11.0")
    frameworks = driver.getFrameworks()["get_frameworks"]["frameworks"]
    names = [f["framework_info"]["name"] for f in frameworks]
    check("getFrameworks", names, ["cycle"])
    tasks = driver.getTasks()["get_tasks"]
    check("tasks", [t["task_id"]["value"] for t in tasks["tasks"]], ["run-1"])
    check("completed", [t["name"] for t in tasks["completed_tasks"]], ["finish-1"])
    for call in (
        "getFlags", "getLoggingLevel", "getState", "getAgents", "getExecutors", "getRoles",
        "getWeights", "getMaster", "getQuota", "getMaintenanceStatus", "getMaintenanceSchedule",
    ):
        answer = getattr(driver, call)()
        check(call, answer.get("type", "").replace("_", "").lower(), call.lower())
    check("getMetrics", driver.getMetrics("1")["type"], "GET_METRICS")
    driver.updateWeights([{"role": "eng", "weight": 2.0}])
    weights = driver.getWeights()["get_weights"]["weight_infos"]
    check("updateWeights", weights, [{"role": "eng", "weight": 2.0}])
    return driver


def kill_leader(pid, framework, driver):
    """The task that runs goes on, and another one runs under the next leader."""
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    check("back after the leader's end", framework.next("reregistered")[0], "reregistered")
    print(f"note: {time.monotonic() - killed:.1f} s until it was registered again")
    framework.wanted = [("after-1", "true")]
    found = states(framework, ("after-1", "TASK_FINISHED"))
    print(f"note: {time.monotonic() - killed:.1f} s until another task had run")
    expected = [("after-1", "TASK_FINISHED"), ("after-1", "TASK_RUNNING")]
    check("launched under the next leader", [f for f in found if f[0] == "after-1"], expected)
    check("nothing happened to the other", [f for f in found if f[0] != "after-1"], [])
    driver.reconcileTasks([])
    found = framework.next("status")[1:]
    check("it runs still", found, ("run-1", "TASK_RUNNING", "REASON_RECONCILIATION"))


def main():
    master = sys.argv[1]
    info = {"user": "root", "name": "cycle", "failover_timeout": 100}
    framework = Framework([("run-1", "sleep 300"), ("finish-1", "true")])
    driver = MesosSchedulerDriver(framework, info, master)
    driver.start()
    _, framework_id, _ = framework.next("registered")
    _, names = framework.next("offers")
    check("offered", names[:2], ["cpus", "disk"])
    found = states(framework, ("run-1", "TASK_RUNNING"), ("finish-1", "TASK_FINISHED"))
    expected = [("finish-1", "TASK_FINISHED"), ("finish-1", "TASK_RUNNING")]
    check("updates", found, expected + [("run-1", "TASK_RUNNING")])

    driver.reconcileTasks([])
    check(
        "reconciliation",
        framework.next("status")[1:],
        ("run-1", "TASK_RUNNING", "REASON_RECONCILIATION"),
    )
    unknown = {"task_id": {"value": "nobody"}, "agent_id": framework.agent}
    driver.reconcileTasks([unknown])
    check("an unknown task", framework.next("status")[1:3], ("nobody", "TASK_LOST"))
    operators(master, framework_id)
    if len(sys.argv) > 2:
        kill_leader(int(sys.argv[2]), framework, driver)

    second = Framework([])
    again = dict(info, id={"value": framework_id})
    other = MesosSchedulerDriver(second, again, master)
    other.start()
    kind = second.next("registered", "reregistered")[0]
    check("a second scheduler", kind, "reregistered")
    check("the first is told", framework.next("error"), ("error", "Framework failed over"))
    other.killTask({"value": "run-1"})
    found = states(second, ("run-1", "TASK_KILLED"))
    check("killed", found, [("run-1", "TASK_KILLED")])
    other.suppressOffers()
    other.reviveOffers()
    other.stop()
    operator = MesosOperatorMasterDriver(master)
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        frameworks = operator.getFrameworks()["get_frameworks"]
        if not frameworks.get("frameworks"):
            break
        time.sleep(0.05)
    done = [f["framework_info"]["id"]["value"] for f in frameworks["completed_frameworks"]]
    check("torn down", framework_id in done, True)
    print("failed" if failures else "all is well")
    sys.exit(1 if failures else 0)


main()
