"""Damages single blocks of every kind of file, and judges what Keelson says of each.

usage: corruptions.py [--count N] [--seed N] [--only INDEX] [--again] [--live-every N]
                      [--report FILE] [--workers N] [--port N] [--minutes N]
                      [--kinds PATTERN]

Three servers leave data directories, backups, an archive and etcd's snapshots
(corruption_stock.py). Then so many times: a kind of file, a file, a block and a kind of damage are
drawn; the block is damaged in a copy; `keelson verify`, `backup verify` or `snapshot status` reads
it. Where it reports nothing, what is read must be what was written. Every so many times the
directory is given to its server, beside the two that are sound (corruption_live.py).

A trial follows from seed and index and from the stock: --again takes the stock of the run before,
which stays where something was found. Ends with status 1 when damage was missed, an answer was
wrong, a command was killed by a signal, or ended with a status that is not documented.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import sys
import time
from collections.abc import Callable

import clusters
import corruption_live
import corruption_stock
from corruption_stock import Stock
from corruption_subjects import Subject, Verdict, subject

PAGE = 4096
PART = 16
SIZES = [1, 16, 512, 4096]
DAMAGES = ["bit", "random", "zeros", "misdirected"]
SHOWN_MAX = 20
# How often what was found is read all the same, which must not give anything else either.
READ_ANYWAY_EVERY = 4


@dataclasses.dataclass(frozen=True)
class Place:
    """A file, whose it is, and which files are of its kind."""
    kind: str
    path: str
    subject: str


@dataclasses.dataclass
class Trial:
    index: int
    kind: str
    path: str
    offset: int
    length: int
    damage: str
    outcome: str = ""
    said: str = ""
    seconds: float = 0

    def __str__(self) -> str:
        return (
            f"trial {self.index}: {self.path} ({self.kind}), offset {self.offset}, "
            f"{self.length} bytes, {self.damage}: {self.outcome}: {self.said}")


def places(files: pathlib.Path) -> list[Place]:
    """Every file that is not empty, relative to the folder of the stock."""
    found = []

    def add(kind: str, paths: list[pathlib.Path], subject: str) -> None:
        found.extend(
            Place(kind, str(path.relative_to(files)), subject)
            for path in sorted(paths) if path.is_file() and path.stat().st_size > 0)

    for name in ["n1", "n2", "n3"]:
        member = files / name
        segments = sorted((member / "log").glob("*.log"))
        add("log, older segment", segments[:-1], name)
        add("log, last segment", segments[-1:], name)
        add("log, spare file", [
            p for p in (member / "log").glob("*") if p.name.startswith(("spare", "recycled"))],
            name)
        add("checkpoint", list((member / "checkpoint").glob("*.sqlite")), name)
        add("checkpoint journal", list((member / "checkpoint").glob("*-journal")), name)
        add("checkpoint manifest", [member / "checkpoint/manifest"], name)
        for small in ["identity", "hardstate", "boot", "peers", "reserve", "LOCK"]:
            add(small, [member / small], name)
    for kind, name in corruption_stock.SINGLE_FILES.items():
        add(kind, [files / "files" / name], f"files/{name}")
    archive = files / "files/archive"
    add("archive, backup", list(archive.glob("*.kbk")), "files/archive")
    add("archive, log", list(archive.glob("*.klog")), "files/archive")
    return found


class Drawing:
    """Draws trials; the same for the same seed, index and files."""

    def __init__(self, root: pathlib.Path, seed: int, kinds: str = ""):
        self.root, self.seed = root, seed
        self.by_kind: dict[str, list[Place]] = collections.defaultdict(list)
        for place in places(root):
            if re.search(kinds, place.kind):
                self.by_kind[place.kind].append(place)
        self.kinds = sorted(self.by_kind)
        self.pages: dict[str, list[int]] = {}

    def draw(self, index: int, live: bool) -> tuple[Trial, Place, bytes]:
        """The trial, and what is to stand there; never what stands there already."""
        draw = random.Random(f"{self.seed}/{index}")
        kinds = [k for k in self.kinds if self.by_kind[k][0].subject.startswith("n")] if live \
            else self.kinds
        place = draw.choice(self.by_kind[draw.choice(kinds)])
        path = self.root / place.path
        size = path.stat().st_size
        with path.open("rb") as file:
            while True:
                length = min(draw.choice(SIZES), size)
                offset = self.offset(draw, place.path, size, length)
                damage = draw.choice(DAMAGES)
                file.seek(offset)
                before = file.read(length)
                after = spoilt(draw, file, size, before, damage)
                if after != before:
                    trial = Trial(index, place.kind, place.path, offset, length, damage)
                    return trial, place, after

    def offset(self, draw: random.Random, path: str, size: int, length: int) -> int:
        """Anywhere; or where something stands; or near the ends of that. Half of them aligned."""
        pages = self.filled_pages(path)
        kind = draw.randrange(3)
        if kind == 0 or not pages:
            offset = draw.randrange(size)
        else:
            page = draw.choice(pages if kind == 1 else [0, 1, pages[-1] - 1, pages[-1]])
            offset = self.filled_place(draw, path, max(0, page))
        if draw.randrange(2):
            offset -= offset % length
        return max(0, min(offset, size - length))

    def filled_place(self, draw: random.Random, path: str, page: int) -> int:
        """An offset in one of the page's parts that are not only zeros, if there is one."""
        with (self.root / path).open("rb") as file:
            file.seek(page * PAGE)
            content = file.read(PAGE)
        parts = [
            start for start in range(0, len(content), PART)
            if content[start:start + PART].strip(b"\0")]
        return page * PAGE + draw.choice(parts or range(0, PAGE, PART)) + draw.randrange(PART)

    def filled_pages(self, path: str) -> list[int]:
        """The numbers of the pages that are not only zeros."""
        if path not in self.pages:
            empty = bytes(PAGE)
            found, number = [], 0
            with (self.root / path).open("rb") as file:
                while chunk := file.read(256 * PAGE):
                    for start in range(0, len(chunk), PAGE):
                        page = chunk[start:start + PAGE]
                        if page != empty[:len(page)]:
                            found.append(number)
                        number += 1
            self.pages[path] = found
        return self.pages[path]


def spoilt(draw: random.Random, file, size: int, before: bytes, damage: str) -> bytes:
    """What stands there afterwards."""
    if damage == "bit":
        after = bytearray(before)
        after[draw.randrange(len(after))] ^= 1 << draw.randrange(8)
        return bytes(after)
    if damage == "random":
        return draw.randbytes(len(before))
    if damage == "zeros":
        return bytes(len(before))
    # A block of this file that was written to the wrong place; whole blocks, as a disk has them.
    step = max(1, len(before))
    file.seek(draw.randrange(max(1, size // step)) * step)
    return file.read(len(before)).ljust(len(before), b"\0")


class Worker:
    """Damages files of its own copy, one at a time, and puts them right again."""

    def __init__(
            self, binary: str, root: pathlib.Path, stock: pathlib.Path, seed: int, kinds: str,
            learned: dict):
        self.binary, self.root, self.learned = binary, root, learned
        root.mkdir(parents=True, exist_ok=True)
        for name in sorted({subject.split("/")[0] for subject in learned}):
            corruption_stock.copy(stock / name, root / name)
        self.drawing = Drawing(root, seed, kinds)
        self.subjects: dict[str, Subject] = {}

    def subject(self, place: Place) -> Subject:
        """What the file belongs to, with what is read of it while it is whole."""
        if place.subject not in self.subjects:
            made = subject(self.binary, self.root, place.subject)
            made.right = self.learned[place.subject]
            self.subjects[place.subject] = made
        return self.subjects[place.subject]

    def run(self, index: int) -> Trial:
        trial, place, after = self.drawing.draw(index, live=False)
        struck = self.subject(place)
        begin = time.monotonic()
        path = self.root / place.path
        with path.open("r+b", buffering=0) as file:
            before = os.pread(file.fileno(), trial.length, trial.offset)
            os.pwrite(file.fileno(), after, trial.offset)
            try:
                verdict = self.judge(struck, path, trial.index, changed(before, after, trial))
            finally:
                os.pwrite(file.fileno(), before, trial.offset)
        trial.outcome, trial.said = verdict.outcome, verdict.said
        trial.seconds = time.monotonic() - begin
        return trial

    def judge(
            self, struck: Subject, path: pathlib.Path, index: int, place: tuple[int, int]
    ) -> Verdict:
        """Where `place` is the offset and the length of what is otherwise now."""
        verdict = struck.verify()
        if verdict.outcome == "found":
            if index % READ_ANYWAY_EVERY == 0 and struck.misreads():
                return Verdict("WRONG", f"read all the same: {verdict.said}")
            return verdict
        if verdict.outcome not in ("silent", "mended"):
            return verdict
        difference = struck.difference(path)
        if difference:
            if struck.ends_early(path, *place):
                return Verdict("unwritten", difference)
            return Verdict("MISSED", f"{difference}; verify: {verdict.said or 'sound'}")
        if verdict.outcome == "mended":
            return verdict
        if struck.is_copy(path, *place):
            return Verdict("copy", "one of two copies, of which nothing is said")
        return Verdict("harmless", "")


def changed(before: bytes, after: bytes, trial: Trial) -> tuple[int, int]:
    """The offset of the first byte that is another one, and the bytes from there to the last."""
    found = [i for i in range(len(before)) if before[i] != after[i]]
    return trial.offset + found[0], found[-1] + 1 - found[0]


make_worker: Callable[[], Worker] | None = None
worker: Worker | None = None


def begin_worker(
        binary: str, root: str, stock: str, seed: int, kinds: str, learned: dict) -> None:
    global make_worker
    corruption_stock.quietly()
    # Not made here: a pool starts a process whose beginning fails again, without end.
    make_worker = lambda: Worker(  # noqa: E731
        binary, pathlib.Path(root) / f"worker-{os.getpid()}", pathlib.Path(stock), seed,
        kinds, learned)


def run_trial(index: int) -> Trial:
    global worker
    try:
        worker = worker or make_worker()
        return worker.run(index)
    except Exception as error:  # a bug here, not in what is tried: shown as such
        return Trial(index, "-", "-", 0, 0, "-", "BROKEN", f"{type(error).__name__}: {error}")


FAULTS = ["MISSED", "WRONG", "CRASHED", "STATUS", "BROKEN"]
COLUMNS = ["found", "mended", "harmless", "copy", "unwritten", "MISSED", "WRONG", "CRASHED",
           "STATUS"]


def table(trials: list[Trial]) -> list[str]:
    rows = [["kind of file", "damaged"] + COLUMNS]
    kinds = sorted({t.kind for t in trials})
    for kind in kinds + ["all"]:
        these = [t for t in trials if kind in (t.kind, "all")]
        counts = collections.Counter(t.outcome for t in these)
        rows.append([kind, str(len(these))] + [str(counts[c] or "-") for c in COLUMNS])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        row[0].ljust(widths[0]) + "".join(
            "  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        for row in rows]


def learn(stock: Stock, kinds: str) -> dict[str, dict[str, str]]:
    """What is read of everything while it is whole, by the names of the subjects."""
    def right(name: str) -> dict[str, str]:
        whole = subject(stock.binary, stock.folder, name)
        whole.learn()
        return whole.right

    names = sorted({
        place.subject for place in places(stock.folder) if re.search(kinds, place.kind)})
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        learned = dict(zip(names, pool.map(right, names)))
    shutil.rmtree(stock.folder / "scratch")
    return learned


def run_trials(given, stock: Stock, indexes: list[int]) -> list[Trial]:
    work = stock.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    trials: list[Trial] = []
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with context.Pool(
            given.workers, begin_worker,
            (stock.binary, str(work), str(stock.folder), given.seed, given.kinds,
             learn(stock, given.kinds))) as pool:
        for trial in pool.imap_unordered(run_trial, indexes, chunksize=4):
            trials.append(trial)
            if trial.outcome in FAULTS:
                print(f"{trial}  (seed {given.seed})", flush=True)
            show_progress(len(trials), len(indexes), began)
            if given.minutes and time.monotonic() - began > given.minutes * 60:
                pool.terminate()
                break
    shutil.rmtree(work, ignore_errors=True)
    return sorted(trials, key=lambda t: t.index)


def show_progress(done: int, total: int, began: float) -> None:
    rate = done / max(0.001, time.monotonic() - began)
    text = f"{done} of {total} blocks, {rate:.1f} a second"
    if sys.stderr.isatty():
        print(f"\r{text}   ", end="" if done < total else "\n", file=sys.stderr, flush=True)
    elif done % 100 == 0:
        print(text, file=sys.stderr, flush=True)


def run_live(given, stock: Stock, indexes: list[int], trials: list[Trial]) -> list[dict]:
    """Every so many, and what a power failure could have left just so."""
    drawing = Drawing(stock.folder, given.seed, given.kinds)
    drawn = [drawing.draw(index, live=True) for index in indexes]
    unwritten = [t for t in trials if t.outcome == "unwritten" and t.path.startswith("n")]
    drawn += [drawing.draw(t.index, live=False) for t in unwritten[:SHOWN_MAX]]
    results = []
    for number, (trial, place, after) in enumerate(drawn):
        done = corruption_live.run(stock, place.subject, place.path, trial.offset, after)
        results.append(dataclasses.asdict(trial) | done)
        if done["fault"]:
            print(f"{trial}: {done['outcome']}: {done['fault']}  (seed {given.seed}, live)",
                  flush=True)
        print(f"live {number + 1} of {len(drawn)}: {trial.path}: {done['outcome']},"
              f" {done['seconds']:.1f} s", file=sys.stderr, flush=True)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this one index")
    parser.add_argument("--again", action="store_true", help="damage what the last run made")
    parser.add_argument("--live-every", type=int, default=200, help="0: none")
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kinds", default="", help="kinds of files that this pattern is found in")
    parser.add_argument("--minutes", type=float, help="no more blocks after that; servers follow")
    parser.add_argument("--port", type=int, help="the servers' ports begin here, if it is free")
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.count} blocks", flush=True)
    stock = Stock(clusters.keelson_binary(), again=given.again, port=given.port)
    if not given.again:
        stock.make(given.seed)
    every = given.live_every
    indexes = list(range(given.count)) if given.only is None else [given.only]
    has_members = any(
        p.subject.startswith("n") and re.search(given.kinds, p.kind) for p in places(stock.folder))
    live = [i for i in indexes if every and has_members and i % every == every - 1]
    trials = run_trials(given, stock, [i for i in indexes if i not in set(live)])
    reached = max((t.index for t in trials), default=0)
    results = run_live(given, stock, [i for i in live if i <= reached + 1], trials)
    return conclude(given, stock, trials, results)


def conclude(given, stock: Stock, trials: list[Trial], live: list[dict]) -> int:
    print(*table(trials), sep="\n")
    counts = collections.Counter(r["outcome"] for r in live)
    if live:
        print(f"{len(live)} directories given to their servers: "
              + ", ".join(f"{count} {what}" for what, count in counts.most_common()))
    for trial in [t for t in trials if t.outcome == "copy"][:3]:
        print(trial)
    faults = [t for t in trials if t.outcome in FAULTS]
    faults_live = [r for r in live if r["fault"]]
    if given.report:
        given.report.parent.mkdir(parents=True, exist_ok=True)
        given.report.write_text(json.dumps({
            "seed": given.seed, "count": len(trials) + len(live),
            "kinds": {
                kind: dict(collections.Counter(t.outcome for t in trials if t.kind == kind))
                for kind in sorted({t.kind for t in trials})},
            "faults": [dataclasses.asdict(t) for t in faults],
            "notable": [dataclasses.asdict(t) for t in trials
                        if t.outcome in ("copy", "unwritten")][:200],
            "live": live}, indent=1) + "\n")
    if faults or faults_live:
        print(f"FAULTS: {len(faults)} blocks, {len(faults_live)} servers; what was damaged is in"
              f" {stock.folder}: --again --only INDEX --seed {given.seed}")
        return 1
    if "KEELSON_KEEP_DATA" not in os.environ:
        stock.discard()
    return 0


if __name__ == "__main__":
    sys.exit(main())
