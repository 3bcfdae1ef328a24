"""The table: on the terminal row by row, as JSON with every round, and as a page of the docs."""

import json
import pathlib

import clusters

from . import machine
from .rows import FLOOR, Measure, Row, number

TITLE_COLUMNS, MEASURE_COLUMNS = 46, 36
HEADER = (
    f"{'load':{TITLE_COLUMNS}} {'measure':{MEASURE_COLUMNS}} {'Keelson':>12} {'etcd':>12} "
    f"{'ratio':>7}  {'goal':14} {'':6} load's CPU")


def cells(measure: Measure) -> tuple[str, str, str, str]:
    ratio = "-" if measure.ratio is None else f"{measure.ratio:.2f}×"
    goal = measure.goal.text(measure.unit) if measure.goal else ""
    return number(measure.ours, measure.unit), number(measure.theirs, measure.unit), ratio, goal


def share(row: Row) -> str:
    return ", ".join(f"{value * 100:.0f} %" for value in row.generator_share.values())


def lines(row: Row) -> list[str]:
    """What the terminal gets of a row."""
    found, title = [], row.title
    for place, measure in enumerate(row.measures):
        ours, theirs, ratio, goal = cells(measure)
        if len(title) > TITLE_COLUMNS:
            found.append(title)
            title = ""
        name = f"{measure.name}, {measure.unit}" if measure.unit else measure.name
        found.append(
            f"{title:{TITLE_COLUMNS}} {name:{MEASURE_COLUMNS}} {ours:>12} {theirs:>12} "
            f"{ratio:>7}  {goal:14} {measure.verdict:6} {'' if place else share(row)}".rstrip())
        title = ""
    if not row.measures:
        found.append(title)
    found += [f"    {note}" for note in row.notes]
    found += [f"    FAILED: {failure}" for failure in row.failures]
    return found


def totals(rows: list[Row]) -> str:
    verdicts = [measure.verdict for row in rows for measure in row.measures]
    failed = sum(bool(row.failures) for row in rows)
    return (
        f"{verdicts.count('met')} goals met, {verdicts.count('MISSED')} missed, "
        f"{failed} rows failed")


def write_json(path: pathlib.Path, head: dict, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {**head, "rows": [row.as_json() for row in rows]}
    path.write_text(json.dumps(document, indent=1) + "\n")


def machine_line(head: dict) -> str:
    return machine.description(head["machine"], head["versions"])


def markdown(head: dict, rows: list[Row], plots: list[tuple[str, str]]) -> str:
    """The page: `plots` are file names with the words for who cannot see them."""
    parts = [
        "# What the last full run found", "",
        "Written by `make bench ARGS=--docs`; [what each row means](README.md).", "",
        f"{head['started']}, {machine_line(head)}.", "", totals(rows) + ".", "",
        "| load | measure | Keelson | etcd | ratio | goal | | load's CPU |",
        "|---|---|---:|---:|---:|---|---|---|"]
    for row in rows:
        title = row.title
        for place, measure in enumerate(row.measures):
            ours, theirs, ratio, goal = cells(measure)
            unit = f" {measure.unit}" if measure.unit else ""
            theirs += f"{unit} (floor)" if row.peer == FLOOR else unit
            parts.append(
                f"| {title} | {measure.name} | {ours}{unit} | {theirs} | {ratio} | {goal} "
                f"| {measure.verdict} | {'' if place else share(row)} |")
            title = ""
        remarks = row.notes + [f"FAILED: {first_words(text)}" for text in row.failures]
        if remarks:
            parts.append(
                f"| {title} | {'; '.join(remarks)} | | | | | | |".replace("\n", " "))
    parts.append("")
    for name, words in plots:
        parts += [f"![{words}]({name})", ""]
    return "\n".join(parts)


def first_words(text: str) -> str:
    """Of a failure, for a page: without the places of this machine."""
    line = text.strip().split("\n")[0].replace(f"{clusters.ROOT}/", "").replace("|", "/")
    return line[:200]

