"""What scripts/corruptions.py reads: data directories, backups, archives and etcd's snapshots, with
Keelson's own commands: which one judges them, and which say what is in them."""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import sqlite3
from collections.abc import Callable

import corruption_stock
from corruption_stock import Outcome

SLOT_HEAD_BYTES = 32
SEGMENT_HEAD_COPIES = [(0, 112), (4096, 4096 + 112)]
CUT_SHORT = "a crash cut short"
# Files that hold a small value twice.
TWO_SLOTS = {"identity", "hardstate", "boot", "peers", "manifest"}


@dataclasses.dataclass
class Verdict:
    """found, mended (a start puts it right from what is there), silent, or a fault in capitals."""
    outcome: str
    said: str


class Subject:
    """Something that one command verifies, and others read. It has its name in `root`, where the
    commands run: what they print is then the same for every copy."""

    def __init__(self, binary: str, root: pathlib.Path, name: str):
        self.binary, self.root, self.name = binary, root, name
        self.path = root / name
        self.scratch = root / "scratch" / name
        self.right: dict[str, str] = {}
        self.last: Verdict = Verdict("silent", "")

    def run(self, *arguments: str | pathlib.Path) -> Outcome:
        return corruption_stock.run(self.binary, *arguments, folder=self.root)

    def verify(self) -> Verdict:
        self.last = self.judged(self.run(*self.command()))
        return self.last

    def learn(self) -> None:
        """What is right. The files are whole."""
        verdict = self.verify()
        if verdict.outcome != "silent":
            raise RuntimeError(f"{self.path} is whole, and {verdict.outcome}: {verdict.said}")
        self.right = self.content()

    def content(self) -> dict[str, str]:
        """Hashes by the names of the parts; `status N` for what is refused."""
        return {name: read() for name, read in self.readers(None).items()}

    def judged(self, done: Outcome) -> Verdict:
        said = (done.errors.strip() or done.text.strip())[-400:]
        if done.status < 0:
            return Verdict("CRASHED", f"signal {-done.status}: {said}")
        if done.status == 65:
            return Verdict("found", said) if said else Verdict("STATUS", "65 without a word")
        if done.status == 0:
            return Verdict("silent", "")
        return Verdict("STATUS", f"{done.status}: {said}")

    def difference(self, path: pathlib.Path) -> str:
        """What is read otherwise than it was written, of what `path` has a part in; empty where
        nothing is."""
        found = {name: read() for name, read in self.readers(path).items()}
        differing = [name for name in found if found[name] != self.right[name]]
        notes = [f"{n} ({found[n]})" if found[n].startswith("status") else n for n in differing]
        return f"another content of {', '.join(notes)}" if notes else ""

    def misreads(self) -> bool:
        """Whether what was found damaged is read without a word, and as something else."""
        found = self.content()
        return any(
            found[name] != self.right[name] and not found[name].startswith("status 65")
            for name in self.right)

    def ends_early(self, path: pathlib.Path, offset: int, length: int) -> bool:
        """Whether the damage is what an unfinished write leaves: nothing but zeros from there on,
        in a file that grows at its end."""
        return False

    def is_copy(self, path: pathlib.Path, offset: int, length: int) -> bool:
        """Whether bytes were struck that count, and of which there is a second copy."""
        return False

    def command(self) -> list:
        raise NotImplementedError

    def readers(self, path: pathlib.Path | None) -> dict[str, Callable[[], str]]:
        """How each part is read that `path` may have a share in; all of them for none."""
        raise NotImplementedError

    # Reading

    def printed(self, *arguments: str | pathlib.Path) -> str:
        done = self.run(*arguments)
        return digest(done.text) if done.status == 0 else f"status {done.status}"

    def database(self, *arguments: str | pathlib.Path, without: str = "") -> str:
        """The hash of what `backup open` makes of it."""
        target = self.scratch / "opened.sqlite"
        self.scratch.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        done = self.run("backup", "open", *arguments, "--out", target)
        return database_digest(target, without) if done.status == 0 else f"status {done.status}"


class Member(Subject):
    """The data directory of a server."""

    def command(self) -> list:
        return ["verify", self.name, "-o", "json"]

    def judged(self, done: Outcome) -> Verdict:
        if done.status not in (0, 65):
            return super().judged(done)
        told = json.loads(done.text)
        findings = told.pop("findings")
        self.told = digest(json.dumps(told))
        said = "; ".join(f"{f['weight']}: {f['file']}: {f['what']}" for f in findings)
        if done.status == 65:
            heavy = any(f["weight"] != "mended" for f in findings)
            return Verdict("found" if heavy else "STATUS", said or "65 without a word")
        return Verdict("mended" if findings else "silent", said)

    def readers(self, path: pathlib.Path | None) -> dict[str, Callable[[], str]]:
        checkpoint = ["inspect", "checkpoint", self.name, "-o", "json"]
        found: dict[str, Callable[[], str]] = {
            "what verify tells": lambda: self.told, "the state": self.state}
        if path is None or path.name in TWO_SLOTS:
            found["term, vote and start"] = self.vote
        if path is None or path.parent.name == "log":
            found["the log"] = lambda: self.printed("inspect", "log", self.name, "-o", "json")
        if path is None or path.parent.name == "checkpoint":
            found["the checkpoint"] = lambda: self.printed(*checkpoint)
            found["the checkpoint before"] = lambda: self.printed(*checkpoint, "--previous")
        return found

    def misreads(self) -> bool:
        names = ["the state", "the checkpoint", "the checkpoint before"]
        readers = self.readers(None)
        found = {name: readers[name]() for name in names}
        checkpoints = {self.right["the checkpoint"], self.right["the checkpoint before"]}
        # What cannot be read of a log is passed over, and verify says what that is.
        return not found["the state"].startswith("status 65") or any(
            not found[name].startswith("status") and found[name] not in checkpoints
            for name in names[1:])

    def vote(self) -> str:
        """What `verify` prints for people, where the vote is."""
        done = self.run("verify", self.name)
        lines = [line for line in done.text.splitlines() if line.startswith("term ")]
        return lines[0] if done.status == 0 and lines else f"status {done.status}"

    def state(self) -> str:
        """Every row of what a start would have: its newest checkpoint, and its log behind it."""
        target = self.scratch / "recovered"
        self.scratch.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        done = self.run(
            "recover", self.name, "--force-new-cluster", "--name", self.name,
            "--data-dir", target, "--initial-advertise-peer-urls", "http://127.0.0.1:1")
        if done.status != 0:
            return f"status {done.status}"
        return "".join(
            database_digest(path, "header")
            for path in sorted((target / "checkpoint").glob("*.sqlite")))

    def ends_early(self, path: pathlib.Path, offset: int, length: int) -> bool:
        if path != max((self.path / "log").glob("*.log"), default=None):
            return False
        # Sectors of one write reach the disk in any order: those that did not are zeros.
        is_torn = CUT_SHORT in self.last.said and is_blank(path, offset, length)
        return is_torn or is_blank(path, offset)

    def is_copy(self, path: pathlib.Path, offset: int, length: int) -> bool:
        if path.parent.name == "log":
            copies = SEGMENT_HEAD_COPIES if path.suffix == ".log" else []
        elif path.name in TWO_SLOTS:
            copies = slots(path, offset, length)
        else:
            copies = []
        return any(offset < end and offset + length > begin for begin, end in copies)


def slots(path: pathlib.Path, offset: int, length: int) -> list[tuple[int, int]]:
    """Where values stand in a file of two slots: as the slot says that the damage left alone."""
    room = path.stat().st_size // 2
    with path.open("rb") as file:
        counts = []
        for start in (0, room):
            file.seek(start + 20)
            counts.append(int.from_bytes(file.read(4), "little"))
    count = counts[1 if offset < room else 0]
    return [(start, start + SLOT_HEAD_BYTES + min(count, room)) for start in (0, room)]


class File(Subject):
    """A backup, or a snapshot of etcd's."""

    def __init__(self, binary: str, root: pathlib.Path, name: str):
        super().__init__(binary, root, name)
        self.key = ["--key-file", "files/backup.key"] if "sealed" in name else []

    def command(self) -> list:
        if self.path.suffix == ".db":
            return ["snapshot", "status", self.name]
        return ["backup", "verify", self.name, *self.key]

    def readers(self, path: pathlib.Path | None) -> dict[str, Callable[[], str]]:
        return {"the database": lambda: self.database(self.name, *self.key)}


class Archive(Subject):
    """The directory of `backup follow`."""

    def __init__(self, binary: str, root: pathlib.Path, name: str):
        super().__init__(binary, root, name)
        # A moment between two backups: the log behind one has to be read for it.
        backups = sorted(self.path.glob("base-*.kbk"))
        self.middle = (revision(binary, backups[0]) + revision(binary, backups[-1])) // 2

    def command(self) -> list:
        return ["backup", "verify", self.name]

    def readers(self, path: pathlib.Path | None) -> dict[str, Callable[[], str]]:
        # Which backup it was made of may be another: what stands there may not.
        earlier = ["--to-revision", str(self.middle)]
        return {
            "the newest state": lambda: self.database(self.name, without="about"),
            "an earlier state": lambda: self.database(self.name, *earlier, without="about"),
            "the log": lambda: self.printed("inspect", "log", self.name, "-o", "json"),
        }

    def misreads(self) -> bool:
        found = self.content()
        return any(
            found[name] != self.right[name] and not found[name].startswith("status 6")
            for name in ["the newest state", "an earlier state"])

    def ends_early(self, path: pathlib.Path, offset: int, length: int) -> bool:
        newest = max(self.path.glob("*.klog"), default=None)
        return path == newest and is_blank(path, offset)


def subject(binary: str, root: pathlib.Path, name: str) -> Subject:
    if name.startswith("n"):
        return Member(binary, root, name)
    return (Archive if (root / name).is_dir() else File)(binary, root, name)


def revision(binary: str, backup: pathlib.Path) -> int:
    return json.loads(
        corruption_stock.must(binary, "backup", "verify", backup, "-o", "json"))["revision"]


def is_blank(path: pathlib.Path, offset: int, length: int | None = None) -> bool:
    """Whether there are zeros only, up to the file's end without a length."""
    with path.open("rb") as file:
        file.seek(offset)
        if length is not None:
            return not file.read(length).strip(b"\0")
        while chunk := file.read(1 << 20):
            if chunk.strip(b"\0"):
                return False
    return True


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def database_digest(path: pathlib.Path, without: str) -> str:
    """Over every row of every table, in the order of its primary key."""
    total = hashlib.sha256()
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        names = [row[0] for row in database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        for name in names:
            if name != without and not name.startswith("sqlite_"):
                for row in database.execute(f'SELECT * FROM "{name}"'):
                    total.update(repr(row).encode())
    finally:
        database.close()
    return total.hexdigest()[:16]
