"""Charts as pictures; needs the extra `bench`."""

import statistics
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.curves import Chart, Curve

_INCHES: Final = (8.0, 4.5)
_DPI: Final = 110
_MARKERS: Final = "os^Dv<"
_STYLES: Final = {"sqlite": "-", "postgresql": "--"}


def draw(chart: Chart, folder: Path) -> Path:
    """Write a chart as PNG, a panel for each unit, and return where."""
    units = list(dict.fromkeys(curve.unit for curve in chart.curves))
    figure = Figure(figsize=(_INCHES[0], _INCHES[1] * len(units)), dpi=_DPI, layout="constrained")
    for place, unit in enumerate(units):
        axes = figure.add_subplot(len(units), 1, place + 1)
        for number, curve in enumerate(one for one in chart.curves if one.unit == unit):
            _draw_curve(axes, curve, number)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(chart.amount)
        axes.set_ylabel(unit)
        amounts = sorted({point.amount for curve in chart.curves for point in curve.points})
        axes.set_xticks(amounts, [f"{amount:,}" for amount in amounts], fontsize="x-small")
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.grid(alpha=0.3)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize="small")
    figure.suptitle(
        f"Over the number of {chart.amount}; median, with lowest and highest (load: {chart.load})", size="medium"
    )
    path = folder / f"scale-{chart.name}.png"
    figure.savefig(path)
    return path


def _draw_curve(axes: Axes, curve: Curve, number: int) -> None:
    amounts = [point.amount for point in curve.points]
    medians = [statistics.median(point.figures) for point in curve.points]
    below = [median - min(point.figures) for median, point in zip(medians, curve.points, strict=True)]
    above = [max(point.figures) - median for median, point in zip(medians, curve.points, strict=True)]
    style = _STYLES.get(curve.work.rpartition(", ")[2], "-")
    marker = _MARKERS[number % len(_MARKERS)]
    axes.errorbar(amounts, medians, (below, above), label=curve.work, marker=marker, linestyle=style, capsize=3)
