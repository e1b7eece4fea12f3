"""MCCG: a global part and two gated ones, as a host for pair losses."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dphr_lab.losses.peers import MinedTripletLoss
from dphr_lab.models.parts import PartHost

OWN_TRIPLET = ("alone", "beside")


class AxisGate(nn.Module):
    """A map weighed by a gate over two of its axes: (B, A, M, N) -> the same shape.

    The maximum and the mean over axis A, (B, 2, M, N), pass a 7 x 7 convolution without bias, batch
    norm (momentum 0.01) and a sigmoid; the result, (B, 1, M, N), multiplies the map. [S]
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size=7, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.stack([x.amax(1), x.mean(1)], 1)
        return x * torch.sigmoid(self.norm(self.conv(pooled)))


class MCCG(PartHost):
    """MCCG: three parts of one map: global, gated along its height, gated along its width.

    The global part is the map's average through a layer norm (the backbone's own last one where
    there is one, as in ConvNeXt). A gated part is the spatial mean of `AxisGate` on the map as
    (H, C, W), or as (W, H, C). Each part: linear -> batch norm -> dropout -> linear (classes).

    Loss: cross-entropy, the mean over parts, summed over views; plus a hinge triplet term with the
    hardest negative of the other view, margin 0.3, in both directions, the mean over parts, on
    normalised vectors after dropout. `own_triplet` "alone": that term is there when the host
    trains without a pair loss, which else takes its place [O]; "beside": it is always there.

    Published with ConvNeXt-Tiny at 256 px (map 8 x 8 x 768), parts of 512, dropout 0.5. Its public
    code puts the global part last, here it is first; no cosine differs.

    Source [S]: Shen et al., "MCCG", TCSVT 2024; github.com/mode-str/crossview (no licence), read
    for its facts.
    """

    kind = "mccg"
    options = (*PartHost.options, "own_triplet", "margin")

    def __init__(
        self,
        backbone: str,
        pretrained: str | Path | bool | None = None,
        image_px: int | None = None,
        *,
        places: Sequence[int] | None = None,
        classes: int | None = None,
        part_dim: int = 512,
        dropout: float = 0.5,
        own_triplet: str = "alone",
        margin: float = 0.3,
        pair_dropout: bool = False,
        views_apart: bool = True,
    ):
        if own_triplet not in OWN_TRIPLET:
            raise ValueError(f"own_triplet is {own_triplet!r}: expected one of {OWN_TRIPLET}")
        super().__init__(
            backbone,
            pretrained,
            image_px,
            parts=3,
            places=places,
            classes=classes,
            part_dim=part_dim,
            dropout=dropout,
            pair_dropout=pair_dropout,
            views_apart=views_apart,
        )
        self.own_triplet, self.margin = own_triplet, margin
        self.joined_by_pair_loss = False  # set by who trains it with one
        self.triplet = MinedTripletLoss("hardest", margin)
        self.gate_height, self.gate_width = AxisGate(), AxisGate()

    def host_loss(self, further: dict[str, Tensor], places: Tensor) -> Tensor:
        """Cross-entropy, and the host's own triplet term unless a pair loss takes its place.

        Rows: all drone images, then their satellite images; places (2 b,), a label a row.
        """
        loss = 2 * self.classification_loss(further, places).mean()
        if self.own_triplet == "beside" or not self.joined_by_pair_loss:
            rows = len(places) // 2
            vectors = F.normalize(further["vectors"].float(), dim=2)
            drone, satellite = vectors.split(rows)
            terms = [
                self.triplet(drone[:, part], satellite[:, part], places[:rows])
                for part in range(self.parts)
            ]
            loss = loss + torch.stack(terms).mean()
        return loss

    def settings(self) -> dict:
        """What `MCCG` must be given to be built again; JSON's own types."""
        return super().settings() | {"own_triplet": self.own_triplet, "margin": self.margin}

    def _pooled(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 3, C)."""
        by_height = self.gate_height(x.permute(0, 2, 1, 3)).mean((1, 3))  # (B, H, C, W)
        by_width = self.gate_width(x.permute(0, 3, 2, 1)).mean((1, 2))  # (B, W, H, C)
        return torch.stack([self.norm(x.mean((2, 3))), by_height, by_width], 1)

    def _set_up_backbone(self) -> None:
        own = getattr(getattr(self.backbone, "head", None), "norm", None)
        super()._set_up_backbone()
        width = self._map_shape()[0]
        if isinstance(own, nn.LayerNorm) and own.normalized_shape == (width,):
            self.norm = nn.LayerNorm(width, eps=own.eps)
            self.norm.load_state_dict(own.state_dict())
        else:
            self.norm = nn.LayerNorm(width)
