"""Make a study's runs and trials, each stored by itself."""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dphr_lab._files import replace_when_done, write_json
from dphr_lab._locks import only_writer
from dphr_lab.results import environment, read_run, run_name
from dphr_lab.settings import Settings
from dphr_lab.settings.run import FIRST_EDITION
from dphr_lab.settings.worlds import WorldSettings
from dphr_lab.studies import tuning
from dphr_lab.studies.study import Study, settings_of_world, stored_folder, stored_studies
from dphr_lab.studies.world_cache import open_world

_CURVE_POINTS = 100  # of a stored run: enough for a figure, small enough to travel


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
    runs/studies/<name>) until their result is stored, so an interrupted run goes on from its
    checkpoint; rendered worlds are kept in the user's cache. Raises ValueError for names that the
    study does not have, and for arms whose settings are still to be searched.
    """
    for name, asked, known in (
        ("seeds", seeds, study.seeds),
        ("arms", arms, study.arms),
        ("worlds", worlds, study.worlds),
    ):
        if unknown := sorted(set(asked or ()) - set(known), key=str):
            now = FIRST_EDITION.get(unknown[0])
            hint = f" ({unknown[0]} of the first edition is {now} now)" if now in known else ""
            raise ValueError(
                f"{name}: {study.folder.name} has no {unknown[0]}; it has "
                f"{', '.join(map(str, known))}{hint}"
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
    with only_writer(study.folder):
        return _make_runs(study, todo, jobs, work, minutes, say)


def _make_runs(study, todo: list, jobs: int, work, minutes: float | None, say) -> int:
    """Make the runs of `todo`; returns how many."""
    todo = [run for run in todo if not (study.folder / run_name(*run)).exists()]  # made meanwhile
    copied = _copy_stored(study, todo)
    todo = [run for run in todo if run not in copied]
    work = Path(work) if work is not None else Path("runs", "studies", study.folder.name)
    threads = None if jobs == 1 else 1
    groups = []
    for world, seed in dict.fromkeys((world, seed) for world, _, seed in todo):
        here = [run for run in todo if (run[0], run[2]) == (world, seed)]
        for replays in (False, True):  # those that replay wait for what they replay
            tasks = [
                (run, _one_run, (study, run, work, threads))
                for run in here
                if (run[1] in study.replays) == replays
            ]
            if tasks:
                groups.append((partial(open_world, study, world, seed), tasks))
    for run, source in copied.items():
        say(f"{run_name(*run)}: the same run as {source}")
    say(f"{study.folder.name}: {len(study.runs())} runs, {len(todo)} to do now")
    made = 0
    for run, result in _run_groups(groups, jobs, minutes):
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
        for path in sorted((stored_folder() / name).glob("*-s*.json")):
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
        # a folder of tiles may have changed; a run that is replayed needs its own lambda
        if "photos" not in study.worlds[world] and arm not in study.replays:
            drawn = asdict(settings_of_world(study, world, seed))
            source = stored.get(_same(study.arms[arm].changed(seed=seed), drawn))
            if source is not None and (
                arm not in study.replayed or read_run(source).get("lambda_course")
            ):
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
    with only_writer(study.folder):
        return _make_trials(study, arms, jobs, minutes, say)


def _make_trials(study: Study, arms, jobs: int, minutes: float | None, say) -> int:
    """Make the missing trials of these arms; returns how many."""
    search = study.search
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
    for _, trial in _run_groups([group for group in groups if group[1]], jobs, minutes):
        made += 1
        stored["trials"].append(trial)
        stored |= environment.describe()
        write_json(study.folder / tuning.TRIALS, stored)
        say(
            f"{made}/{len(todo)} {trial['arm']} {trial['changes']} seed {trial['seed']}: "
            f"R@1 {trial['val_r_at_1']:.1f} on held-out places, {trial['wall_s']:.0f} s"
        )
    return made


def _run_groups(groups, jobs: int, minutes: float | None) -> Iterator[tuple[Any, Any]]:
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
    from dphr_lab.results.run_folder import holds_run, remove_run
    from dphr_lab.training import fit

    world, arm, seed = run
    settings = _with_threads(study.settings(world, arm, seed), threads)
    data = open_world(study, world, seed)
    folder = work / run_name(*run).removesuffix(".json")
    result = fit(settings, data, folder, resume=holds_run(folder), progress=False)
    if arm in study.replayed:
        result["lambda_course"] = [round(lam, 6) for lam in result["curves"]["lambda"]]
    result["curves"] = thinned(result["curves"])
    write_json(study.folder / run_name(*run), result)
    remove_run(folder)
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
