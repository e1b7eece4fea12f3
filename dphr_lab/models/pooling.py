"""How a feature map becomes a vector."""

import torch
from torch import Tensor, nn


class GeM(nn.Module):
    """Generalised mean over a feature map, (B, C, H, W) -> (B, C, 1, 1), with a learned power.

    (mean x^p)^(1/p): p = 1 is the average, p to infinity the maximum. Values below `eps` count as
    `eps`, since a power of a negative number is none. Float32 inside.
    Source: Radenovic, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation",
    TPAMI 2019.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6):
        super().__init__()
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            powers = x.float().clamp(min=self.eps) ** self.p.float()
            return powers.mean((2, 3), keepdim=True) ** (1 / self.p.float())
