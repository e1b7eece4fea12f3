"""PhotoTowns: a world of places made from a folder of aerial photographs."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from dphr_lab.scenes.cameras import Pose
from dphr_lab.scenes.conditions import Conditions, sample_conditions
from dphr_lab.scenes.photos.edits import Edit, apply_edit, make_twins
from dphr_lab.scenes.photos.tiles import (
    Encode,
    Screening,
    clusters,
    describe,
    imagenet,
    nearest,
    read_tile,
    screen,
)
from dphr_lab.scenes.photos.views import PITCH_DEG, drone_view, fitted_pose, satellite_view
from dphr_lab.scenes.seeds import generator
from dphr_lab.scenes.worlds import World
from dphr_lab.settings.worlds import SPLITS, PhotoWorldSettings


@dataclass(frozen=True)
class PhotoPlace:
    """One place: a tile, edited where it has twins."""

    id: int  # unique over the world, from 1
    family: int  # shared by twins, that is by the edits of one tile
    twin: int  # which member of its family
    split: str  # "train", "test" or "distractors"
    family_size: int  # 1: it has no twin
    tile: str  # file below the folder
    cluster: int  # of tiles that look alike; no cluster is in two splits
    look_alike: str  # the tile that is most like this one; of the same cluster
    settings: PhotoWorldSettings

    @property
    def changes(self) -> tuple[Edit, ...]:
        """The recorded edits of the tile."""
        s = self.settings
        members = _family(s.folder, self.tile, s.gsd_m, s.seed, self.family, self.family_size,
                          s.twin_strength)  # fmt: skip
        return members[self.twin]

    @cached_property
    def image(self) -> np.ndarray:
        """The place from above at the tile's own resolution, uint8 (side, side, 3) RGB."""
        image = read_tile(self.settings.folder, self.tile)
        for edit in self.changes:
            image = apply_edit(image, edit)
        return image

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "image"}

    def describe(self) -> dict:
        """What is recorded of the place, as JSON-ready values."""
        return {
            "family": self.family,
            "twin": self.twin,
            "split": self.split,
            "tile": self.tile,
            "cluster": self.cluster,
            "look_alike": self.look_alike,
            "changes": [change.to_dict() for change in self.changes],
        }

    def satellite_view(self, day: Conditions) -> np.ndarray:
        """The satellite's view before the camera adds noise and blur, uint8 (px, px, 3)."""
        return satellite_view(self.image, self.settings.image_px, day.haze)

    def drone_views(self, day: Conditions):
        """A function from a pose to the drone's view, for one day's flight."""
        image, s = self.image, self.settings
        return lambda pose: drone_view(image, pose, s.gsd_m, s.image_px, day.haze)

    def conditions(self, view: str) -> Conditions:
        """The light, haze and camera of the flight ("drone") or of the satellite's pass.

        Sun and season are the photograph's own, so those fields keep their defaults.
        """
        stream = ("drone", "satellite").index(view)
        rng = generator(self.settings.seed, "conditions", self.id, stream)
        day, fair = sample_conditions(rng, view, self.settings.weather), Conditions()
        return replace(
            day,
            season=fair.season,
            sun_azimuth_deg=fair.sun_azimuth_deg,
            sun_elevation_deg=fair.sun_elevation_deg,
        )

    def pose(self, nominal: Pose, index: int) -> Pose:
        """The pose that a flight takes over this tile where the orbit says `nominal`.

        The orbit's azimuth is kept about as it is. Its altitude says how much of the tile is seen:
        from 300 m all that fits, from 120 m 0.88 of it. The pitch is drawn from 45 to 90 degrees;
        it is the one thing that a flat picture can show of a viewpoint.
        """
        rng = generator(self.settings.seed, "pose", self.id, index)
        azimuth_deg = round((nominal.azimuth_deg + float(rng.uniform(-8, 8))) % 360, 2)
        pitch_deg = round(float(rng.uniform(*PITCH_DEG)), 2)
        share = float(np.interp(nominal.altitude_m, (120, 300), (0.88, 1.0)) * rng.uniform(0.97, 1))
        return fitted_pose(azimuth_deg, pitch_deg, len(self.image) * self.settings.gsd_m, share)


@lru_cache(maxsize=64)  # members of a family follow each other
def _family(folder, tile, gsd_m, seed, family, family_size, strength):
    return make_twins(read_tile(folder, tile), gsd_m, seed, family, family_size, strength)


@dataclass(frozen=True)
class PhotoWorld(World):
    """The places of a world of photographs by split, and what became of the folder's files."""

    screening: Screening


def make_photo_world(
    settings: PhotoWorldSettings, encode: Encode = imagenet, progress: bool = True
) -> PhotoWorld:
    """The world of some settings; `scenes.render_world` and the writers take it as any.

    Files that cannot be read and tiles that share ground are left out. Each tile left gives one
    family: its twins are edits of it. Tiles that look alike to `encode`, (N, px, px, 3) uint8 RGB
    -> (N, D), are in one cluster, and each cluster is in one split. Places are numbered from 1.

    A tile shows its central square, whatever its size, so mix no tiles of very different size.
    Raises FileNotFoundError for a missing folder, ValueError when it has too few tiles.
    """
    screening = screen(settings.folder, progress)
    names, size = screening.names, settings.family_size
    counts = {split: getattr(settings, f"{_FIELD[split]}_places") for split in SPLITS}
    tiles = {split: -(-count // size) for split, count in counts.items()}
    if len(names) < max(2, sum(tiles.values())):
        raise ValueError(
            f"folder {settings.folder}: {screening}; the world asked for needs "
            f"{sum(tiles.values())} ({_by_split(tiles)}); ask for fewer places: family_size "
            f"{size} allows {len(names) * size} in all"
        )
    rows = describe(settings.folder, names, encode)
    cluster, look_alike = clusters(rows), nearest(rows)
    chosen = _split(cluster, tiles, generator(settings.seed, "share"))
    if chosen is None:
        raise ValueError(
            f"folder {settings.folder}: {screening}, in {cluster.max() + 1} clusters of which the "
            f"largest has {np.bincount(cluster).max()}; {_by_split(tiles)} tiles cannot be had "
            "without splitting a cluster of look-alikes; ask for fewer places, or give more tiles"
        )
    splits, first, family = {}, 1, 0
    for split, count in counts.items():
        places = []
        for i in range(count):
            tile = chosen[split][i // size]
            places.append(
                PhotoPlace(first + i, family + i // size, i % size, split, size, names[tile],
                           int(cluster[tile]), names[look_alike[tile]], settings)
            )  # fmt: skip
        splits[split] = tuple(places)
        first, family = first + count, family + tiles[split]
    return PhotoWorld(settings, **splits, screening=screening)


_FIELD = {"train": "train", "test": "test", "distractors": "distractor"}


def _by_split(tiles: dict[str, int]) -> str:
    return ", ".join(f"{count} for {split}" for split, count in tiles.items())


def _split(cluster: np.ndarray, wanted: dict[str, int], rng) -> dict[str, list[int]] | None:
    """Deal whole clusters to the splits, in drawn order; None when a split cannot be filled.

    A split takes the clusters that still fit; where none does, it takes a part of one, whose
    other tiles are used nowhere. The split that needs most comes last.
    """
    members = [np.flatnonzero(cluster == c).tolist() for c in rng.permutation(cluster.max() + 1)]
    chosen: dict[str, list[int]] = {}
    for split in sorted(wanted, key=wanted.get):
        mine: list[int] = []
        for group in list(members):
            if len(mine) + len(group) <= wanted[split]:
                mine += group
                members.remove(group)
        if len(mine) < wanted[split] and members:
            group = min(members, key=len)
            mine += group[: wanted[split] - len(mine)]
            members.remove(group)
        if len(mine) < wanted[split]:
            return None
        chosen[split] = mine
    return chosen
