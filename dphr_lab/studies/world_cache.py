"""Rendered worlds of studies, kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import numpy as np

from dphr_lab._files import replace_when_done
from dphr_lab._images import image_files
from dphr_lab.studies.study import Study, settings_of_world


def open_world(study: Study, world: str, seed: int):
    """The data set of a study's world, rendered now or read from the user's cache."""
    from dphr_lab import scenes
    from dphr_lab.datasets import PhotoTowns, TwinTowns
    from dphr_lab.scenes import photos

    settings = settings_of_world(study, world, seed)
    if "photos" in study.worlds[world]:
        kind, make = PhotoTowns, photos.make_photo_world
        tiles = sorted((p.name, p.stat().st_size) for p in image_files(settings.folder))
    else:
        kind, make, tiles = TwinTowns, scenes.make_world, ()
    path = _cache() / f"{fingerprint(settings, tiles)}.npz"
    if path.is_file():
        try:
            return kind(settings, rendered=_stored(path))
        except Exception:  # cut or damaged, which raises a dozen kinds: it is only a cache
            warnings.warn(f"{path}: a damaged copy of a world; rendered anew", stacklevel=2)
    rendered = scenes.render_world(make(settings), progress=False)
    with replace_when_done(path) as aside:
        np.savez(aside, **_flat(rendered))
    return kind(settings, rendered=rendered)


def _cache() -> Path:
    """Where rendered worlds lie; a user without a home, as containers have, takes the system's."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        base = base or Path.home() / ".cache"
    except RuntimeError:
        base = tempfile.gettempdir()
    return Path(base, "dphr-lab", "worlds")


def fingerprint(settings, tiles: Sequence = ()) -> str:
    """Changes with the settings, the tiles, the code that draws, and its OpenCV and numpy."""
    import cv2

    digest = hashlib.sha256(json.dumps([asdict(settings), tiles], sort_keys=True).encode())
    digest.update(f"{cv2.__version__} {np.__version__}".encode())
    for module in sorted(Path(str(files("dphr_lab.scenes"))).rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:24]


def _flat(rendered: Mapping) -> dict[str, np.ndarray]:
    return {
        f"{split}/{view}/{i}": array
        for split, views in rendered.items()
        for view, arrays in views.items()
        for i, array in enumerate(arrays)
    }


def _stored(path: Path) -> dict:
    nested: dict = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in sorted(arrays):
            split, view, _ = name.split("/")
            nested.setdefault(split, {}).setdefault(view, []).append(arrays[name])
    return nested
