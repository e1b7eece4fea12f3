"""A folder of aerial tiles: what can be read, what repeats, and what looks alike.

A tile shows its central square. Places must not share ground, so one is kept of tiles that repeat
or overlap. Tiles that look alike must stay in one split, so clusters of them are found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from scipy import fft
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from dphr_lab._images import image_files, read_image

SMALLEST_PX = 64  # of a tile's shorter side
ENCODED_PX = 96  # side of the images that an encoder is given
SAME_CORRELATION = 0.97  # of small grey images: above it, two tiles are one
SMALLEST_OVERLAP = 0.15  # share of a tile's area; less is not looked for
_COARSE_PX, _FINE_PX = 48, 144  # sides at which a shift is looked for, and then confirmed
_PARTNERS = 6  # tiles with which a tile's overlap is looked into

# (N, px, px, 3) uint8 RGB -> (N, D): what look-alikes are judged by
Encode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Screening:
    """The tiles of a folder that can be places, and why the others cannot."""

    names: tuple[str, ...]  # files below the folder, sorted, "/" between folders
    left_out: dict[str, str]  # the other files: name -> reason

    def __str__(self):
        reasons = [reason.partition(":")[0] for reason in self.left_out.values()]
        told = ", ".join(f"{reasons.count(r)} {r}" for r in sorted(set(reasons)))
        return f"{len(self.names)} tiles; left out: {told or 'none'}"


def read_tile(folder: Path | str, name: str) -> np.ndarray:
    """A tile's central square, uint8 (side, side, 3) RGB.

    Raises FileNotFoundError, or ValueError for a file that cannot be decoded or is too small.
    """
    image = read_image(Path(folder) / name)
    height, width = image.shape[:2]
    side = min(height, width)
    if side < SMALLEST_PX:
        raise ValueError(
            f"{Path(folder) / name}: {width} x {height} px; a tile needs {SMALLEST_PX} or more"
        )
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def screen(folder: Path | str, progress: bool = True) -> Screening:
    """The tiles of a folder and its subfolders that share no ground.

    Files that cannot be read are left out. Of tiles that are the same or overlap, only the first by
    name is kept. Repeats are found at any size, light and compression. Overlaps are found where one
    tile is shifted against the other (not turned or scaled) and they share about a quarter of the
    tile or more; smaller overlaps may be missed.
    Raises FileNotFoundError for a missing folder and ValueError, naming files, without a tile.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"folder {folder} is not there; expected a folder of aerial tiles")
    files = []
    for path in image_files(folder):
        # of a link itself where it leads nowhere, which reading will say
        state = path.stat() if path.exists() else path.lstat()
        files.append((path.relative_to(folder).as_posix(), state.st_size, state.st_mtime_ns))
    if not files:
        raise ValueError(f"folder {folder} holds no image file; expected aerial tiles")
    return _screen(folder, tuple(sorted(files)), progress)


@lru_cache(maxsize=4)  # a study asks for the same folder with every seed
def _screen(folder: Path, files: tuple[tuple[str, int, int], ...], progress: bool) -> Screening:
    names, greys, left_out = [], [], {}
    bar = tqdm(files, desc="reading", unit="tile", disable=not progress)
    for name, *_ in bar:
        try:
            tile = read_tile(folder, name)
        except (OSError, ValueError) as error:
            left_out[name] = f"unreadable: {error}"
            continue
        grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)
        greys.append(cv2.resize(grey, (_FINE_PX, _FINE_PX), interpolation=cv2.INTER_AREA))
        names.append(name)
    if not names:
        told = "; ".join(list(left_out.values())[:3])
        raise ValueError(f"folder {folder} holds no tile that can be used: {told}")
    shared = shared_ground(np.stack(greys), progress)
    dropped: dict[int, str] = {}
    for first, second, how in shared:
        if first not in dropped and second not in dropped:
            dropped[second] = f"{how}: {names[first]}"
    left_out |= {names[i]: reason for i, reason in dropped.items()}
    kept = tuple(name for i, name in enumerate(names) if i not in dropped)
    return Screening(kept, dict(sorted(left_out.items())))


def shared_ground(greys: np.ndarray, progress: bool = False) -> list[tuple[int, int, str]]:
    """The pairs of images (N, px, px) that show the same ground, sorted.

    Each is (first, second, "repeats" or "overlaps"), first < second. Copies are found by the
    correlation of small images. Overlaps are guessed by phase correlation, whose highest peak says
    by how much one image is shifted against the other (Kuglin and Hines, 1975). They are confirmed
    by the correlation of the fine structure where the shifted images meet.
    """
    pairs = {pair: "repeats" for pair in _copies(greys)}
    fine = np.stack([_fine_structure(grey) for grey in greys])
    for first, second, shift in _likely_shifts(greys, progress):
        if (first, second) not in pairs and _meets(fine[first], fine[second], shift):
            pairs[first, second] = "overlaps"
    return [(*pair, how) for pair, how in sorted(pairs.items())]


def _copies(greys: np.ndarray) -> list[tuple[int, int]]:
    small = [cv2.resize(grey, (24, 24), interpolation=cv2.INTER_AREA) for grey in greys]
    small = _unit(np.stack(small).reshape(len(greys), -1).astype(np.float32))
    first, second = np.nonzero(np.triu(small @ small.T, 1) > SAME_CORRELATION)
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _fine_structure(grey: np.ndarray) -> np.ndarray:
    """An image at `_FINE_PX` without its broad light and dark: those agree by chance."""
    image = cv2.resize(grey, (_FINE_PX, _FINE_PX), interpolation=cv2.INTER_AREA)
    image = image.astype(np.float32)
    return image - cv2.GaussianBlur(image, (0, 0), 4)


def _likely_shifts(greys: np.ndarray, progress: bool) -> list[tuple[int, int, tuple[int, int]]]:
    """(first, second, shift in coarse pixels) for each image's likeliest partners."""
    px = _COARSE_PX
    coarse = [cv2.resize(grey, (px, px), interpolation=cv2.INTER_AREA) for grey in greys]
    coarse = np.stack(coarse).astype(np.float32)
    edge = np.minimum(1, (np.arange(px) + 0.5) / (px / 8))
    taper = np.minimum(edge, edge[::-1]).astype(np.float32)  # opposite edges do not belong together
    spectra = fft.rfft2((coarse - coarse.mean((1, 2), keepdims=True)) * taper[:, None] * taper)
    frequency = np.hypot(fft.fftfreq(px)[:, None], fft.rfftfreq(px))
    spectra *= np.exp(-((frequency / 0.3) ** 2)) / np.maximum(np.abs(spectra), 1e-6)
    spectra[:, 0, 0] = 0
    spectra = spectra.astype(np.complex64)
    peaks = np.full((len(greys), len(greys)), -np.inf, np.float32)
    shifts = np.zeros(peaks.shape, np.int32)
    for i in tqdm(range(len(greys) - 1), desc="overlaps", unit="tile", disable=not progress):
        surface = fft.irfft2(spectra[i] * spectra[i + 1 :].conj(), (px, px)).reshape(-1, px * px)
        shifts[i, i + 1 :] = surface.argmax(1)
        peaks[i, i + 1 :] = peaks[i + 1 :, i] = surface.max(1)
    partners = np.argsort(-peaks, axis=1)[:, : min(_PARTNERS, len(greys) - 1)]
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(partners.tolist()) for j in row}
    return [(i, j, divmod(int(shifts[i, j]), px)) for i, j in sorted(pairs)]


def _meets(first: np.ndarray, second: np.ndarray, shift: tuple[int, int]) -> bool:
    """Whether `second`, shifted, shows the same fine structure as `first` where they meet.

    A shift by s pixels cannot be told from one by s - px, so all four are tried.
    """
    px, step = _FINE_PX, _FINE_PX // _COARSE_PX
    for dy in (shift[0], shift[0] - _COARSE_PX):
        for dx in (shift[1], shift[1] - _COARSE_PX):
            y, x = dy * step, dx * step
            height, width = px - abs(y), px - abs(x)
            if height * width < SMALLEST_OVERLAP * px * px or min(height, width) < 6 * step:
                continue
            part = first[max(y, 0) : max(y, 0) + height, max(x, 0) : max(x, 0) + width]
            other = second[max(-y, 0) : max(-y, 0) + height, max(-x, 0) : max(-x, 0) + width]
            inner = np.ascontiguousarray(other[step:-step, step:-step])  # the shift is this coarse
            found = cv2.matchTemplate(np.ascontiguousarray(part), inner, cv2.TM_CCOEFF_NORMED)
            # the less of them meets, the more often strangers agree by chance
            share = height * width / (px * px)
            if found.max() > 0.52 + 0.008 / share**2:
                return True
    return False


# ---------------------------------------------------------------- look-alikes


def imagenet(images: np.ndarray) -> np.ndarray:
    """Describe images (N, px, px, 3) by EfficientNet-Lite0 trained on ImageNet (needs torch)."""
    import torch

    encoder = _imagenet_encoder()
    rows = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return torch.cat([encoder(part) for part in rows.split(64)]).numpy()


@lru_cache(maxsize=1)
def _imagenet_encoder():
    from dphr_lab.models import Encoder

    return Encoder("tf_efficientnet_lite0", pretrained="pypi", image_px=ENCODED_PX).eval()


def describe(folder: Path | str, names: tuple[str, ...], encode: Encode = imagenet) -> np.ndarray:
    """What `encode` makes of the tiles, (N, D), minus their mean; rows have length 1.

    Raises ValueError when it does not give one finite row a tile.
    """
    states = tuple((Path(folder) / name).stat().st_mtime_ns for name in names)
    return _describe(Path(folder), names, states, encode)


@lru_cache(maxsize=4)
def _describe(folder: Path, names: tuple[str, ...], states: tuple, encode: Encode) -> np.ndarray:
    size = (ENCODED_PX, ENCODED_PX)
    images = [
        cv2.resize(read_tile(folder, name), size, interpolation=cv2.INTER_AREA) for name in names
    ]
    rows = np.asarray(encode(np.stack(images)), dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(names) or not np.isfinite(rows).all():
        raise ValueError(
            f"encode: found {rows.dtype} {rows.shape} for {len(names)} images; expected one row "
            "of finite numbers an image"
        )
    rows = rows - rows.mean(0)  # what all tiles share says nothing
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def nearest(rows: np.ndarray) -> np.ndarray:
    """The index of each row's most similar other row, (N,): its look-alike."""
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    return similarity.argmax(1)


def clusters(rows: np.ndarray) -> np.ndarray:
    """A cluster's number for each row, (N,).

    A row and its look-alike are in one cluster, so look-alikes are never split.
    """
    count = len(rows)
    if count == 1:
        return np.zeros(1, int)
    links = coo_array((np.ones(count), (np.arange(count), nearest(rows))), shape=(count, count))
    return connected_components(links, directed=False)[1]
