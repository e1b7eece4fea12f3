"""Hosts whose embedding is made of parts, each with a bottleneck and a classifier of its own."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from dphr_lab.models.encoder import Encoder

UNKNOWN = -1  # the label of a class whose place is not known: of converted weights


class PartHead(nn.Module):
    """One part: linear -> batch norm (the part's vector) -> dropout -> linear (its classes).

    Starts as the public code of LPN and MCCG does [S]: He's normal by fan-out for the bottleneck,
    a standard deviation of 0.001 for the classifier, biases of zero. `classes` 0 leaves the
    classifier out, which nothing but training needs.
    """

    def __init__(self, width: int, part_dim: int, dropout: float, classes: int):
        super().__init__()
        self.linear = nn.Linear(width, part_dim)
        self.norm = nn.BatchNorm1d(part_dim)
        self.dropout = nn.Dropout(dropout)
        nn.init.kaiming_normal_(self.linear.weight, mode="fan_out")
        nn.init.zeros_(self.linear.bias)
        self.classifier = nn.Linear(part_dim, classes) if classes else None
        if self.classifier is not None:
            nn.init.normal_(self.classifier.weight, std=0.001)
            nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) -> (B, part_dim): the part's vector, without dropout."""
        return self.norm(self.linear(x))


class PartHost(Encoder):
    """An encoder whose unit vector is P parts, normalised, divided by √P and concatenated.

    So the cosine of two whole vectors is the mean of their parts' cosines. A kind of host says by
    `_pooled` how a feature map (B, C, H, W) becomes its parts (B, P, C).

    `places` are the training places' labels: the classifiers know these and no others, and nothing
    at test time asks them. `classes` is their number, for weights that are loaded afterwards.
    `pair_dropout` gives a pair loss the parts after dropout, as MCCG's own triplet term has them;
    without it a pair loss sees what retrieval sees [O]. `views_apart` takes drone and satellite
    images of a training batch through the network one view after the other, as the public codes of
    LPN and MCCG do [S]: batch norm then sees one view at a time.

    Raises what `Encoder` raises, and ValueError for a backbone that gives no feature map.
    """

    options = (
        "part_dim",
        "dropout",
        "pair_dropout",
        "views_apart",
    )  # keywords of `Settings.host_options`

    def __init__(
        self,
        backbone: str,
        pretrained: str | Path | bool | None = None,
        image_px: int | None = None,
        *,
        parts: int,
        places: Sequence[int] | None,
        classes: int | None,
        part_dim: int,
        dropout: float,
        pair_dropout: bool,
        views_apart: bool,
    ):
        if part_dim < 1:
            raise ValueError(f"part_dim is {part_dim}: expected 1 or more")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}: expected 0 to below 1")
        super().__init__(backbone, pretrained=pretrained, image_px=image_px)
        self.parts, self.part_dim, self.dropout = parts, part_dim, dropout
        self.pair_dropout, self.views_apart = pair_dropout, views_apart
        self.width = parts * part_dim  # D
        self._set_up_backbone()
        self.map_shape = self._map_shape()  # (C, H, W) at image_px
        if places is not None:
            labels = torch.as_tensor(sorted(set(map(int, places))))
        else:
            labels = torch.full((classes or 0,), UNKNOWN)
        self.register_buffer("class_places", labels)  # (classes,) int64, sorted
        self.part_heads = nn.ModuleList(
            PartHead(self.map_shape[0], part_dim, dropout, len(labels)) for _ in range(parts)
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), uint8 or float in [0, 1], RGB -> (B, parts · part_dim), of length 1."""
        return self._joined(self._vectors(images))

    def training_outputs(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The embedding (2 b, D), and what `host_loss` takes: logits (2 b, P, classes), vectors.

        `images` are b drone images, then b satellite images. Vectors (2 b, P, part_dim) are the
        parts after dropout. Raises ValueError for a host without classes, and for a view of one
        image, which batch norm cannot learn from.
        """
        if len(self.class_places) == 0:
            raise ValueError(
                f"places: found none, and the host {self.kind!r} learns to name its training "
                "places; build it with `places`"
            )
        views = images.chunk(2) if self.views_apart else (images,)
        if self.training and min(map(len, views)) < 2:
            raise ValueError(
                f"images: found {len(images)}, and the batch norm of the host {self.kind!r} needs "
                "2 of a view at a time; take a micro_batch of 2 pairs or more"
            )
        outputs = [self._outputs_of_a_view(view) for view in views]
        z, logits, vectors = (torch.cat(rows) for rows in zip(*outputs, strict=True))
        return z, {"logits": logits, "vectors": vectors}

    def _outputs_of_a_view(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        vectors = self._vectors(images)
        dropped = [head.dropout(v) for head, v in zip(self.part_heads, vectors, strict=True)]
        logits = [head.classifier(v) for head, v in zip(self.part_heads, dropped, strict=True)]
        z = self._joined(dropped if self.pair_dropout else vectors)
        return z, torch.stack(logits, 1), torch.stack(dropped, 1)

    def settings(self) -> dict:
        """What this host must be given to be built again; JSON's own types."""
        return {
            "backbone": self.backbone_name,
            "image_px": self.image_px,
            "classes": len(self.class_places),
            "part_dim": self.part_dim,
            "dropout": self.dropout,
            "pair_dropout": self.pair_dropout,
            "views_apart": self.views_apart,
        }

    def labels(self, places: Tensor) -> Tensor:
        """(B,) labels of places -> (B,) classes; raises ValueError for one that is not known."""
        known = self.class_places
        at = torch.searchsorted(known, places).clamp(max=max(len(known) - 1, 0))
        found = known[at] == places if len(known) else torch.zeros_like(places, dtype=torch.bool)
        if not found.all():
            strange = places[~found][0].item()
            raise ValueError(
                f"places: found {strange}, which is none of the {len(known)} training places that "
                f"the classifiers of this {self.kind} know; train on those, or build a new host "
                "with these places"
            )
        return at

    def classification_loss(self, further: dict[str, Tensor], places: Tensor) -> Tensor:
        """Cross-entropy of every part's classes, (P,): the mean over the rows of both views."""
        labels = self.labels(places)
        logits = further["logits"].float()
        return torch.stack([F.cross_entropy(part, labels) for part in logits.unbind(1)])

    def feature_map(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w): what the backbone gives before any pooling."""
        x = self.backbone.forward_features(self.normalised(images))
        if x.ndim != 4:
            raise ValueError(
                f"backbone is {self.backbone_name}, which gives tokens of shape {tuple(x.shape)}: "
                f"the host {self.kind!r} needs a feature map (B, C, H, W), such as a ResNet or a "
                "ConvNeXt gives"
            )
        nhwc = getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"
        return x.permute(0, 3, 1, 2) if nhwc else x

    def _vectors(self, images: Tensor) -> list[Tensor]:
        """P vectors (B, part_dim), not normalised."""
        pooled = self._pooled(self.feature_map(images))
        return [head(part) for head, part in zip(self.part_heads, pooled.unbind(1), strict=True)]

    def _joined(self, vectors: list[Tensor]) -> Tensor:
        z = F.normalize(torch.stack(vectors, 1).float(), dim=2)
        return z.flatten(1) / self.parts**0.5

    def _pooled(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _set_up_backbone(self) -> None:
        """Leave out what comes after the feature map: nothing would train its parameters."""
        if isinstance(getattr(self.backbone, "head", None), nn.Module):
            self.backbone.head = nn.Identity()

    def _map_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the feature map at `image_px`; by shapes alone, nothing is computed."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        px = self.image_px
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            shape = self.feature_map(torch.zeros(1, 3, px, px, device=self.mean.device)).shape
        for module, training in modes:
            module.training = training
        return tuple(shape[1:])
