"""Psychometric curves: the share of correct choices between two, against the logarithm of a dose.

p(x) = 1/2 + (1/2 - lapse) Phi((log2 x - log2 midpoint) / width), for a dose x in square metres:
chance where nothing can be seen, and 1 - lapse where everything can. The threshold is the dose at
which p is 75 %, or another criterion, said only where it lies among the doses that were tried.
Source: Wichmann and Hill, "The psychometric function: I", Perception & Psychophysics 2001.
Taught in: book/22.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri, xlogy

CRITERION = 0.75  # half-way from chance to certainty; a milder one is asked for by its name
_WIDTHS = np.geomspace(0.5, 6, 12)  # octaves; doses an octave apart show no steeper one
_LAPSES = np.linspace(0, 0.5, 11)
_STEP, _BEYOND = 0.125, 3.0  # of the midpoints' grid: its step, and its reach past the doses


@dataclass(frozen=True)
class Fit:
    """A psychometric curve."""

    midpoint_m2: float  # where it is half-way from chance to its top
    width_octaves: float  # standard deviation of the cumulative normal
    lapse: float  # share of errors that no dose removes; 0.5 is a flat curve at chance

    def __call__(self, dose_m2) -> np.ndarray:
        """The share of correct choices at some doses above 0, in [0.5, 1]."""
        x = np.log2(np.asarray(dose_m2, float) / self.midpoint_m2)
        return 0.5 + (0.5 - self.lapse) * ndtr(x / self.width_octaves)


@dataclass(frozen=True)
class Threshold:
    """The dose of a share correct, in m², with a 95 % interval; no value is beyond the tried doses.

    The share is the criterion that `threshold` was asked for. Each of the three is 0.0 when it lies
    below `smallest_m2` (the share is passed at every dose), and None when it lies above
    `largest_m2` (it is not reached).
    """

    value_m2: float | None
    low_m2: float | None
    high_m2: float | None
    smallest_m2: float
    largest_m2: float

    @property
    def reached(self) -> bool:
        """Whether the curve passes the criterion at or below the largest dose."""
        return self.value_m2 is not None

    def __str__(self) -> str:
        if self.value_m2 is None:
            bound = (
                f"; its interval begins at {self._in_words(self.low_m2)} m²" if self.low_m2 else ""
            )
            return f"not reached up to {self.largest_m2:.0f} m²{bound}"
        value, low, high = map(self._in_words, (self.value_m2, self.low_m2, self.high_m2))
        return f"{value} m² ({low} to {high})"

    def _in_words(self, dose_m2: float | None) -> str:
        if dose_m2 is None:
            return f"above {self.largest_m2:.0f}"
        return f"{dose_m2:.0f}" if dose_m2 else f"below {self.smallest_m2:.0f}"


def fit_curve(dose_m2, correct, trials) -> Fit:
    """The curve of largest binomial likelihood.

    `dose_m2` (C,) above 0; `correct` (C,) out of `trials` (C,), ties counted one half. The best
    curve of a grid is the start of a search within its bounds. Raises ValueError for shapes that
    do not fit, a dose that is not above 0, or no trial at all.
    """
    dose, correct, trials = _checked(dose_m2, correct, trials)
    low, high = np.log2(dose.min()) - _BEYOND, np.log2(dose.max()) + _BEYOND
    start = _grid_search(dose, correct[None], trials[None])[0]

    def cost(parameters):
        p = _share(np.log2(dose), *parameters)
        return -(xlogy(correct, p) + xlogy(trials - correct, 1 - p)).sum()

    bounds = ((low, high), (_WIDTHS[0], _WIDTHS[-1]), (0, 0.5))
    found = minimize(cost, start, method="L-BFGS-B", bounds=bounds)
    midpoint, width, lapse = found.x if found.fun <= cost(start) else start
    return Fit(float(2**midpoint), float(width), float(lapse))


def threshold_m2(
    fit: Fit, smallest_m2: float, largest_m2: float, criterion: float = CRITERION
) -> float | None:
    """The dose where a curve passes the criterion, a share in (0.5, 1).

    0.0 if it is below the smallest dose, None if above the largest.
    """
    row = np.array([[np.log2(fit.midpoint_m2), fit.width_octaves, fit.lapse]])
    return _rounded_or_none(_thresholds(row, smallest_m2, largest_m2, criterion)[0])


def bootstrap_thresholds(dose_m2, correct, trials, criterion: float = CRITERION) -> np.ndarray:
    """Thresholds (R,) of R resamples; 0 is below the smallest dose, infinity above the largest.

    `dose_m2` (C,); `correct` and `trials` (R, C). Each is the best curve of the same grid: an
    eighth of an octave apart, which is fine beside the interval that is sought.
    """
    dose = np.asarray(dose_m2, float)
    rows = _grid_search(dose, np.asarray(correct, float), np.asarray(trials, float))
    return _thresholds(rows, dose.min(), dose.max(), criterion)


def threshold(
    dose_m2, correct, trials, correct_resampled, trials_resampled, criterion: float = CRITERION
) -> Threshold:
    """The threshold of a fitted curve with the 95 % interval of resampled counts (R, C).

    Raises ValueError for a criterion that is not between chance, 0.5, and 1, and as `fit_curve`.
    """
    if not 0.5 < criterion < 1:
        raise ValueError(f"criterion is {criterion}; expected a share between 0.5 and 1")
    smallest, largest = float(np.min(dose_m2)), float(np.max(dose_m2))
    value = threshold_m2(fit_curve(dose_m2, correct, trials), smallest, largest, criterion)
    resampled = correct_resampled, trials_resampled
    spread = np.sort(bootstrap_thresholds(dose_m2, *resampled, criterion))
    # taken from the sorted values, not between them: some are infinite
    low, high = (spread[round(q * (len(spread) - 1))] for q in (0.025, 0.975))
    return Threshold(value, _rounded_or_none(low), _rounded_or_none(high), smallest, largest)


def _share(log2_dose, midpoint, width, lapse):
    p = 0.5 + (0.5 - lapse) * ndtr((log2_dose - midpoint) / width)
    return np.clip(p, 1e-9, 1 - 1e-9)


def _grid_search(dose: np.ndarray, correct: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """(R, C) counts -> (R, 3): log2 midpoint, width and lapse of the likeliest curve of a grid."""
    x = np.log2(dose)
    midpoints = np.arange(x.min() - _BEYOND, x.max() + _BEYOND, _STEP)
    grid = np.stack(np.meshgrid(midpoints, _WIDTHS, _LAPSES, indexing="ij"), -1).reshape(-1, 3)
    p = _share(x, *grid.T[..., None])  # (G, C)
    right, wrong = np.log(p).T, np.log(1 - p).T
    best = [
        (correct[i : i + 64] @ right + (trials - correct)[i : i + 64] @ wrong).argmax(1)
        for i in range(0, len(correct), 64)
    ]
    return grid[np.concatenate(best)]


def _thresholds(
    curves: np.ndarray, smallest_m2: float, largest_m2: float, criterion: float
) -> np.ndarray:
    """(R, 3) curves -> (R,) thresholds, 0 or infinity outside the two doses."""
    midpoint, width, lapse = curves.T
    needed = (criterion - 0.5) / np.maximum(0.5 - lapse, 1e-12)
    x = np.where(needed < 1, midpoint + width * ndtri(np.minimum(needed, 1 - 1e-12)), np.inf)
    dose = np.where(x < np.log2(smallest_m2), 0.0, np.exp2(np.minimum(x, 64)))
    return np.where(x > np.log2(largest_m2), np.inf, dose)


def _rounded_or_none(dose_m2: float) -> float | None:
    return None if np.isinf(dose_m2) else round(float(dose_m2), 2)


def _checked(dose_m2, correct, trials) -> list[np.ndarray]:
    arrays = [np.asarray(values, float) for values in (dose_m2, correct, trials)]
    if arrays[0].ndim != 1 or any(a.shape != arrays[0].shape for a in arrays):
        shapes = [a.shape for a in arrays]
        raise ValueError(f"dose_m2, correct, trials have shapes {shapes}; expected three of (C,)")
    if not (arrays[0] > 0).all():
        raise ValueError(f"dose_m2 is {dose_m2}; expected square metres above 0")
    if not arrays[2].sum() > 0:
        raise ValueError("trials is 0 at every dose: there is nothing to fit")
    return arrays
