"""Runs every case against etcd and against Keelson, and compares the answers field by field.

usage: run.py --left HOST:PORT --right HOST:PORT [--only PART,...]

Left is etcd, right is Keelson; both clusters must be fresh, of one member each. Each case runs on
one and then on the other, and what came of it is compared whole: status, text, messages and
revisions; left out are cluster, member and term. What differs must be in differences.py, and what
is there must differ. Ends with "N cases: N alike, N differ as listed", else with status 1.
"""

import argparse
import sys
import traceback

import auth_cases
import cluster_cases
import differences
import gateway_cases
import kv_cases
import lease_cases
import locks_cases
import txn_cases
import watch_cases
from side import Side

SHOWN_MAX = 1500
# Revisions must be equal, so the order counts, and both sides see the same one.
PARTS = {
    "kv": kv_cases, "txn": txn_cases, "lease": lease_cases, "watch": watch_cases,
    "locks": locks_cases, "cluster": cluster_cases, "gateway": gateway_cases,
    "auth": auth_cases,
}


def answer(case) -> object:
    try:
        return case()
    except Exception:  # A case that breaks is shown as what it gave.
        return traceback.format_exc(limit=1)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--left", required=True)
    parser.add_argument("--right", required=True)
    parser.add_argument("--only", default=",".join(PARTS))
    arguments = parser.parse_args()
    expected = {**differences.CHANGED, **differences.ON_PURPOSE}
    left, right = Side(arguments.left), Side(arguments.right)
    alike = listed = wrong = 0
    names: set = set()
    sections = [each for part in arguments.only.split(",") for each in PARTS[part].SECTIONS]
    for section in sections:
        part = section.__name__.removesuffix("_cases")
        for (name, one), (_, other) in zip(section(left), section(right)):
            full = f"{part}: {name}"
            if full in names:
                sys.exit(f"two cases are called {full!r}")
            names.add(full)
            answers = answer(one), answer(other)
            if answers[0] == answers[1] and full not in expected:
                alike += 1
            elif answers[0] != answers[1] and full in expected:
                listed += 1
            else:
                wrong += 1
                print(f"{full}:\n  etcd    {str(answers[0])[:SHOWN_MAX]}")
                print(f"  keelson {str(answers[1])[:SHOWN_MAX]}")
    print(f"{alike + listed + wrong} cases: {alike} alike, {listed} differ as listed"
          + (f", {wrong} WRONG" if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
