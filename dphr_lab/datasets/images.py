"""Images on disk or in memory, read as uint8 tensors; with the place of each, or without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dphr_lab._images import READ_THREADS, read_image, resize
from dphr_lab.settings.protocol import VIEWS

if TYPE_CHECKING:
    import torch


class Images:
    """Images that can be read: a length and `read`, which is all that embedding them takes."""

    def __len__(self) -> int:
        raise NotImplementedError

    def read(self, indices: Sequence[int] | np.ndarray, image_px: int) -> torch.Tensor:
        """The images at `indices` as uint8 RGB (n, 3, image_px, image_px)."""
        raise NotImplementedError


class UnlabelledImages(Images):
    """Image files whose places nobody has to know, decoded when read: a query, a map's tiles."""

    def __init__(self, paths: Sequence[Path | str]):
        self.paths = [Path(path) for path in paths]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices, image_px: int) -> torch.Tensor:
        return read_files([self.paths[int(index)] for index in indices], image_px)


class JoinedImages(Images):
    """Several sets one after the other: both views of some places."""

    def __init__(self, sets: Sequence[Images]):
        self.sets = list(sets)

    def __len__(self) -> int:
        return sum(map(len, self.sets))

    def read(self, indices, image_px: int) -> torch.Tensor:
        import torch

        ends, parts = np.cumsum([len(one) for one in self.sets]), []
        for index in map(int, indices):
            at = int(np.searchsorted(ends, index, side="right"))
            first = int(ends[at]) - len(self.sets[at])
            parts.append(self.sets[at].read([index - first], image_px))
        return torch.cat(parts)


class ChangedImages(Images):
    """The images of another set, each changed when it is read.

    `change(pixels (px, px, 3) uint8, index)` gives what is to be seen instead, of the same shape.
    Labels are those of the set.
    """

    def __init__(self, images: Images, change: Callable[[np.ndarray, int], np.ndarray]):
        self.images, self.change = images, change
        for name in ("view", "places", "families", "paths"):
            setattr(self, name, getattr(images, name, None))

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices, image_px: int) -> torch.Tensor:
        import torch

        indices = [int(index) for index in indices]
        pixels = self.images.read(indices, image_px).permute(0, 2, 3, 1).numpy()
        changed = [
            self.change(np.ascontiguousarray(one), index)
            for one, index in zip(pixels, indices, strict=True)
        ]
        return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).contiguous()


class ImageSet(Images):
    """Images of one view with the place of each: what a query set, a gallery or a train view is.

    view      "drone" or "satellite"
    places    (N,) int64, the place of each image
    families  (N,) int64, the family of twins each place belongs to, or None where unknown
    paths     list of N files, or None for images held in memory

    Use `FileImages` or `ArrayImages`; both read by `read(indices, image_px)`.
    """

    def __init__(self, view: str, places, families=None):
        if view not in VIEWS:
            raise ValueError(f"view is {view!r}; expected one of {VIEWS}")
        self.view = view
        self.places = np.asarray(places, dtype=np.int64).reshape(-1)
        self.families = None
        if families is not None:
            self.families = np.asarray(families, dtype=np.int64).reshape(-1)
            if len(self.families) != len(self.places):
                raise ValueError(
                    f"families has {len(self.families)} labels for {len(self.places)} images; "
                    "expected one an image"
                )
        self.paths: list[Path] | None = None

    def __len__(self) -> int:
        return len(self.places)

    def __repr__(self) -> str:
        places = len(np.unique(self.places))
        return f"{type(self).__name__}({self.view}: {len(self)} images of {places} places)"

    def subset(self, mask_or_indices: np.ndarray) -> ImageSet:
        """The images that a boolean mask (N,) or integer indices choose, in that order."""
        raise NotImplementedError

    def _rows(self, mask_or_indices) -> np.ndarray:
        chosen = np.asarray(mask_or_indices)
        if chosen.dtype == bool and chosen.shape != (len(self),):
            raise ValueError(
                f"the mask has shape {chosen.shape}; expected ({len(self)},), one entry an image"
            )
        return (
            np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64).reshape(-1)
        )

    def _families(self, rows: np.ndarray) -> np.ndarray | None:
        return None if self.families is None else self.families[rows]


class FileImages(ImageSet):
    """Image files of one view, decoded when read."""

    def __init__(self, view: str, paths: Sequence[Path], places, families=None):
        super().__init__(view, places, families)
        self.paths = [Path(path) for path in paths]
        if len(self.paths) != len(self.places):
            raise ValueError(
                f"places has {len(self.places)} labels for {len(self.paths)} files; "
                "expected one a file"
            )

    def read(self, indices, image_px: int) -> torch.Tensor:
        """The images at `indices` as uint8 RGB (n, 3, image_px, image_px).

        Raises ValueError naming the file that cannot be decoded.
        """
        return read_files([self.paths[int(index)] for index in indices], image_px)

    def subset(self, mask_or_indices) -> FileImages:
        rows = self._rows(mask_or_indices)
        paths = [self.paths[row] for row in rows]
        return FileImages(self.view, paths, self.places[rows], self._families(rows))


class ArrayImages(ImageSet):
    """Images of one view held in memory as one uint8 array (M, px, px, 3).

    `rows` (N,) says which of the M images belong to the set, so that subsets share the array.
    """

    def __init__(self, view: str, images: np.ndarray, places, families=None, rows=None):
        super().__init__(view, places, families)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ValueError(
                f"images are {images.dtype} {images.shape}; expected uint8 (N, px, px, 3)"
            )
        self.images = images
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows, dtype=np.int64)
        if len(self.rows) != len(self.places):
            raise ValueError(
                f"places has {len(self.places)} labels for {len(self.rows)} images; "
                "expected one an image"
            )

    def read(self, indices, image_px: int) -> torch.Tensor:
        """The images at `indices` as uint8 RGB (n, 3, image_px, image_px)."""
        import torch

        rows = self.rows[np.asarray(indices, dtype=np.int64).reshape(-1)]
        images = torch.from_numpy(self.images[rows]).permute(0, 3, 1, 2).contiguous()
        return resize(images, image_px)

    def subset(self, mask_or_indices) -> ArrayImages:
        rows = self._rows(mask_or_indices)
        return ArrayImages(
            self.view, self.images, self.places[rows], self._families(rows), self.rows[rows]
        )


def read_files(paths: Sequence[Path], image_px: int) -> torch.Tensor:
    """Image files as uint8 RGB (n, 3, image_px, image_px).

    Raises ValueError naming the file that cannot be decoded.
    """
    import torch

    images = np.empty((len(paths), image_px, image_px, 3), dtype=np.uint8)

    def fill(slot: int) -> None:
        images[slot] = read_image(paths[slot], image_px)

    # A loader's worker is one of several already; elsewhere decoding is spread over threads.
    if len(paths) < 2 or torch.utils.data.get_worker_info() is not None:
        for slot in range(len(paths)):
            fill(slot)
    else:
        with ThreadPoolExecutor(min(READ_THREADS, len(paths))) as pool:
            list(pool.map(fill, range(len(paths))))
    # (n, px, px, 3) -> (n, 3, px, px)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
