#!/usr/bin/env python3
"""Writes docs/commands.md, every command with its flags, from what the binary says of itself.

scripts/commands.py [--binary .build/release/keelson]           writes it
scripts/commands.py --check                                      exit status 1 where it is not so
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "commands.md"
# An option that so many commands have, with the same words, is written down once.
COMMON = 20
HEAD = """# Commands

Every command, argument and flag of `keelson`, as the binary says it of itself. Do not edit:
`scripts/commands.py` writes it, and `make test` compares.

Exit status: 0 done, 1 failed, 64 wrong usage, 65 data that cannot be trusted, 69 cluster
unavailable, 74 I/O error.
"""


def dump(binary):
    text = subprocess.run(
        [binary, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
    return json.loads(text)["command"]


def commands(command, path=()):
    """All commands that are shown, each with its whole name."""
    path = (*path, command["commandName"])
    yield " ".join(path), command
    for child in command.get("subcommands", []):
        if child.get("shouldDisplay", True) and child["commandName"] != "help":
            yield from commands(child, path)


def escaped(text):
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")


def name_of(argument):
    """As it is typed."""
    if argument["kind"] == "positional":
        return f"<{argument.get('valueName', 'value')}>"
    names = []
    for name in argument.get("names", []):
        dashes = "--" if name["kind"] == "long" else "-"
        names.append(dashes + name["name"])
    value = "" if argument["kind"] == "flag" else f" <{argument.get('valueName', 'value')}>"
    return ", ".join(sorted(names, key=len)) + value


def about(argument):
    parts = [argument.get("abstract", "").strip()]
    values = argument.get("allValues") or []
    if values:
        parts.append(f"One of {', '.join(values)}.")
    default = argument.get("defaultValue")
    if default and argument["kind"] != "flag" and "(default" not in parts[0]:
        parts.append(f"Default: {default}.")
    if argument.get("isRepeating"):
        parts.append("May be given several times.")
    return escaped(" ".join(part for part in parts if part))


def rows(arguments):
    return [f"| `{name_of(one)}` | {about(one)} |" for one in arguments]


def shown(command):
    hidden = {"help", "h", "version"}
    for argument in command.get("arguments", []):
        names = {name["name"] for name in argument.get("names", [])}
        if argument.get("shouldDisplay", True) and not names & hidden:
            yield argument


def discussion(command):
    """Paragraphs as they are, what is indented as code."""
    lines, code = [], []
    for line in [*(command.get("discussion") or "").splitlines(), ""]:
        if line.startswith("  "):
            code.append(line[2:])
            continue
        if code:
            lines += ["", "```sh", *code, "```"]
            code = []
        if re.fullmatch(r"[A-Z][A-Z ]+(\(.*\))?:", line):
            line = line.capitalize()
        lines.append(escaped(line).strip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def page(root):
    every = list(commands(root))
    counted = collections.Counter(
        (name_of(one), about(one)) for _, command in every for one in shown(command))
    common = {key for key, count in counted.items() if count >= COMMON}
    lines = [HEAD, "## Options of client commands", ""]
    lines += ["Commands that talk to servers have these, too; their tables leave them out.", ""]
    lines += ["| option | |", "| --- | --- |"]
    lines += [f"| `{name}` | {text} |" for name, text in sorted(common)]
    for name, command in every:
        if command is root:
            continue
        lines += ["", f"{'#' * min(2 + name.count(' ') - 1, 4)} {name}", ""]
        lines.append(escaped(command.get("abstract", "")))
        if text := discussion(command):
            lines += ["", text]
        own = [one for one in shown(command) if (name_of(one), about(one)) not in common]
        if own:
            lines += ["", "| argument | |", "| --- | --- |", *rows(own)]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / ".build" / "release" / "keelson"))
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    text = page(dump(arguments.binary))
    if not arguments.check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit("docs/commands.md is not what the binary says of itself: run scripts/commands.py")


if __name__ == "__main__":
    main()
