"""Puts the table that `keelson-micro -o markdown` prints, on standard input, into the page."""

import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
START = "<!-- the table that `make micro PAGE=1` makes -->\n"
END = "<!-- its end -->\n"


def main() -> None:
    table = sys.stdin.read().strip()
    page = PAGE.read_text(encoding="utf-8")
    if "| piece |" not in table:
        sys.exit("error: standard input has no table; pipe `keelson-micro -o markdown` into this")
    if page.count(START) != 1 or page.count(END) != 1:
        sys.exit(f"error: {PAGE} has no place for the table: put back\n{START}{END}")
    before, rest = page.split(START)
    behind = rest.split(END)[1]
    PAGE.write_text(f"{before}{START}\n{table}\n\n{END}{behind}", encoding="utf-8")
    print(f"{PAGE.name} has the new table")


main()
