"""One cluster as an etcdctl sees it: its commands, and what they gave, with what belongs to that
cluster alone replaced."""

import os
import pathlib
import re
import signal
import subprocess
import time

SECONDS_MAX = 20

# What belongs to one cluster and not to the other.
PATTERNS = [
    (r"127\.0\.0\.1:\d+", "<address>"),
    (r'"ts":("[^"]*"|[\d.]+(e[+]\d+)?)', '"ts":<time>'),
    (r'"target":"[^"]*"', '"target":"<target>"'),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*Z?", "<time>"),
    (r"\b[\d.]+(?:ns|µs|ms|s)\b", "<time>"),
    (r'"took":[\d.]+', '"took":<time>'),
    (r'"(raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|hash|took)":'
     r'\s*("[^"]*"|\d+)', r'"\1":<number>'),
    (r'"(RaftTerm|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse|Hash|Took)" ?: ?\S+',
     r'"\1": <number>'),
    (r'"(version|Version)"( ?: ?)"3\.\d+\.\d+"', r'"\1"\2<version>'),
    # One that begins with a zero is printed with a blank in its place.
    (r"(?<=Member ) {0,3}(?=[0-9a-f]{13,16}\b)", ""),
    (r"\b(?=[0-9a-f]*\d)[0-9a-f]{13,16}\b", "<id>"),
    (r"\b\d{15,20}\b", "<id>"),
    (r'"size":"[^"]*"', '"size":"<size>"'),
    # Members are listed by their ids, which each cluster draws.
    (r"\bnode\d\b", "<node>"),
    (r"(in|to|from) cluster +", r"\1 cluster "),
]


def alike(text: str, replaced: dict[str, str]) -> str:
    for old, new in replaced.items():
        text = text.replace(old, new)
    for pattern, new in PATTERNS:
        text = re.sub(pattern, new, text)
    return text


class Side:
    """One cluster as one version of etcdctl sees it, and what its commands gave."""

    def __init__(self, binary: str, endpoints: str, folder: pathlib.Path):
        self.binary, self.endpoints, self.folder = binary, endpoints.split(","), folder
        self.results: list[tuple[str, int, str]] = []
        self.names: dict[str, str] = {str(folder): "<folder>"}
        self.user: list[str] = []
        folder.mkdir(parents=True)
        self.environment = os.environ | {"ETCDCTL_API": "3"}

    def command(self, words: list[str], endpoints: list[str] | None) -> list[str]:
        chosen = ",".join(endpoints or self.endpoints[:1])
        return [self.binary, "--endpoints", chosen, "--command-timeout", "10s", *self.user, *words]

    def note(self, name: str, status: int, text: str) -> None:
        self.results.append((name, status, alike(text, self.names)))

    def run(self, name: str, words: list[str], given: str = "",
            endpoints: list[str] | None = None, sort: bool = False) -> str:
        done = subprocess.run(
            self.command(words, endpoints), input=given.encode(), capture_output=True,
            timeout=SECONDS_MAX, env=self.environment)
        out, errors = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        shown = out + errors
        if sort:
            shown = "\n".join(sorted(alike(shown, self.names).splitlines()))
        self.note(name, done.returncode, shown)
        return out

    def quiet(self, words: list[str], given: str = "") -> str:
        """A command that only looks something up."""
        return subprocess.run(
            self.command(words, None), input=given.encode(), capture_output=True,
            timeout=SECONDS_MAX, env=self.environment).stdout.decode()

    def start(self, words: list[str], endpoints: list[str] | None = None) -> "Running":
        return Running(self, self.command(words, endpoints))


class Running:
    """A command that goes on until it is interrupted, such as a watch."""

    def __init__(self, side: Side, words: list[str]):
        self.side = side
        self.path = side.folder / f"running-{len(side.results)}-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=self.path.open("wb"), stderr=subprocess.STDOUT,
            env=side.environment)

    def say(self, text: str) -> None:
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def output(self) -> str:
        return self.path.read_text(errors="replace")

    def wait_for(self, text: str, count: int = 1) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while self.output().count(text) < count:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(
                    f"{self.process.args}: no {text!r} in {self.output()!r}")
            time.sleep(0.005)

    def end(self, name: str, interrupt: bool = True) -> None:
        if interrupt:
            self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.side.note(name, status, self.output())
