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
    [arms.same_lambda]           # an arm may replay the lambda that another arm's run of the same
    loss = "palw"                # world and seed had, as it was or scaled to a mean over the run
    replay = { arm = "sharper", mean = 0.5 }

Stored runs are skipped and cut ones resumed, so a study can be made in pieces; a run that another
stored study has made already is copied. Arms may choose settings by trials on other seeds first
(`dphr_lab.studies.tuning`, `dphr study search`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from dphr_lab._files import TOO_DEEP, check_depth, is_plain_name, read_text
from dphr_lab.results import load, read_run, run_name
from dphr_lab.settings import TWIN_TOWNS_MINI, Settings
from dphr_lab.studies import tuning

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


@dataclass(frozen=True)
class Replay:
    """Whose lambda an arm uses: the course of another arm's run of the same world and seed."""

    arm: str
    mean: float | None = None  # over the run, to which the course is scaled; None: as it was


@dataclass(frozen=True)
class Study:
    """What a study.toml asks for; `folder` holds it and its runs."""

    folder: Path
    about: str
    seeds: tuple[int, ...]
    worlds: Mapping[str, Mapping[str, Any]]  # name -> preset and changes
    arms: Mapping[str, Settings]  # name -> settings, but for the seed
    search: tuning.Tuning | None = None  # how arms choose some of them
    unsearched: frozenset[str] = frozenset()  # arms whose trials are not all made
    replays: Mapping[str, Replay] = field(default_factory=dict)  # arm -> whose lambda it uses

    @property
    def replayed(self) -> frozenset[str]:
        """Arms whose course of lambda another arm uses."""
        return frozenset(replay.arm for replay in self.replays.values())

    def settings(self, world: str, arm: str, seed: int) -> Settings:
        """The settings of a run, a replayed course among them.

        Raises FileNotFoundError where the run that it replays is not stored, ValueError where that
        one stores no course.
        """
        settings = self.arms[arm].changed(seed=seed)
        replay = self.replays.get(arm)
        if replay is None:
            return settings
        source = self.folder / run_name(world, replay.arm, seed)
        if not source.exists():
            raise FileNotFoundError(
                f"{source}: not stored yet, and arm {arm!r} replays its lambda; run that arm first"
            )
        course = read_run(source).get("lambda_course")
        if not course:
            raise ValueError(
                f"{source}: has no lambda_course to replay; remove it and run it again"
            )
        if replay.mean is not None:
            scale = replay.mean * len(course) / max(sum(course), 1e-12)
            course = [round(scale * lam, 6) for lam in course]
        options = {**settings.loss_options, "signal": "course", "course": course}
        return settings.changed(loss_options=options)

    def runs(self) -> list[tuple[str, str, int]]:
        """(world, arm, seed) of every run: all arms of a seed's world, then the next world."""
        return [(w, arm, seed) for seed in self.seeds for w in self.worlds for arm in self.arms]

    def missing(self) -> list[tuple[str, str, int]]:
        """Those of `runs` that are not stored yet."""
        return [run for run in self.runs() if not (self.folder / run_name(*run)).exists()]


def stored_studies() -> list[str]:
    """Names of the studies in `dphr_lab/results`, run or not."""
    return sorted(path.parent.name for path in stored_folder().glob(f"*/{GRID}"))


def stored_folder() -> Path:
    return Path(str(files("dphr_lab.results")))


def read_study(name_or_folder: str | Path) -> Study:
    """The study of a folder, or of a name in `dphr_lab/results`.

    Raises FileNotFoundError without a study.toml, ValueError for what it should not say.
    """
    folder = Path(name_or_folder).resolve()
    if not (folder / GRID).exists():
        folder = stored_folder() / name_or_folder
    path = folder / GRID
    if not path.exists():
        raise FileNotFoundError(
            f"study: found no {GRID} in {name_or_folder}, nor a stored study of that name; give a "
            f"folder that holds one, or one of {', '.join(stored_studies())}"
        )
    try:
        table = _parse_toml(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: is not TOML ({error})") from None
    if missing := sorted(set(_PARTS) - {"settings", "search"} - set(table)):
        raise ValueError(f"{path}: lacks {', '.join(missing)}; see the help of dphr study")
    if unknown := sorted(set(table) - set(_PARTS)):
        raise ValueError(f"{path}: has unknown {', '.join(unknown)}; expected {sorted(_PARTS)}")
    for part, kind in _PARTS.items():
        if not isinstance(table.get(part, kind()), kind):
            raise ValueError(f"{path}: {part} is {table[part]!r}; expected {_KINDS[kind]}")
    for part in ("worlds", "arms"):
        if wrong := [name for name in table[part] if not is_plain_name(name)]:
            raise ValueError(
                f"{path}: {part} has the name {wrong[0]!r}; expected one that can be part of a "
                "file's name: no path, no leading dot, at most 100 bytes"
            )
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
    replays = {}
    for arm, changes in table["arms"].items():
        if "replay" in changes:
            replays[arm] = _read_replay(changes.pop("replay"), arm, table["arms"], path)
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
        replays,
    )
    for world, table in study.worlds.items():
        if "photos" not in table:  # their folder need not be here to read what was stored
            settings_of_world(study, world, 0)
    return study


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return check_depth(tomllib.loads(text))
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _read_replay(asked: Any, arm: str, arms: Mapping[str, Any], path: Path) -> Replay:
    replay = {"arm": asked} if isinstance(asked, str) else asked
    known = isinstance(replay, dict) and replay.keys() <= {"arm", "mean"}
    mean = replay.get("mean") if known else None
    right = mean is None or (type(mean) in (int, float) and 0 < mean < float("inf"))
    others = [name for name in arms if name != arm]
    if not known or not right or replay.get("arm") not in others:
        raise ValueError(
            f"{path}: arm {arm!r}: replay is {asked!r}; expected the name of another arm, or "
            '{ arm = "its name", mean = 0.5 }'
        )
    if "replay" in arms[replay["arm"]]:
        raise ValueError(f"{path}: arm {arm!r} replays {replay['arm']!r}, which replays another")
    return Replay(**replay)


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


def settings_of_world(study: Study, world: str, seed: int):
    changes, where = dict(study.worlds[world]), f"{study.folder / GRID}: world {world!r}"
    try:
        if "photos" in changes:
            from dphr_lab.settings.worlds import PhotoWorldSettings

            variable = changes.pop("photos")
            if not os.environ.get(variable):
                raise ValueError(f"set {variable} to a folder of aerial tiles")
            return PhotoWorldSettings(os.environ[variable], **changes, seed=seed)
        from dphr_lab.settings.worlds import preset

        return replace(preset(changes.pop("preset", "mini")), **changes, seed=seed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None
