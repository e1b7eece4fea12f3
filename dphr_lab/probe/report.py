"""Ask an encoder the trials of the probe, and report which changes it could see."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace

import numpy as np

from dphr_lab.probe.psychometric import CRITERION, Fit, Threshold, fit_curve, threshold
from dphr_lab.probe.stimuli import Stimuli
from dphr_lab.results.environment import describe
from dphr_lab.retrieval import SELECTED_ON_TEST
from dphr_lab.retrieval.intervals import resampled_counts, share_intervals

TIE = 1e-6  # cosine similarities nearer than this are equal: float32, and other batches, move less
ALL_KINDS = "all kinds"
_LETTERS = {"0": 0.0, "=": 0.5, "1": 1.0, "-": np.nan}  # wrong, a tie, right, no such trial


@dataclass(frozen=True)
class Curve:
    """Choices by dose, D doses from small to large; shares in percent, chance 50."""

    dose_m2: tuple[float, ...]  # asked
    area_m2: tuple[float, ...]  # met: the geometric mean over the trials; the curve is fitted to it
    trials: tuple[int, ...]
    correct: tuple[float, ...]  # share that is right, a tie counting one half
    low: tuple[float, ...]  # 95 % interval of it, by bootstrap over places
    high: tuple[float, ...]
    blind: tuple[float, ...]  # share right when asked with the drone views of the other places
    fit: Fit
    threshold: Threshold


@dataclass(frozen=True)
class ProbeReport:
    """What `probe` measured of one encoder: a curve over all kinds and one a kind of change."""

    name: str
    curves: dict[str, Curve]  # `ALL_KINDS` first, then each kind
    control: tuple[float, float, float]  # share right at dose 0 with its interval; chance is 50
    control_trials: int
    places: int
    resamples: int  # of the places, for the intervals
    bootstrap_seed: int
    outcomes: str  # a letter a place, kind and dose from 0, in that order: see `_LETTERS`
    stimuli: dict  # the settings of the stimuli
    versions: dict
    hardware: dict
    selected_on_test: bool = False  # the encoder was chosen by test results: no fair measurement

    @property
    def leaks(self) -> bool:
        """Whether dose 0 can be distinguished: then not only the change shows the answer."""
        share, low, high = self.control
        return abs(share - 50) > 2 and not low <= 50 <= high

    def table(self) -> np.ndarray:
        """Outcomes in {0, 0.5, 1}, NaN where there is no trial, (places, kinds, 1 + doses)."""
        shape = (self.places, len(self.stimuli["kinds"]), 1 + len(self.stimuli["doses_m2"]))
        return np.array([_LETTERS[letter] for letter in self.outcomes]).reshape(shape)

    def threshold(self, criterion: float = CRITERION, kind: str = ALL_KINDS) -> Threshold:
        """The dose at which a share in (0.5, 1) is right, from the stored outcomes.

        The curve's own `threshold` is that of 75 %. Raises ValueError for a kind without a curve,
        or a criterion outside of the range.
        """
        if kind not in self.curves:
            raise ValueError(f"kind is {kind!r}; expected one of {', '.join(self.curves)}")
        asked = [kind in (ALL_KINDS, name) for name in self.stimuli["kinds"]]
        doses = np.isin([0.0, *self.stimuli["doses_m2"]], self.curves[kind].dose_m2)
        outcomes = self.table()[:, asked][:, :, doses]
        won, met = np.nansum(outcomes, 1), np.isfinite(outcomes).sum(1)  # (places, doses)
        drawn = resampled_counts(self.places, self.resamples, self.bootstrap_seed)
        counts = won.sum(0), met.sum(0), drawn @ won, drawn @ met
        return threshold(self.curves[kind].area_m2, *counts, criterion)

    def __str__(self) -> str:
        curve = self.curves[ALL_KINDS]
        share, low, high = self.control
        lines = [SELECTED_ON_TEST] if self.selected_on_test else []
        lines += [
            f"{self.name}: {self.places} places, 95 % intervals from {self.resamples:,} resamples",
            f"{'correct % at m²':20}" + "".join(f"{dose:6g}" for dose in curve.dose_m2)
            + "  75 % at (95 % interval)",
        ]  # fmt: skip
        for kind, curve in self.curves.items():
            shares = dict(zip(curve.dose_m2, curve.correct, strict=True))
            cells = "".join(
                f"{shares[d]:6.1f}" if d in shares else f"{'–':>6}"
                for d in self.curves[ALL_KINDS].dose_m2
            )
            lines.append(f"{kind:20}{cells}  {curve.threshold}")
        lines.append(
            f"dose 0: {share:.1f} % ({low:.1f} to {high:.1f}; {self.control_trials:,} trials; "
            "chance 50)"
        )
        if self.leaks:
            lines.append("DOSE 0 IS TOLD APART: the stimuli give answers away; trust no number")
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """The fields as JSON's own types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "ProbeReport":
        """The report that `to_dict` wrote, also after JSON. Raises ValueError for other fields."""
        try:
            curves = {name: _curve(curve) for name, curve in values["curves"].items()}
            control = tuple(values["control"])
            return cls(**(values | {"curves": curves, "control": control}))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"values is no ProbeReport: {error}") from error


def _curve(values: dict) -> Curve:
    columns = {k: tuple(v) for k, v in values.items() if k not in ("fit", "threshold")}
    return Curve(**columns, fit=Fit(**values["fit"]), threshold=Threshold(**values["threshold"]))


def probe(
    embed: Callable,
    stimuli: Stimuli,
    name: str = "encoder",
    batch_size: int = 256,
    resamples: int = 1000,
    bootstrap_seed: int = 0,
) -> ProbeReport:
    """Ask any encoder which of two satellite images shows the drone view's place.

    `embed` is a callable from uint8 RGB images (B, 3, H, W) to embeddings (B, D), tensor or array,
    of any length above 0. The images are a tensor on the CPU, or for a module where its parameters
    are. The choice is the larger cosine similarity. The report of an encoder that was selected on
    the test set says so. Raises ValueError for a module in training mode, and for embeddings of
    another shape or not finite. Taught in: book/22.
    """
    if getattr(embed, "training", False):
        raise ValueError("embed is a module in training mode: call its eval() first")
    z_drone, z_satellite = (
        _embed(embed, images, batch_size) for images in (stimuli.drone, stimuli.satellite)
    )
    report = probe_embeddings(z_drone, z_satellite, stimuli, name, resamples, bootstrap_seed)
    return replace(report, selected_on_test=getattr(embed, "selected_on_test", False))


def probe_embeddings(
    z_drone,
    z_satellite,
    stimuli: Stimuli,
    name: str = "encoder",
    resamples: int = 1000,
    bootstrap_seed: int = 0,
) -> ProbeReport:
    """`probe` from embeddings that are there: z_drone (N, D) and z_satellite (M, D).

    Row i embeds `stimuli.drone[i]` or `stimuli.satellite[i]`. Raises ValueError for other shapes,
    values that are not finite, and stimuli whose `check` fails.
    """
    stimuli.check()
    right = choices(z_drone, z_satellite, stimuli)
    blind = _blind(z_drone, z_satellite, stimuli)
    places, doses = len(stimuli.drone), stimuli.settings.doses_m2
    drawn = resampled_counts(places, resamples, bootstrap_seed)
    counted = {}
    for kind in (None, *range(len(stimuli.settings.kinds))):
        asked = (stimuli.kinds == kind) if kind is not None else np.ones(len(right), bool)
        label = ALL_KINDS if kind is None else stimuli.settings.kinds[kind]
        cells = [asked & (stimuli.doses_m2 == dose) for dose in doses]
        cells = [cell for cell in cells if cell.any()]  # a dose that no place took has no point
        if cells:
            counted[label] = _count(cells, right, blind, drawn, stimuli)
    if ALL_KINDS not in counted:
        raise ValueError("stimuli hold no trial above dose 0: ask for other doses or more places")
    nothing = stimuli.doses_m2 == 0
    won, met = _by_place(right, [nothing], stimuli)
    share, low, high = _shares(won, met, drawn)
    return ProbeReport(
        name=name,
        curves=counted,
        control=(share[0], low[0], high[0]),
        control_trials=int(nothing.sum()),
        places=places,
        resamples=resamples,
        bootstrap_seed=bootstrap_seed,
        outcomes=_outcomes(right, stimuli),
        stimuli=_plain(stimuli),
        **describe(),
    )


def compare(
    first: ProbeReport,
    second: ProbeReport,
    kind: str = ALL_KINDS,
    doses_m2: Iterable[float] | None = None,
    resamples: int = 2000,
    bootstrap_seed: int = 0,
) -> tuple[float, float, float]:
    """Share correct of `first` minus that of `second` on the same trials, and its 95 % interval.

    In points of percent, by a paired bootstrap over places: both answer the resampled places.
    `doses_m2`: over these doses; None: all above 0. Raises ValueError for reports of other stimuli,
    and for a kind or doses without a trial.
    """
    if first.stimuli != second.stimuli:
        raise ValueError("first and second were asked other trials: probe both with one Stimuli")
    doses = np.array([0.0, *first.stimuli["doses_m2"]])
    asked = doses > 0 if doses_m2 is None else np.isin(doses, list(doses_m2))
    kinds = [kind in (ALL_KINDS, name) for name in first.stimuli["kinds"]]
    gain = (first.table() - second.table())[:, kinds][:, :, asked].reshape(first.places, -1)
    won, met = np.nansum(gain, 1), np.isfinite(gain).sum(1)
    if not met.sum():
        raise ValueError(f"kind {kind!r}, doses_m2 {doses_m2}: the reports have no such trial")
    drawn = resampled_counts(first.places, resamples, bootstrap_seed)
    columns = share_intervals(won[:, None], met[:, None], drawn)
    return tuple(round(100 * float(column[0]), 2) for column in columns)


def choices(z_drone, z_satellite, stimuli: Stimuli) -> np.ndarray:
    """Whether each trial is answered right, (T,) in {0, 0.5, 1}: 0.5 is a tie.

    Raises ValueError as `probe_embeddings` does.
    """
    z_drone = _unit("z_drone", z_drone, len(stimuli.drone))
    z_satellite = _unit("z_satellite", z_satellite, len(stimuli.satellite))
    query = z_drone[stimuli.places]  # (T, D)
    similarity = [(query * z_satellite[pair]).sum(1) for pair in stimuli.pairs.T]
    return _right(similarity[0] - similarity[1], stimuli.answers)


def _blind(z_drone, z_satellite, stimuli: Stimuli) -> np.ndarray:
    """(T,) mean outcome of each trial over the drone views of all other places; NaN for one."""
    z_drone = _unit("z_drone", z_drone, len(stimuli.drone))
    z_satellite = _unit("z_satellite", z_satellite, len(stimuli.satellite))
    similarity = z_drone @ z_satellite.T  # (N, M)
    first, second = stimuli.pairs.T
    total = np.zeros(len(stimuli.answers))
    for place, row in enumerate(similarity):
        total += _right(row[first] - row[second], stimuli.answers) * (stimuli.places != place)
    others = len(z_drone) - 1
    return total / others if others else np.full(len(total), np.nan)


def _right(margin: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Outcomes from the first alternative's similarity minus the second's."""
    margin = np.where(answers == 0, margin, -margin)
    return np.where(np.abs(margin) <= TIE, 0.5, margin > 0)


def _count(cells, right, blind, drawn, stimuli: Stimuli) -> Curve:
    won, met = _by_place(right, cells, stimuli)
    correct, low, high = _shares(won, met, drawn)
    areas = np.array([np.exp(np.log(stimuli.areas_m2[cell]).mean()) for cell in cells])
    counts = won.sum(0), met.sum(0)
    return Curve(
        dose_m2=tuple(float(stimuli.doses_m2[cell][0]) for cell in cells),
        area_m2=tuple(areas.round(2).tolist()),
        trials=tuple(met.sum(0).astype(int).tolist()),
        correct=correct,
        low=low,
        high=high,
        blind=tuple(round(100 * float(blind[cell].mean()), 2) for cell in cells),
        fit=fit_curve(areas, *counts),
        threshold=threshold(areas, *counts, drawn @ won, drawn @ met),
    )


def _outcomes(right, stimuli: Stimuli) -> str:
    doses = (0.0, *stimuli.settings.doses_m2)
    letters = np.full((len(stimuli.drone), len(stimuli.settings.kinds), len(doses)), "-")
    where = stimuli.places, stimuli.kinds, np.searchsorted(doses, stimuli.doses_m2)
    letters[where] = np.where(right == 0.5, "=", right.astype(int).astype(str))
    return "".join(letters.ravel())


def _by_place(right, cells, stimuli: Stimuli) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and trials of each place in each cell, (N, C) each."""
    size = len(stimuli.drone)
    sums = [
        [np.bincount(stimuli.places[cell], weights=w[cell], minlength=size) for cell in cells]
        for w in (right, np.ones(len(right)))
    ]
    return np.stack(sums[0], 1), np.stack(sums[1], 1)


def _shares(won, met, drawn) -> tuple[tuple, tuple, tuple]:
    """Percent correct of each cell with its 95 % interval over resampled places."""
    columns = share_intervals(won, met, drawn)
    return tuple(tuple((100 * column).round(2).tolist()) for column in columns)


def _embed(embed: Callable, images: np.ndarray, batch_size: int) -> np.ndarray:
    import torch

    parameters = embed.parameters() if isinstance(embed, torch.nn.Module) else iter(())
    device = getattr(next(parameters, None), "device", "cpu")
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            z = embed(torch.from_numpy(images[start : start + batch_size]).to(device))
            z = z.detach().cpu().float().numpy() if isinstance(z, torch.Tensor) else np.asarray(z)
            if z.ndim != 2 or len(z) != len(images[start : start + batch_size]):
                raise ValueError(
                    f"embed gave shape {z.shape} for {len(images[start : start + batch_size])} "
                    "images; expected (B, D)"
                )
            parts.append(z)
    return np.concatenate(parts)


def _unit(name: str, z, count: int) -> np.ndarray:
    """(count, D) float64 of length 1; a zero row stays zero."""
    z = np.asarray(z, float)
    if z.ndim != 2 or len(z) != count:
        raise ValueError(f"{name} has shape {z.shape}; expected ({count}, D), a row an image")
    if not np.isfinite(z).all():
        raise ValueError(f"{name} holds a value that is NaN or infinite")
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)


def _plain(stimuli: Stimuli) -> dict:
    """The settings as JSON's own types."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(stimuli.settings).items()}
