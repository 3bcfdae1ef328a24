"""Drives a custom executor of PyPI's pymesos against servers and one agent that are there already:

    pymesos_executor.py HOST:PORT PID

HOST:PORT is the HTTP API of one server, PID the server that leads, another one: it is killed while
tasks run. Later it prints "note: restart the agent", and whoever runs it has to kill the agent and
start it again. The executor is this file too, as `pymesos_executor.py executor`.

Prints one line a check and ends with status 1 when any failed.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
import uuid
from http.client import HTTPConnection

from pymesos import (
    Executor,
    MesosExecutorDriver,
    MesosOperatorMasterDriver,
    MesosSchedulerDriver,
    Scheduler,
    decode_data,
    encode_data,
)

SECONDS_MAX = 40
failures = 0


def scalar(resource, value):
    return {"name": resource, "type": "SCALAR", "scalar": {"value": value}}


# The executor.


class Worker(Executor):
    """Runs tasks whose names begin with "run" until they are killed, others to their end."""

    def __init__(self):
        self.driver = None
        self.updates = queue.Queue()

    def registered(self, driver, executor_info, framework_info, agent_info):
        variables = sorted(name for name in os.environ if name.startswith("MESOS_"))
        self.say("registered", variables=variables, agent=agent_info["id"]["value"])

    def reregistered(self, driver, agent_info):
        self.say("resubscribed")

    def launchTask(self, driver, task):
        name = task["task_id"]["value"]
        self.tell(name, "TASK_RUNNING", f"runs {name}")
        if not name.startswith("run"):
            self.tell(name, "TASK_FINISHED", "")

    def killTask(self, driver, task_id):
        self.tell(task_id["value"], "TASK_KILLED", "")

    def frameworkMessage(self, driver, message):
        word = decode_data(message).decode()
        if word == "exit":
            os._exit(3)
        if word == "lie":
            self.say("lies", answers=lies())
        else:
            self.say("pong", word=word)

    def shutdown(self, driver):
        print("told to end", flush=True)

    def error(self, driver, message):
        print("error", message, flush=True)

    def say(self, kind, **more):
        message = dict(more, kind=kind, pid=os.getpid())
        self.updates.put(lambda: self.driver.sendFrameworkMessage(encode(message)))

    def tell(self, name, state, data):
        status = {
            "task_id": {"value": name},
            "state": state,
            "uuid": encode_data(uuid.uuid4().bytes),
            "data": encode_data(data.encode()),
        }
        self.updates.put(lambda: self.driver.sendStatusUpdate(dict(status)))

    def send(self):
        """One after the other; while the agent is away, again and again."""
        while True:
            send = self.updates.get()
            while True:
                try:
                    send()
                    break
                except Exception as error:
                    print("again:", error, flush=True)
                    time.sleep(0.2)


def encode(message):
    return encode_data(json.dumps(message).encode())


def lies():
    """What the agent answers to calls that are none of this executor's to make."""
    own = {
        "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
        "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
    }

    def update(task, state, size=0, **more):
        status = {
            "task_id": {"value": task},
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "uuid": encode_data(uuid.uuid4().bytes),
            "data": encode_data(b"x" * size),
        }
        return dict(own, type="UPDATE", update={"status": status}, **more)

    def post(body, content="application/json", method="POST", accept="application/json"):
        connection = HTTPConnection(os.environ["MESOS_AGENT_ENDPOINT"], timeout=10)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": content, "Accept": accept}
        connection.request(method, "/api/v1/executor", body=data, headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    other = dict(update("run-1", "TASK_FINISHED"), executor_id={"value": "y"})
    foreign = dict(update("run-1", "TASK_FINISHED"), framework_id={"value": "f"})
    short = update("run-1", "TASK_FINISHED")
    short["update"]["status"]["uuid"] = encode_data(b"short")
    subscribe = dict(own, type="SUBSCRIBE", subscribe={})
    return {
        "a task that nobody launched": post(update("nobody", "TASK_RUNNING")),
        "a task that has ended": post(update("finish-1", "TASK_FAILED")),
        "another executor's id": post(other),
        "another framework's id": post(foreign),
        "a uuid that is none": post(short),
        "a state that is not its to say": post(update("run-1", "TASK_UNREACHABLE")),
        "a state that was before": post(update("run-1", "TASK_STAGING")),
        "a status that is too large": post(update("run-1", "TASK_RUNNING", 100_000)),
        "garbage": post(b"\x00{]"),
        "garbage in protobuf": post(b"\xff\xff", content="application/x-protobuf"),
        "no call at all": post(own),
        "another type": post(own, content="text/plain"),
        "another method": post(b"", method="GET"),
        "an answer that nobody writes": post(subscribe, accept="text/html"),
    }


LIES = {
    "a task that nobody launched": 400,
    "a task that has ended": 409,
    "another executor's id": 400,
    "another framework's id": 400,
    "a uuid that is none": 400,
    "a state that is not its to say": 400,
    "a state that was before": 400,
    "a status that is too large": 413,
    "garbage": 400,
    "garbage in protobuf": 400,
    "no call at all": 400,
    "another type": 415,
    "another method": 405,
    "an answer that nobody writes": 406,
}


def execute():
    worker = Worker()
    worker.driver = MesosExecutorDriver(worker)
    threading.Thread(target=worker.send, daemon=True).start()
    worker.driver.run()


# The scheduler.


class Framework(Scheduler):
    """Launches the tasks that are named in `wanted` by the executor x, when there is an offer."""

    def __init__(self):
        self.seen = queue.Queue()
        self.wanted = []
        self.agent = None

    def registered(self, driver, framework_id, master_info):
        self.seen.put(("registered", framework_id["value"]))

    def reregistered(self, driver, master_info):
        self.seen.put(("reregistered",))

    def resourceOffers(self, driver, offers):
        for offer in offers:
            wanted, self.wanted = self.wanted, []
            if not wanted:
                driver.declineOffer(offer["id"], {"refuse_seconds": 0.3})
                continue
            self.agent = offer["agent_id"]
            self.seen.put(("offer", [e["value"] for e in offer.get("executor_ids", [])]))
            tasks = [self.task(name, offer["agent_id"]) for name in wanted]
            driver.launchTasks(offer["id"], tasks)

    @staticmethod
    def task(name, agent):
        script = os.path.abspath(__file__)
        executor = {
            "type": "CUSTOM",
            "executor_id": {"value": "x"},
            "name": "worker",
            "command": {"value": f"exec '{sys.executable}' '{script}' executor"},
            "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
        }
        return {
            "task_id": {"value": name},
            "name": name,
            "agent_id": agent,
            "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            "executor": executor,
        }

    def statusUpdate(self, driver, update):
        data = decode_data(update["data"]).decode() if "data" in update else ""
        self.seen.put(
            ("status", update["task_id"]["value"], update["state"], data, update.get("reason"))
        )

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        found = json.loads(decode_data(message))
        self.seen.put((found["kind"], executor_id["value"], found))

    def executorLost(self, driver, executor_id, agent_id, status):
        self.seen.put(("lost", executor_id["value"], status))

    def error(self, driver, message):
        self.seen.put(("error", message))

    def next(self, *kinds):
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            found = self.seen.get(timeout=SECONDS_MAX)
            if found[0] in kinds:
                return found
            if found[0] == "status" and found[2] in ("TASK_FAILED", "TASK_LOST", "TASK_ERROR"):
                check("unasked for", found, None)
        raise TimeoutError(kinds)

    def states(self, *ends):
        """What is heard of tasks until each of `ends` (task, state) was."""
        left = set(ends)
        heard = []
        while left:
            _, task, state, _, _ = self.next("status")
            left.discard((task, state))
            heard.append((task, state))
        return sorted(set(heard))

    def ask(self, driver, word, kind):
        """A message may be lost on its way, as any of Mesos' may."""
        for _ in range(20):
            driver.sendFrameworkMessage(
                {"value": "x"}, self.agent, encode_data(word.encode())
            )
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                try:
                    found = self.seen.get(timeout=2)
                except queue.Empty:
                    break
                if found[0] == kind:
                    return found[2]
                if found[0] == "status":
                    check("unasked for", found, None)
        raise TimeoutError(word)


def check(what, found, expected):
    global failures
    good = found == expected
    failures += not good
    print(
        f"{'ok' if good else 'FAILED'}: {what}: {found}" + ("" if good else f", not {expected}"),
        flush=True,
    )


def launched(framework, *names):
    """Launches them and waits until they run, with what is told of it."""
    framework.wanted = list(names)
    found = framework.states(*[(name, "TASK_RUNNING") for name in names])
    check(f"{' and '.join(names)} launched", found, sorted((n, "TASK_RUNNING") for n in names))


def reconciled(framework, driver, *names):
    driver.reconcileTasks([])
    found = sorted(framework.next("status")[1:3] for _ in names)
    check("all of them run", found, sorted((name, "TASK_RUNNING") for name in names))


def first_part(framework, driver):
    framework.wanted = ["run-1", "run-2", "finish-1"]
    check("no executor yet", framework.next("offer")[1], [])
    _, executor, found = framework.next("registered")
    check("the executor's name", executor, "x")
    for name in ("MESOS_AGENT_ENDPOINT", "MESOS_CHECKPOINT", "MESOS_RECOVERY_TIMEOUT"):
        check(name, name in found["variables"], True)
    check("its agent", found["agent"], framework.agent["value"])
    expected = [("finish-1", "TASK_FINISHED"), ("finish-1", "TASK_RUNNING")]
    expected += [("run-1", "TASK_RUNNING"), ("run-2", "TASK_RUNNING")]
    ends = [expected[0]] + expected[2:]
    check("tasks of one executor", framework.states(*ends), expected)
    pong = framework.ask(driver, "hello", "pong")
    check("messages", (pong["word"], pong["pid"]), ("hello", found["pid"]))
    answers = framework.ask(driver, "lie", "lies")["answers"]
    for what, status in LIES.items():
        check(what, answers.get(what), status)
    reconciled(framework, driver, "run-1", "run-2")
    return found["pid"]


def kill_leader(framework, driver, leader, worker):
    os.kill(leader, signal.SIGKILL)
    killed = time.monotonic()
    check("back after the leader's end", framework.next("reregistered"), ("reregistered",))
    launched(framework, "run-3")
    print(f"note: {time.monotonic() - killed:.1f} s until another task ran", flush=True)
    check("the same process", framework.ask(driver, "again", "pong")["pid"], worker)
    reconciled(framework, driver, "run-1", "run-2", "run-3")


def restart_agent(framework, driver, worker):
    print("note: restart the agent", flush=True)
    _, _, found = framework.next("resubscribed")
    check("the same process is back", found["pid"], worker)
    launched(framework, "run-4")
    reconciled(framework, driver, "run-1", "run-2", "run-3", "run-4")


def end(framework, driver, master, worker):
    driver.killTask({"value": "run-1"})
    found = framework.states(("run-1", "TASK_KILLED"))
    check("killed by the executor", found, [("run-1", "TASK_KILLED")])
    driver.sendFrameworkMessage({"value": "x"}, framework.agent, encode_data(b"exit"))
    found = set()
    while len(found) < 4:
        seen = framework.seen.get(timeout=SECONDS_MAX)
        if seen[0] in ("lost", "status"):
            found.add((seen[1], seen[2], seen[-1]))
    expected = {(f"run-{n}", "TASK_FAILED", "REASON_EXECUTOR_TERMINATED") for n in (2, 3, 4)}
    check("the executor's end", found, expected | {("x", 3 << 8, 3 << 8)})
    framework.wanted = ["run-5"]
    _, _, again = framework.next("registered")
    check("another process", again["pid"] != worker, True)
    check("it runs", framework.states(("run-5", "TASK_RUNNING")), [("run-5", "TASK_RUNNING")])
    driver.stop()
    operator = MesosOperatorMasterDriver(master)
    deadline = time.monotonic() + SECONDS_MAX
    executors = None
    while time.monotonic() < deadline:
        executors = operator.getExecutors()["get_executors"].get("executors", [])
        if not executors:
            break
        time.sleep(0.1)
    check("executors after the end", executors, [])
    check("its process after the end", os.path.exists(f"/proc/{again['pid']}"), False)


def main():
    if sys.argv[1] == "executor":
        return execute()
    master, leader = sys.argv[1], int(sys.argv[2])
    framework = Framework()
    info = {"user": "root", "name": "executors", "failover_timeout": 100}
    driver = MesosSchedulerDriver(framework, info, master)
    driver.start()
    framework.next("registered")
    worker = first_part(framework, driver)
    kill_leader(framework, driver, leader, worker)
    restart_agent(framework, driver, worker)
    end(framework, driver, master, worker)
    print("failed" if failures else "all is well")
    sys.exit(1 if failures else 0)


main()
