"""Breaks comment lines of Swift files that are longer than 100 columns: the formatter leaves them.

usage: wrap_comments.py FOLDER...

What is cut off a line moves to the front of the next one when that continues the same paragraph,
else it gets a line of its own. Code, lists, tables and blank comment lines stay as they are.
"""

import pathlib
import re
import sys

COLUMNS_MAX = 100
COMMENT = re.compile(r"^(\s*///? )(\S.*)$")
STARTS_ANEW = re.compile(r"^([-*|`#>]|\d+\.|\s|MARK:|swift-format)")


def wrapped(lines: list[str]) -> list[str]:
    """The same lines with every overlong comment line broken."""
    result, pending = [], list(lines)
    while pending:
        line = pending.pop(0)
        comment = COMMENT.match(line)
        if len(line) <= COLUMNS_MAX or not comment:
            result.append(line)
            continue
        prefix = comment.group(1)
        cut = line.rfind(" ", len(prefix), COLUMNS_MAX + 1)
        if cut <= len(prefix) or line[len(prefix)] in "|`":
            result.append(line)
            continue
        rest = line[cut + 1 :]
        if line[len(prefix)] == "-":
            prefix += "  "
        result.append(line[:cut].rstrip())
        following = COMMENT.match(pending[0]) if pending else None
        if (
            following
            and following.group(1) == comment.group(1)
            and not STARTS_ANEW.match(following.group(2))
        ):
            pending[0] = prefix + rest + " " + following.group(2)
        else:
            pending.insert(0, prefix + rest)
    return result


def main() -> None:
    for folder in sys.argv[1:]:
        for path in sorted(pathlib.Path(folder).rglob("*.swift")):
            if "Generated" in path.parts:
                continue
            text = path.read_text()
            fixed = "\n".join(wrapped(text.split("\n")))
            if fixed != text:
                path.write_text(fixed)


if __name__ == "__main__":
    main()
