"""Stored runs: small JSON files that travel with the package, one a run.

A run is `results/<study>/<world>-<arm>-s<seed>.json`, the `result.json` that `training.fit`
writes and returns: {settings, data, versions, hardware, wall_s, curves, report, ...}. The
`study.toml` beside it says what each arm is; `dphr study run` makes what is missing.
Chapters read these, since on Colab a notebook comes alone with the installed package.
"""

import math
import re
from importlib.resources import files
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from dphr_lab._files import read_json
from dphr_lab.results.real import real_table as real_table
from dphr_lab.results.run_folder import in_this_edition
from dphr_lab.results.tables import markdown_table


def studies() -> list[str]:
    """Names of the stored studies."""
    return sorted(f.name for f in files(__package__).iterdir() if f.is_dir() and _runs(f))


def load(study: str | Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """All runs of a stored study, or of a folder, by (world, arm, seed), in order of their names.

    Raises `FileNotFoundError` naming the studies there are, `ValueError` naming a file that holds
    no run.
    """
    folder = Path(study) if Path(study).is_absolute() else files(__package__) / study
    if not folder.is_dir() or not _runs(folder):
        raise FileNotFoundError(
            f"study: found no stored runs of {study!r}; there are: {', '.join(studies()) or 'none'}"
        )
    return {parse_name(f.name): read_run(f) for f in _runs(folder)}


def read_run(file: Path) -> dict[str, Any]:
    """The result of a run. Raises `ValueError` naming a file that holds none."""
    what, to_do = "the result of a run", "remove it and run it again"
    run = in_this_edition(read_json(file, what, to_do))
    reports = run.get("report")
    if not isinstance(reports, dict) or not all(isinstance(r, dict) for r in reports.values()):
        raise ValueError(f"{file}: not {what} (no report); {to_do}")
    return run


TABLE = {  # heading -> direction and field of the report
    "R@1": ("D2S", "r_at_1"),
    "R@5": ("D2S", "r_at_5"),
    "AP": ("D2S", "ap"),
    "family R@1": ("D2S", "family_r_at_1"),
    "twin choice": ("D2S", "twin_choice"),
    "mistakes that are twins": ("D2S", "twin_mistakes"),
    "S2D R@1": ("S2D", "r_at_1"),
    "S2D AP": ("S2D", "ap"),
}
OF_FAMILIES = ("family_r_at_1", "twin_choice", "twin_mistakes")  # None where nothing is to count


def table(study: str | Path, world: str) -> str:
    """A Markdown table of a study's runs in one world: a row an arm, its mean over the seeds.

    Percent; after ± the standard deviation over seeds (of a sample). AP is the official
    trapezoid; drone → satellite where a heading does not say S2D (satellite → drone). A dash
    where no run has the measure, such as twin choice in a world without twins. Raises ValueError
    naming a file whose report lacks a measure.
    """
    runs = {name: run for name, run in load(study).items() if name[0] == world}
    for name, run in runs.items():
        _check_measures(run["report"], f"{study}: {run_name(*name)}")
    losses = sorted({loss for _, loss, _ in runs}, key=lambda loss: _mean(runs, loss, "R@1")[0])
    rows = []
    for loss in losses:
        cells = (_mean(runs, loss, heading) for heading in TABLE)
        shown = ("–" if math.isnan(m) else f"{m:.1f} ± {spread:.1f}" for m, spread in cells)
        rows.append((loss, *shown))
    return markdown_table(("loss", *TABLE), rows)


def _check_measures(report: dict[str, Any], where: str) -> None:
    for direction, measure in TABLE.values():
        value = report.get(direction, {}).get(measure)
        number = isinstance(value, (int, float)) and math.isfinite(value)
        if not number and (measure not in OF_FAMILIES or value is not None):
            raise ValueError(
                f"{where}: not the result of a run (found {value!r} for {direction} {measure}); "
                "remove it and run it again"
            )


def _mean(runs, loss: str, heading: str) -> tuple[float, float]:
    direction, measure = TABLE[heading]
    values = [run["report"][direction][measure] for name, run in runs.items() if name[1] == loss]
    values = [value for value in values if value is not None]
    if not values:
        return math.nan, math.nan
    return mean(values), stdev(values) if len(values) > 1 else 0.0


def run_name(world: str, loss: str, seed: int) -> str:
    """The file name of a stored run."""
    return f"{world}-{loss}-s{seed}.json"


def parse_name(name: str) -> tuple[str, str, int]:
    """(world, arm, seed) of a stored run's file name; the inverse of `run_name`."""
    world, loss, seed = name.removesuffix(".json").rsplit("-", 2)
    return world, loss, int(seed.removeprefix("s"))


def _runs(folder) -> list:
    # other folders of results hold measurements that are no runs
    runs = (f for f in folder.iterdir() if re.fullmatch(r".+-.+-s\d+\.json", f.name))
    return sorted(runs, key=lambda f: f.name)
