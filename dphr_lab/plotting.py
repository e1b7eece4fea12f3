"""Figures of retrieval and training: arrays in, drawn on the figure or the axes that are given.

Nothing here relies on colour alone: what a colour says, a line style, a hatch or a mark says too.
Making and showing a figure is the caller's; matplotlib's backend is never touched.

Taught in: book/01, book/09.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from dphr_lab._files import replace_when_done

# Okabe and Ito, "Color Universal Design", 2008: told apart in all common colour-blindness.
PALETTE = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
}
# Arm -> (colour, line style, marker): a loss looks the same wherever it is drawn. Runs of other
# names take those that are left, in this order, in which neighbours are dark and light.
RUN_STYLES = {
    "sharp": (PALETTE["blue"], "-", "o"),
    "triplet": (PALETTE["orange"], "--", "s"),
    "infonce": (PALETTE["black"], "-.", "^"),
    "sharp_rda": (PALETTE["vermilion"], ":", "D"),
    "dphr": (PALETTE["green"], (0, (5, 1, 1, 1, 1, 1)), "v"),
    "rda": (PALETTE["purple"], (0, (8, 3)), "P"),
    "hardest": ("0.35", (0, (1, 3)), "<"),
    "sharp_palw": (PALETTE["sky"], (0, (4, 4)), ">"),
}
UNTRAINED_STYLES = (("0.45", ":", "x"), ("0.65", "-.", "x"))
_ARMS = {"l_tri": "triplet", "sharp dphr": "sharp", "sharp rda": "sharp_rda",
         "sharp palw": "sharp_palw"}  # fmt: skip
# ^ what texts call an arm -> its name
CURVE_LABELS = {"loss": "loss", "lambda": "λ", "recall": "recall in the batch"}

_RIGHT = ("✓", PALETTE["green"], "-")
_TWIN = ("twin", PALETTE["orange"], (0, (5, 1.2, 1.2, 1.2)))
_WRONG = ("✗", PALETTE["vermilion"], (0, (1.5, 1.2)))
_UNKNOWN = ("", "0.6", "-")
_TITLE_IN = 0.22  # height of a title above a picture, inches
_GRID = {"color": "0.9", "linewidth": 0.6}


def save(figure, path: Path | str, dpi: int = 120, **options) -> None:
    """Write a matplotlib figure; the suffix of `path` is the format, such as .png or .svg.

    The file appears whole or not at all, and its folder is made when missing. `options` are
    further keywords of `savefig`.
    """
    with replace_when_done(path) as aside:
        figure.savefig(aside, dpi=dpi, **options)


def run_styles(names: Iterable[str]) -> dict[str, tuple]:
    """Name -> (colour, line style, marker) of runs, in their order: a loss has its own.

    A loss is known by its arm's name or by what texts call it, such as "infonce" or "InfoNCE".
    Names that begin with "untrained" are grey. Raises ValueError for more names than styles.
    """
    names = list(names)
    untrained = [name for name in names if name.startswith("untrained")]
    known = {name: _arm(name) for name in names if _arm(name) in RUN_STYLES}
    others = [name for name in names if name not in known and name not in untrained]
    left = [style for arm, style in RUN_STYLES.items() if arm not in known.values()]
    if len(others) > len(left):
        raise ValueError(
            f"names: {len(names) - len(untrained)} given; expected up to {len(RUN_STYLES)} "
            "beside the untrained"
        )
    styles = {name: RUN_STYLES[arm] for name, arm in known.items()}
    styles |= dict(zip(others, left, strict=False))
    styles |= dict(zip(untrained, cycle(UNTRAINED_STYLES), strict=False))
    return {name: styles[name] for name in names}


def _arm(name: str) -> str:
    """The arm that a name in a figure or a text stands for."""
    plain = re.sub("[${}]", "", name).lower()
    return _ARMS.get(plain, plain)


def moving_average(values, width: int) -> np.ndarray:
    """Means over `width` values in a row, (n,) -> (n - width + 1,).

    Raises ValueError for a width below 1 or above the number of values.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not 1 <= width <= len(values):
        raise ValueError(f"width is {width}; expected 1 to {len(values)}, the number of values")
    return np.convolve(values, np.ones(width) / width, "valid")


def picture_row(axes, pictures: Mapping[str, np.ndarray], frame: bool = False):
    """Pictures side by side, each under its title; axes that are left over stay empty.

    `axes`: as many as `pictures` or more, in any shape. `pictures`: title -> (H, W, 3) or
    (3, H, W), uint8 or float in [0, 1]. `frame` draws a line around each. Returns the axes.
    Raises ValueError for too few axes or another shape.
    """
    axes = np.ravel(np.asarray(axes, dtype=object))
    if len(axes) < len(pictures):
        raise ValueError(f"axes: {len(axes)} given for {len(pictures)} pictures")
    for panel, (title, picture) in zip(axes, pictures.items(), strict=False):
        panel.imshow(_channels_last(title, np.asarray(picture)[None])[0])
        panel.set_title(title)
        panel.set(xticks=[], yticks=[])
    for number, panel in enumerate(axes):
        if not frame or number >= len(pictures):
            panel.axis("off")
    return axes


def retrieval_strips(
    figure, queries, results, scores, right=None, twins=None, titles=None, digits: int = 2
):
    """One row a query: the query, then its first k gallery images, framed, with their scores.

    `figure`: a matplotlib Figure or SubFigure. `queries` (Q, H, W, 3) and `results`
    (Q, k, H, W, 3), uint8 or float in [0, 1], or with the channels first, as an image set's `read`
    gives them. `scores` (Q, k). `right` (Q, k) bool: framed solid green with ✓, else dashed
    vermilion with ✗; `twins` (Q, k) bool marks those of the wrong that show a twin: dash-dotted
    orange. Without `right` the frames are grey. `titles`: a name a query. `digits`: decimals of
    the scores.
    Returns the axes (Q, 1 + k). Raises ValueError when the shapes do not fit.
    """
    queries, results = _channels_last("queries", queries), _channels_last("results", results)
    scores = np.asarray(scores)
    rows, k = scores.shape if scores.ndim == 2 else (-1, -1)
    if len(queries) != rows or results.shape[:2] != (rows, k):
        raise ValueError(
            f"queries {queries.shape}, results {results.shape} and scores {scores.shape} do not "
            "fit: expected (Q, H, W, 3), (Q, k, H, W, 3) and (Q, k)"
        )
    marks = _marks(right, twins, (rows, k))
    height_in = figure.bbox.height / figure.dpi
    grid = {"left": 0.01, "right": 0.99, "bottom": 0.02, "wspace": 0.08}
    grid["top"] = max(0.5, 1 - _TITLE_IN / height_in)
    axes = figure.subplots(rows, 1 + k, squeeze=False, gridspec_kw=grid)
    for row in range(rows):
        _picture(axes[row, 0], queries[row], ("", "black", "-"), width=0.8)
        axes[row, 0].set_title("query" if titles is None else titles[row], fontsize=8, pad=3)
        for column in range(k):
            mark = marks[row][column]
            _picture(axes[row, 1 + column], results[row, column], mark, width=2.5)
            label = f"{mark[0]} {scores[row, column]:.{digits}f}".strip()
            axes[row, 1 + column].set_title(label, fontsize=8, pad=3)
    return axes


def similarity_histogram(axes, positives, others, twins=None, bins: int = 40):
    """Cosine similarities of positive pairs, of pairs with a twin, and of all other pairs.

    Each is a 1-D array, drawn as shares of its own pairs over common bins, with its median as a
    vertical line in its own line style. Raises ValueError for an empty array or other shapes.
    """
    groups = [("other places", others, PALETTE["sky"], "///", ":")]
    if twins is not None:
        groups.append(("twins", twins, PALETTE["orange"], "...", "--"))
    groups.append(("positives", positives, PALETTE["blue"], "", "-"))
    values = {name: np.asarray(group, dtype=float) for name, group, *_ in groups}
    for name, group in values.items():
        if group.ndim != 1 or group.size == 0:
            raise ValueError(f"{name}: shape {group.shape}, expected (n,) similarities, n > 0")
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), bins)
    for name, _, colour, hatch, line in groups:
        group = values[name]
        shares = np.histogram(group, edges)[0] / group.size
        label = f"{name} (median {np.median(group):.2f}, n = {group.size:,})"
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
        axes.stairs(
            shares, edges, fill=bool(hatch), facecolor="none", edgecolor=colour, hatch=hatch,
            linestyle=line, linewidth=1.6, label=label,
        )  # fmt: skip
        axes.axvline(np.median(group), color=colour, linestyle=line, linewidth=1.2)
    axes.set(xlabel="cosine similarity", ylabel="share of pairs", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    _plain(axes)
    return axes


def training_curves(
    axes: Sequence,
    runs: Mapping[str, Mapping[str, Sequence[float]]],
    curves: Sequence[str] = ("loss", "lambda", "recall"),
    width: int = 1,
):
    """One panel a curve, one line a run, against the training step.

    `axes`: as many as `curves`. `runs`: name -> {"step": (n,), "loss": (n,), ...}; a run without a
    curve is left out of that panel, and values that are NaN (not measured at that step) are
    skipped. Each point is the mean over `width` steps; runs look as `run_styles` has it. Raises
    ValueError for other lengths, or for no run or more runs than there are styles.
    """
    axes = np.ravel(np.asarray(axes, dtype=object))
    if len(axes) != len(curves):
        raise ValueError(f"axes: {len(axes)} given for {len(curves)} curves {tuple(curves)}")
    if not 1 <= len(runs) <= len(RUN_STYLES):
        raise ValueError(f"runs: {len(runs)} given, expected 1 to {len(RUN_STYLES)}")
    styles = run_styles(runs)
    for panel, curve in zip(axes, curves, strict=True):
        for name, run in runs.items():
            if curve not in run:
                continue
            colour, line, _ = styles[name]
            step, values = (np.asarray(run[key], dtype=float) for key in ("step", curve))
            if step.shape != values.shape or step.ndim != 1:
                raise ValueError(
                    f"run {name!r}: {curve} has shape {values.shape}, step {step.shape}: "
                    "expected two of (n,)"
                )
            if width > 1:
                step, values = moving_average(step, width), moving_average(values, width)
            seen = np.isfinite(values)
            panel.plot(
                step[seen], values[seen], color=colour, linestyle=line, linewidth=1.4, label=name
            )
        panel.set(xlabel="step", ylabel=CURVE_LABELS.get(curve, curve))
        _plain(panel)
    if len(runs) > 1:  # on a panel that shows every run, if there is one
        fullest = max(axes, key=lambda panel: len(panel.lines))
        fullest.legend(frameon=False, fontsize=8)
    return axes


def arms_over_seeds(axes, arms, intervals=None, chance: float | None = None):
    """One row an arm: a small ring a seed, a large dot for their mean, a bar for its interval.

    `arms`: {name: values, one a seed}; `intervals`: {name: half-width} where they are to be shown;
    `chance`: a level to compare with, drawn as a dotted line. The first arm stands on top.
    Returns the axes. Raises ValueError for no arms, or for an arm without values.
    """
    if not arms:
        raise ValueError("arms is empty: expected {name: values of its seeds}")
    for row, (name, values) in enumerate(arms.items()):
        values = np.asarray(values, dtype=float).reshape(-1)
        if not len(values):
            raise ValueError(f"arm {name!r} has no values")
        half = (intervals or {}).get(name)
        if half is not None and np.isfinite(half):
            axes.errorbar(values.mean(), row, xerr=half, color="0.4", capsize=3, zorder=1)
        axes.plot(values.mean(), row, "o", color=PALETTE["blue"], markersize=8, zorder=2)
        # above the mean, so that it hides no seed
        seeds = {"color": "white", "markeredgecolor": "0.2", "markersize": 7}
        axes.plot(values, [row] * len(values), ".", zorder=3, **seeds)
    if chance is not None:
        axes.axvline(chance, color=PALETTE["vermilion"], linestyle=":", linewidth=1.4)
    axes.set(yticks=range(len(arms)), yticklabels=list(arms))
    axes.set_ylim(len(arms) - 0.4, -0.6)  # the first on top, and room beside the frame
    _plain(axes)
    return axes


def levels_curve(axes, levels, values, intervals, unchanged: float | None = None):
    """A measure over the levels of one thing, in the order given, each with its interval.

    `levels` (L,) are written below the marks; `values` (L,); `intervals` (L, 2), lower and upper
    end; `unchanged`: the measure without that thing, a dotted line. Returns the axes.
    """
    at, values = np.arange(len(levels)), np.asarray(values, dtype=float)
    reach = np.abs(np.asarray(intervals, dtype=float).T - values)
    axes.errorbar(at, values, yerr=reach, fmt="o-", color=PALETTE["blue"], capsize=3, markersize=4)
    if unchanged is not None:
        axes.axhline(unchanged, color=PALETTE["vermilion"], linestyle=":", linewidth=1.4)
    axes.set(xticks=at, xticklabels=[f"{level:g}" for level in levels])
    _plain(axes)
    return axes


def heatmap(axes, values, rows: Sequence[str], columns: Sequence[str], span=None):
    """Values as shades with the number in each cell; the diagonal is framed in a square one.

    `values` (R, C); `rows`, `columns`: their labels; `span`: (lowest, highest) shade, that of the
    values by default. Dark is high, so that a print without colour says the same. Returns the
    axes. Raises ValueError when the shapes do not fit or a value is not finite.
    """
    from matplotlib.patches import Rectangle

    values = np.asarray(values, dtype=float)
    if values.shape != (len(rows), len(columns)) or not np.isfinite(values).all():
        raise ValueError(
            f"values has shape {values.shape}: expected finite numbers of shape "
            f"({len(rows)}, {len(columns)}), one a row and column"
        )
    low, high = span or (values.min(), values.max())
    shade = (values - low) / (high - low if high > low else 1)
    axes.imshow(0.85 * shade, cmap="Greys", vmin=0, vmax=1)
    for row, column in np.ndindex(values.shape):
        ink = "white" if shade[row, column] > 0.6 else "black"
        axes.text(column, row, f"{values[row, column]:.1f}", color=ink, ha="center", va="center")
        if row == column and len(rows) == len(columns):
            axes.add_patch(
                Rectangle(
                    (column - 0.46, row - 0.46), 0.92, 0.92,
                    fill=False, edgecolor=PALETTE["orange"], linewidth=2,
                )
            )  # fmt: skip
    axes.set(xticks=range(len(columns)), yticks=range(len(rows)))
    axes.set(xticklabels=list(columns), yticklabels=list(rows))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def _marks(right, twins, shape) -> list[list[tuple]]:
    """The (mark, colour, line style) of each result."""
    if right is None:
        return [[_UNKNOWN] * shape[1]] * shape[0]
    twins = np.zeros(shape, bool) if twins is None else twins
    right, twins = np.asarray(right, dtype=bool), np.asarray(twins, dtype=bool)
    for name, flags in (("right", right), ("twins", twins)):
        if flags.shape != shape:
            raise ValueError(f"{name} has shape {flags.shape}: expected that of scores, {shape}")
    return [
        [_RIGHT if r else _TWIN if t else _WRONG for r, t in zip(*row, strict=True)]
        for row in zip(right, twins, strict=True)
    ]


def _channels_last(name: str, images) -> np.ndarray:
    """(..., H, W, 3) from that or from (..., 3, H, W)."""
    images = np.asarray(images)
    if images.ndim > 3 and images.shape[-1] != 3 and images.shape[-3] == 3:
        images = np.moveaxis(images, -3, -1)
    if images.ndim < 4 or images.shape[-1] != 3:
        raise ValueError(f"{name} has shape {images.shape}: expected RGB images (..., H, W, 3)")
    return images


def _picture(axes, image, mark, width) -> None:
    axes.imshow(image)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        # butt ends: the default ones would fill the gaps of a wide dashed frame
        spine.set(color=mark[1], linestyle=mark[2], linewidth=width, capstyle="butt")


def _plain(axes) -> None:
    axes.grid(**_GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
