"""LPN: square rings of a feature map, each with a classifier, as a host for pair losses."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dphr_lab.models.parts import PartHost


def square_rings(x: Tensor, rings: int) -> Tensor:
    """(B, C, H, W) -> (B, rings, C): the map in nested square rings, outermost first.

    Square i of n reaches i · floor(H / 2n) cells up and down from the middle, and likewise to
    either side; the last one is the whole map, so it takes what an odd side leaves over. Part i is
    square i without square i - 1: its sum divided by the area of the *whole* square i, the hole
    counted as zeros, as LPN's public code has it [S]. Float32 inside.
    Raises ValueError when a ring would have no cell.
    """
    height, width = x.shape[2:]
    check_rings(height, width, rings)
    down, across = (_ring_along(side, rings, x.device) for side in (height, width))
    ring = torch.maximum(down[:, None], across)  # (H, W), 0 the innermost
    reach = torch.arange(1, rings + 1, device=x.device)
    area = 4 * reach**2 * (height // (2 * rings)) * (width // (2 * rings))
    area[-1] = height * width
    within = ring == torch.arange(rings, device=x.device)[:, None, None]
    weights = (within / area[:, None, None]).flip(0)  # (rings, H, W), outermost first
    with torch.autocast(x.device.type, enabled=False):
        return torch.einsum("bchw,rhw->brc", x.float(), weights.float())


def check_rings(height: int, width: int, rings: int) -> None:
    """Raise ValueError unless each of `rings` square rings has cells in a map of this size."""
    if min(height, width) < 2 * rings:
        raise ValueError(
            f"rings is {rings}, and the feature map has {height} x {width} cells: {rings} square "
            f"rings need {2 * rings} x {2 * rings}; take fewer rings, larger images (image_px), "
            "or for a ResNet last_stride=1"
        )


def _ring_along(side: int, rings: int, device) -> Tensor:
    """(side,) the ring of each row (or column), by its distance from the middle alone."""
    middle, step = side // 2, side // (2 * rings)
    at = torch.arange(side, device=device)
    from_middle = torch.where(at >= middle, at - middle, middle - 1 - at)
    return (from_middle // step).clamp(max=rings - 1)


class LPN(PartHost):
    """LPN: `rings` square rings, each linear -> batch norm -> dropout -> linear (classes).

    Loss: cross-entropy alone, summed over parts and views. The heads are shared by the views.
    `last_stride` 1 doubles the side of a ResNet's map by its last stage's stride, as published.

    Published with ResNet-50 at 256 px (map 16 x 16 x 2048), 4 rings of 512, dropout 0.75. Its
    public code for University-1652 counts rings from the inside, here they count from the outside;
    no cosine differs.

    Raises ValueError for more rings than the map has cells for. Source [S]: Wang et al., "Each Part
    Matters", TCSVT 2022; github.com/wtyhub/LPN (MIT), read for its facts.
    """

    kind = "lpn"
    options = (*PartHost.options, "rings", "last_stride")

    def __init__(
        self,
        backbone: str,
        pretrained: str | Path | bool | None = None,
        image_px: int | None = None,
        *,
        places: Sequence[int] | None = None,
        classes: int | None = None,
        rings: int = 4,
        last_stride: int | None = None,
        part_dim: int = 512,
        dropout: float = 0.75,
        pair_dropout: bool = False,
        views_apart: bool = True,
    ):
        if rings < 1:
            raise ValueError(f"rings is {rings}: expected 1 or more")
        if last_stride not in (None, 1):
            raise ValueError(f"last_stride is {last_stride}: expected none (as it is) or 1")
        self.rings, self.last_stride = rings, last_stride
        super().__init__(
            backbone,
            pretrained,
            image_px,
            parts=rings,
            places=places,
            classes=classes,
            part_dim=part_dim,
            dropout=dropout,
            pair_dropout=pair_dropout,
            views_apart=views_apart,
        )
        check_rings(*self.map_shape[1:], rings)

    def host_loss(self, further: dict[str, Tensor], places: Tensor) -> Tensor:
        """Cross-entropy summed over the parts and the two views; places (2 b,), a label a row."""
        return 2 * self.classification_loss(further, places).sum()

    def settings(self) -> dict:
        """What `LPN` must be given to be built again; JSON's own types."""
        return super().settings() | {"rings": self.rings, "last_stride": self.last_stride}

    def _pooled(self, x: Tensor) -> Tensor:
        return square_rings(x, self.rings)

    def _set_up_backbone(self) -> None:
        super()._set_up_backbone()
        if self.last_stride == 1:
            stage = getattr(self.backbone, "layer4", None)
            if stage is None:
                raise ValueError(
                    f"last_stride is 1, and {self.backbone_name} is no ResNet of timm, with a "
                    "stage layer4; leave last_stride out"
                )
            _without_stride(stage)


def _without_stride(stage: nn.Module) -> None:
    """Set the stride of all layers of a ResNet's stage to 1, in place; no weight changes."""
    for parent in list(stage.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Conv2d):
                layer.stride = (1, 1)
            elif isinstance(layer, nn.AvgPool2d):  # before the shortcut's convolution
                setattr(parent, name, nn.Identity())
