"""What some operations cost: the difference between two outputs of callgrind, by function.

Source of the format: the Valgrind manual, "Callgrind Format Specification".
"""

import argparse
import re
import subprocess
from collections import Counter

NAMED = re.compile(r"(c?)fn=\((\d+)\)(?: (.*))?")
CALLERS = 3


class Costs:
    """Instructions of one run, or of what it had more than another."""

    def __init__(self) -> None:
        # Of each function, without those of the functions that it calls.
        self.own: Counter = Counter()
        # Of each (function, caller): what the function and all that it calls took for that caller.
        self.calls: Counter = Counter()

    @classmethod
    def read(cls, path: str) -> "Costs":
        costs = cls()
        names: dict[str, str] = {}
        function = called = ""
        is_call = False
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line[0] in "0123456789+-*":
                    cost = int(line.split()[1])
                    # The line behind `calls=` has what the called function took in all.
                    if is_call:
                        costs.calls[called, function] += cost
                    else:
                        costs.own[function] += cost
                    is_call = False
                elif line.startswith("calls="):
                    is_call = True
                elif match := NAMED.match(line):
                    is_called, number, name = match.groups()
                    if name:
                        names[number] = name.rstrip("\n")
                    if is_called:
                        called = names[number]
                    else:
                        function = names[number]
        return costs

    def subtract(self, other: "Costs") -> None:
        self.own.subtract(other.own)
        self.calls.subtract(other.calls)

    def callers(self, function: str) -> list[tuple[str, int]]:
        """Those that caused most of it, first the one that caused the most."""
        found = Counter({pair[1]: cost for pair, cost in self.calls.items() if pair[0] == function})
        total = sum(cost for cost in found.values() if cost > 0)
        return [(name, cost) for name, cost in found.most_common(CALLERS) if cost * 20 > total]


def demangled(names: list[str]) -> dict[str, str]:
    """Each name as people write it."""
    try:
        done = subprocess.run(
            ["swift", "demangle", "--simplified"],
            input="\n".join(names), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {name: name for name in names}
    lines = done.stdout.splitlines()
    return dict(zip(names, lines if len(lines) == len(names) else names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fewer", help="callgrind's output of the run with fewer operations")
    parser.add_argument("more", help="and of the run with more")
    parser.add_argument("--operations", type=int, required=True, help="how many more")
    parser.add_argument("--functions", type=int, default=10, help="how many functions to print")
    options = parser.parse_args()
    if options.operations < 1:
        parser.error("--operations must be positive")
    costs = Costs.read(options.more)
    costs.subtract(Costs.read(options.fewer))
    total = sum(costs.own.values())
    if total <= 0:
        parser.error(f"{options.more} has no more instructions than {options.fewer}")
    first = [(name, cost) for name, cost in costs.own.most_common(options.functions) if cost > 0]
    callers = {name: costs.callers(name) for name, _ in first}
    known = demangled(sorted({name for name, _ in first}.union(
        caller for some in callers.values() for caller, _ in some)))
    print(f"{total / options.operations:,.0f} instructions an operation")
    for name, cost in first:
        each = cost / options.operations
        print(f"{each:12,.1f}  {100 * cost / total:5.1f} %  {known[name][:120]}")
        for caller, caused in callers[name]:
            each = caused / options.operations
            print(f"{'':21}  {each:10,.1f} with what it calls, for {known[caller][:100]}")


main()
