"""Equal budgets: every arm of a study chooses its settings by the same number of trials.

In a study.toml:

    [search]
    world = "mini"                  # one of the study's worlds
    seeds = [100]                   # not among the study's own: they are not used again
    trials = 12                     # of every arm that searches, no more and no fewer
    settings = { steps = 300, val_places = 300 }   # of trials only
    [arms.rda]
    loss = "rda"
    search = { learning_rate = [1e-3, 3e-3, 6e-3], beta = [2, 8, 32, 128] }

A trial is one combination of an arm's lists (a name is a field of `settings.Settings`, or else a
keyword of the loss) and is scored by R@1 on the held-out *training* places, drone → satellite, at
its last step; test places are never read. `trials.json` beside the study.toml holds every trial;
the combination with the highest mean over the seeds is what the arm runs with.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from dphr_lab._files import read_json
from dphr_lab.results.tables import markdown_table
from dphr_lab.settings import Settings

TRIALS = "trials.json"
_PARTS = {"world": str, "seeds": list, "trials": int, "settings": dict}  # the last is optional
_KINDS = {str: "text", list: "a list", int: "a whole number", dict: "a table"}
_SETTINGS = {f.name for f in fields(Settings)}
_TRIAL = {"arm": str, "changes": dict, "seed": int, "val_r_at_1": (int, float)}  # what is read


@dataclass(frozen=True)
class Tuning:
    """What a study's [search] and its arms' `search` ask for."""

    world: str
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]  # of trials, over the arm's
    candidates: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    # ^ arm -> every combination of its lists, in order

    def trials(self) -> list[tuple[str, int, int]]:
        """(arm, number of its candidate, seed) of every trial."""
        return [
            (arm, number, seed)
            for arm, found in self.candidates.items()
            for number in range(len(found))
            for seed in self.seeds
        ]


def read_search(
    table: Mapping[str, Any] | None,
    arms: Mapping[str, Mapping[str, Any]],
    worlds: Sequence[str],
    seeds: Sequence[int],
) -> Tuning | None:
    """The search of a study.toml's tables; `arms` maps arms to their `search`.

    Raises ValueError for a search that gives arms unequal budgets or uses the study's own seeds.
    """
    if not table:
        if arms:
            raise ValueError(f"arm {next(iter(arms))!r} has a search, and there is no [search]")
        return None
    if unknown := sorted(set(table) - set(_PARTS)):
        raise ValueError(f"search: has unknown {', '.join(unknown)}; expected {sorted(_PARTS)}")
    if missing := sorted(set(_PARTS) - {"settings"} - set(table)):
        raise ValueError(f"search: lacks {', '.join(missing)}")
    for part, value in table.items():
        if type(value) is not _PARTS[part]:
            raise ValueError(f"search: {part} is {value!r}; expected {_KINDS[_PARTS[part]]}")
    if not table["seeds"] or any(type(seed) is not int or seed < 0 for seed in table["seeds"]):
        raise ValueError(f"search: seeds is {table['seeds']}; expected whole numbers from 0 on")
    if unknown := sorted(set(table.get("settings", {})) - _SETTINGS):
        raise ValueError(f"search: settings has unknown {', '.join(unknown)}")
    if table["world"] not in worlds:
        raise ValueError(f"search: has world {table['world']!r}; expected one of {sorted(worlds)}")
    if again := sorted(set(table["seeds"]) & set(seeds)):
        raise ValueError(
            f"search: uses seed {again[0]}, which the study runs; a choice must not be made on the "
            "seeds that it is judged by"
        )
    candidates = {}
    for arm, lists in arms.items():
        if not isinstance(lists, dict) or any(type(v) is not list for v in lists.values()):
            raise ValueError(f"search: arm {arm!r} has {lists!r}; expected a table of lists")
        candidates[arm] = [dict(zip(lists, one, strict=True)) for one in product(*lists.values())]
        if len(candidates[arm]) != table["trials"]:
            raise ValueError(
                f"search: arm {arm!r} has {len(candidates[arm])} combinations; every arm gets "
                f"{table['trials']}"
            )
    settings = table.get("settings", {})
    return Tuning(table["world"], tuple(table["seeds"]), settings, candidates)


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with some fields, or keywords of their loss, replaced."""
    own = {name: value for name, value in values.items() if name in _SETTINGS}
    options = {name: value for name, value in values.items() if name not in _SETTINGS}
    return settings.changed(**{"loss_options": {**settings.loss_options, **options}, **own})


def read_trials(folder: Path) -> dict[str, Any]:
    """What a study's trials.json holds: {"trials": [...], "versions", "hardware"}.

    Raises ValueError, naming the file and the trial, for one that holds something else.
    """
    path, what = folder / TRIALS, "the trials of a study"
    to_do = "restore the file, or remove it to make all trials anew"
    if not path.exists():
        return {"trials": []}
    stored = read_json(path, what, to_do)
    trials = stored.get("trials")
    if not isinstance(trials, list):
        raise ValueError(f"{path}: not {what} (found {trials!r} for trials); {to_do}")
    for number, trial in enumerate(trials):
        for name, kind in _TRIAL.items():
            value = trial.get(name) if isinstance(trial, dict) else None
            if not isinstance(value, kind) or (name == "val_r_at_1" and not math.isfinite(value)):
                raise ValueError(
                    f"{path}: not {what} (found {value!r} for trials[{number}].{name}); {to_do}"
                )
    return stored


def scores(search: Tuning, stored: Mapping[str, Any]) -> dict[str, list[tuple[dict, list[float]]]]:
    """arm -> [(candidate, its R@1 by seed)], in the order of the candidates; trials made so far.

    Stored trials that the search no longer asks for are left out.
    """
    by_trial = {
        (t["arm"], json.dumps(t["changes"], sort_keys=True), t["seed"]): t["val_r_at_1"]
        for t in stored["trials"]
    }
    found = {}
    for arm, candidates in search.candidates.items():
        found[arm] = []
        for one in candidates:
            keys = [(arm, json.dumps(one, sort_keys=True), seed) for seed in search.seeds]
            found[arm].append((dict(one), [by_trial[k] for k in keys if k in by_trial]))
    return found


def chosen(search: Tuning, stored: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """arm -> the candidate of the highest mean, of the arms whose trials are all made.

    The first of them where several have it.
    """
    return {
        arm: max(trials, key=lambda trial: mean(trial[1]))[0]
        for arm, trials in scores(search, stored).items()
        if all(len(by_seed) == len(search.seeds) for _, by_seed in trials)
    }


def search_report(search: Tuning, stored: Mapping[str, Any]) -> str:
    """Markdown: each arm's best and worst trial, what it chose, and whether at a list's end.

    A choice at the end of a list says that the list may have been too short. A list of
    names has no end.
    """
    best = chosen(search, stored)
    rows = []
    for arm, trials in scores(search, stored).items():
        done = [mean(by_seed) for _, by_seed in trials if by_seed]
        if arm not in best:
            rows.append((arm, f"{len(done)} of {len(trials)} trials made", "", "", ""))
            continue
        lists = {name: sorted({one[name] for one, _ in trials}) for name in best[arm]}
        ends = [
            n
            for n, v in best[arm].items()
            if not isinstance(v, str) and len(lists[n]) > 1 and v in (lists[n][0], lists[n][-1])
        ]
        values = ", ".join(f"{name} {_shown(value)}" for name, value in best[arm].items())
        rows.append((arm, values, f"{max(done):.1f}", f"{min(done):.1f}", ", ".join(ends)))
    heads = ("arm", "chosen", "R@1 held out", "worst trial", "at the end of a list")
    return markdown_table(heads, rows)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
