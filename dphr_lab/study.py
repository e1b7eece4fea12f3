"""Studies: arms x worlds x seeds from one file, every run stored by itself.

A study is a folder with a `study.toml`; each run's result.json goes beside it, under the name that
`dphr_lab.results` reads:

    about = "The question, in a sentence."
    seeds = [0, 1, 2]            # a seed changes the world, the initialisation and the sampler
    [worlds.mini]                # a preset of scenes.PRESETS and changes to it
    preset = "mini"
    [worlds.photo]               # or photos.PhotoWorldSettings; the tiles belong to the user, so
    photos = "DPHR_AERIAL_TILES" # this names the environment variable that holds their folder
    gsd_m = 0.3
    [settings]                   # of all arms: fields of settings.Settings, over TWIN_TOWNS_MINI
    steps = 300
    [arms.sharper]               # changes to them, one arm
    loss = "rda"
    loss_options = { beta = 32 }

Stored runs are skipped and cut ones resumed, so a study can be made in pieces.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from dphr_lab._files import replace_when_done, write_json
from dphr_lab.results import run_name
from dphr_lab.settings import TWIN_TOWNS_MINI, Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GRID = "study.toml"
_PARTS = {"about", "seeds", "worlds", "settings", "arms"}
_CURVE_POINTS = 100  # of a stored run: enough for a figure, small enough to travel


@dataclass(frozen=True)
class Study:
    """What a study.toml asks for; `folder` holds it and its runs."""

    folder: Path
    about: str
    seeds: tuple[int, ...]
    worlds: Mapping[str, Mapping[str, Any]]  # name -> preset and changes
    arms: Mapping[str, Settings]  # name -> settings, but for the seed

    def runs(self) -> list[tuple[str, str, int]]:
        """(world, arm, seed) of every run: all arms of a seed's world, then the next world."""
        return [(w, arm, seed) for seed in self.seeds for w in self.worlds for arm in self.arms]

    def missing(self) -> list[tuple[str, str, int]]:
        """Those of `runs` that are not stored yet."""
        return [run for run in self.runs() if not (self.folder / run_name(*run)).exists()]


def stored_studies() -> list[str]:
    """Names of the studies in `dphr_lab/results`, run or not."""
    return sorted(path.parent.name for path in _stored().glob(f"*/{GRID}"))


def _stored() -> Path:
    return Path(str(files("dphr_lab.results")))


def read_study(name_or_folder: str | Path) -> Study:
    """The study of a folder, or of a name in `dphr_lab/results`.

    Raises FileNotFoundError without a study.toml, ValueError for what it should not say.
    """
    folder = Path(name_or_folder)
    if not (folder / GRID).exists():
        folder = _stored() / name_or_folder
    path = folder / GRID
    if not path.exists():
        raise FileNotFoundError(
            f"study: found no {GRID} in {name_or_folder}, nor a stored study of that name; give a "
            f"folder that holds one, or one of {', '.join(stored_studies())}"
        )
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: is not TOML ({error})") from None
    if missing := sorted(_PARTS - {"settings"} - set(table)):
        raise ValueError(f"{path}: lacks {', '.join(missing)}; see the help of dphr study")
    if unknown := sorted(set(table) - _PARTS):
        raise ValueError(f"{path}: has unknown {', '.join(unknown)}; expected {sorted(_PARTS)}")
    base = {**TWIN_TOWNS_MINI.to_dict(), **table.get("settings", {})}
    arms = {}
    for arm, changes in table["arms"].items():
        if "-" in arm:
            raise ValueError(f"{path}: arm {arm!r} has a hyphen, which parts names; use '_'")
        try:
            arms[arm] = Settings.from_dict({**base, **changes})
        except ValueError as error:
            raise ValueError(f"{path}: arm {arm!r}: {error}") from None
    study = Study(folder, table["about"], tuple(table["seeds"]), table["worlds"], arms)
    for world, table in study.worlds.items():
        if "photos" not in table:  # their folder need not be here to read what was stored
            _world_settings(study, world, 0)
    return study


def run_study(
    study: Study,
    *,
    seeds: list[int] | None = None,
    arms: list[str] | None = None,
    worlds: list[str] | None = None,
    jobs: int = 1,
    work: Path | str | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Make the missing runs, of all or of the named seeds, arms and worlds; returns how many.

    `jobs` runs at a time, each in a process with `Settings.threads` (1 where a study does not say
    and there are several). Run folders lie in `work` (default: runs/studies/<name>) until their
    result is stored, so a run that was cut goes on from its checkpoint; rendered worlds are kept
    in the user's cache. Raises ValueError for names that the study does not have.
    """
    for name, asked, known in (
        ("seeds", seeds, study.seeds),
        ("arms", arms, study.arms),
        ("worlds", worlds, study.worlds),
    ):
        if unknown := sorted(set(asked or ()) - set(known), key=str):
            raise ValueError(
                f"{name}: {study.folder.name} has no {unknown[0]}; it has "
                f"{', '.join(map(str, known))}"
            )
    todo = [
        (world, arm, seed)
        for world, arm, seed in study.missing()
        if (seeds is None or seed in seeds)
        and (arms is None or arm in arms)
        and (worlds is None or world in worlds)
    ]
    work = Path(work) if work is not None else Path("runs", "studies", study.folder.name)
    say(f"{study.folder.name}: {len(study.runs())} runs, {len(todo)} to do now")
    for number, (run, result) in enumerate(_results(study, todo, jobs, work), 1):
        report = result["report"]["D2S"]
        say(
            f"{number}/{len(todo)} {run_name(*run)}: R@1 {report['r_at_1']:.1f}, "
            f"{result['wall_s']:.0f} s"
        )
    return len(todo)


def _results(study: Study, todo, jobs: int, work: Path) -> Iterator[tuple[tuple, dict]]:
    if jobs == 1:
        for run in todo:
            yield run, _one_run(study, run, work, threads=None)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context) as pool:
        # worlds first, one after the other, each by all cores: arms then share them
        for world, seed in dict.fromkeys((world, seed) for world, _, seed in todo):
            open_world(study, world, seed)
            futures = {
                pool.submit(_one_run, study, run, work, 1): run
                for run in todo
                if (run[0], run[2]) == (world, seed)
            }
            for future in as_completed(futures):
                yield futures[future], future.result()


def _one_run(study: Study, run: tuple[str, str, int], work: Path, threads: int | None) -> dict:
    """Train one run and store its result."""
    from dphr_lab.training import fit, newest_checkpoint

    world, arm, seed = run
    settings = study.arms[arm].changed(seed=seed)
    if settings.threads is None:
        settings = settings.changed(threads=threads)
    data = open_world(study, world, seed)
    folder = work / run_name(*run).removesuffix(".json")
    try:
        newest_checkpoint(folder)
        resume = True
    except FileNotFoundError:
        shutil.rmtree(folder, ignore_errors=True)
        resume = False
    result = fit(settings, data, folder, resume=resume, progress=False)
    result["curves"] = thinned(result["curves"])
    write_json(study.folder / run_name(*run), result)
    shutil.rmtree(folder)
    return result


def thinned(curves: Mapping[str, list], points: int = _CURVE_POINTS) -> dict[str, list]:
    """Curves with at most `points` steps: evenly chosen, the first and the last among them."""
    steps = len(curves.get("step", ()))
    if steps <= points:
        return dict(curves)
    kept = np.unique(np.linspace(0, steps - 1, points).round().astype(int))
    return {
        name: values if name.startswith("val_") else [values[i] for i in kept]
        for name, values in curves.items()
    }


def open_world(study: Study, world: str, seed: int):
    """The data set of a study's world, rendered now or read from the user's cache."""
    from dphr_lab import photos, scenes
    from dphr_lab.datasets import PhotoTowns, TwinTowns

    settings = _world_settings(study, world, seed)
    if "photos" in study.worlds[world]:
        kind, make, drawn_by = PhotoTowns, photos.make_photo_world, ("scenes", "photos")
        tiles = sorted((p.name, p.stat().st_size) for p in Path(settings.folder).rglob("*.*"))
    else:
        kind, make, drawn_by, tiles = TwinTowns, scenes.make_world, ("scenes",), ()
    path = _cache() / f"{_fingerprint(settings, drawn_by, tiles)}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as arrays:
            rendered = _nested(arrays)
    else:
        rendered = scenes.render_world(make(settings), progress=False)
        with replace_when_done(path) as aside:
            np.savez(aside, **_flat(rendered))
    return kind(settings, rendered=rendered)


def _world_settings(study: Study, world: str, seed: int):
    changes, where = dict(study.worlds[world]), f"{study.folder / GRID}: world {world!r}"
    try:
        if "photos" in changes:
            from dphr_lab.photos import PhotoWorldSettings

            variable = changes.pop("photos")
            if not os.environ.get(variable):
                raise ValueError(f"set {variable} to a folder of aerial tiles")
            return PhotoWorldSettings(os.environ[variable], **changes, seed=seed)
        from dphr_lab.scenes import preset

        return replace(preset(changes.pop("preset", "mini")), **changes, seed=seed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "dphr-lab", "worlds")


def _fingerprint(settings, drawn_by: Sequence[str], tiles: Sequence) -> str:
    """Changes with the settings, the tiles, the code that draws, and its OpenCV and numpy."""
    import cv2

    digest = hashlib.sha256(json.dumps([asdict(settings), tiles], sort_keys=True).encode())
    digest.update(f"{cv2.__version__} {np.__version__}".encode())
    for package in drawn_by:
        for module in sorted(Path(str(files(f"dphr_lab.{package}"))).glob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()[:24]


def _flat(rendered: Mapping) -> dict[str, np.ndarray]:
    return {
        f"{split}/{view}/{i}": array
        for split, views in rendered.items()
        for view, arrays in views.items()
        for i, array in enumerate(arrays)
    }


def _nested(arrays) -> dict:
    nested: dict = {}
    for name in sorted(arrays):
        split, view, _ = name.split("/")
        nested.setdefault(split, {}).setdefault(view, []).append(arrays[name])
    return nested
