"""One plot an axis: throughput above, p99 below; puts at the left, gets at the right."""

import pathlib

import matplotlib.ticker
import matplotlib.pyplot as plt

from . import style
from .axes import AXES, Point
from .rows import OURS, THEIRS

TARGETS = {"put": "puts", "get": "linearizable gets"}
FIGURES = {
    "per_second": ("Throughput", "calls a second", 1),
    "p99_us": ("p99", "latency, ms", 1000)}


def draw(
        found: dict[str, list[Point]], folder: pathlib.Path, kind: str
) -> list[tuple[str, str]]:
    """Files that were made, with words for who cannot see them."""
    return [
        (style.save(plot(axis, points), folder, f"growth-{axis}", kind),
         f"Throughput and p99 against {AXES[axis][0]}, of both systems")
        for axis, points in found.items()]


def plot(axis: str, points: list[Point]):
    figure, grid = plt.subplots(2, 2, figsize=(10, 7), sharex=True)
    places = sorted({point.value for point in points})
    for panels, (key, (title, unit, divisor)) in zip(grid, FIGURES.items()):
        for axes, (target, words) in zip(panels, TARGETS.items()):
            for label in (OURS, THEIRS):
                curve = sorted(
                    (p.value, p.figures[target][key] / divisor) for p in points
                    if p.label == label and target in p.figures)
                if curve:
                    style.points(axes, label, *zip(*curve))
            axes.set(xscale="log", yscale="log", ylabel=unit)
            axes.set_xticks(places, [text(axis, place) for place in places])
            axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
            style.decades(axes.yaxis)
            axes.set_title(f"{title} of {words}")
            if axes.has_data():
                axes.legend()
    for axes in grid[-1]:
        axes.set(xlabel=AXES[axis][0])
    return figure


def text(axis: str, value: int) -> str:
    if axis != "values":
        return f"{value:,}"
    for size, unit in ((1 << 20, "MB"), (1 << 10, "KB")):
        if value >= size:
            return f"{value // size} {unit}"
    return f"{value} B"
