"""Data sets on disk, in the layouts they are published in; nothing is copied."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path

import numpy as np

from dphr_lab.datasets.images import VIEWS, FileImages, ImageSet, is_image_name
from dphr_lab.datasets.pairs import PairSet, check_direction

SUES200_HEIGHTS_M = (150, 200, 250, 300)
_TRAIN_NAMES = ("Training", "train", "training", "Train")
_TEST_NAMES = ("Testing", "test", "testing", "Test")


@dataclass(frozen=True)
class Part:
    """One folder of place folders and what it is for."""

    name: str  # as the layout calls it, e.g. "test/query_drone"
    role: str  # "train", "query", "gallery" or "unused"
    view: str  # "drone", "satellite", or another view that is not used
    folder: Path  # holds one folder a place
    below: str = ""  # folder inside a place's folder that holds the images: SUES-200's height
    only: frozenset[str] | None = None  # the place folders that belong to the part, None for all

    @cached_property
    def place_folders(self) -> tuple[str, ...]:
        """Names of the place folders, sorted."""
        return tuple(n for n in _subfolders(self.folder) if self.only is None or n in self.only)

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The image files of every place folder, sorted; empty for a folder without images."""
        return {name: _image_files(self.folder / name / self.below) for name in self.place_folders}


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
        """The int label of a place's folder; raises ValueError when the name is no number."""
        try:
            return int(folder_name)
        except ValueError:
            raise ValueError(
                f"{self.root}: the place folder {folder_name!r} is not a number, as {self.name} "
                "names its places; rename it, or use the train/{drone,satellite}/<any name> layout"
            ) from None

    @cached_property
    def train(self) -> PairSet:
        """The training places with both views; raises FileNotFoundError without a train half."""
        pairs = PairSet(*(self._images("train", view) for view in VIEWS))
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
        """Whether there is a test half for both directions."""
        return all(self._has(role, view) for role in ("query", "gallery") for view in VIEWS)

    def _has(self, role: str, view: str) -> bool:
        parts = (p for p in self.parts.values() if (p.role, p.view) == (role, view))
        return any(any(part.files.values()) for part in parts)

    @cached_property
    def place_names(self) -> dict[int, str]:
        """Folder name of every place by its label."""
        used = (part for part in self.parts.values() if part.role != "unused")
        names = sorted({name for part in used for name in part.place_folders})
        return {self.place_id(name): name for name in names}

    def summary(self) -> str:
        """A few lines: name, root, and the places and images of every set."""
        height = "" if self.height_m is None else f", drone at {self.height_m} m"
        lines = [f"{self.name}{'' if self.root is None else f' in {self.root}'}{height}"]
        if self.has_train:
            lines.append(f"  train      {_sizes(self.train.drone)}, {_sizes(self.train.satellite)}")
        else:
            lines.append("  train      none")
        for direction in ("D2S", "S2D") if self.has_test else ():
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


class University1652(CrossViewDataset):
    """University-1652: {train,test} halves with one folder a place, named by its number.

    Source: Zheng, Wei, Yang, ACM MM 2020. Street and google images are not used.
    """

    name = "University-1652"
    looked_for = (
        "train/{drone,satellite}/<number>/* and test/{query,gallery}_{drone,satellite}/<number>/*"
    )

    def _find_parts(self) -> list[Part]:
        parts = []
        for view in ("drone", "satellite", "street", "google"):
            role = "train" if view in VIEWS else "unused"
            parts.append(Part(f"train/{view}", role, view, self.root / "train" / view))
        for role in ("query", "gallery"):
            for view in ("drone", "satellite", "street"):
                name = f"test/{role}_{view}"
                part_role = role if view in VIEWS else "unused"
                parts.append(Part(name, part_role, view, self.root / name))
        parts = [part for part in parts if part.folder.is_dir()]
        return parts if any(part.role != "unused" for part in parts) else []


class SUES200(CrossViewDataset):
    """SUES-200 at one height of the drone, in its raw or in its prepared layout.

    Raw: the published split of 120 train and 80 test places; queries are the 80, the gallery holds
    all places found. Prepared: the folders say which is which. Raises ValueError for a height that
    is not there. Source: Zhu et al., TCSVT 2023.
    """

    name = "SUES-200"
    looked_for = (
        '<folder with "satellite" in its name>/<0001..0200>/* beside '
        '<folder with "drone" in its name>/<0001..0200>/{150,200,250,300}/* (raw), or '
        "{Training,Testing}/<height>/... (prepared)"
    )

    def __init__(self, root: Path | str, height: int = 150):
        self.height_m = height
        self.heights_m = find_sues200_heights(Path(root))
        if self.heights_m and height not in self.heights_m:
            raise ValueError(
                f"height is {height!r}, and {root} holds SUES-200 at {list(self.heights_m)} m; "
                "choose one of these"
            )
        super().__init__(root)

    def _find_parts(self) -> list[Part]:
        raw = _raw_sues200(self.root)
        return self._raw_parts(*raw) if raw else self._prepared_parts()

    def _raw_parts(self, drone: Path, satellite: Path) -> list[Part]:
        split = sues200_split()
        parts = []
        for view, folder, below in (
            ("drone", drone, str(self.height_m)),
            ("satellite", satellite, ""),
        ):
            for role, name, only in (
                ("train", f"train/{view}", split["train"]),
                ("query", f"test/query_{view}", split["test"]),
                ("gallery", f"test/gallery_{view}", None),
            ):
                parts.append(Part(name, role, view, folder, below, only))
        return [part for part in parts if part.place_folders]

    def _prepared_parts(self) -> list[Part]:
        parts = []
        for half in (self.root / name / str(self.height_m) for name in _TRAIN_NAMES):
            parts += [Part(f"train/{view}", "train", view, half / view) for view in VIEWS]
        for half in (self.root / name / str(self.height_m) for name in _TEST_NAMES):
            for role in ("query", "gallery"):
                parts += [
                    Part(f"test/{role}_{view}", role, view, half / f"{role}_{view}")
                    for view in VIEWS
                ]
        return [part for part in parts if part.folder.is_dir()]


class FolderPairs(CrossViewDataset):
    """One's own places: {train,test}/{drone,satellite}/<any name>/*, one half is enough.

    A place's label is the position of its folder name among all names, sorted. Test places with
    both views are queried; those with one view only stay in its gallery as distractors.
    """

    name = "folder pairs"
    looked_for = "{train,test}/{drone,satellite}/<any name>/*"

    def _find_parts(self) -> list[Part]:
        parts = [Part(f"train/{view}", "train", view, self.root / "train" / view) for view in VIEWS]
        gallery = [
            Part(f"test/{view}", "gallery", view, self.root / "test" / view) for view in VIEWS
        ]
        parts += [part for part in gallery if part.folder.is_dir()]
        if all(part.folder.is_dir() for part in gallery):
            with_images = [{n for n, files in part.files.items() if files} for part in gallery]
            both = frozenset(set.intersection(*with_images))
            parts += [
                Part(f"{part.name} (queries)", "query", part.view, part.folder, only=both)
                for part in gallery
            ]
        return [part for part in parts if part.folder.is_dir()]

    @cached_property
    def _labels(self) -> dict[str, int]:
        names = sorted({name for part in self.parts.values() for name in part.place_folders})
        return {name: label for label, name in enumerate(names)}

    def place_id(self, folder_name: str) -> int:
        """The position of the folder name among all place names, sorted."""
        return self._labels[folder_name]

    @cached_property
    def _families(self) -> dict[int, int] | None:
        families = read_families(self.root)
        return families and {self._labels[n]: f for n, f in families.items() if n in self._labels}


def open_dataset(root: Path | str, height: int | None = None) -> CrossViewDataset:
    """The data set that the folder `root` holds, by its layout.

    `height` is for SUES-200 only (150 m when None). Raises FileNotFoundError, saying what was
    looked for and what is there, when `root` holds no known layout.
    """
    layout = find_layout(root)
    if layout is SUES200:
        return SUES200(root, 150 if height is None else height)
    if height is not None:
        raise ValueError(f"height is {height}, and {root} is {layout.name}, which has no heights")
    return layout(root)


def find_layout(root: Path | str) -> type[CrossViewDataset]:
    """The data set class whose layout `root` has; raises FileNotFoundError when there is none."""
    root = Path(root)
    layout = _layout_of(root) if root.is_dir() else None
    if layout is not None:
        return layout
    looked_for = "".join(
        f"\n  {known.name}: {known.looked_for}" for known in (University1652, SUES200, FolderPairs)
    )
    raise FileNotFoundError(
        f"{root}: no data set found. Looked for{looked_for}\n"
        f"There is {describe_folder(root)}.{_near_by(root)}"
    )


def _near_by(root: Path) -> str:
    """A hint when the folder above or one below is a data set."""
    for folder in (root.parent, *(root / name for name in _subfolders(root)[:100])):
        try:
            layout = _layout_of(folder)
        except (OSError, ValueError):  # a hint must not hide the message it belongs to
            continue
        if layout is not None:
            return f"\nDid you mean {folder}? It holds {layout.name}."
    return ""


def _layout_of(root: Path) -> type[CrossViewDataset] | None:
    inside = set(_subfolders(root))
    if _raw_sues200(root) or find_sues200_heights(root):
        return SUES200
    test = set(_subfolders(root / "test")) if "test" in inside else set()
    train = set(_subfolders(root / "train")) if "train" in inside else set()
    published = {f"{role}_{view}" for role in ("query", "gallery") for view in VIEWS}
    if test & published or ({"street", "google"} & train and set(VIEWS) & train):
        return University1652
    if set(VIEWS) & (train | test):
        return FolderPairs
    return None


@cache
def sues200_split() -> dict[str, frozenset[str]]:
    """The published split of SUES-200: place folder names of "train" (120) and "test" (80)."""
    text = resources.files(__package__).joinpath("sues200_split.txt").read_text("utf-8")
    lines = (line.split() for line in text.splitlines() if line.strip())
    return {half: frozenset(names) for half, *names in lines}


def find_sues200_heights(root: Path) -> tuple[int, ...]:
    """The drone heights in metres that a SUES-200 folder holds, () when it is none."""
    raw = _raw_sues200(root)
    if raw:
        drone, _ = raw
        heights = {name for place in _subfolders(drone) for name in _subfolders(drone / place)}
    else:
        halves = [root / name for name in (*_TRAIN_NAMES, *_TEST_NAMES)]
        heights = {
            name
            for half in halves
            for name in _subfolders(half)
            if any(view in part for part in _subfolders(half / name) for view in VIEWS)
        }
    return tuple(sorted(int(name) for name in heights if name.isdecimal()))


def _raw_sues200(root: Path) -> tuple[Path, Path] | None:
    """The drone and the satellite folder of the raw layout."""
    folders = _subfolders(root)
    satellite = [name for name in folders if "satellite" in name.lower()]
    drone = [name for name in folders if "drone" in name.lower()]
    if len(drone) > 1 and satellite:
        raise ValueError(
            f'{root}: more than one folder with "drone" in its name ({", ".join(drone)}); '
            "keep one of them there"
        )
    if len(drone) != 1 or not satellite:
        return None
    places = _subfolders(root / drone[0])
    if any(n.isdecimal() for place in places[:5] for n in _subfolders(root / drone[0] / place)):
        if len(satellite) > 1:
            raise ValueError(
                f'{root}: more than one folder with "satellite" in its name '
                f"({', '.join(satellite)}); keep one of them there"
            )
        return root / drone[0], root / satellite[0]
    return None


def read_families(root: Path) -> dict[str, int] | None:
    """Family of every place folder from `root`/metadata.json, None where there is none.

    Raises ValueError for a file that is not such JSON.
    """
    path = root / "metadata.json"
    if not path.is_file():
        return None
    try:
        places = json.loads(path.read_bytes()).get("places")
        return places and {name: int(place["family"]) for name, place in places.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: not a description of places with families ({type(error).__name__}: {error}); "
            "repair it, or remove it to go on without families"
        ) from error


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
    names = [str(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and _is_folder(e))


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        # a link to nothing counts: passed over, its image would be missed by nobody
        return sorted(Path(e.path) for e in entries if is_image_name(e.name) and not _is_folder(e))


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _sizes(images: ImageSet) -> str:
    return f"{len(images):,} {images.view} images of {len(np.unique(images.places)):,} places"
