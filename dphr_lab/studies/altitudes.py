"""Encoders trained at one altitude and tested at all: the matrix that one model a height hides.

SUES-200's convention is a model for each height, tested at its own. `altitude_matrix` trains those
models and tests each at every height. Its folder:

    150/, 200/, …        a training run each (see `training`), and in it
    150/tested.json      {height tested at: {direction: report}}
    matrix.json          {format, heights_m, settings, origin, data, versions, hardware, reports}
    matrix.md            tables, matrix.png figure

Taught in: book/11.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from dphr_lab._files import read_json, replace_when_done, write_json
from dphr_lab._locks import only_writer
from dphr_lab.datasets import SUES200, find_layout
from dphr_lab.datasets.dataset import describe_data
from dphr_lab.datasets.layouts import open_all
from dphr_lab.datasets.same_ground import SameGround
from dphr_lab.localization import evaluate_dataset, evaluate_images
from dphr_lab.models import Encoder, default_device
from dphr_lab.plotting import heatmap, save
from dphr_lab.results import environment
from dphr_lab.results.run_folder import CURVES, RESULT, RUN_FORMAT, holds_run, stored_result
from dphr_lab.results.tables import markdown_table
from dphr_lab.retrieval import SELECTED_ON_TEST, RetrievalReport
from dphr_lab.settings import Settings
from dphr_lab.settings.protocol import DIRECTIONS
from dphr_lab.training import fit
from dphr_lab.training.log import draw_curves

MATRIX_FORMAT = RUN_FORMAT
TESTED = "tested.json"
MEASURES = {"r_at_1": "R@1", "ap": "AP"}  # of a report, and how tables call them


def altitude_matrix(
    root: Path | str,
    settings: Settings,
    out: Path | str,
    *,
    heights_m: Sequence[int] | None = None,
    origin: Mapping[str, Any] | None = None,
    progress: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train an encoder at each height of the SUES-200 in `root`, test each at all of them.

    `heights_m` None: those that are there. `origin` as for `training.fit`. Models and rows that
    `out` holds already are kept, and a run that was cut goes on. Returns what matrix.json holds.
    Raises ValueError for another layout or height, for runs in `out` that have other settings, and
    for a matrix.json of others; BlockingIOError where another process makes one in `out`.
    """
    root, out = Path(root), Path(out)
    if (layout := find_layout(root)) is not SUES200:
        raise ValueError(f"{root} is {layout.name}; the matrix needs SUES-200, with its heights")
    data = {own.height_m: own for own in open_all(root, heights_m)}
    for own in data.values():
        own.check_whole()
    with only_writer(out):
        _check_own(out)
        return _make_matrix(data, root, settings, out, origin, progress, say)


def _check_own(out: Path) -> None:
    """Raise ValueError for a matrix.json, or a table and figure without one, that is no matrix."""
    path, to_do = out / "matrix.json", "give another folder, or remove it"
    if path.exists():
        found = read_json(path, "a matrix of dphr matrix", to_do)
        if not isinstance(found.get("reports"), dict):
            raise ValueError(f"{path}: not a matrix of dphr matrix (it has no reports); {to_do}")
    for other in (path.with_suffix(".md"), path.with_suffix(".png")):
        if other.exists() and not path.exists():
            raise ValueError(f"{other}: not of a matrix, since there is no {path.name}; {to_do}")


def _make_matrix(data, root: Path, settings: Settings, out: Path, origin, progress, say) -> dict:
    """Train and test all that is missing, and write the matrix."""
    reports = {}
    for height_m, own in data.items():
        folder = out / str(height_m)
        say(f"trained at {height_m} m: {folder}")
        result = _trained(settings, own, folder, dict(origin or {}), progress)
        reports[height_m] = _tested(folder, height_m, result, data)
    matrix = {
        "format": MATRIX_FORMAT,
        "heights_m": list(data),
        "settings": settings.to_dict(),
        "origin": dict(origin or {}),
        "data": describe_data(next(iter(data.values()))) | {"root": root.name, "height_m": None},
        **environment.describe(),
        "reports": {str(h): {str(t): reports[h][t] for t in data} for h in data},
    }
    write_json(out / "matrix.json", matrix)
    with replace_when_done(out / "matrix.md") as aside:
        aside.write_text(tables(matrix) + "\n", encoding="utf-8")
    draw_matrix(matrix, out / "matrix.png")
    return matrix


def stored() -> dict[int, dict[str, Any]]:
    """The matrices of Twin Towns that travel with the package, by seed.

    They have more beside "reports": "same_ground" and "same_ground_coarse", which `same_ground`
    finds with and without `sharp`.
    """
    folder = files("dphr_lab.results") / "altitudes"
    found = (path for path in folder.iterdir() if path.name.endswith(".json"))
    matrices = (json.loads(path.read_text("utf-8")) for path in found)
    return dict(sorted((matrix["settings"]["seed"], matrix) for matrix in matrices))


def same_ground(
    root: Path | str, out: Path | str, heights_m: Sequence[int], sharp: bool = True
) -> dict[str, dict[str, Any]]:
    """{trained at: {tested at: report}}, drone → satellite, of images cut to the same ground.

    Each model of the matrix in `out` is asked with the images in `root` of every greater height,
    cut by `SameGround` (which `sharp` is for) to the ground that the model's own height sees.
    """
    found: dict[str, dict[str, Any]] = {}
    for own_m in heights_m:
        encoder, row = _encoder(Path(out) / str(own_m)), found.setdefault(str(own_m), {})
        for height_m in (h for h in heights_m if h > own_m):
            query, gallery = SUES200(root, height_m).test("D2S")
            query = SameGround(query, height_m, own_m, sharp)
            row[str(height_m)] = evaluate_images(encoder, query, gallery).to_dict()
    return found


def values(matrix: Mapping[str, Any], direction: str, measure: str) -> np.ndarray:
    """(heights trained at, heights tested at) percent of "D2S" or "S2D"."""
    heights = [str(h) for h in matrix["heights_m"]]
    reports = matrix["reports"]
    return np.array([[reports[h][t][direction][measure] for t in heights] for h in heights])


def tables(matrix: Mapping[str, Any]) -> str:
    """Markdown: a table a direction, rows trained at, columns tested at, R@1 and AP in percent."""
    heights, blocks = matrix["heights_m"], []
    for direction, name in DIRECTIONS.items():
        report = matrix["reports"][str(heights[0])][str(heights[0])][direction]
        lines = [
            f"{name}: {' / '.join(MEASURES.values())}, percent; gallery mode "
            f"{report['gallery_mode']!r}, test-time augmentation: {report['tta']}",
            *([SELECTED_ON_TEST] if report["selected_on_test"] else []),
            "",
        ]
        rows = []
        columns = [values(matrix, direction, measure) for measure in MEASURES]
        for row, height_m in enumerate(heights):
            cells = (
                " / ".join(f"{column[row, cell]:.1f}" for column in columns)
                for cell in range(len(heights))
            )
            rows.append((f"{height_m} m", *cells))
        heads = ("trained at", *(f"tested at {h} m" for h in heights))
        blocks.append("\n".join([*lines, markdown_table(heads, rows)]))
    return "\n\n".join(blocks)


def draw_matrix(matrix: Mapping[str, Any], path: Path | str) -> None:
    """Draw R@1 of both directions into a file; its suffix is the format."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    if matrix["settings"].get("select") == "test":
        figure.suptitle(SELECTED_ON_TEST, fontsize=9)
    draw_matrix_on(figure.subplots(1, len(DIRECTIONS)), matrix)
    save(figure, path)


def draw_matrix_on(axes, matrix: Mapping[str, Any], measure: str = "r_at_1") -> None:
    """A heat map a direction on two axes, in one range of shades."""
    heights = [f"{h} m" for h in matrix["heights_m"]]
    found = {direction: values(matrix, direction, measure) for direction in DIRECTIONS}
    span = (min(v.min() for v in found.values()), max(v.max() for v in found.values()))
    for axis, (direction, name) in zip(axes, DIRECTIONS.items(), strict=True):
        heatmap(axis, found[direction], heights, heights, span=span)
        axis.set(title=f"{name}, {MEASURES[measure]} (%)", xlabel="tested at", ylabel="trained at")


def _trained(settings: Settings, data, folder: Path, origin: dict, progress: bool) -> dict:
    """The result of the run in `folder`: stored, resumed or made."""
    if not (folder / RESULT).exists():
        return fit(
            settings, data, folder, resume=holds_run(folder), origin=origin, progress=progress
        )
    result = stored_result(folder)
    asked = {"height_m": data.height_m} | json.loads(json.dumps(settings.to_dict()))
    stored = {"height_m": result["data"].get("height_m")} | result["settings"]
    different = [name for name in asked if stored.get(name) != asked[name]]
    if different:
        name = different[0]
        raise ValueError(
            f"out: {folder} holds a run with {name} {stored.get(name)!r}, asked for is "
            f"{asked[name]!r}; give another folder"
        )
    _check_reports(
        result["report"], f"{folder / RESULT}", "remove the run's folder, or give another"
    )
    if not (folder / CURVES).exists():
        draw_curves(result.get("curves", {}), folder / CURVES)
    return result


def _tested(folder: Path, height_m: int, result: Mapping, data: Mapping[int, SUES200]) -> dict:
    """{height: {direction: report}} of the run's encoder; what is stored is not measured again."""
    path = folder / TESTED
    to_do = "remove the file to measure it again"
    stored = read_json(path, "what the run's encoder scored", to_do) if path.exists() else {}
    for name, reports in stored.items():
        _check_reports(reports, f"{path}: {name}", to_do)
    stored[str(height_m)] = result["report"]
    encoder = None
    for other_m, other in data.items():
        if str(other_m) not in stored:
            encoder = _encoder(folder) if encoder is None else encoder
            found = evaluate_dataset(encoder, other)
            stored[str(other_m)] = {name: r.to_dict() for name, r in found.items()}
            write_json(path, stored)
    return {other_m: stored[str(other_m)] for other_m in data}


def _encoder(folder: Path) -> Encoder:
    """The encoder of the run in `folder`, on the GPU where there is one."""
    return Encoder.load(folder).to(default_device())


def _check_reports(reports: Any, where: str, to_do: str) -> None:
    """Raise ValueError unless `reports` is {direction: report} of both directions."""
    try:
        for direction in DIRECTIONS:
            RetrievalReport.from_dict(dict(reports[direction]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: no reports of both directions ({type(error).__name__}: {error}); {to_do}"
        ) from None
