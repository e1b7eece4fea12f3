"""A small continuous town on disk, and an encoder that needs no training: blurred pixels."""

import torch
from torch import nn

from dphr_lab.scenes.continuous import TownSettings, write_town

SETTINGS = TownSettings(
    km=0.6, gsd_m=0.5, photo_px=200, photos=14, calibration_flights=3, test_flights=2, seed=5,
    weather=0.0, texture=0.5, changed=0.05,
)  # fmt: skip


class Blurred(nn.Module):
    """Embeds a tile by its colours at 12 × 12 spots, without their mean."""

    image_px = 48

    def __init__(self, gain=1.0):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, images):
        x = nn.functional.adaptive_avg_pool2d(images.float() * self.gain, 12)
        x = (x - x.mean((2, 3), keepdim=True)).flatten(1)
        return nn.functional.normalize(x, dim=1)


def make(root):
    write_town(SETTINGS, root, progress=False)
    return root
