"""Augmentation of image batches: what to do is drawn first, then done.

`sample_augmentation` is a pure function of (settings, seed, epoch, pair index), so what happens to
a pair depends neither on the number of loader workers nor on its batch.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dphr_lab.datasets.seeds import generator
from dphr_lab.settings.checks import check_value

if TYPE_CHECKING:
    import torch

ERASED_GREY = 127  # what erased rectangles are filled with
_VIEW_DRAWS = 13  # uniform numbers used for one image
_PAIR_DRAWS = 3 + 2 * _VIEW_DRAWS  # and for one pair: flip, turn or not, which turn, both views
_HOST_DRAWS = 7  # after these: both views' shifts (2 + 2), rotation, policy or not, its seed
_TURN_DRAWS = 1  # after these: the drone image's own turn


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed; probabilities first, then strengths.

    The flip has one decision for both views: mirroring a place mirrors all its views. Quarter turns
    are for the satellite view only: a drone's image turns about its own axis, not about north.
    Colour, JPEG, blur and erasing are drawn for each view by itself. Options that are off by
    default belong to the recipes of LPN and MCCG.
    """

    flip: float = 0.5  # probability of mirroring left-right, both views together
    quarter_turns: float = 1.0  # probability of turning the satellite image by 0, 90, 180 or 270°
    jitter: float = 0.5  # probability of changing brightness, contrast and saturation
    jpeg: float = 0.2  # probability of a round of JPEG compression
    blur: float = 0.1  # probability of a Gaussian blur
    erase: float = 0.2  # probability of filling one rectangle with grey
    brightness: float = 0.15  # factor within 1 ± this
    contrast: float = 0.15  # factor within 1 ± this
    saturation: float = 0.15  # factor within 1 ± this
    jpeg_quality: tuple[int, int] = (90, 100)  # lowest and highest quality, 1 to 100
    blur_sigma: tuple[float, float] = (0.3, 1.0)  # pixels of the image as it is trained on
    erase_area: tuple[float, float] = (0.02, 0.15)  # share of the image's area
    erase_drone_only: bool = False  # whether satellite images stay whole
    shift: float = 0.0  # largest shift up, down and sideways, share of the side; edges repeated
    rotation: float = 0.0  # largest rotation of the satellite image, degrees; corners black
    policy: float = 0.0  # probability of AutoAugment's ImageNet policy on the drone image
    turn: float = 0.0  # largest turn of the drone image, degrees; edges mirrored

    def __post_init__(self):
        for name in ("flip", "quarter_turns", "jitter", "jpeg", "blur", "erase", "policy"):
            self._check(name, 0 <= getattr(self, name) <= 1, "a probability from 0 to 1")
        for name in ("brightness", "contrast", "saturation"):
            self._check(name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        self._check("shift", 0 <= self.shift < 1, "a share of the side from 0 to below 1")
        for name in ("rotation", "turn"):
            self._check(name, 0 <= getattr(self, name) <= 180, "degrees from 0 to 180")
        for name, least, most in (
            ("jpeg_quality", 1, 100),
            ("blur_sigma", 1e-6, np.inf),
            ("erase_area", 0, 1),
        ):
            low, high = getattr(self, name)
            self._check(name, least <= low <= high <= most, f"(low, high) within {least} to {most}")
            object.__setattr__(self, name, (low, high))  # a list, as JSON gives, becomes a tuple

    def _check(self, name: str, right: bool, expected: str) -> None:
        check_value(name, getattr(self, name), right, expected)


NO_AUGMENTATION = Augmentation(flip=0, quarter_turns=0, jitter=0, jpeg=0, blur=0, erase=0)


@dataclass(frozen=True)
class SampledView:
    """What is done to n images of one view, in the order of the fields."""

    flip: np.ndarray  # (n,) bool
    quarter_turns: np.ndarray  # (n,) int64, 0 to 3 counterclockwise
    brightness: np.ndarray  # (n,) factor, 1 = unchanged
    contrast: np.ndarray  # (n,) factor, 1 = unchanged
    saturation: np.ndarray  # (n,) factor, 1 = unchanged
    blur_sigma: np.ndarray  # (n,) pixels, 0 = none
    jpeg_quality: np.ndarray  # (n,) int64, 0 = none
    erase: np.ndarray  # (n, 4) top, left, height, width as shares of the side; height 0 = none
    rotation: np.ndarray  # (n,) degrees counterclockwise, 0 = none; done after the turn
    shift: np.ndarray  # (n, 2) down and right as shares of the side; done after the rotation
    policy: np.ndarray  # (n,) int64, the seed of AutoAugment's draws, -1 = none; after the shift
    turn: np.ndarray  # (n,) degrees counterclockwise, 0 = none; done after the rotation

    def __getitem__(self, rows) -> SampledView:
        return SampledView(*(getattr(self, field.name)[rows] for field in fields(self)))


class SampledAugmentation(NamedTuple):
    """What is done to n pairs: the draws of either view."""

    drone: SampledView
    satellite: SampledView


def sample_augmentation(
    augmentation: Augmentation, seed: int, epoch: int, indices: Sequence[int]
) -> SampledAugmentation:
    """What `augmentation` does to the pairs `indices` in `epoch`: a pure function."""
    uniform = np.empty((len(indices), _PAIR_DRAWS + _HOST_DRAWS + _TURN_DRAWS))
    for row, index in enumerate(indices):
        generator("augment", seed, epoch, int(index)).random(out=uniform[row])
    flip = uniform[:, 0] < augmentation.flip
    turns = np.where(
        uniform[:, 1] < augmentation.quarter_turns, (4 * uniform[:, 2]).astype(np.int64), 0
    )
    views, rest = uniform[:, 3:_PAIR_DRAWS], uniform[:, _PAIR_DRAWS:]
    drone, satellite = views.reshape(-1, 2, _VIEW_DRAWS).transpose(1, 0, 2)
    shifts = augmentation.shift * (2 * rest[:, :4] - 1)
    rotation, policy, seeds, turn = rest[:, 4:].T
    turn = augmentation.turn * (2 * turn - 1)
    rotation = augmentation.rotation * (2 * rotation - 1)
    policy = np.where(policy < augmentation.policy, (2**31 * seeds).astype(np.int64), -1)
    no_turn, no_rotation = np.zeros_like(turns), np.zeros_like(rotation)
    no_policy, whole = np.full_like(policy, -1), augmentation.erase_drone_only
    return SampledAugmentation(
        _sample_view(augmentation, flip, no_turn, drone, no_rotation, shifts[:, :2], policy, turn),
        _sample_view(
            augmentation,
            flip,
            turns,
            satellite,
            rotation,
            shifts[:, 2:],
            no_policy,
            no_rotation,
            not whole,
        ),
    )


def _sample_view(
    augmentation: Augmentation,
    flip,
    turns,
    uniform: np.ndarray,
    rotation,
    shift,
    policy,
    turn,
    may_erase: bool = True,
) -> SampledView:
    # Every number has its own column, used or not: changing one setting leaves the others' draws.
    jitter, bright, contrast, saturate, blur, sigma, *rest = uniform.T
    jpeg, quality, erase, area, shape, top, left = rest

    def factor(strength: float, uniform: np.ndarray) -> np.ndarray:
        return np.where(jitter < augmentation.jitter, 1 + strength * (2 * uniform - 1), 1.0)

    low, high = augmentation.jpeg_quality
    qualities = low + ((high - low + 1) * quality).astype(np.int64)
    sigmas = _between(augmentation.blur_sigma, sigma)
    areas = _between(augmentation.erase_area, area)
    aspect = 2 ** (2 * shape - 1)  # height to width, 1/2 to 2
    height = np.minimum(np.sqrt(areas * aspect), 1) * (erase < may_erase * augmentation.erase)
    width = np.minimum(np.sqrt(areas / aspect), 1)
    return SampledView(
        flip=flip,
        quarter_turns=turns,
        brightness=factor(augmentation.brightness, bright),
        contrast=factor(augmentation.contrast, contrast),
        saturation=factor(augmentation.saturation, saturate),
        blur_sigma=np.where(blur < augmentation.blur, sigmas, 0.0),
        jpeg_quality=np.where(jpeg < augmentation.jpeg, qualities, 0),
        erase=np.stack([top * (1 - height), left * (1 - width), height, width], axis=1),
        rotation=rotation,
        shift=shift,
        policy=policy,
        turn=turn,
    )


def _between(low_high: tuple[float, float], uniform: np.ndarray) -> np.ndarray:
    low, high = low_high
    return low + (high - low) * uniform


def apply(images: torch.Tensor, draws: SampledView) -> torch.Tensor:
    """`images` uint8 (n, 3, px, px) changed as `draws` (of n images) say; the input stays as it is.

    Blur, rotation and AutoAugment are torchvision's (`transforms.v2`), JPEG is Pillow's.
    """
    import torch

    if len(images) != len(draws.flip):
        raise ValueError(f"draws are for {len(draws.flip)} images, found {len(images)} images")
    images = flip_and_turn(images, draws.flip, draws.quarter_turns)
    side = images.shape[-1]
    for row in np.flatnonzero(draws.rotation):
        images[row] = _rotated(images[row], float(draws.rotation[row]))
    for row in np.flatnonzero(draws.turn):
        images[row] = turned(images[row], float(draws.turn[row]))
    for row in np.flatnonzero(draws.shift.any(axis=1)):
        images[row] = _shifted(images[row], *np.rint(draws.shift[row] * side).astype(int).tolist())
    for row in np.flatnonzero(draws.policy >= 0):
        images[row] = _by_policy(images[row], int(draws.policy[row]))
    factors = np.stack([draws.brightness, draws.contrast, draws.saturation])
    for row in np.flatnonzero((factors != 1).any(axis=0)):  # one by one: it fits the cache
        one, of_one = images[row : row + 1], torch.from_numpy(factors[:, row : row + 1]).float()
        one.copy_(adjust_colour(one.float(), *of_one).round_())
    for row in np.flatnonzero(draws.blur_sigma):
        images[row] = _blur(images[row], draws.blur_sigma[row])
    for row in np.flatnonzero(draws.jpeg_quality):
        coded = through_jpeg(images[row].permute(1, 2, 0).numpy(), int(draws.jpeg_quality[row]))
        images[row] = torch.from_numpy(coded).permute(2, 0, 1)  # (px, px, 3) -> (3, px, px)
    for row in np.flatnonzero(draws.erase[:, 2]):
        top, left, height, width = np.rint(draws.erase[row] * side).astype(int)
        images[row, :, top : top + height, left : left + width] = ERASED_GREY
    return images


def flip_and_turn(images: torch.Tensor, flip: np.ndarray, quarter_turns: np.ndarray):
    """A copy of `images` (n, 3, px, px), mirrored left-right where `flip`, then turned."""
    images = images.clone()
    for row in np.flatnonzero(flip | (quarter_turns != 0)):
        one = images[row].flip(-1) if flip[row] else images[row]
        images[row] = one.rot90(int(quarter_turns[row]), (-2, -1))
    return images


def adjust_colour(
    images: torch.Tensor,
    brightness: torch.Tensor,
    contrast: torch.Tensor,
    saturation: torch.Tensor,
) -> torch.Tensor:
    """Brightness, contrast and saturation factors (n,) on float RGB (n, 3, h, w) in [0, 255].

    The three steps of `torchvision.transforms.v2.functional` in this order, for a whole batch with
    a factor an image. Works in place and returns `images`.
    """
    import torch

    brightness, contrast, saturation = (
        factor.view(-1, 1, 1, 1) for factor in (brightness, contrast, saturation)
    )
    images.mul_(brightness).clamp_(0, 255)
    # Summed in float64: the mean must not depend on how the sum is split over threads.
    mean = _grey(images).mean(dim=(-3, -2, -1), keepdim=True, dtype=torch.float64).float()
    images.mul_(contrast).add_(mean * (1 - contrast)).clamp_(0, 255)
    grey = _grey(images).mul_(1 - saturation)
    return images.mul_(saturation).add_(grey).clamp_(0, 255)


def _grey(images: torch.Tensor) -> torch.Tensor:
    red, green, blue = images.unbind(1)  # ITU-R BT.601 luma, (n, 3, h, w) -> (n, 1, h, w)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).unsqueeze(1)


def _blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    from torchvision.transforms.v2 import functional

    # Three standard deviations on either side, where the image is large enough to be reflected.
    radius = min(int(np.ceil(3 * sigma)), image.shape[-1] - 1)
    return functional.gaussian_blur(image, [2 * radius + 1] * 2, [float(sigma)] * 2)


def _rotated(image: torch.Tensor, degrees: float) -> torch.Tensor:
    from torchvision.transforms.v2 import InterpolationMode, functional

    return functional.rotate(image, degrees, InterpolationMode.BILINEAR, fill=0)


def turned(image: torch.Tensor, degrees: float) -> torch.Tensor:
    """uint8 (3, h, w) turned counterclockwise about its centre, the edges mirrored outwards.

    So no corner is empty, as none is in the photograph of a drone with another heading.
    """
    import torch

    from dphr_lab._images import warped

    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return torch.from_numpy(warped(pixels, degrees)).permute(2, 0, 1)


def _shifted(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Moved by whole pixels: what padding by repeated edges and cropping gives."""
    import torch

    rows, columns = (
        (torch.arange(side) - by).clamp(0, side - 1)
        for side, by in zip(image.shape[1:], (down, right), strict=True)
    )
    return image[:, rows][:, :, columns]


def _by_policy(image: torch.Tensor, seed: int) -> torch.Tensor:
    """AutoAugment's policy for ImageNet (Cubuk et al., CVPR 2019), its draws by `seed`."""
    import torch
    from torchvision.transforms.v2 import AutoAugment

    with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's own state
        torch.manual_seed(seed)
        return AutoAugment()(image)


def through_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """An image (H, W, 3) uint8 as a round of JPEG of `quality` 1 to 100 leaves it."""
    from PIL import Image  # torchvision deprecates its own JPEG functions

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as coded:
        return np.array(coded)
