"""The plots of the table. Each needs some rows, and is left out where these were not measured."""

import pathlib
import statistics

import matplotlib.pyplot as plt

from . import many_keys, style
from .rows import FLOOR, OURS, THEIRS, Row

SYSTEMS = (OURS, THEIRS)


def draw(rows: list[Row], folder: pathlib.Path, kind: str) -> list[tuple[str, str]]:
    """Files that were made, with words for who cannot see them."""
    found = {row.name: row for row in rows}
    drawn = []
    for name, words, plot in PLOTS:
        figure = plot(found)
        if figure is not None:
            drawn.append((style.save(figure, folder, name, kind), words))
    return drawn


def results(rows: dict[str, Row], name: str, label: str) -> list[dict]:
    return rows[name].rounds.get(label, []) if name in rows else []


def concurrency(rows: dict[str, Row]):
    """Throughput against how many calls are outstanding."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharex=True)
    has_line = False
    titles = {"put": "puts of 256 B", "get": "linearizable gets"}
    for axes, (target, title) in zip(panels, titles.items()):
        for label in (*SYSTEMS, FLOOR):
            curve = []
            for outstanding in (1, 10, 100, 1000):
                row = f"floor-{outstanding}" if label == FLOOR else f"{target}-{outstanding}"
                values = results(rows, row, label) if target == "put" or label != FLOOR else []
                if values:
                    curve.append(
                        (outstanding, statistics.median(r["per_second"] for r in values)))
            if len(curve) > 1:
                has_line |= label in SYSTEMS
                style.points(axes, label, *zip(*curve))
        axes.set(xscale="log", yscale="log", xlabel="calls outstanding", ylabel="calls a second")
        axes.set_title(f"Throughput against concurrency: {title}")
        style.numbers(axes.xaxis)
        style.decades(axes.yaxis)
        if axes.has_data():
            axes.legend()
    return figure if has_line else plt.close(figure)


QUANTILE_ROWS = {
    "put-1": "put, 1 outstanding", "put-1000": "put, 1,000 outstanding",
    "get-100": "linearizable get, 100 outstanding"}
QUANTILE_TICKS = [0, 90, 99, 99.9, 99.99]
# What comes behind has too few calls in it to say anything.
QUANTILE_MAX = 99.99


def quantiles(rows: dict[str, Row]):
    """Latency at each quantile, on an axis that gives each nine the same width."""
    shown = [name for name in QUANTILE_ROWS if results(rows, name, OURS)]
    if not shown:
        return None
    figure, panels = plt.subplots(1, len(shown), figsize=(5 * len(shown), 4), squeeze=False)
    for axes, name in zip(panels[0], shown):
        for label in SYSTEMS:
            curves = [r["quantiles_us"] for r in results(rows, name, label)]
            if not curves:
                continue
            percents = [p for p, _ in curves[0] if p <= QUANTILE_MAX]
            values = [
                statistics.median(curve[place][1] for curve in curves) / 1000
                for place in range(len(percents))]
            style.line(axes, label, [nines(p) for p in percents], values)
        axes.set(
            xscale="log", yscale="log", xlabel="quantile, %", ylabel="latency, ms")
        axes.minorticks_off()
        axes.set_xticks([nines(p) for p in QUANTILE_TICKS], [f"{p:g}" for p in QUANTILE_TICKS])
        axes.set_title(f"Latency quantiles: {QUANTILE_ROWS[name]}")
        style.decades(axes.yaxis)
        axes.legend()
    return figure


def nines(percent: float) -> float:
    return 100 / (100 - percent)


def endurance(rows: dict[str, Row]):
    """Throughput of each second and memory over time."""
    if not any(results(rows, "endurance", label) for label in SYSTEMS):
        return None
    figure, (speed, memory) = plt.subplots(2, 1, figsize=(10, 6), sharex=True)
    for label in SYSTEMS:
        for found in results(rows, "endurance", label):
            counts = many_keys.whole_seconds(found["puts"])
            style.line(speed, label, range(len(counts)), counts, linewidth=1.2)
            style.line(
                memory, label, [at for at, _ in found["memory"]],
                [statistics.mean(sizes) / 2**30 for _, sizes in found["memory"]])
    speed.set(ylabel="puts a second", ylim=(0, None))
    speed.set_title(f"Throughput of each second: {rows['endurance'].title}")
    style.numbers(speed.yaxis)
    memory.set(xlabel="seconds since the first put", ylabel="GiB", ylim=(0, None))
    memory.set_title("Resident memory of a node, mean of three")
    speed.legend()
    memory.legend()
    return figure


def gap(rows: dict[str, Row]):
    """Acknowledged writes in each 10 ms around the kill whose gap was the median one."""
    if not any(results(rows, "failover", label) for label in SYSTEMS):
        return None
    figure, panels = plt.subplots(2, 1, figsize=(10, 5), sharex=True)
    ends = {}
    for axes, label in zip(panels, SYSTEMS):
        for found in results(rows, "failover", label):
            kills = sorted(found["aroundKills"], key=lambda kill: kill["outageMilliseconds"])
            if not kills:
                continue
            kill = kills[len(kills) // 2]
            step = kill["intervalMilliseconds"]
            counts = kill["acknowledged"]
            times = [kill["startMilliseconds"] + step * place for place in range(len(counts))]
            axes.fill_between(
                times, counts, step="post", color=style.COLORS[label], linewidth=0)
            ends[axes] = times[-1] + step
            axes.axvline(0, color="#333333", linewidth=1, linestyle="--")
            axes.set_title(
                f"{style.NAMES[label]}: {kill['outageMilliseconds']:,.0f} ms without a write after "
                f"kill -9 of the leader (the median of {len(kills)} kills)")
        axes.set(ylabel="writes in 10 ms", ylim=(0, None))
    for axes, end in ends.items():
        # What comes behind is the next kill's.
        axes.axvspan(end, max(ends.values()), color="#eeeeee")
    panels[-1].set(xlabel="ms since the kill")
    return figure


PLOTS = [
    ("concurrency", "Throughput against concurrency, of both systems", concurrency),
    ("quantiles", "Latency quantiles, of both systems", quantiles),
    ("endurance", "Throughput and memory over time, of both systems", endurance),
    ("failover", "Writes around a kill of the leader, of both systems", gap),
]
