"""What is measured now, and how long the rest will take."""

import sys
import time


class Progress:
    """Steps with the seconds that each is expected to take. Corrected by how long those before
    took; the lines go to stderr, the results to stdout."""

    def __init__(self, expected: list[float]):
        self.expected, self.place = expected, 0
        self.begin = time.monotonic()

    def step(self, name: str) -> None:
        done, rest = sum(self.expected[:self.place]), sum(self.expected[self.place:])
        factor = (time.monotonic() - self.begin) / done if done else 1.0
        self.place += 1
        print(
            f"[{self.place}/{len(self.expected)}] {name}: about {span(rest * factor)} to go",
            file=sys.stderr, flush=True)


def span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
