"""Images with the ground that a lower height sees: cut to it, or covered around it."""

from __future__ import annotations

import torch

from dphr_lab._images import resize
from dphr_lab.datasets.images import ImageSet


class SameGround(ImageSet):
    """Drone images of one height cut to the ground that the same camera sees from a lower one.

    The middle `lower_m / height_m` of each side is kept, as if a pinhole camera at the same place
    had a narrower angle. The scale is then that of the lower height. The difference that remains is
    how things look from further up. `sharp` True keeps the detail that the files have. False keeps
    only that of the whole image at the size asked for, and enlarges it. Raises ValueError unless
    0 < lower_m <= height_m.
    """

    def __init__(self, images: ImageSet, height_m: float, lower_m: float, sharp: bool = True):
        super().__init__(images.view, images.places, images.families)
        if not 0 < lower_m <= height_m:
            raise ValueError(f"lower_m is {lower_m}; expected above 0 and at most {height_m}")
        self.images, self.height_m, self.lower_m, self.sharp = images, height_m, lower_m, sharp

    def read(self, indices, image_px: int):
        """The middle of the images at `indices`, uint8 RGB (n, 3, image_px, image_px)."""
        share = self.lower_m / self.height_m
        whole_px = round(image_px / share) if self.sharp else image_px
        kept_px = image_px if self.sharp else round(image_px * share)
        first = (whole_px - kept_px) // 2
        middle = slice(first, first + kept_px)
        return resize(self.images.read(indices, whole_px)[..., middle, middle], image_px)

    def subset(self, mask_or_indices) -> SameGround:
        images = self.images.subset(mask_or_indices)
        return SameGround(images, self.height_m, self.lower_m, self.sharp)


class RimCovered(ImageSet):
    """Images with the middle `share` of each side left as it is, and grey (128) around it.

    They show the ground that `SameGround` shows, at the scale of the whole image. Raises ValueError
    unless 0 < share <= 1.
    """

    def __init__(self, images: ImageSet, share: float):
        super().__init__(images.view, images.places, images.families)
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}; expected above 0 and at most 1")
        self.images, self.share = images, share

    def read(self, indices, image_px: int):
        """The images at `indices`, uint8 RGB (n, 3, image_px, image_px)."""
        pixels = self.images.read(indices, image_px)
        kept_px = round(image_px * self.share)
        first = (image_px - kept_px) // 2
        middle = slice(first, first + kept_px)
        covered = torch.full_like(pixels, 128)
        covered[..., middle, middle] = pixels[..., middle, middle]
        return covered

    def subset(self, mask_or_indices) -> RimCovered:
        return RimCovered(self.images.subset(mask_or_indices), self.share)
