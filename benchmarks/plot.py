"""Draws the plot of a benchmark as SVG, readable on a light and on a dark page."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from benchmarks.report import Bars, Lines

OURS, OTHERS, TARGET = "#0f766e", "#94a3b8", "#b91c1c"
WIDTH = 8.0  # inches


def draw(plot: Bars | Lines, path: Path) -> None:
    """Writes the SVG; the same figures give the same file."""
    mpl.rcParams.update({"svg.hashsalt": "tallygate", "svg.fonttype": "none", "font.size": 10})
    figure = _bars(plot) if isinstance(plot, Bars) else _lines(plot)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", facecolor="white", metadata={"Date": None})
    plt.close(figure)


def _bars(plot: Bars) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(WIDTH, 0.4 * len(plot.values) + 1.2))
    names = list(plot.values)
    colours = [OURS if name.startswith("Tallygate") else OTHERS for name in names]
    bars = axes.barh(names, list(plot.values.values()), color=colours)
    axes.bar_label(bars, labels=[_label(value) for value in plot.values.values()], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    if plot.logarithmic:
        axes.set_xscale("log")
    if plot.target is not None:
        axes.axvline(plot.target, color=TARGET, linestyle="--", linewidth=1, label=f"target {plot.target:g}")
        axes.legend(loc="lower right", frameon=False)
    axes.set_title(plot.title, loc="left")
    axes.set_xlabel(plot.unit)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label(value: float) -> str:
    """Three digits, or all of a large number's."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _lines(plot: Lines) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(WIDTH, 4))
    for name, points in plot.series.items():
        axes.plot(*zip(*points, strict=True), label=name)
    axes.set_title(plot.title, loc="left")
    axes.set_xlabel(plot.x_label)
    axes.set_ylabel(plot.y_label)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
