"""Sets of images of one view, on disk or in memory, read as uint8 tensors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # torch is imported where images are read: `dphr verify` does without
    import torch

VIEWS = ("drone", "satellite")
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
READ_THREADS = min(8, os.cpu_count() or 1)


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image: by its ending, hidden files never."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def to_rgb(image):
    """A Pillow image of any mode as 8-bit RGB, turned upright by its EXIF tag.

    Transparent parts become black, 16-bit grey is scaled to 8 bits. Raises ValueError for floating
    point images, whose range is unknown.
    """
    from PIL import Image, ImageOps

    if image.getexif().get(0x0112, 1) != 1:  # Orientation
        image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("floating point pixels: save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip at 255
        grey = np.asarray(image, dtype=np.float64)
        grey = grey / 257 if grey.max(initial=0) > 255 else grey
        image = Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def read_image(path: Path | str, image_px: int | None = None) -> np.ndarray:
    """One image file as uint8 RGB (image_px, image_px, 3), or at its own size for None.

    Squashed to a square as all published protocols do, with antialiasing. Raises FileNotFoundError
    for a missing file, ValueError naming the file when it cannot be decoded to its end.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image_px is not None:
                # JPEG only: decode at 1/2, 1/4 or 1/8 size, never below twice what is asked for.
                image.draft(None, (2 * image_px, 2 * image_px))
            image.load()
            rgb = to_rgb(image)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: no such file; was it moved since the folder was listed?"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path}: cannot be decoded as an image ({error}); replace or remove the file "
            "(`dphr verify --deep` lists all such files)"
        ) from error
    if image_px is None or rgb.size == (image_px, image_px):
        return np.array(rgb)
    return _squash(np.array(rgb), image_px)


def _squash(pixels: np.ndarray, image_px: int) -> np.ndarray:
    """uint8 (h, w, 3) as (image_px, image_px, 3): bicubic, antialiased, as Pillow resizes.

    torch computes Pillow's resize with vector instructions, about four times as fast, and rounds a
    little differently: by two grey levels at most. By more only where both of the passes, of which
    Pillow may do the vertical one first, overshoot black or white: noise in upright images.
    """
    import torch

    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None]  # (h, w, 3) -> (1, 3, h, w)
    resized = torch.nn.functional.interpolate(
        batch, size=(image_px, image_px), mode="bicubic", antialias=True
    )
    return resized[0].permute(1, 2, 0).numpy()


def resize(images: torch.Tensor, image_px: int) -> torch.Tensor:
    """A uint8 batch (n, 3, h, w) as (n, 3, image_px, image_px): bicubic, antialiased."""
    import torch

    if len(images) == 0:
        return images.new_empty(0, 3, image_px, image_px)
    if images.shape[-2:] == (image_px, image_px):
        return images
    resized = torch.nn.functional.interpolate(
        images.float(), size=(image_px, image_px), mode="bicubic", antialias=True
    )
    return resized.round_().clamp_(0, 255).to(torch.uint8)


class ImageSet:
    """Images of one view with the place of each: what a query set, a gallery or a train view is.

    view      "drone" or "satellite"
    places    (N,) int64, the place of each image
    families  (N,) int64, the family of twins each place belongs to, or None where unknown
    paths     list of N files, or None for images held in memory

    Use `FileImages` or `ArrayImages`; both read by `read(indices, image_px)`.
    """

    def __init__(self, view: str, places, families=None):
        if view not in VIEWS:
            raise ValueError(f"view must be one of {VIEWS}, found {view!r}")
        self.view = view
        self.places = np.asarray(places, dtype=np.int64).reshape(-1)
        self.families = None
        if families is not None:
            self.families = np.asarray(families, dtype=np.int64).reshape(-1)
            if len(self.families) != len(self.places):
                raise ValueError(
                    f"families must name one family an image: found {len(self.families)} "
                    f"for {len(self.places)} images"
                )
        self.paths: list[Path] | None = None

    def __len__(self) -> int:
        return len(self.places)

    def __repr__(self) -> str:
        places = len(np.unique(self.places))
        return f"{type(self).__name__}({self.view}: {len(self)} images of {places} places)"

    def read(self, indices: Sequence[int] | np.ndarray, image_px: int) -> torch.Tensor:
        """The images at `indices` as uint8 RGB (n, 3, image_px, image_px)."""
        raise NotImplementedError

    def subset(self, mask_or_indices: np.ndarray) -> ImageSet:
        """The images that a boolean mask (N,) or integer indices choose, in that order."""
        raise NotImplementedError

    def _rows(self, mask_or_indices) -> np.ndarray:
        chosen = np.asarray(mask_or_indices)
        if chosen.dtype == bool and chosen.shape != (len(self),):
            raise ValueError(
                f"a mask must have one entry an image ({len(self)}), found {chosen.shape}"
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
                f"places must name one place a file: found {len(self.places)} "
                f"for {len(self.paths)} files"
            )

    def read(self, indices, image_px: int) -> torch.Tensor:
        """The images at `indices` as uint8 RGB (n, 3, image_px, image_px).

        Raises ValueError naming the file that cannot be decoded.
        """
        import torch

        paths = [self.paths[int(index)] for index in indices]
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
                f"images must be uint8 of shape (N, px, px, 3), found {images.dtype} {images.shape}"
            )
        self.images = images
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows, dtype=np.int64)
        if len(self.rows) != len(self.places):
            raise ValueError(
                f"places must name one place an image: found {len(self.places)} "
                f"for {len(self.rows)} images"
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
