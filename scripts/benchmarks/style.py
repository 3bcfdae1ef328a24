"""How all plots look: the same system has the same colour everywhere."""

import pathlib

import matplotlib
import matplotlib.ticker

from .rows import FLOOR, OURS, THEIRS

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend is chosen before)

COLORS = {OURS: "#1f6fb4", THEIRS: "#d9822b", FLOOR: "#777777"}
MARKERS = {OURS: "o", THEIRS: "s", FLOOR: "^"}
NAMES = {OURS: "Keelson", THEIRS: "etcd 3.5.1", FLOOR: "floor"}
plt.rcParams.update({
    "font.size": 10, "font.family": "sans-serif", "figure.dpi": 130, "legend.frameon": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#dddddd",
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlelocation": "left", "axes.titlesize": 11, "svg.fonttype": "none",
    # The same figures give the same file.
    "svg.hashsalt": "keelson"})


def line(axes, label: str, xs, ys, name: str | None = None, **more) -> None:
    axes.plot(
        xs, ys, color=COLORS[label], label=name or NAMES[label],
        **{"linewidth": 1.8, **more})


def points(axes, label: str, xs, ys, name: str | None = None) -> None:
    line(axes, label, xs, ys, name, marker=MARKERS[label], markersize=5)


def numbers(axis) -> None:
    axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,.12g}"))


def decades(axis) -> None:
    """A logarithmic axis with three ticks a decade: many figures lie within one."""
    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(matplotlib.ticker.NullLocator())
    numbers(axis)


def save(figure, folder: pathlib.Path, name: str, kind: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    file = f"{name}.{kind}"
    metadata = {"Date": None} if kind == "svg" else None
    figure.savefig(folder / file, metadata=metadata, bbox_inches="tight")
    plt.close(figure)
    return file
