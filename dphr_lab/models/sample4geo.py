"""Sample4Geo: one global vector and a symmetric InfoNCE, as a host for pair losses."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from dphr_lab.losses.distances import check_pairs, similarities
from dphr_lab.losses.infonce import MAX_LOGIT_SCALE, SymmetricInfoNCE, info_nce
from dphr_lab.models.encoder import Encoder


class Sample4Geo(Encoder):
    """The plain encoder, with a symmetric InfoNCE as the host's own loss.

    The learned temperature is the host's, so it is stored with it; its gradient passes through
    `training_outputs`, a copy a row, as that of every other weight. Raises what `Encoder` and
    `losses.SymmetricInfoNCE` raise.

    Published with `convnext_base.fb_in22k_ft_in1k_384` at 384 px. Source [S]: Deuser, Habel,
    Oswald, "Sample4Geo", ICCV 2023; github.com/Skyy93/Sample4Geo (no licence), read for its facts.
    """

    kind = "sample4geo"
    options = ("label_smoothing", "temperature", "learn_temperature")
    undecayed = ("logit_scale",)

    def __init__(
        self,
        backbone: str,
        embed_dim: int | None = None,
        pretrained: str | Path | bool | None = None,
        pool: str = "avg",
        image_px: int | None = None,
        *,
        label_smoothing: float = 0.1,
        temperature: float = 0.07,
        learn_temperature: bool = True,
    ):
        SymmetricInfoNCE(label_smoothing, temperature)  # says what is out of range
        super().__init__(backbone, embed_dim, pretrained, pool, image_px)
        self.label_smoothing, self.temperature = label_smoothing, temperature
        self.learn_temperature = learn_temperature
        log_scale = torch.tensor(math.log(1 / temperature))
        if learn_temperature:
            self.logit_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("logit_scale", log_scale)

    def training_outputs(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The embedding (B, D), and what `host_loss` takes: it again, and the log scale, a row."""
        z = self(images)
        return z, {"z": z, "log_scale": self.logit_scale.expand(len(z))}

    def host_loss(self, further: dict[str, Tensor], places: Tensor) -> Tensor:
        """Symmetric InfoNCE; rows: all drone images, then their satellite images."""
        rows = len(places) // 2
        drone, satellite = further["z"].split(rows)
        pairs = check_pairs(drone, satellite, places[:rows])
        scale = further["log_scale"].mean().exp().clamp(max=MAX_LOGIT_SCALE)
        logits = scale * similarities(pairs.z_query, pairs.z_gallery)
        allowed = pairs.negatives.fill_diagonal_(True)
        forth, back = (info_nce(x, self.label_smoothing, allowed) for x in (logits, logits.T))
        return (forth + back) / 2

    def settings(self) -> dict:
        """What `Sample4Geo` must be given to be built again; JSON's own types."""
        return super().settings() | {
            "label_smoothing": self.label_smoothing,
            "temperature": self.temperature,
            "learn_temperature": self.learn_temperature,
        }
