"""Data sets on disk, in the layouts they are published in; nothing is copied."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from dphr_lab.datasets.dataset import (
    CrossViewDataset,
    Part,
    _subfolders,
    describe_folder,
    is_number,
    read_families,
)
from dphr_lab.settings.protocol import (
    SUES200_HEIGHTS_M,
    SUES_200,
    UNIVERSITY1652,
    VIEWS,
    sues200_split,
)

_TRAIN_NAMES = ("Training", "train", "training", "Train")
_TEST_NAMES = ("Testing", "test", "testing", "Test")


class University1652(CrossViewDataset):
    """University-1652: {train,test} halves with one folder a place, named by its number.

    Source: Zheng, Wei, Yang, ACM MM 2020. Street and google images are not used.
    """

    name = UNIVERSITY1652
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
        return parts if any(part.is_used for part in parts) else []


class SUES200(CrossViewDataset):
    """SUES-200 at one height of the drone, in its raw or in its prepared layout.

    Raw: the published split of 120 train and 80 test places; queries are the 80, the gallery holds
    all places found. Prepared: the folders say which is which. Raises ValueError for a height that
    is not there. Source: Zhu et al., TCSVT 2023.
    """

    name = SUES_200
    looked_for = (
        '<folder with "satellite" in its name>/<0001..0200>/* beside '
        '<folder with "drone" in its name>/<0001..0200>/{150,200,250,300}/* (raw; the height may '
        "stand above the place), or "
        "{Training,Testing}/<height>/... (prepared)"
    )

    def __init__(self, root: Path | str, height: int = 150):
        self.height_m = height
        self.heights_m = find_sues200_heights(root)
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
        parts, height = [], str(self.height_m)
        of_drone = (drone / height, "") if _height_above_place(drone) else (drone, height)
        for view, (folder, below) in (("drone", of_drone), ("satellite", (satellite, ""))):
            for role, name, only in (
                ("train", f"train/{view}", _of_split(folder, "train")),
                ("query", f"test/query_{view}", _of_split(folder, "test")),
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
    return _open(layout, root, None if height is None else (height,))[0]


def open_all(root: Path | str, heights_m: Sequence[int] | None = None) -> list[CrossViewDataset]:
    """The data set that the folder `root` holds; of SUES-200 one for each height of the drone.

    `heights_m` asks for some heights of SUES-200, None for all that are there. Raises ValueError
    for a height that is not there, FileNotFoundError when `root` holds no known layout.
    """
    return _open(find_layout(root), root, heights_m)


def _open(
    layout: type[CrossViewDataset], root: Path | str, heights_m: Sequence[int] | None
) -> list[CrossViewDataset]:
    if layout is SUES200:
        return [SUES200(root, height_m) for height_m in heights_m or find_sues200_heights(root)]
    if heights_m:
        raise ValueError(
            f"height is {', '.join(map(str, heights_m))}, and {root} is {layout.name}, "
            "which has no heights"
        )
    return [layout(root)]


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


def find_sues200_heights(root: Path | str) -> tuple[int, ...]:
    """The drone heights in metres that a SUES-200 folder holds, () when it is none."""
    root = Path(root)
    raw = _raw_sues200(root)
    if raw:
        drone, _ = raw
        heights = set(_subfolders(drone))
        if not _height_above_place(drone):
            heights = {name for place in heights for name in _subfolders(drone / place)}
    else:
        halves = [root / name for name in (*_TRAIN_NAMES, *_TEST_NAMES)]
        heights = {
            name
            for half in halves
            for name in _subfolders(half)
            if any(view in part for part in _subfolders(half / name) for view in VIEWS)
        }
    return tuple(sorted(int(name) for name in heights if is_number(name)))


def _height_above_place(drone: Path) -> bool:
    """Whether the raw drone folder holds heights, and these the places."""
    above, heights = set(_subfolders(drone)), {str(height_m) for height_m in SUES200_HEIGHTS_M}
    below = {name for folder in above for name in _subfolders(drone / folder)}
    return bool(above) and above <= heights and not below <= heights


def _of_split(folder: Path, half: str) -> frozenset[str]:
    """The place folders of a half of the published split, whether written 0007 or 7."""
    numbers = {int(name) for name in sues200_split()[half]}
    names = (name for name in _subfolders(folder) if is_number(name))
    return frozenset(name for name in names if int(name) in numbers)


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
    if any(is_number(n) for place in places[:5] for n in _subfolders(root / drone[0] / place)):
        if len(satellite) > 1:
            raise ValueError(
                f'{root}: more than one folder with "satellite" in its name '
                f"({', '.join(satellite)}); keep one of them there"
            )
        return root / drone[0], root / satellite[0]
    return None
