"""A pair loss on each part of a vector that a host has put together from parts."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MeanOverParts(nn.Module):
    """The mean of a pair loss over the P parts of its vectors, (B, P · d) each.

    Each part is normalised and has its own copy of `loss`, so its own learned temperature, or its
    own progress and lambda [O]. Raises ValueError for fewer than one part, and for a width that P
    does not divide.
    """

    def __init__(self, loss: nn.Module, parts: int):
        super().__init__()
        if parts < 1:
            raise ValueError(f"parts is {parts}; expected 1 or more")
        self.losses = nn.ModuleList([loss, *(copy.deepcopy(loss) for _ in range(parts - 1))])
        self.across_processes = getattr(loss, "across_processes", False)

    def forward(self, z_query: Tensor, z_gallery: Tensor, places: Tensor | None = None) -> Tensor:
        """Scalar loss of B aligned rows; places (B,) masks rows of the same place."""
        views = [self._parts(z, name) for z, name in ((z_query, "query"), (z_gallery, "gallery"))]
        of_parts = zip(self.losses, *views, strict=True)
        return torch.stack([loss(*part, places) for loss, *part in of_parts]).mean()

    def _parts(self, z: Tensor, name: str) -> tuple[Tensor, ...]:
        parts = len(self.losses)
        if z.ndim != 2 or z.shape[1] % parts:
            raise ValueError(
                f"z_{name} has shape {tuple(z.shape)}; expected (B, {parts} · d), {parts} parts"
            )
        return F.normalize(z.float().unflatten(1, (parts, -1)), dim=2).unbind(1)
