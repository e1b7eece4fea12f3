"""Worlds on disk, in exactly the layouts in which University-1652 and SUES-200 are published."""

import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from dphr_lab import __version__
from dphr_lab._files import is_empty, replace_folder_when_done
from dphr_lab._locks import only_writer
from dphr_lab.scenes.camera_image import decode
from dphr_lab.scenes.cameras import Pose, sues_orbit, university_orbit
from dphr_lab.scenes.processes import mapped
from dphr_lab.scenes.worlds import AnyPlace, Shot, World, photograph_place
from dphr_lab.settings.protocol import SUES200_HEIGHTS_M, sues200_split


def _check_empty(root: Path):
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f"root {root} is a file; give a new or empty folder")
    if not is_empty(root):
        raise ValueError(
            f"root {root} is not empty; give a new or empty folder, so that nothing is mixed"
        )


def _png(jpeg: bytes) -> bytes:
    ok, data = cv2.imencode(".png", cv2.cvtColor(decode(jpeg), cv2.COLOR_RGB2BGR))
    if not ok:
        raise RuntimeError("OpenCV could not encode a PNG image")
    return data.tobytes()


def _university_paths(place: AnyPlace, shots: list[Shot]) -> list[tuple[str, Shot]]:
    """(relative path, shot) of a place's files; a queried place lies in two folders."""
    folders = {
        "train": ("train/{}",),
        "test": ("test/query_{}", "test/gallery_{}"),
        "distractors": ("test/gallery_{}",),
    }[place.split]
    name, result = f"{place.id:04d}", []
    for folder in folders:
        result.append((f"{folder.format('satellite')}/{name}/{name}.jpg", shots[0]))
        for i, shot in enumerate(shots[1:], 1):
            result.append((f"{folder.format('drone')}/{name}/image-{i:02d}.jpeg", shot))
    return result


def _sues_paths(place: AnyPlace, name: str, shots: list[Shot]) -> list[tuple[str, Shot]]:
    views = (len(shots) - 1) // len(SUES200_HEIGHTS_M)
    result = [(f"satellite-view/{name}/0.png", shots[0])]
    for i, shot in enumerate(shots[1:]):
        altitude_m, index = SUES200_HEIGHTS_M[i // views], i % views
        result.append((f"drone_view_512/{name}/{altitude_m}/{index}.jpg", shot))
    return result


def _write_place(job: tuple) -> dict:
    """Render one place, write its files, and return the metadata of its images."""
    place, orbits, root, name = job
    shots = photograph_place(place, orbits)
    paths = _university_paths(place, shots) if name is None else _sues_paths(place, name, shots)
    records = {}
    for path, shot in paths:
        file = Path(root) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_png(shot.jpeg) if path.endswith(".png") else shot.jpeg)
        records[path] = {
            "pose": None if shot.pose is None else asdict(shot.pose),
            "conditions": asdict(shot.conditions),
        }
    return records


def _write(
    world: World,
    root: Path | str,
    layout: str,
    orbits: tuple[tuple[Pose, ...], ...],
    names: Callable[[AnyPlace], str] | None,
    workers: int | None,
    progress: bool,
) -> Path:
    root = Path(root)
    _check_empty(root)
    with only_writer(root), replace_folder_when_done(root) as aside:
        _check_empty(root)  # again: it may have been written until the lock was free
        jobs = [(p, orbits, str(aside), names(p) if names else None) for p in world.places]
        images: dict[str, dict] = {}
        with mapped(_write_place, jobs, workers, progress, "writing") as written:
            for records in written:
                images.update(records)
        metadata = {
            "layout": layout,
            "settings": world.settings.to_dict(),
            "versions": {
                "dphr_lab": __version__,
                "numpy": np.__version__,
                "opencv": cv2.__version__,
                "python": platform.python_version(),
            },
            "places": {(names(p) if names else f"{p.id:04d}"): p.describe() for p in world.places},
            "images": images,
        }
        text = json.dumps(metadata, separators=(",", ":")) + "\n"
        (aside / "metadata.json").write_text(text, "utf-8")
    return root


def write_university1652(
    world: World, root: Path | str, workers: int | None = None, progress: bool = True
) -> Path:
    """Write a world in University-1652's layout and return its root.

    `train/{satellite,drone}/<id>` and `test/{query,gallery}_{satellite,drone}/<id>`; the gallery
    holds the queried places and the distractors. There are no street or google views. Beside
    them `metadata.json`: settings, versions, places (by folder name) and images (by path).
    Files appear under their names when all are written. Raises ValueError when the folder is not
    empty, NotADirectoryError for a file.
    """
    orbits = (tuple(university_orbit(world.settings.drone_views)),)
    return _write(world, root, "university1652", orbits, None, workers, progress)


def write_sues200(
    world: World, root: Path | str, workers: int | None = None, progress: bool = True
) -> Path:
    """Write a world in SUES-200's raw layout and return its root.

    `satellite-view/<name>/0.png` and `drone_view_512/<name>/<altitude>/<index>.jpg` at 150, 200,
    250 and 300 m with `drone_views` images each. Train and test places get the folder names of
    the published 120 / 80 split, so that loaders which know only that split find them.
    Raises ValueError when the folder is not empty, or the world has more places than the split
    or distractors, which this layout has no folder for.
    """
    settings, split = world.settings, sues200_split()
    if settings.distractor_places:
        raise ValueError(
            f"distractor_places is {settings.distractor_places}; SUES-200's gallery is filled with "
            "its train places, so make the world with distractor_places=0"
        )
    for part, places in (("train", world.train), ("test", world.test)):
        if len(places) > len(split[part]):
            raise ValueError(
                f"{part}_places is {len(places)}; SUES-200 has {len(split[part])} of them; "
                "the preset 'sues200' has the published counts"
            )
    named = zip(world.train + world.test, split["train"][: len(world.train)]
                + split["test"][: len(world.test)], strict=True)  # fmt: skip
    names = {place.id: name for place, name in named}
    orbits = tuple(tuple(sues_orbit(h, settings.drone_views)) for h in SUES200_HEIGHTS_M)
    return _write(world, root, "sues200", orbits, lambda p: names[p.id], workers, progress)
