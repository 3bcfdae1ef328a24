"""Drives PyPI's marathon client against servers that are served already, with two agents behind
them, whose attribute `name` tells them apart:

    marathon_cycle.py HOST:PORT…

HOST:PORT are the HTTP APIs of all servers. Apps with constraints and checks are created, listed,
scaled, updated, taken back and removed; instances killed; groups; deployments; the queue; events.

Prints one line a check and ends with status 1 when any failed.
"""

import collections
import collections.abc
import json
import logging
import sys
import threading
import time

# The client asks for it where Python before 3.10 had it.
collections.Iterable = collections.abc.Iterable

from marathon import MarathonClient  # noqa: E402
from marathon.exceptions import ConflictError, MarathonHttpError, NotFoundError  # noqa: E402
from marathon.models import MarathonApp, MarathonGroup  # noqa: E402
from marathon.models.app import MarathonHealthCheck, MarathonUpgradeStrategy  # noqa: E402
from marathon.models.constraint import MarathonConstraint  # noqa: E402

# It warns of what it does itself.
logging.getLogger("marathon").setLevel(logging.CRITICAL)

SECONDS_MAX = 30
failures = 0
seen = []


def check(what, found, expected):
    global failures
    good = found == expected
    failures += not good
    print(f"{'ok' if good else 'FAILED'}: {what}: {found}" + ("" if good else f", not {expected}"))


def wait(what, look):
    """What `look` comes to, as soon as it comes to anything."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(what)


def settled(client):
    wait("no deployment goes on", lambda: not client.list_deployments())


def refused(what, kind, status, call):
    try:
        call()
    except kind as error:
        check(what, error.status_code, status)
        return error
    check(what, "taken", status)
    return None


def running(client, app_id):
    return [t for t in client.list_tasks(app_id) if t.state == "TASK_RUNNING"]


def listen(client):
    for text in client.event_stream(raw=True):
        seen.append(json.loads(text)["eventType"])


def web():
    return MarathonApp(
        cmd="exec sleep 1000",
        cpus=0.1,
        mem=16,
        instances=2,
        env={"A": "1"},
        labels={"tier": "front"},
        constraints=[MarathonConstraint("name", "MAX_PER", "1")],
        health_checks=[
            MarathonHealthCheck(
                protocol="COMMAND", command="true", interval_seconds=1, grace_period_seconds=10,
                delay_seconds=0,
            )
        ],
        upgrade_strategy=MarathonUpgradeStrategy(
            minimum_health_capacity=0.5, maximum_over_capacity=0.5
        ),
    )


def server(client):
    check("ping", client.ping(), b"pong")
    info = client.get_info()
    check("info", (info.name, info.elected, info.framework_id), ("marathon", True, "marathon"))
    check("leader", client.get_leader()["leader"], info.leader)
    check("no app yet", client.list_apps(), [])


def apps(client):
    app = client.create_app("/web", web())
    check("created", (app.id, app.instances, app.env), ("/web", 2, {"A": "1"}))
    refused("a second of that name", ConflictError, 409, lambda: client.create_app("/web", web()))
    wait("both are healthy", lambda: client.get_app("/web").tasks_healthy == 2)
    settled(client)
    tasks = running(client, "/web")
    check("one on each agent", len({t.slave_id for t in tasks}), 2)
    check("ports", all(31000 <= t.ports[0] < 31200 for t in tasks), True)
    check("found by label", [a.id for a in client.list_apps(label="tier==front")], ["/web"])
    check("not found", client.list_apps(label="tier==back"), [])
    embedded = client.list_apps(embed_tasks=True)[0]
    check("embedded tasks", len(embedded.tasks), 2)
    refused("unknown", NotFoundError, 404, lambda: client.get_app("/none"))
    bad = web()
    bad.constraints = [MarathonConstraint("name", "MAX_PER", "many")]
    error = refused("a bad one", MarathonHttpError, 422, lambda: client.create_app("/bad", bad))
    check("where it is bad", error.error_details[0]["path"], "/constraints(0)")


def deployments(client):
    client.scale_app("/web", instances=3)
    item = wait("the third waits", lambda: client.list_queue())[0]
    check("queue", (item.app.id, item.count), ("/web", 1))

    def refusals():
        summary = client.list_queue()[0].processed_offers_summary
        return [r["reason"] for r in summary["rejectSummaryLastOffers"]]

    check("why", wait("offers are refused", refusals), ["UnfulfilledConstraint"])
    client.reset_delay("/web")
    found = client.list_deployments()[0]
    check("deployment", (found.affected_apps, found.total_steps), (["/web"], 1))
    check("action", found.current_actions[0].action, "ScaleApplication")
    refused(
        "locked", ConflictError, 409, lambda: client.update_app("/web", MarathonApp(mem=17)))
    client.delete_deployment(found.id)
    settled(client)
    check("taken back", client.get_app("/web").instances, 2)


def updates(client):
    before = client.get_app("/web").version
    client.update_app("/web", MarathonApp(env={"A": "2"}))
    settled(client)
    app = client.get_app("/web")
    check("updated", (app.env, app.instances, app.tasks_healthy), ({"A": "2"}, 2, 2))
    check("versions", len(client.list_versions("/web")) >= 2, True)
    check("as it was", client.get_version("/web", before).env, {"A": "1"})
    old = {t.id for t in running(client, "/web")}
    client.restart_app("/web")
    settled(client)
    check("restarted", old & {t.id for t in running(client, "/web")}, set())
    client.rollback_app("/web", before)
    settled(client)
    check("rolled back", client.get_app("/web").env, {"A": "1"})


def kills(client):
    first = running(client, "/web")[0]
    killed = client.kill_task("/web", first.id)
    check("killed", killed.id, first.id)
    wait(
        "it is replaced",
        lambda: len(running(client, "/web")) == 2
        and first.id not in {t.id for t in running(client, "/web")},
    )
    second = running(client, "/web")[0]
    check("killed for good", client.kill_given_tasks([second.id], scale=True), True)
    settled(client)
    check("one less", client.get_app("/web").instances, 1)
    client.kill_tasks("/web")
    wait("its last is replaced", lambda: len(running(client, "/web")) == 1)


def groups(client):
    def app(name, *needs):
        wanted = [f"/shop/{need}" for need in needs]
        return MarathonApp(
            id=name, cmd="exec sleep 1000", cpus=0.1, mem=16, instances=1, dependencies=wanted)

    group = MarathonGroup(id="/shop", apps=[app("db"), app("front", "db")])
    client.create_group(group)
    settled(client)
    found = client.get_group("/shop")
    check("group", sorted(a.id for a in found.apps), ["/shop/db", "/shop/front"])
    check("groups", [g.id for g in client.list_groups()], ["/shop"])
    started = {t.app_id: t.started_at for t in client.list_tasks() if t.app_id != "/web"}
    check("what it needs came first", started["/shop/db"] <= started["/shop/front"], True)
    client.scale_group("/shop", 2)
    settled(client)
    check("scaled", [a.instances for a in client.get_group("/shop").apps], [2, 2])
    client.delete_group("/shop")
    settled(client)
    refused("gone", NotFoundError, 404, lambda: client.get_group("/shop"))


def main():
    servers = [f"http://{place}" for place in sys.argv[1:]]
    client = MarathonClient(servers, timeout=SECONDS_MAX)
    threading.Thread(target=listen, args=(MarathonClient(servers[:1]),), daemon=True).start()
    wait("events come", lambda: "event_stream_attached" in seen)
    server(client)
    apps(client)
    deployments(client)
    updates(client)
    kills(client)
    groups(client)
    client.delete_app("/web")
    settled(client)
    check("nothing is left", (client.list_apps(), client.list_tasks()), ([], []))
    for kind in (
        "deployment_info", "deployment_success", "deployment_failed", "deployment_step_success",
        "status_update_event", "instance_changed_event", "app_terminated_event",
    ):
        wait(kind, lambda kind=kind: kind in seen)
        check("event", kind, kind)
    check("metrics", client.get_metrics()["apps"], 0)
    print("failed" if failures else "all is well")
    sys.exit(1 if failures else 0)


main()
