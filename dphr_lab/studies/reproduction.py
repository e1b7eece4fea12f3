"""A data set's published protocol in one call: train, refit, evaluate, and a record of it all.

Each model is trained twice. First with training places held out, which choose how long; then
`training.refit` on all of them, as published numbers are. Both are scored in both directions, in
both gallery protocols, with and without a mirrored image. The test half chooses nothing.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dphr_lab._files import read_json, write_json
from dphr_lab._locks import only_writer
from dphr_lab.datasets import SUES200, CrossViewDataset, University1652, find_layout, verify
from dphr_lab.datasets.layouts import open_all
from dphr_lab.localization import evaluate_modes
from dphr_lab.models import Encoder, default_device
from dphr_lab.results import environment
from dphr_lab.results.run_folder import described, holds_run, stored_result
from dphr_lab.settings import Settings
from dphr_lab.settings.protocol import DIRECTIONS, GALLERY_MODES
from dphr_lab.training import fit, refit

FORMAT = 1
LAYOUTS = {"university1652": University1652, "sues200": SUES200}
HELD_OUT, ALL_PLACES = "some held out", "all training places"  # what a row's encoder was trained on
SAMPLED_FILES, SAMPLED_BYTES = 256, 65_536
HASHED = (
    "SHA-256 over a line a file (path below the root, size in bytes), sorted, of all images read "
    f"for training and test; then over the first {SAMPLED_BYTES:,} bytes of {SAMPLED_FILES} of "
    "them, evenly spaced in that order (of all, where there are fewer)"
)


def reproduce(
    name: str,
    root: Path | str,
    settings: Settings,
    out: Path | str,
    *,
    heights_m: Sequence[int] | None = None,
    origin: Mapping[str, Any] | None = None,
    work: Path | str | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run the protocol of "university1652" or "sues200" on the data in `root`; writes `out`.

    `heights_m` are SUES-200's, a model each; None is all that there are. `origin` is stored, as
    `training.fit` does. Runs lie in `work` (default: beside `out`, under its name and ".runs"); a
    call that was cut goes on from them. Returns what it writes; {} in other processes than the
    first. Raises `ValueError` for another layout, and what `fit` and `verify` raise.
    """
    root, out = Path(root), Path(out)
    layout = find_layout(root)
    if layout is not LAYOUTS[name]:
        raise ValueError(f"{root} is {layout.name}; {name} was asked for")
    if out.exists():
        other = "--out has something else under that name; give another"
        if (found := read_json(out, "a record of dphr reproduce", other).get("protocol")) != name:
            raise ValueError(f"{out}: not a record of {name} (protocol is {found!r}); {other}")
    work = Path(work) if work is not None else out.with_suffix(".runs")
    data_sets = open_all(root, heights_m)
    for data in data_sets:
        data.check_whole()
    described_root = describe_root(root, data_sets)
    if not described_root["as_published"]:
        say(f"note: not as many images as were published; see dphr verify {root}")
    with only_writer(work):
        rows, runs = _all_runs(data_sets, settings, work, origin, progress, say)
    if not runs:
        return {}
    record = {
        "format": FORMAT,
        "protocol": name,
        **(origin or {}),
        "settings": settings.to_dict(),
        "data": described_root,
        **environment.describe(),
        "wall_s": round(sum(run["wall_s"] for run in runs), 2),
        "runs": runs,
        "rows": rows,
    }
    write_json(out, record)
    return record


def _all_runs(data_sets, settings: Settings, work: Path, origin, progress: bool, say):
    """(rows of measures, what each run was) of all data sets; both empty in further processes."""
    rows, runs = [], []
    for data in data_sets:
        folder = work if data.height_m is None else work / f"{data.height_m}"
        for trained_on, run_folder, result in _trained(data, settings, folder, origin, progress):
            if not result:
                continue
            say(described(result))
            at = {"height_m": data.height_m, "trained_on": trained_on}
            kept = ("settings", "wall_s", "selected_step", "selected_on", "refit")
            runs.append(at | {"run": described(result)} | {k: result.get(k) for k in kept})
            rows += [at | row for row in _scored(run_folder, data, progress)]
    return rows, runs


def describe_root(root: Path, data_sets: Sequence[CrossViewDataset]) -> dict[str, Any]:
    """What a record says of the data: layout, whether it is rendered, counts, and its hash."""
    checked = [verify(root, height=data.height_m) for data in data_sets]
    files = sorted({path for data in data_sets for path in data.used_files})
    return {
        "layout": data_sets[0].name,
        "rendered": _rendered(root),
        "heights_m": [data.height_m for data in data_sets],
        "as_published": all(row.as_published is not False for c in checked for row in c.rows),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "sha256": hash_files(root, files),
        "hashed": HASHED,
    }


def hash_files(root: Path, files: Sequence[Path]) -> str:
    """The hash that `HASHED` describes; the same wherever the data lies."""
    digest = hashlib.sha256()
    for path in files:
        line = f"{path.relative_to(root).as_posix()}\t{path.stat().st_size}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))  # a name may be no UTF-8
    chosen = min(SAMPLED_FILES, len(files))
    for index in range(chosen):
        path = files[index * len(files) // chosen]
        if not path.is_file():
            raise ValueError(f"{path}: found no regular file (`dphr verify` checks a data set)")
        with open(path, "rb") as file:
            digest.update(file.read(SAMPLED_BYTES))
    return digest.hexdigest()


def _rendered(root: Path) -> str | None:
    """What a world that `dphr scenes` wrote says it is, None for other data."""
    path = root / "metadata.json"
    if not path.is_file():
        return None
    world = read_json(path, "the description of a rendered world").get("settings")
    return f"rendered world {world.get('name') if isinstance(world, dict) else None!r}"


def _trained(data, settings: Settings, folder: Path, origin, progress: bool):
    """(trained on what, its folder, its result) of both runs; one where nothing is held out."""
    first, second = folder / "held-out", folder / "refit"
    options = {"evaluate_test": False, "progress": progress}
    result = fit(settings, data, first, resume=holds_run(first), origin=origin, **options)
    held_out = stored_result(first)["trained_on"]["held_out_places"]
    yield (HELD_OUT if held_out else ALL_PLACES), first, result
    if held_out and settings.select != "test":
        yield ALL_PLACES, second, refit(first, data, second, resume=holds_run(second), **options)


def _scored(run_folder: Path, data, progress: bool):
    """A row a direction, gallery protocol and test-time augmentation."""
    encoder = Encoder.load(run_folder).to(default_device())
    for direction in DIRECTIONS:
        query, gallery = data.test(direction)
        for flip in (False, True):
            found = evaluate_modes(
                encoder, query, gallery, GALLERY_MODES, flip_tta=flip, progress=progress
            )
            for report in found.values():
                yield {"direction": direction, "report": report.to_dict()}
