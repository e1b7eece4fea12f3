"""What every data set answers: `CrossViewDataset` and the parts it is made of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dphr_lab._files import parse_json
from dphr_lab._images import is_folder, is_image_name
from dphr_lab._terminal import printable
from dphr_lab.datasets.images import FileImages, ImageSet
from dphr_lab.datasets.pairs import PairSet
from dphr_lab.settings.protocol import VIEWS, check_direction


@dataclass(frozen=True)
class Part:
    """One folder of place folders and what it is for."""

    name: str  # as the layout calls it, e.g. "test/query_drone"
    role: str  # "train", "query", "gallery" or "unused"
    view: str  # "drone", "satellite", or another view that is not used
    folder: Path  # holds one folder a place
    below: str = ""  # folder inside a place's folder that holds the images: SUES-200's height
    only: frozenset[str] | None = None  # the place folders that belong to the part, None for all

    @property
    def is_used(self) -> bool:
        """Whether training or test reads its images."""
        return self.role != "unused"

    @cached_property
    def place_folders(self) -> tuple[str, ...]:
        """Names of the place folders, sorted."""
        return tuple(n for n in _subfolders(self.folder) if self.only is None or n in self.only)

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The image files of every place folder, sorted; empty for a folder without images."""
        return {name: _image_files(self.folder / name / self.below) for name in self.place_folders}

    @cached_property
    def passed_over(self) -> list[Path]:
        """What lies beside its images and is not read: files of other kinds, folders in places.

        Hidden files are left out, as everywhere.
        """
        places = [self.folder / name / self.below for name in self.place_folders]
        return _others(self.folder, files_only=True) + [p for f in places for p in _others(f)]


class CrossViewDataset:
    """Places seen by drone and by satellite: training pairs, query and gallery sets.

    name      what the data set is called
    root      its folder, or None for one in memory
    height_m  the drone's height where the data set has several, else None

    A layout states its `parts`; the rest follows from them. `University1652`, `SUES200`,
    `FolderPairs` and `TwinTowns` are the data sets; `open_dataset` finds the one a folder holds.
    """

    name: str
    height_m: int | None = None

    def __init__(self, root: Path | str):
        self.root: Path | None = Path(root)
        self.parts: dict[str, Part] = {part.name: part for part in self._find_parts()}
        if not self.parts:
            raise FileNotFoundError(
                f"{root}: no {self.name} layout here; looked for {self.looked_for}; "
                f"there is {describe_folder(self.root)}"
            )

    # What the layout looks like, for messages.
    looked_for: str = ""

    def _find_parts(self) -> list[Part]:
        raise NotImplementedError

    def place_id(self, folder_name: str) -> int:
        """The int label of a place's folder; raises ValueError when the name is no number.

        Digits alone are a number: Python takes "1_0" for 10, too.
        """
        if not is_number(folder_name):
            raise ValueError(
                f"{self.root}: the place folder {folder_name!r} is not a number, as {self.name} "
                "names its places; rename it, or use the train/{drone,satellite}/<any name> layout"
            )
        return int(folder_name)

    @cached_property
    def train(self) -> PairSet:
        """The training places with both views; raises FileNotFoundError without a train half."""
        known = set(self.place_names.values())
        overlaps = [
            tuple(map(self.place_id, pair))
            for pair in read_overlaps(self.root)
            if known.issuperset(pair)
        ]
        pairs = PairSet(*(self._images("train", view) for view in VIEWS), overlaps)
        if not len(pairs):
            raise ValueError(
                f"{self.root}: no training place has both a drone and a satellite image; "
                "`dphr verify` lists the places that lack one"
            )
        return pairs

    def test(self, direction: str) -> tuple[ImageSet, ImageSet]:
        """Query and gallery set of "D2S" or "S2D"; raises FileNotFoundError without a test half."""
        views = VIEWS if check_direction(direction) == "D2S" else VIEWS[::-1]
        return self._images("query", views[0]), self._images("gallery", views[1])

    @property
    def directions(self) -> tuple[str, ...]:
        """Those of "D2S" and "S2D" that the test half has queries and a gallery for."""
        return tuple(
            direction
            for direction, (query, gallery) in (("D2S", VIEWS), ("S2D", VIEWS[::-1]))
            if self._has("query", query) and self._has("gallery", gallery)
        )

    def check_whole(self) -> None:
        """Raise, as `train` and `test` do, unless both halves are there: before hours of training.

        Lists files, reads no image.
        """
        _ = self.train
        for direction in ("D2S", "S2D"):
            self.test(direction)

    @property
    def has_train(self) -> bool:
        """Whether there is a train half."""
        return all(self._has("train", view) for view in VIEWS)

    @property
    def has_test(self) -> bool:
        """Whether there is a test half, for one direction or both (`directions`)."""
        return bool(self.directions)

    def _has(self, role: str, view: str) -> bool:
        parts = (p for p in self.parts.values() if (p.role, p.view) == (role, view))
        return any(any(part.files.values()) for part in parts)

    @property
    def used_parts(self) -> list[Part]:
        """The parts that training and test read."""
        return [part for part in self.parts.values() if part.is_used]

    @property
    def used_files(self) -> list[Path]:
        """The image files that training and test read, sorted.

        Each is listed once: in the raw layout of SUES-200 a file is in several parts.
        """
        return sorted(
            {path for part in self.used_parts for files in part.files.values() for path in files}
        )

    @cached_property
    def place_names(self) -> dict[int, str]:
        """Folder name of every place by its label."""
        names = sorted({name for part in self.used_parts for name in part.place_folders})
        return {self.place_id(name): name for name in names}

    def summary(self) -> str:
        """A few lines: name, root, and the places and images of every set."""
        height = "" if self.height_m is None else f", drone at {self.height_m} m"
        lines = [f"{self.name}{'' if self.root is None else f' in {self.root}'}{height}"]
        if self.has_train:
            lines.append(f"  train      {_sizes(self.train.drone)}, {_sizes(self.train.satellite)}")
        else:
            lines.append("  train      none")
        for direction in self.directions:
            query, gallery = self.test(direction)
            lines.append(f"  test {direction}   {_sizes(query)} -> {_sizes(gallery)}")
        if not self.has_test:
            lines.append("  test       none, or one view only")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()

    @cached_property
    def _families(self) -> dict[int, int] | None:
        families = read_families(self.root)
        return families and {self.place_id(name): family for name, family in families.items()}

    def _images(self, role: str, view: str) -> FileImages:
        for part in self.parts.values():
            if (part.role, part.view) == (role, view):
                return self._read_part(part)
        raise FileNotFoundError(
            f"{self.root}: no {role} set of {view} images; {self.name} keeps them as in "
            f"{self.looked_for}; there is {describe_folder(self.root)}"
        )

    def _read_part(self, part: Part) -> FileImages:
        paths, places = [], []
        if same := same_labels(part.place_folders, self.place_id):
            raise ValueError(
                f"{part.folder}: the folders {' and '.join(same[0])} are one place, since its "
                "label is their number; rename one, or put their images together"
            )
        for name, files in part.files.items():
            paths += files
            places += [self.place_id(name)] * len(files)
        if not paths:
            raise FileNotFoundError(
                f"{part.folder}: no images in its place folders; there is "
                f"{describe_folder(part.folder)}"
            )
        families = None
        if self._families is not None:
            unknown = sorted(set(places) - set(self._families))
            if unknown:
                raise ValueError(
                    f"{self.root / 'metadata.json'} names no family for place {unknown[0]} "
                    f"({len(unknown)} such places); add them, or remove the file"
                )
            families = [self._families[place] for place in places]
        return FileImages(part.view, paths, places, families)


def read_families(root: Path) -> dict[str, int] | None:
    """Family of every place folder from `root`/metadata.json, None where there is none.

    Raises ValueError for a file that is not such JSON.
    """
    with _described(root, "to go on without families") as said:
        places = said.get("places")
        families = places and {name: int(place["family"]) for name, place in places.items()}
        np.array(list((families or {}).values()), dtype=np.int64)  # which may not hold them
        return families


def read_overlaps(root: Path) -> list[tuple[str, str]]:
    """Pairs of place folders that show some of the same ground, from `root`/metadata.json.

    Raises ValueError for a file that is not such JSON.
    """
    with _described(root, "to go on as if none overlapped") as said:
        return [(str(a), str(b)) for a, b in said.get("overlaps", ())]


@contextmanager
def _described(root: Path, removed: str) -> Iterator[dict]:
    path = root / "metadata.json"
    try:
        yield parse_json(path.read_bytes()) if path.is_file() else {}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{path}: not a description of places with families and overlaps "
            f"({type(error).__name__}: {error}); repair it, or remove it {removed}"
        ) from error


def is_number(name: str) -> bool:
    """Whether a folder's name is a number: the digits 0 to 9 alone, of 64 bits."""
    return name.isascii() and name.isdecimal() and len(name) < 19


def same_labels(names: Iterable[str], label: Callable[[str], int]) -> list[tuple[str, ...]]:
    """The names that share a label, together."""
    by_label: dict[int, list[str]] = {}
    for name in names:
        by_label.setdefault(label(name), []).append(name)
    return [tuple(names) for names in by_label.values() if len(names) > 1]


def describe_folder(folder: Path, most: int = 6) -> str:
    """What a folder holds, in words: its first few entries."""
    if not folder.exists():
        return f"no folder {folder}"
    if not folder.is_dir():
        return f"a file of that name: {folder}"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(folder))
    return shorten(names, most) if names else "nothing: the folder is empty"


def shorten(names: Iterable[str], most: int = 6) -> str:
    """The first few of `names`, and how many more there are."""
    names = [printable(str(name), line=True) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and is_folder(e))


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        # a link to nothing counts: passed over, its image would be missed by nobody
        return sorted(Path(e.path) for e in entries if is_image_name(e.name) and not is_folder(e))


def _others(folder: Path, files_only: bool = False) -> list[Path]:
    """What lies in a folder beside images read from it; of a folder of folders, all files."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            Path(e.path)
            for e in entries
            if not e.name.startswith(".")
            and (not is_folder(e) if files_only else is_folder(e) or not is_image_name(e.name))
        )


def _sizes(images: ImageSet) -> str:
    return f"{len(images):,} {images.view} images of {len(np.unique(images.places)):,} places"


def describe_data(data: CrossViewDataset) -> dict[str, Any]:
    """What a stored run says of its data: name, root, height, and a rendered world's settings."""
    settings = getattr(data, "settings", None)  # of a world rendered in memory
    return {
        "name": data.name,
        "root": None if data.root is None else str(Path(data.root).resolve()),
        "height_m": data.height_m,
        "world": None if settings is None else settings.to_dict(),
    }
