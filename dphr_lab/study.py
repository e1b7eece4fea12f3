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

Stored runs are skipped and cut ones resumed, so a study can be made in pieces; a run that another
stored study has made already is copied. Arms may choose settings by trials on other seeds first
(`dphr_lab.tuning`, `dphr study search`).
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from dphr_lab import environment, tuning
from dphr_lab._files import replace_when_done, write_json
from dphr_lab.results import load, read_run, run_name
from dphr_lab.scenes import WorldSettings
from dphr_lab.settings import TWIN_TOWNS_MINI, Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GRID = "study.toml"
_PARTS = {  # of a study.toml; the last two may be left out
    "about": str,
    "seeds": list,
    "worlds": dict,
    "arms": dict,
    "settings": dict,
    "search": dict,
}
_KINDS = {str: "text", list: "a list", dict: "a table"}
_CURVE_POINTS = 100  # of a stored run: enough for a figure, small enough to travel


@dataclass(frozen=True)
class Study:
    """What a study.toml asks for; `folder` holds it and its runs."""

    folder: Path
    about: str
    seeds: tuple[int, ...]
    worlds: Mapping[str, Mapping[str, Any]]  # name -> preset and changes
    arms: Mapping[str, Settings]  # name -> settings, but for the seed
    search: tuning.Search | None = None  # how arms choose some of them
    unsearched: frozenset[str] = frozenset()  # arms whose trials are not all made

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
    folder = Path(name_or_folder).resolve()
    if not (folder / GRID).exists():
        folder = _stored() / name_or_folder
    path = folder / GRID
    if not path.exists():
        raise FileNotFoundError(
            f"study: found no {GRID} in {name_or_folder}, nor a stored study of that name; give a "
            f"folder that holds one, or one of {', '.join(stored_studies())}"
        )
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is not TOML ({error})") from None
    if missing := sorted(set(_PARTS) - {"settings", "search"} - set(table)):
        raise ValueError(f"{path}: lacks {', '.join(missing)}; see the help of dphr study")
    if unknown := sorted(set(table) - set(_PARTS)):
        raise ValueError(f"{path}: has unknown {', '.join(unknown)}; expected {sorted(_PARTS)}")
    for part, kind in _PARTS.items():
        if not isinstance(table.get(part, kind()), kind):
            raise ValueError(f"{path}: {part} is {table[part]!r}; expected {_KINDS[kind]}")
    for part in ("worlds", "arms"):
        if wrong := [name for name, changes in table[part].items() if type(changes) is not dict]:
            raise ValueError(f"{path}: {part}.{wrong[0]} is no table of settings")
    if not table["seeds"] or any(type(seed) is not int or seed < 0 for seed in table["seeds"]):
        raise ValueError(f"{path}: seeds is {table['seeds']}; expected whole numbers from 0 on")
    base = {**TWIN_TOWNS_MINI.to_dict(), **table.get("settings", {})}
    searches = {arm: c.pop("search") for arm, c in table["arms"].items() if "search" in c}
    try:
        search = tuning.read_search(table.get("search"), searches, table["worlds"], table["seeds"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    best = tuning.chosen(search, tuning.read_trials(folder)) if search else {}
    arms = {}
    for arm, changes in table["arms"].items():
        if "-" in arm:
            raise ValueError(f"{path}: arm {arm!r} has a hyphen, which parts names; use '_'")
        try:
            arms[arm] = tuning.changed(Settings.from_dict({**base, **changes}), best.get(arm, {}))
        except ValueError as error:
            raise ValueError(f"{path}: arm {arm!r}: {error}") from None
    study = Study(
        folder,
        table["about"],
        tuple(table["seeds"]),
        table["worlds"],
        arms,
        search,
        frozenset(searches) - frozenset(best),
    )
    for world, table in study.worlds.items():
        if "photos" not in table:  # their folder need not be here to read what was stored
            _world_settings(study, world, 0)
    return study


def complete_runs(name_or_folder: str | Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """`results.load` of a study, but only of the seeds whose runs are all there.

    Arms are compared on the same seeds, so a seed half run waits. Empty where none is complete.
    Raises as `read_study` does.
    """
    study = read_study(name_or_folder)
    cut = {seed for _, _, seed in study.missing()}
    if cut >= set(study.seeds):
        return {}
    return {at: run for at, run in load(study.folder).items() if at[2] not in cut}


def progress(study: Study) -> str:
    """A table, a row an arm and a column a world: numbers are stored seeds, dots missing ones."""
    missing = set(study.missing())

    def cell(world: str, arm: str) -> str:
        return " ".join(
            "·" * len(str(seed)) if (world, arm, seed) in missing else str(seed)
            for seed in study.seeds
        )

    rows = [("arm", *study.worlds)]
    rows += [(arm, *(cell(world, arm) for world in study.worlds)) for arm in study.arms]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    )


def run_study(
    study: Study,
    *,
    seeds: list[int] | None = None,
    arms: list[str] | None = None,
    worlds: list[str] | None = None,
    jobs: int = 1,
    work: Path | str | None = None,
    minutes: float | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Make the missing runs, of all or of the named seeds, arms and worlds; returns how many.

    `jobs` runs at a time, each in a process with `Settings.threads` (1 where a study does not say
    and there are several); none begins after `minutes`. Run folders lie in `work` (default:
    runs/studies/<name>) until their result is stored, so a run that was cut goes on from its
    checkpoint; rendered worlds are kept in the user's cache. Raises ValueError for names that the
    study does not have, and for arms whose settings are still to be searched.
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
    if blind := [arm for _, arm, _ in todo if arm in study.unsearched]:
        raise ValueError(
            f"arms: {blind[0]} has trials that are not made; run dphr study search "
            f"{study.folder.name} first"
        )
    copied = _copy_stored(study, todo)
    todo = [run for run in todo if run not in copied]
    work = Path(work) if work is not None else Path("runs", "studies", study.folder.name)
    threads = None if jobs == 1 else 1
    groups = [
        (
            partial(open_world, study, world, seed),
            [
                (run, _one_run, (study, run, work, threads))
                for run in todo
                if (run[0], run[2]) == (world, seed)
            ],
        )
        for world, seed in dict.fromkeys((world, seed) for world, _, seed in todo)
    ]
    for run, source in copied.items():
        say(f"{run_name(*run)}: the same run as {source}")
    say(f"{study.folder.name}: {len(study.runs())} runs, {len(todo)} to do now")
    made = 0
    for run, result in _carried_out(groups, jobs, minutes):
        made += 1
        report = result["report"]["D2S"]
        say(
            f"{made}/{len(todo)} {run_name(*run)}: R@1 {report['r_at_1']:.1f}, "
            f"{result['wall_s']:.0f} s"
        )
    if made < len(todo):
        say(f"{len(todo) - made} left: the same command goes on with them")
    return made


def _copy_stored(study: Study, todo: Sequence[tuple]) -> dict[tuple[str, str, int], str]:
    """Copy runs of equal settings and world from the stored studies; {run: where it was}.

    Raises ValueError naming a stored file that holds no run.
    """
    if not todo:
        return {}
    stored = {}
    for name in stored_studies():
        for path in sorted((_stored() / name).glob("*-s*.json")):
            made = read_run(path)
            try:
                settings, world = Settings.from_dict(made["settings"]), made["data"]["world"]
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}: not the result of a run ({error!r}); remove it and run it again"
                ) from None
            if world is not None:
                stored.setdefault(_same(settings, world), path)
    copied = {}
    for world, arm, seed in todo:
        if "photos" not in study.worlds[world]:  # a folder of tiles may have changed
            drawn = asdict(_world_settings(study, world, seed))
            source = stored.get(_same(study.arms[arm].changed(seed=seed), drawn))
            if source is not None:
                with replace_when_done(study.folder / run_name(world, arm, seed)) as aside:
                    shutil.copyfile(source, aside)
                copied[world, arm, seed] = f"{source.parent.name}/{source.name}"
    return copied


def _same(settings: Settings, world: Mapping[str, Any]) -> str:
    """Equal for runs that differ in nothing but how fast they go."""
    settings = settings.changed(threads=None, workers=0)
    known = {field.name: field.default for field in fields(WorldSettings)}
    drawn = {name: world.get(name, default) for name, default in known.items()} | dict(world)
    return json.dumps([settings.to_dict(), drawn], sort_keys=True, default=str)


def search_study(
    study: Study,
    *,
    arms: list[str] | None = None,
    jobs: int = 1,
    minutes: float | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Make the missing trials of `tuning`, each stored at once; returns how many.

    `arms`, `jobs` and `minutes` as in `run_study`. Raises ValueError for a study without a search
    and for arms that do not search.
    """
    search = study.search
    if search is None:
        raise ValueError(f"{study.folder.name} has no [search]: its arms' settings are given")
    if unknown := sorted(set(arms or ()) - set(search.candidates)):
        raise ValueError(f"arms: {unknown[0]} does not search; {', '.join(search.candidates)} do")
    stored = tuning.read_trials(study.folder)
    before = {(t["arm"], json.dumps(t["changes"]), t["seed"]) for t in stored["trials"]}
    todo = [
        (arm, number, seed)
        for arm, number, seed in search.trials()
        if (arms is None or arm in arms)
        and (arm, json.dumps(search.candidates[arm][number]), seed) not in before
    ]
    say(f"{study.folder.name}: {len(search.trials())} trials, {len(todo)} to do now")
    threads = None if jobs == 1 else 1
    groups = [
        (
            partial(open_world, study, search.world, seed),
            [(trial, _one_trial, (study, trial, threads)) for trial in todo if trial[2] == seed],
        )
        for seed in search.seeds
    ]
    made = 0
    for _, trial in _carried_out([group for group in groups if group[1]], jobs, minutes):
        made += 1
        stored["trials"].append(trial)
        stored |= {"versions": environment.versions(), "hardware": environment.hardware()}
        write_json(study.folder / tuning.TRIALS, stored)
        say(
            f"{made}/{len(todo)} {trial['arm']} {trial['changes']} seed {trial['seed']}: "
            f"R@1 {trial['val_r_at_1']:.1f} on held-out places, {trial['wall_s']:.0f} s"
        )
    return made


def _carried_out(groups, jobs: int, minutes: float | None) -> Iterator[tuple[Any, Any]]:
    """(key, result) of every task; no task begins after `minutes`.

    A group is (prepare, [(key, do, arguments)]): `prepare` is called once, by all cores, before
    the group's tasks share them: it renders the world that they read.
    """
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    if jobs == 1:
        for key, do, arguments in (task for _, tasks in groups for task in tasks):
            if time.monotonic() >= deadline:
                return
            yield key, do(*arguments)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for prepare, tasks in groups:
            if time.monotonic() >= deadline:
                return
            prepare()
            waiting, under_way = list(tasks), {}
            while waiting or under_way:
                while waiting and len(under_way) < jobs and time.monotonic() < deadline:
                    key, do, arguments = waiting.pop(0)
                    under_way[pool.submit(do, *arguments)] = key
                if not under_way:
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    yield under_way.pop(future), future.result()


def _with_threads(settings: Settings, threads: int | None) -> Settings:
    return settings.changed(threads=threads) if settings.threads is None else settings


def _one_trial(study: Study, trial: tuple[str, int, int], threads: int | None) -> dict[str, Any]:
    """Train one trial; its record for trials.json."""
    from dphr_lab.training import NonFiniteLossError, fit

    arm, number, seed = trial
    changes = dict(study.search.candidates[arm][number])
    settings = study.arms[arm].changed(**study.search.settings, seed=seed)
    settings = _with_threads(tuning.changed(settings, changes), threads)
    data = open_world(study, study.search.world, seed)
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = fit(settings, data, Path(folder, "run"), evaluate_test=False, progress=False)
            score, wall_s = result["curves"]["val_r_at_1"][-1], result["wall_s"]
        except NonFiniteLossError:  # a rate too high is a result of its trial
            score, wall_s = 0.0, 0.0
    return {"arm": arm, "changes": changes, "seed": seed, "val_r_at_1": score, "wall_s": wall_s}


def _one_run(study: Study, run: tuple[str, str, int], work: Path, threads: int | None) -> dict:
    """Train one run and store its result."""
    from dphr_lab.training import fit, newest_checkpoint

    world, arm, seed = run
    settings = _with_threads(study.arms[arm].changed(seed=seed), threads)
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
