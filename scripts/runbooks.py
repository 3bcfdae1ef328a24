"""Runs the runbooks of docs/runbooks as an operator would, each against a cluster of its own.

usage: runbooks.py [PAGE...]        e.g. runbooks.py full-disk

A page's blocks that begin with ```sh are run in their order, one shell for a page; ```sh n2 on the
machine of n2. What only a test has to do stands in comments that readers do not see: <!-- sh n2 ...
-->. The machines are n1 to n4, 10.0.0.1 to 10.0.0.4 in the text and addresses of the loopback here;
/var/lib/keelson is a directory of each machine's own. `systemctl` is a function which starts and
stops that machine's server with the flags of its unit. A command that fails ends the page.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import clusters

PAGES = clusters.ROOT / "docs/runbooks"
WORK = clusters.ROOT / ".build/clusters/runbooks"
SECONDS_MAX = 240
BLOCK = re.compile(
    r"^ *```sh *(?P<node>n\d)?[^\n]*\n(?P<code>.*?)^ *```$"
    r"|^ *<!-- sh *(?P<hidden>n\d)?\n(?P<unseen>.*?)^ *-->$", re.MULTILINE | re.DOTALL)
NODES = ["n1", "n2", "n3", "n4"]

PREAMBLE = r"""
set -euo pipefail
say() { echo "--- $*"; }
# flag NAME VALUE: what the unit of this machine's server says from now on.
flag() {
  grep -v -- "^$1=" "$W/$node/flags" > "$W/$node/flags.new" || true
  echo "$1=$2" >> "$W/$node/flags.new"
  mv "$W/$node/flags.new" "$W/$node/flags"
}
stop_server() {
  [[ -s $W/$node/pid ]] || return 0
  kill "-$1" "$(cat "$W/$node/pid")" 2>/dev/null || true
  for _ in $(seq 300); do kill -0 "$(cat "$W/$node/pid")" 2>/dev/null || break; sleep 0.1; done
  rm -f "$W/$node/pid"
}
systemctl() {
  case $1 in
    start)
      mapfile -t flags < "$W/$node/flags"
      setsid keelson server "${flags[@]}" >> "$W/$node/log" 2>&1 < /dev/null &
      echo $! > "$W/$node/pid" ;;
    stop) stop_server TERM ;;
    restart) stop_server TERM; systemctl start ;;
    kill) stop_server KILL ;;
  esac
}
# until_true COMMAND...: within half a minute.
until_true() {
  for _ in $(seq 150); do "$@" > /dev/null 2>&1 && return 0; sleep 0.2; done
  echo "never true: $*" >&2
  return 1
}
on() { local node=$1; shift; "$@"; }
"""


def blocks(text: str) -> list[tuple[str, str]]:
    """(machine, commands), in the order of the page."""
    found = []
    for match in BLOCK.finditer(text):
        node = match["node"] or match["hidden"] or "n1"
        found.append((node, match["code"] or match["unseen"]))
    return found


def localised(code: str, node: str, network: int) -> str:
    code = re.sub(r"\b10\.0\.0\.(\d)", rf"127.{network}.0.\1", code)
    return code.replace("/var/lib/keelson", str(WORK / node / "keelson")).replace(
        "/var/backups", str(WORK / "backups"))


def script(page: pathlib.Path, network: int) -> str:
    lines = [PREAMBLE, f"W={WORK}"]
    urls = ",".join(f"http://127.{network}.0.{i}:2379" for i in (1, 2, 3))
    lines.append(f"export KEELSON_ENDPOINTS={urls} KEELSON_TIMEOUT=20s")
    lines += ["for node in n1 n2 n3; do systemctl start keelson; done", "until_true keelson health"]
    for node, code in blocks(page.read_text()):
        lines += [f"node={node}", f"cd {WORK}/{node}", "set -x", localised(code, node, network),
                  "{ set +x; } 2>/dev/null"]
    return "\n".join(lines)


def prepare(network: int) -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "backups").mkdir(parents=True)
    members = ",".join(f"n{i}=http://127.{network}.0.{i}:2380" for i in (1, 2, 3))
    for number, node in enumerate(NODES, 1):
        place = WORK / node
        place.mkdir()
        host = f"http://127.{network}.0.{number}"
        (place / "flags").write_text(
            f"--name={node}\n--data-dir={place}/keelson\n--listen-client-urls={host}:2379\n"
            f"--advertise-client-urls={host}:2379\n--listen-peer-urls={host}:2380\n"
            f"--initial-advertise-peer-urls={host}:2380\n--initial-cluster={members}\n")


def stop_all() -> None:
    """Also of a page that failed in the middle."""
    for node in NODES:
        file = WORK / node / "pid"
        if file.exists():
            try:
                os.kill(int(file.read_text()), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass
        subprocess.run(["umount", "-l", WORK / node / "keelson"], capture_output=True)


def run(page: pathlib.Path, number: int) -> bool:
    network = 20 + (os.getpid() + number) % 200
    prepare(network)
    tools = pathlib.Path(clusters.etcd_binary()).parent
    binary = pathlib.Path(clusters.keelson_binary()).resolve().parent
    environment = dict(
        os.environ, PATH=f"{binary}:{tools}:{os.environ['PATH']}", ETCDCTL_API="3")
    begin = time.monotonic()
    output = (WORK / "output").open("w+")
    shell = subprocess.Popen(
        ["bash", "-c", script(page, network)], env=environment, stdout=output,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        status = shell.wait(SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        status = "no end"
    stop_all()
    seconds = time.monotonic() - begin
    print(f"{page.stem}: {'passed' if status == 0 else f'FAILED ({status})'}, {seconds:.0f} s",
          flush=True)
    if status != 0:
        output.seek(0)
        print("".join(output.readlines()[-60:]))
        for node in NODES:
            log = WORK / node / "log"
            if log.exists():
                print(f"--- {node}:", *log.read_text(errors="replace").splitlines()[-8:], sep="\n")
    return status == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*")
    arguments = parser.parse_args()
    pages = sorted(p for p in PAGES.glob("*.md") if p.stem != "README")
    unknown = set(arguments.pages) - {p.stem for p in pages}
    if unknown:
        parser.error(f"no such page: {', '.join(sorted(unknown))}")
    chosen = [p for p in pages if not arguments.pages or p.stem in arguments.pages]
    results = [run(page, number) for number, page in enumerate(chosen)]
    print(f"{sum(results)} of {len(results)} runbooks passed")
    return 0 if all(results) and results else 1


if __name__ == "__main__":
    sys.exit(main())
