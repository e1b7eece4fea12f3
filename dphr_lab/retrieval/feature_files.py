"""Embeddings that another program wrote: read, checked, scored, and compared.

Two kinds of file are read.

* `.npz` (numpy), one file a role: `features` (N, D) numbers; `places` (N,) integers or strings;
  and, if wanted, `families` (N,) the same, for places whose look-alikes are known.
* `.mat`, both roles in one file: `query_f`, `query_label`, `gallery_f`, `gallery_label`, as
  University1652-Baseline's `test.py` writes its `pytorch_result.mat`; whatever else is in the file
  is left alone. A gallery label of -1 ("no query's place") is an image that is never right: ranked
  in mode "full", left out in mode "query_places", as the official code leaves it out.

A place named by digits alone is that number, so "0839" and 839 are one place. Nothing pickled is
ever loaded.

Taught in: book/04.
"""

import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dphr_lab._child import run_reader
from dphr_lab.retrieval.intervals import Interval
from dphr_lab.retrieval.outcomes import QueryOutcomes, compare, query_outcomes
from dphr_lab.retrieval.report import MEASURES, RetrievalReport
from dphr_lab.settings.protocol import GALLERY_MODES

NPZ_KEYS = ("features", "places")  # and, if wanted, "families"
MAT_KEYS = ("query_f", "query_label", "gallery_f", "gallery_label")
MAT_READER = Path(__file__).with_name("_mat_file.py")
ROLES = ("query", "gallery")
_LENGTH_TOLERANCE = 5e-3  # what half precision leaves of a length of 1


@dataclass(frozen=True)
class Features:
    """The embeddings of one role."""

    z: np.ndarray  # (N, D), from `read_features` float32 and of length 1
    places: np.ndarray  # (N,) integers or str
    families: np.ndarray | None  # (N,) integers or str
    source: str  # file, and the role where one file holds both: names it in errors

    def __post_init__(self) -> None:
        for name, labels in (("places", self.places), ("families", self.families)):
            if labels is not None and labels.shape != (len(self.z),):
                raise ValueError(
                    f"{self.source}: {name} has shape {labels.shape}; expected "
                    f"({len(self.z)},), one a row of the features"
                )


@dataclass(frozen=True)
class Scores:
    """What `evaluate_files` measured; what concerns a second model is None without one."""

    reports: dict[str, RetrievalReport]  # by gallery mode
    other_reports: dict[str, RetrievalReport] | None
    differences: dict[str, dict[str, Interval]] | None  # by mode and measure: first minus second

    def __str__(self) -> str:
        parts = []
        for title, reports in (("first", self.reports), ("second", self.other_reports)):
            for report in (reports or {}).values():
                parts.append(f"{title} model\n{report}" if self.differences else str(report))
        for mode, found in (self.differences or {}).items():
            one = next(iter(found.values()))
            lines = [
                f"first minus second, gallery mode {mode!r}: points, {100 * one.level:.0f} % "
                f"interval over {one.groups:,} {self.reports[mode].resampled.split()[-1]}, draws "
                "above 0"
            ]
            lines += [
                f"{MEASURES[name]:12}{i.estimate:+7.2f} ({i.low:+.2f} to {i.high:+.2f}) "
                f"{100 * i.share_above_0:5.1f} %"
                for name, i in found.items()
            ]
            parts.append("\n".join(lines))
        return "\n\n".join(parts)

    def to_dict(self) -> dict:
        """The same as a dict of JSON's own types."""
        written: dict = {"first": {mode: r.to_dict() for mode, r in self.reports.items()}}
        if self.differences is not None:
            written["second"] = {mode: r.to_dict() for mode, r in self.other_reports.items()}
            written["first minus second"] = {
                mode: {name: interval.to_dict() for name, interval in found.items()}
                for mode, found in self.differences.items()
            }
        return written


def evaluate_files(
    paths: Sequence[Path | str],
    other_paths: Sequence[Path | str] | None = None,
    gallery_modes: Iterable[str] = GALLERY_MODES,
    notice: Callable[[str], None] = warnings.warn,
) -> Scores:
    """Score the features in `paths`, and compare them with those in `other_paths`.

    Paths and `notice` as for `read_features`. Raises as it does, and ValueError where the two
    models were not asked the same queries in the same gallery, naming a place that shows it.
    """
    first, gallery_modes = read_features(paths, notice), tuple(gallery_modes)
    second = None if other_paths is None else read_features(other_paths, notice)
    if second:  # before the ranking, which takes its time
        for role, one, other in zip(ROLES, first, second, strict=True):
            _check_same_labels(role, one, other)
    found = [outcomes_of(*model, gallery_modes) for model in (first, second) if model]
    reports = [{mode: o.report(tta="unknown") for mode, o in modes.items()} for modes in found]
    if second is None:
        return Scores(reports[0], None, None)
    differences = {mode: compare(found[0][mode], found[1][mode]) for mode in gallery_modes}
    return Scores(*reports, differences)


def read_features(
    paths: Sequence[Path | str], notice: Callable[[str], None] = warnings.warn
) -> tuple[Features, Features]:
    """Query and gallery from two `.npz` files, in this order, or from one `.mat` file.

    Features are normalised; `notice` is called with a line where they were not. Raises
    FileNotFoundError for a missing file. Raises ValueError naming file, key and row for files that
    are damaged or pickled, missing or unknown keys, shapes that do not fit, and rows that are zero
    or not finite.
    """
    paths = [Path(path) for path in paths]
    suffixes = [path.suffix.lower() for path in paths]
    if suffixes not in ([".mat"], [".npz", ".npz"]):
        raise ValueError(
            f"features: found {' '.join(map(str, paths)) or 'no file'}; expected a query .npz and "
            "a gallery .npz, or one .mat that holds both"
        )
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"features: found no file {path}")
    read = _read_mat(paths[0]) if suffixes == [".mat"] else [_read_npz(path) for path in paths]
    query, gallery = (_normalised(features, notice) for features in read)
    _check_pair(query, gallery)
    return query, gallery


def outcomes_of(
    query: Features, gallery: Features, gallery_modes: Iterable[str]
) -> dict[str, QueryOutcomes]:
    """Each query's outcome in each gallery mode ("full", "query_places")."""
    labels = [_numbered(query.places, gallery.places), (None, None)]
    if query.families is not None:
        labels[1] = _numbered(query.families, gallery.families)
    (query_places, gallery_places), (query_families, gallery_families) = labels
    return {
        mode: query_outcomes(
            query.z,
            query_places,
            gallery.z,
            gallery_places,
            mode,
            query_families,
            gallery_families,
        )
        for mode in gallery_modes
    }


def _read_npz(path: Path) -> Features:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged files
        if "allow_pickle" in str(error):
            raise ValueError(
                f"{path}: holds pickled objects, which are not loaded since they can run code; "
                "store features as numbers and places as integers or strings"
            ) from None
        raise ValueError(
            f"{path}: not a whole .npz file ({type(error).__name__}: {_line(error)})"
        ) from None
    strange = [name for name, value in found.items() if not isinstance(value, np.ndarray)]
    if strange:
        raise ValueError(
            f"{path}: {strange[0]} is no array of numpy's; store features and places with np.savez"
        )
    missing = [name for name in NPZ_KEYS if name not in found]
    unknown = sorted(found.keys() - {*NPZ_KEYS, "families"})
    if missing or unknown:
        raise ValueError(
            f"{path}: found keys {sorted(found)}; expected 'features', 'places' and, if wanted, "
            "'families'"
        )
    families = found.get("families")
    return Features(
        z=_matrix(found["features"], f"{path}: features"),
        places=_labels(found["places"], f"{path}: places"),
        families=None if families is None else _labels(families, f"{path}: families"),
        source=str(path),
    )


def _read_mat(path: Path) -> list[Features]:
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder).resolve() / "arrays.npz"
        run_reader(MAT_READER, path, arrays, *MAT_KEYS)
        with np.load(arrays, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    missing = [name for name in MAT_KEYS if name not in found]
    if missing:
        raise ValueError(f"{path}: lacks {missing}; expected the keys {list(MAT_KEYS)}")
    both = []
    for role in ROLES:
        label = f"{role}_label"
        places = _labels(_row(found[label], f"{path}: {label}"), f"{path}: {label}")
        z = _matrix(found[f"{role}_f"], f"{path}: {role}_f")
        both.append(Features(z, places, None, f"{path}: {role}"))
    return both


def _row(labels: np.ndarray, name: str) -> np.ndarray:
    """A MATLAB row or column as (N,): whole doubles as integers, names without their padding."""
    labels = labels.reshape(-1) if labels.ndim == 2 and 1 in labels.shape else labels
    if labels.dtype.kind == "f" and labels.ndim == 1:
        # beyond 2^53 a double tells whole numbers no longer apart
        if (wrong := ~((labels == np.round(labels)) & (np.abs(labels) <= 2**53))).any():
            raise ValueError(
                f"{name}: {_first_row(wrong)} is {labels[wrong][0]}; expected whole numbers of "
                "places, or names"
            )
        return labels.astype(np.int64)
    return np.char.rstrip(labels) if labels.dtype.kind == "U" else labels


def _matrix(z: np.ndarray, name: str) -> np.ndarray:
    if z.dtype.kind not in "fiu" or z.ndim != 2 or 0 in z.shape:
        raise ValueError(
            f"{name}: found {z.dtype} of shape {z.shape}; expected numbers of shape (images, D), "
            "at least one image"
        )
    if (wrong := ~np.isfinite(z).all(axis=1)).any():
        raise ValueError(f"{name}: {_first_row(wrong)} is not finite (NaN or infinity)")
    return z


def _first_row(wrong: np.ndarray) -> str:
    """The first of the rows that a mask (N,) marks, and how many more there are."""
    more = f" (and {wrong.sum() - 1:,} more)" if wrong.sum() > 1 else ""
    return f"row {int(wrong.argmax())}{more}"


def _labels(labels: np.ndarray, name: str) -> np.ndarray:
    """Integers; or strings, those of digits alone without leading zeros."""
    if labels.dtype.kind == "S":
        try:
            labels = np.char.decode(labels, "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: found names that are not UTF-8 ({error})") from None
    if labels.dtype.kind not in "iuU" or labels.ndim != 1:
        raise ValueError(
            f"{name}: found {labels.dtype} of shape {labels.shape}; expected (images,) integers or "
            "strings"
        )
    if labels.dtype.kind in "iu":
        return labels
    numbers = [name.isdecimal() and len(name) < 19 for name in labels.tolist()]  # that fit int64
    if all(numbers):
        return labels.astype(np.int64)
    pairs = zip(labels.tolist(), numbers, strict=True)
    return np.array([str(int(name)) if number else name for name, number in pairs])


def _normalised(features: Features, notice: Callable[[str], None]) -> Features:
    z = features.z
    with np.errstate(over="ignore"):  # said in words two lines below
        lengths = np.sqrt(np.einsum("nd,nd->n", z, z, dtype=np.float64, casting="same_kind"))
    if (wrong := ~(np.isfinite(lengths) & (lengths > 0))).any():
        raise ValueError(
            f"{features.source}: {_first_row(wrong)} is of length 0 or too long for a number"
        )
    if np.abs(lengths - 1).max() > _LENGTH_TOLERANCE:
        notice(
            f"{features.source}: features have lengths from {lengths.min():.3g} to "
            f"{lengths.max():.3g}; normalised to 1"
        )
    return replace(features, z=(z / lengths[:, None]).astype(np.float32))


def _check_pair(query: Features, gallery: Features) -> None:
    one, other = query.z.shape[1], gallery.z.shape[1]
    if one != other:
        raise ValueError(
            f"{query.source} has D = {one}, {gallery.source} D = {other}; expected the same encoder"
        )
    if (query.families is None) != (gallery.families is None):
        with_them, without = (query, gallery) if gallery.families is None else (gallery, query)
        raise ValueError(
            f"{without.source}: lacks 'families', which {with_them.source} has; give both or none"
        )
    if query.places.dtype.kind == "i" and (query.places < 0).any():
        raise ValueError(
            f"{query.source}: found place {query.places.min()}; only a gallery's may be below 0"
        )
    if not np.isin(*_numbered(query.places, gallery.places)).any():
        raise ValueError(
            f"{query.source} and {gallery.source} have no place in common (for example "
            f"{query.places[0]} and {gallery.places[0]}): do the two name places in the same way?"
        )
    if query.families is not None:
        _check_one_family_a_place(query, gallery)


def _check_one_family_a_place(query: Features, gallery: Features) -> None:
    places = np.concatenate([query.places.astype(str), gallery.places.astype(str)])
    families = np.concatenate([query.families.astype(str), gallery.families.astype(str)])
    _, first, place = np.unique(places, return_index=True, return_inverse=True)
    if (split := families != families[first][place]).any():
        row = int(split.argmax())
        raise ValueError(
            f"{query.source} and {gallery.source}: place {places[row]} is in family "
            f"{families[first][place][row]} and in family {families[row]}; expected one"
        )


def _check_same_labels(role: str, one: Features, other: Features) -> None:
    for name in ("places", "families"):
        counts = [_counts(getattr(features, name)) for features in (one, other)]
        differing = sorted(
            label for label in counts[0] | counts[1] if counts[0].get(label) != counts[1].get(label)
        )
        if differing:
            label = differing[0]
            raise ValueError(
                f"{one.source} and {other.source} are not the same {role}: {len(differing):,} "
                f"{name} differ in their number of rows, such as {label} with "
                f"{counts[0].get(label, 0)} and {counts[1].get(label, 0)}"
            )


def _counts(labels: np.ndarray | None) -> dict[str, int]:
    if labels is None:
        return {}
    return dict(
        zip(*(a.tolist() for a in np.unique(labels.astype(str), return_counts=True)), strict=True)
    )


def _numbered(query: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels of both as integers that agree where the labels do."""
    if query.dtype.kind == gallery.dtype.kind == "i":
        return query, gallery
    both = np.concatenate([query.astype(str), gallery.astype(str)])
    _, number = np.unique(both, return_inverse=True)
    return number[: len(query)], number[len(query) :]


def _line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or ["no reason given"])[0]
