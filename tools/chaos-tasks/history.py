"""The history of a run: JSON Lines, as docs/task-history-format.md says."""

import json
import pathlib
import time


class History:
    """Appends lines; times are nanoseconds since it was opened."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._start = time.monotonic_ns()
        self.violations = 0

    @property
    def now(self) -> int:
        return time.monotonic_ns() - self._start

    def write(self, kind: str, /, **fields) -> None:
        if self._file.closed:
            return
        line = {"type": kind, "time": self.now, **fields}
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def violation(self, name: str, what: str) -> None:
        """What the run itself saw break, without the judge."""
        self.violations += 1
        self.write("violation", property=name, what=what)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: pathlib.Path) -> list[dict]:
    """The lines of a history; blank ones are passed over."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
