"""A damaged data directory is given to its server, beside two that are sound: it mends itself from
them, or says what to do; nobody is ever given a wrong answer."""

import http.client
import json
import pathlib
import re
import signal
import time

import clusters
import corruption_stock
from corruption_stock import Gateway, Stock

SECONDS_MAX = 60
# The statuses with which a server may refuse its directory.
REFUSALS = {65, 74}
# A refusal that says what to do names one of these.
ADVICE = re.compile(
    r"keelson |restore|remove|member|another|empty|backup|rejoin|operator|mend|snapshot", re.I)


class Trouble(Exception):
    """What must never be."""


class Reader:
    """Compares what servers answer with what was written."""

    def __init__(self, stock: Stock):
        self.written = dict(stock.written)
        self.ever = stock.ever
        self.count = 0

    def read(self, node: clusters.Node, serializable: bool = False) -> bool:
        """Whether it answered. What it answers must be right."""
        try:
            found = Gateway(node.endpoint, seconds=8).everything(serializable)
        except (OSError, http.client.HTTPException, RuntimeError, ValueError):
            return False
        self.count += 1
        ours = {k: v for k, v in found.items() if not k.startswith("/keelson/")}
        if serializable:
            # It may be behind; but never tell of what nobody wrote.
            for key, value in ours.items():
                if corruption_stock.fingerprint(value) not in self.ever.get(key, ()):
                    raise Trouble(f"{node.name} has a value of {key} that nobody wrote")
        elif ours != self.written:
            keys = sorted(
                k for k in self.written.keys() | ours.keys()
                if self.written.get(k) != ours.get(k))
            raise Trouble(f"{node.name} answers otherwise for {len(keys)} keys: {keys[:3]}")
        return True

    def put(self, node: clusters.Node, key: str, value: str) -> None:
        Gateway(node.endpoint).put(key, value)
        self.written[key] = corruption_stock.encoded(value)
        self.ever.setdefault(key, set()).add(corruption_stock.fingerprint(self.written[key]))


def run(stock: Stock, name: str, path: str, offset: int, after: bytes) -> dict:
    """outcome: healed, refused, stays out; fault: empty where all was as it has to be."""
    stock.fresh_directories()
    with (stock.folder / "live" / path).open("r+b") as file:
        file.seek(offset)
        file.write(after)
    nodes = stock.live_nodes()
    struck = next(n for n in nodes if n.name == name)
    others = [n for n in nodes if n is not struck]
    begin = time.monotonic()
    result = {"outcome": "", "fault": "", "said": ""}
    reader = Reader(stock)
    try:
        offsets = {n.name: n.launch() for n in nodes}
        for node in others:
            node.wait_until_ready(offsets[node.name])
        reader.put(others[0], "k/live", f"{path} {offset}")
        result |= follow(struck, others, reader, offsets[name])
        for node in others:
            if not reader.read(node):
                raise Trouble(f"{node.name}, which is sound, does not answer")
    except Trouble as trouble:
        result |= {"outcome": "WRONG", "fault": str(trouble)}
    except Exception as error:
        result |= {"outcome": "BROKEN", "fault": f"{type(error).__name__}: {error}"}
    finally:
        struck.stop()
        for node in others:
            node.stop(signal.SIGKILL)
    if result["outcome"] == "healed":
        done = corruption_stock.run(stock.binary, "verify", struck.data, "-o", "json")
        findings = json.loads(done.text)["findings"] if done.text else []
        result["afterwards"] = [f"{f['weight']}: {f['what']}" for f in findings]
    return result | {"seconds": time.monotonic() - begin, "reads": reader.count}


def follow(struck: clusters.Node, others: list[clusters.Node], reader: Reader, offset: int) -> dict:
    """Until it is as the others, or has ended, or time is up."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        if struck.process.poll() is not None:
            return refused(struck, offset)
        answers = reader.read(struck)
        reader.read(struck, serializable=True)
        for node in others:
            reader.read(node)
        if answers and are_alike([struck, *others]):
            return {"outcome": "healed", "said": notable(struck.log, offset)}
        time.sleep(0.1)
    said = notable(struck.log, offset)
    fault = "" if ADVICE.search(said) else "neither well within a minute, nor says what to do"
    return {"outcome": "stays out", "said": said, "fault": fault}


def refused(node: clusters.Node, offset: int) -> dict:
    status = node.process.returncode
    said = notable(node.log, offset) or node.log_tail(3)
    fault = ""
    if status < 0:
        fault = f"killed by signal {-status}"
    elif status not in REFUSALS:
        fault = f"ended with {status}"
    elif not ADVICE.search(said):
        fault = "does not say what to do"
    return {"outcome": "refused", "said": said, "fault": fault}


def are_alike(nodes: list[clusters.Node]) -> bool:
    """Whether all have the same hash at the same revision, and all is healthy."""
    binary, endpoints = nodes[0].binary, ",".join(n.endpoint for n in nodes)
    done = corruption_stock.run(binary, "hash", "--endpoints", endpoints, "-o", "json")
    hashes = set(re.findall(r'"hash":"?(\d+)', done.text))
    if done.status != 0 or len(hashes) != 1:
        return False
    return corruption_stock.run(binary, "health", "--endpoints", endpoints).status == 0


def notable(log: pathlib.Path, offset: int) -> str:
    """What a server said in warnings and errors."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(
        line for line in lines
        if re.search(r"\b(warning|error|critical|notice)\b", line, re.I))[-1500:]
