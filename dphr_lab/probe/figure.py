"""The probe's figure: psychometric curves of several encoders on one pair of axes."""

from collections.abc import Mapping

import numpy as np

from dphr_lab.plotting import run_styles
from dphr_lab.probe.psychometric import CRITERION
from dphr_lab.probe.report import ALL_KINDS, ProbeReport
from dphr_lab.retrieval import STAMP


def psychometric_curves(axes, reports: Mapping[str, ProbeReport], kind: str = ALL_KINDS):
    """Share correct against dose: a mark with its 95 % interval a dose, and the fitted curve.

    `reports`: name -> report, drawn as `plotting.run_styles` has it: names that begin with
    "untrained" in grey crosses. One that was selected on the test set says so. `kind`: `ALL_KINDS`
    or a kind of change; a report without it is left out. Chance and the 75 % of the threshold are
    lines. Raises ValueError for none, more than there are styles, or a kind that none has.
    """
    if not reports:
        raise ValueError("reports: 0 given; expected one or more")
    if not any(kind in report.curves for report in reports.values()):
        raise ValueError(f"kind is {kind!r}: found in no report")
    styles = run_styles(reports)
    doses = set()
    for i, (name, report) in enumerate(reports.items()):
        if kind not in report.curves:
            continue
        curve, (colour, line, marker) = report.curves[kind], styles[name]
        area = np.array(curve.area_m2)
        doses |= set(curve.dose_m2)
        aside = area * 2 ** (0.07 * (i - (len(reports) - 1) / 2))  # so that bars do not hide bars
        below, above = np.subtract(curve.correct, curve.low), np.subtract(curve.high, curve.correct)
        bars = np.maximum([below, above], 0)
        axes.errorbar(
            aside, curve.correct, bars, fmt=marker, color=colour, markersize=5, elinewidth=0.8
        )
        smooth = np.geomspace(area.min(), area.max(), 100)
        axes.plot(smooth, 100 * curve.fit(smooth), color=colour, linestyle=line, linewidth=1.5)
        label = f"{name}: {STAMP.lower()}" if report.selected_on_test else name
        axes.plot([], [], color=colour, linestyle=line, marker=marker, markersize=5, label=label)
    axes.axhline(50, color="black", linewidth=0.8)
    axes.axhline(100 * CRITERION, color="black", linewidth=0.8, linestyle=(0, (1, 3)))
    where = axes.get_yaxis_transform()
    for level, text in ((50, "chance"), (100 * CRITERION, "threshold")):
        axes.text(0.995, level - 0.7, text, transform=where, ha="right", va="top", fontsize=8)
    ticks = sorted(doses)
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{dose:g}" for dose in ticks])
    axes.minorticks_off()
    axes.set(xlabel=f"changed area, m² ({kind})", ylabel="correct, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(top=max(axes.get_ylim()[1], 100 * CRITERION + 5))
    axes.legend(fontsize=8, loc="upper left", edgecolor="none", framealpha=0.9)
    return axes
