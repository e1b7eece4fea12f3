"""One image file as RGB pixels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

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


class UnreadableImage(ValueError):
    """An image file that cannot be decoded.

    found    what is wrong with which file
    remedy   what to do about it
    """

    def __init__(self, found: str, remedy: str):
        super().__init__(found, remedy)  # both, so that it can be sent to another process
        self.found, self.remedy = found, remedy

    def __str__(self) -> str:
        return f"{self.found}; {self.remedy}"


def read_image(path: Path | str, image_px: int | None = None) -> np.ndarray:
    """One image file as uint8 RGB (image_px, image_px, 3), or at its own size for None.

    Squashed to a square as all published protocols do, with antialiasing. Raises FileNotFoundError
    for a missing file, `UnreadableImage`, a ValueError, when it cannot be decoded to its end.
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
        raise UnreadableImage(
            f"{path}: cannot be decoded as an image ({error})",
            "replace or remove the file (`dphr verify --deep` lists all such files)",
        ) from error
    if image_px is None or rgb.size == (image_px, image_px):
        return np.array(rgb)
    return squash(np.array(rgb), image_px)


def squash(pixels: np.ndarray, image_px: int) -> np.ndarray:
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


def warped(pixels: np.ndarray, degrees: float, zoom: float = 1.0) -> np.ndarray:
    """uint8 (h, w, 3) turned counterclockwise and enlarged about its centre, edges mirrored."""
    import cv2

    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    return cv2.warpAffine(
        pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
