"""Twenty services, each of another kind, and what their instances do."""

import copy
import dataclasses
import shlex

# Answers every connection as a web server does that is well.
SERVER = (
    "import os,socket; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); "
    "s.bind(('127.0.0.1',int(os.environ['PORT0']))); s.listen(64)\n"
    "while True:\n"
    " c,_=s.accept()\n"
    " try: c.settimeout(5); c.recv(4096); "
    "c.sendall(b'HTTP/1.0 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n')\n"
    " except OSError: pass\n"
    " c.close()\n"
)
TIMES = {
    "gracePeriodSeconds": 20, "intervalSeconds": 1, "timeoutSeconds": 10, "delaySeconds": 0,
    "maxConsecutiveFailures": 3,
}
READY = {"protocol": "COMMAND", "command": {"value": "test -e ready"}, **TIMES}
HALF = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.5}
SHOP = "/shop"


@dataclasses.dataclass
class Service:
    id: str
    # Of instances.
    most: int
    # plain, server, slow (well after a while), dying, stubborn (it ignores SIGTERM)
    plan: str = "plain"
    # What differs from Marathon's defaults.
    fields: dict = dataclasses.field(default_factory=dict)
    # Whether clients end single instances of it.
    is_killed: bool = False


def constrained(*constraints: list[str], **fields) -> dict:
    return {"constraints": list(constraints), **fields}


SERVICES = [
    Service("/plain", 5),
    Service("/whole", 3, "slow", {"healthChecks": [READY]}),
    Service("/sparing", 5, "plain", {
        "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}}),
    Service("/careless", 4, "plain", {
        "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}}, True),
    Service("/unique", 4, "plain", constrained(["hostname", "UNIQUE"], upgradeStrategy=HALF)),
    Service("/racks", 2, "plain", constrained(["rack", "UNIQUE"], upgradeStrategy=HALF)),
    Service("/pairs", 4, "plain", constrained(["rack", "MAX_PER", "2"], upgradeStrategy=HALF)),
    Service("/single", 3, "slow", constrained(
        ["name", "MAX_PER", "1"], healthChecks=[READY], upgradeStrategy=HALF)),
    Service("/spread", 5, "plain", constrained(["rack", "GROUP_BY", "2"])),
    Service("/left", 4, "plain", constrained(["rack", "LIKE", "r0"])),
    Service("/few", 3, "plain", constrained(
        ["name", "UNLIKE", "agent[45]"], ["hostname", "MAX_PER", "2"], upgradeStrategy=HALF)),
    Service("/together", 3, "plain", constrained(["rack", "CLUSTER"]), True),
    Service("/there", 3, "plain", constrained(["name", "CLUSTER", "agent2"])),
    Service("/web", 3, "server", {"healthChecks": [{"protocol": "MESOS_HTTP", **TIMES}]}),
    Service("/socket", 2, "server", {
        "healthChecks": [{"protocol": "MESOS_TCP", **TIMES}], "killSelection": "OLDEST_FIRST",
        "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.5}}),
    Service("/dying", 3, "dying", {"unreachableStrategy": {
        "inactiveAfterSeconds": 0, "expungeAfterSeconds": 600}}),
    Service("/stubborn", 2, "stubborn", {"unreachableStrategy": {
        "inactiveAfterSeconds": 3, "expungeAfterSeconds": 6}}),
    Service("/shop/db", 2, "slow", {
        "healthChecks": [READY], "unreachableStrategy": "disabled"}),
    Service("/shop/api", 3, "dying", {"dependencies": ["/shop/db"], "upgradeStrategy": HALF}),
    Service("/shop/web", 4, "plain", {"dependencies": ["/shop/api"]}),
]
BY_ID = {service.id: service for service in SERVICES}


def command(service: Service, marks: str, stamp: str) -> str:
    """Writes down when it starts and when it is told to end, with what it knows of its version, in
    a file of the instance's own; 'twice' where the instance runs already, 'clash' where its port is
    another one's. The locks end with its last process."""
    folder = shlex.quote(marks)
    lines = [
        f"COMMAND={stamp}",
        f"FILE={folder}/$MESOS_TASK_ID",
        'say() { read up _ </proc/uptime; echo "$1 $up $STAMP $COMMAND" >>"$FILE"; }',
        f'exec 9>>{folder}/lock-"$MESOS_TASK_ID"; flock -n 9 || say twice',
        f'exec 8>>{folder}/lock-"$HOST-$PORT0"; flock -n 8 || say clash',
        "trap '' TERM" if service.plan == "stubborn" else "trap 'say end; exit 0' TERM",
        "say start",
    ]
    if service.plan == "slow":
        lines += ["sleep 1 & wait $!", ": >ready"]
    elif service.plan == "server":
        lines += [f"python3 -I -S -c {shlex.quote(SERVER)} & wait $!", "exit 1"]
    elif service.plan == "dying":
        lines += [
            "sleep $(($$ % 13 + 2)) & wait $!",
            f"[ -e {folder}/lock-calm ] || {{ say died; exit 1; }}",
        ]
    lines.append("while :; do sleep 1000 & wait $!; done")
    return "\n".join(lines)


def app(service: Service, marks: str, instances: int, stamp: str) -> dict:
    """The service's JSON, whole."""
    return {
        "id": service.id, "cmd": command(service, marks, stamp), "env": {"STAMP": stamp},
        "instances": instances, "cpus": 0.05, "mem": 24, "backoffSeconds": 0.5,
        "maxLaunchDelaySeconds": 3, "taskKillGracePeriodSeconds": 2,
        **copy.deepcopy(service.fields),
    }
