"""Stored runs: small JSON files that travel with the package, one a run.

A run is `results/<study>/<world>-<loss>-s<seed>.json`, the `result.json` that `training.fit`
writes and returns: {settings, data, versions, hardware, wall_s, curves, report, ...}.
Chapters read these, since on Colab a notebook comes alone with the installed package.
"""

import json
from importlib.resources import files
from typing import Any


def studies() -> list[str]:
    """Names of the stored studies."""
    return sorted(f.name for f in files(__package__).iterdir() if f.is_dir() and _runs(f))


def load(study: str) -> dict[tuple[str, str, int], dict[str, Any]]:
    """All runs of a study by (world, loss, seed), in the order of their names.

    Raises `FileNotFoundError` naming the studies there are.
    """
    folder = files(__package__) / study
    if not folder.is_dir() or not _runs(folder):
        raise FileNotFoundError(
            f"study: found no stored runs of {study!r}; there are: {', '.join(studies()) or 'none'}"
        )
    return {parse_name(f.name): json.loads(f.read_text()) for f in _runs(folder)}


def run_name(world: str, loss: str, seed: int) -> str:
    """The file name of a stored run."""
    return f"{world}-{loss}-s{seed}.json"


def parse_name(name: str) -> tuple[str, str, int]:
    """(world, loss, seed) of a stored run's file name; the inverse of `run_name`."""
    world, loss, seed = name.removesuffix(".json").rsplit("-", 2)
    return world, loss, int(seed.removeprefix("s"))


def _runs(folder) -> list:
    return sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
