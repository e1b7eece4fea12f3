"""One image file as RGB pixels, and which files of a folder are images.

Every image of a user is opened here, by `opened`: a regular file, by a decoder of `FORMATS`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dphr_lab._files import check_regular
from dphr_lab._terminal import printable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image as PillowImage

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
OTHER_PICTURES = frozenset({  # that are not read
    ".avif", ".arw", ".cr2", ".cr3", ".dng", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".nef",
    ".orf", ".psd", ".raf", ".raw", ".rw2",
})  # fmt: skip
# Decoders of Pillow. The others stay off, whatever a file is called: they meet few files, one
# starts another program (EPS), and several end in errors of their own.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
READ_THREADS = min(8, os.cpu_count() or 1)
UPRIGHT = {  # EXIF's Orientation -> the name of Pillow's turn that puts an image upright
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_BEGINNINGS = (  # of files that cannot be opened, to say what was found
    (b"\xff\xd8", "a damaged JPEG"),
    (b"\x89PNG", "a damaged PNG"),
    (b"II*", "a TIFF that is damaged or of a kind that is not read"),
    (b"MM\x00*", "a TIFF that is damaged or of a kind that is not read"),
    (b"RIFF", "a damaged WebP, or a sound or film"),
    (b"BM", "a damaged BMP"),
    (b"%!PS", "PostScript"),
    (b"%PDF", "PDF"),
    (b"GIF8", "GIF"),
    (b"DDS ", "DDS"),
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (b"<svg", "SVG"),
)
_BRANDS = {"avif": "AVIF", "avis": "AVIF", "heic": "HEIC", "heix": "HEIC", "mif1": "HEIF"}


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image: by its ending, hidden files never."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def image_files(folder: Path | str, is_wanted: Callable[[str], bool] = is_image_name) -> list[Path]:
    """The image files in a folder and all below it, sorted. Links are followed, circles are not.

    Hidden folders are passed over. A link to nothing is listed: reading it says what is missing.
    `is_wanted` says of a file's name whether it is listed.
    """
    return sorted(_files_below(Path(folder), is_wanted, ()))


def _files_below(folder: Path, is_wanted, above: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_folder(entry):
                if is_wanted(entry.name):
                    yield Path(entry.path)
            elif not entry.name.startswith("."):
                yield from _files_below(Path(entry.path), is_wanted, (*above, real))


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry of a folder is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def passed_over(folder: Path | str, below: bool = False) -> list[str]:
    """What a command says of a folder's pictures that it does not read; nothing where all are.

    Pictures of other kinds, and folders with images where those are not followed; `below`: they
    are.
    """
    folder = Path(folder)
    if below:
        others = image_files(folder, _is_other_picture)
    else:
        others = sorted(path for path in folder.iterdir() if _is_other_picture(path.name))
    said = []
    if others:
        kinds = ", ".join(sorted({path.suffix.lower() for path in others}))
        name = printable(str(others[0].relative_to(folder)), line=True)
        said.append(
            f"{folder}: {len(others)} pictures not read ({kinds}), such as {name}: save them as "
            "JPEG"
        )
    inner = () if below else sorted(path for path in folder.iterdir() if _holds_images(path))
    if inner:
        said.append(
            f"{folder}: images in {len(inner)} folders in it not read, such as "
            f"{printable(inner[0].name, line=True)}: give those folders, too"
        )
    return said


def _is_other_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in OTHER_PICTURES


def _holds_images(path: Path) -> bool:
    return (
        not path.name.startswith(".")
        and path.is_dir()
        and any(is_image_name(entry.name) for entry in path.iterdir())
    )


def orientation(image: PillowImage) -> int:
    """EXIF's Orientation, 1 to 8; 1 where the EXIF block does not say or cannot be read."""
    try:
        found = image.getexif().get(0x0112)
        return found if found in UPRIGHT else 1
    except Exception:  # a damaged block: viewers show the image as it is stored
        return 1


def to_rgb(image: PillowImage) -> PillowImage:
    """A Pillow image of any mode as 8-bit RGB, turned upright by its EXIF tag.

    Transparent parts become black, 16-bit grey is scaled to 8 bits. Raises ValueError for floating
    point images, whose range is unknown.
    """
    from PIL import Image

    # not by ImageOps.exif_transpose, which writes the EXIF block anew and stumbles over odd values
    if (turn := UPRIGHT.get(orientation(image))) is not None:
        image = image.transpose(Image.Transpose[turn])
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


MOVED = "no such file; was it moved since the folder was listed?"
REMEDY = "replace or remove the file (`dphr verify --deep` lists all such files)"


def file_stat(path: Path) -> os.stat_result:
    """What the file system says of an image file.

    Raises FileNotFoundError for a missing file, `UnreadableImage` for what is no regular file.
    """
    name = printable(str(path), line=True)
    try:
        check_regular(path)
        return os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{name}: {MOVED}") from None
    except ValueError as error:
        raise UnreadableImage(f"{name}: {error}", REMEDY) from None


def file_digest(path: Path, first: int = -1) -> str:
    """A hash of an image file's bytes, of the `first` ones where that is given.

    Raises what `file_stat` raises.
    """
    file_stat(path)
    with open(path, "rb") as file:
        return hashlib.blake2b(file.read(first), digest_size=16).hexdigest()


@contextmanager
def opened(path: Path | str) -> Iterator[PillowImage]:
    """An image file, opened by Pillow; what is raised while it is open is told of the file.

    Raises FileNotFoundError for a missing file. Raises `UnreadableImage`, a ValueError, for a file
    that is none of `FORMATS`, is damaged, or holds too many pixels, and for what is no regular file
    (a named pipe would be waited for).
    """
    from PIL import Image

    name = printable(str(path), line=True)
    try:
        check_regular(path)
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except FileNotFoundError:
        raise FileNotFoundError(f"{name}: {MOVED}") from None
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            f"{name}: cannot be decoded as an image at once ({str(error).partition(',')[0]})",
            "cut it into tiles: `dphr map build` does that for a map that says where it lies",
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UnreadableImage(
            f"{name}: cannot be decoded as an image (found {_kind(path)}, expected one of "
            f"{', '.join(FORMATS)})",
            REMEDY,
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever a damaged file leads to
        said = str(error) or type(error).__name__
        raise UnreadableImage(f"{name}: cannot be decoded as an image ({said})", REMEDY) from error


def _kind(path: Path | str) -> str:
    """What a file that cannot be opened seems to be, by its first bytes."""
    with open(path, "rb") as file:
        head = file.read(32)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12].decode("latin-1"), "a film or another container")
    known = next((kind for start, kind in _BEGINNINGS if head.startswith(start)), None)
    return known or ("an empty file" if not head else "none that is known, or damaged")


def read_image(path: Path | str, image_px: int | None = None) -> np.ndarray:
    """One image file as uint8 RGB (image_px, image_px, 3), or at its own size for None.

    Squashed to a square as all published protocols do, with antialiasing. Raises FileNotFoundError
    for a missing file, `UnreadableImage`, a ValueError, when it cannot be decoded to its end.
    """
    with opened(path) as image:
        if image_px is not None:
            # JPEG only: decode at 1/2, 1/4 or 1/8 size, never below twice what is asked for.
            image.draft(None, (2 * image_px, 2 * image_px))
        image.load()
        rgb = to_rgb(image)
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


def jpeg_uri(pixels: np.ndarray) -> str:
    """An image (h, w, 3) uint8 as an address that holds it, for pages that need no network."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
