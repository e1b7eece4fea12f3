"""The settings of a training run. Standard library only, so that `dphr --help` is quick."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from dphr_lab.settings.checks import check_types, check_value, option


@dataclass(frozen=True)
class NamedLoss:
    """A loss that `Settings.loss` names; `training.make_loss` builds it from this line."""

    what: str  # its meaning, as `dphr train --help` has it
    kind: str | None  # its class in `losses`, or a classmethod of one; None: no pair loss
    options: Mapping[str, Any] = field(default_factory=dict)  # keywords that the name implies
    base: str | None = None  # class in `losses` of the loss that it is added to
    of_metric_learning: bool = False  # `kind` is a class of pytorch-metric-learning instead


LOSSES = {
    "triplet": NamedLoss("L_tri: every negative of the batch, soft margin", "TripletLoss"),
    "rda": NamedLoss(
        "L_tri + the interval-weighted term at a constant lambda (sample level only)",
        "DPHRLoss",
        {"signal": "constant"},
    ),
    "palw": NamedLoss(
        "L_tri scaled by the loss signal's lambda, weights of one (batch level only)",
        "DPHRLoss",
        {"weight_map": None},
    ),
    "dphr": NamedLoss("DPHR, our closest reading of the paper: both levels", "DPHRLoss"),
    "dphr_infonce": NamedLoss(
        "symmetric InfoNCE + DPHR, both with their defaults", "DPHRLoss", base="SymmetricInfoNCE"
    ),
    "sharp": NamedLoss(
        "sharp DPHR (ours): exponential map of sharpness 16, recall as the signal", "DPHRLoss.sharp"
    ),
    "sharp_rda": NamedLoss(
        "L_tri + the sharp weighted term at a constant lambda",
        "DPHRLoss.sharp",
        {"signal": "constant"},
    ),
    "sharp_palw": NamedLoss(
        "L_tri scaled by recall's progress, weights of one", "DPHRLoss.sharp", {"weight_map": None}
    ),
    "sharp_infonce": NamedLoss(
        "symmetric InfoNCE + sharp DPHR, both with their defaults",
        "DPHRLoss.sharp",
        base="SymmetricInfoNCE",
    ),
    "infonce": NamedLoss(
        "symmetric InfoNCE, label smoothing 0.1, learned temperature", "SymmetricInfoNCE"
    ),
    "hcl": NamedLoss(
        "symmetric InfoNCE whose hard negatives count more (HCL)",
        "WeightedInfoNCE",
        {"weighting": "hcl"},
    ),
    "hardest": NamedLoss(
        "hinge triplets with the hardest negative of the batch",
        "MinedTripletLoss",
        {"mining": "hardest"},
    ),
    "semi_hard": NamedLoss(
        "hinge triplets with the semi-hard negative of the batch",
        "MinedTripletLoss",
        {"mining": "semi_hard"},
    ),
    "multi_similarity": NamedLoss(
        "multi-similarity loss (of pytorch-metric-learning)",
        "MultiSimilarityLoss",
        of_metric_learning=True,
    ),
    "circle": NamedLoss(
        "circle loss (of pytorch-metric-learning)", "CircleLoss", of_metric_learning=True
    ),
    "none": NamedLoss("no pair loss: the host's own loss alone", None),
}
# Names of losses in the first edition -> now. There "DPHR" meant our own sharper variant.
FIRST_EDITION = {
    "dphr": "sharp",
    "rda": "sharp_rda",
    "palw": "sharp_palw",
    "dphr_infonce": "sharp_infonce",
}
# name -> what it is; `training.make_encoder` builds each
HOSTS = {
    "plain": "an encoder without a loss of its own",
    "sample4geo": "one global vector, symmetric InfoNCE (Deuser et al., ICCV 2023)",
    "lpn": "square rings, a classifier each (Wang et al., TCSVT 2022)",
    "mccg": "a global and two gated parts, classifiers, a triplet term (Shen et al., TCSVT 2024)",
}
OF_PARTS = ("lpn", "mccg")  # hosts whose vector is made of parts
PAIR_ON = ("whole", "parts")


def renamed_since_first_edition(name: str) -> str:
    """One line for whoever gives a name whose meaning changed; empty for any other name."""
    if name not in FIRST_EDITION:
        return ""
    return (
        f"{name} is our closest reading of the paper; what the first edition called {name} is "
        f"{FIRST_EDITION[name]} now"
    )


OPTIMIZERS = ("adamw", "sgd", "nesterov")
SAMPLERS = ("random", "one_per_place", "unpaired", "nearest", "families")
MIXED_PRECISION = ("no", "bf16", "fp16")
SELECT = ("best", "last", "test")
LARGEST_PX = 8192  # sides of images: more than any network is given
POOLS = ("avg", "gem")  # of models.Encoder


@dataclass(frozen=True)
class Settings:
    """All that decides a training run, except the data.

    Raises `ValueError` when a value is outside its range.
    """

    # the encoder
    backbone: str = option("test_convnext", "any timm name")
    pretrained: str | None = option(None, "'pypi', 'hub' or a weights file; none: from scratch")
    embed_dim: int | None = option(None, "width of the embedding; none: the backbone's own")
    pool: str = option("avg", "'avg' or 'gem'")
    freeze_bn: bool = option(
        False,
        "batch norm uses its stored statistics and does not update them; for pretrained encoders",
    )
    image_px: int = option(64, "side of the square that every image is resized to, pixels")
    host: str = option("plain", f"one of {', '.join(HOSTS)}: what is on the backbone, and its loss")
    host_options: Mapping[str, Any] = field(default_factory=dict)  # keywords of the host's class

    # the loss
    loss: str = option("dphr", f"one of {', '.join(LOSSES)}")
    loss_options: Mapping[str, Any] = field(default_factory=dict)  # keywords of the loss's class
    pair_weight: float = option(1.0, "mu: the weight of this loss; the host's own loss weighs 1")
    pair_on: str = option(
        "whole", "what the loss sees of lpn and mccg: the 'whole' vector, or each of its 'parts'"
    )

    # the batches
    batch: int = option(64, "pairs in a step over all processes, all of different places")
    micro_batch: int | None = option(
        None, "pairs in a pass of the encoder, to save memory, same gradients; none: the batch"
    )
    augmentation: Mapping[str, Any] | None = field(default_factory=dict)
    # ^ keywords of datasets.Augmentation; {}: its defaults; None: no augmentation
    val_places: int | None = option(
        None,
        "training places held out for validation, whole families; none: a tenth of them where that "
        "is 5 or more, else 0",
    )
    sampler: str = option(
        "random",
        "which places meet in a batch: 'random', 'nearest' to one another for the encoder when the "
        "epoch begins, or whole 'families'; 'one_per_place' is random with a pair a place and "
        "epoch, 'unpaired' shuffles each view by itself, as LPN does",
    )
    workers: int = option(0, "data-loader processes; 0: read in the training process")

    # faults put into the training pairs, to see what they do
    wrong_pairs: float = option(0.0, "share of pairs that show another place's satellite image")
    split_places: float = option(0.0, "share of places that are labelled as two")

    # the optimiser
    optimizer: str = option("adamw", "'adamw', or 'sgd' (momentum 0.9), or 'nesterov' (likewise)")
    steps: int = option(800, "optimiser steps; 0 evaluates the untrained encoder")
    epochs: float | None = option(None, "passes over the training pairs, in place of steps")
    learning_rate: float = option(3e-3, "the rate at the end of warm-up")
    backbone_rate: float = option(
        1.0, "the backbone's learning rate as a share of that of all else in the encoder"
    )
    rate_drops: tuple[float, ...] = option(
        (), "after each of these shares of the steps the rate falls to a tenth; none: a cosine to 0"
    )
    weight_decay: float = option(0.01, "of the encoder; the loss's own parameters have none")
    warmup: float = option(0.1, "share of the steps with a rising rate")
    clip_norm: float | None = option(None, "largest gradient norm; none: not clipped")
    mixed_precision: str = option("no", f"one of {', '.join(MIXED_PRECISION)}")

    # the bookkeeping
    seed: int = option(0, "decides initialisation, hold-out, batches and augmentation")
    threads: int | None = option(None, "torch threads; none: the machine's setting")
    validate_every: int | None = option(
        None, "steps; none: at the end of each epoch, 100 times at most"
    )
    select: str = option(
        "best", "the encoder kept: 'best' on held-out places, 'last', or best on the 'test' set"
    )
    checkpoint_every: int = option(50, "steps between checkpoints")

    def __post_init__(self):
        if isinstance(self.rate_drops, list):  # as JSON and TOML have it
            object.__setattr__(self, "rate_drops", tuple(self.rate_drops))
        check_types(self)
        self._check_host()
        check_value("loss", self.loss, self.loss in LOSSES, f"one of {', '.join(LOSSES)}")
        check_value(
            "mixed_precision",
            self.mixed_precision,
            self.mixed_precision in MIXED_PRECISION,
            f"one of {', '.join(MIXED_PRECISION)}",
        )
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("sampler", SAMPLERS),
            ("pair_on", PAIR_ON),
        ):
            value = getattr(self, name)
            check_value(name, value, value in known, f"one of {', '.join(known)}")
        for name in ("wrong_pairs", "split_places"):
            value = getattr(self, name)
            check_value(name, value, 0 <= value <= 1, "a share between 0 and 1")
        check_value("select", self.select, self.select in SELECT, f"one of {', '.join(SELECT)}")
        check_value("pool", self.pool, self.pool in POOLS, f"one of {', '.join(POOLS)}")
        check_value("seed", self.seed, self.seed >= 0, "0 or more")
        check_value("batch", self.batch, self.batch >= 2, "at least 2: one pair has no negative")
        check_value("steps", self.steps, self.steps >= 0, "0 or more")
        px = self.image_px
        check_value(
            "image_px", px, 8 <= px <= LARGEST_PX, f"8 or more pixels, {LARGEST_PX} at most"
        )
        held_out = self.val_places
        check_value("val_places", held_out, held_out is None or held_out >= 0, "0 or more places")
        check_value("workers", self.workers, 0 <= self.workers <= 1024, "0 to 1024 processes")
        check_value("warmup", self.warmup, 0 <= self.warmup <= 1, "a share between 0 and 1")
        decay = self.weight_decay
        check_value("weight_decay", decay, 0 <= decay <= 1e6, "0 or more, 1e6 at most")
        for name in ("learning_rate", "pair_weight", "backbone_rate"):
            value = getattr(self, name)
            check_value(name, value, 0 < value <= 1e6, "above 0, 1e6 at most")
        shares = self.rate_drops
        rising = all(a < b for a, b in zip((0, *shares), (*shares, 1), strict=True))
        check_value("rate_drops", shares, rising or not shares, "rising shares between 0 and 1")
        positive = ("threads", "validate_every", "checkpoint_every", "embed_dim", "clip_norm")
        for name in (*positive, "micro_batch", "epochs"):
            value = getattr(self, name)
            check_value(name, value, value is None or value > 0, "above 0")
        for name, most in (("threads", 1024), ("embed_dim", 65_536), ("batch", 2**24)):
            value = getattr(self, name)
            check_value(name, value, value is None or value <= most, f"{most:,} at most")

    def _check_host(self) -> None:
        """Raise `ValueError` for an unknown host, and for settings that need another host."""
        check_value("host", self.host, self.host in HOSTS, f"one of {', '.join(HOSTS)}")
        of_parts, alone = self.host in OF_PARTS, self.loss == "none"
        check_value(
            "loss",
            self.loss,
            not (alone and self.host == "plain"),
            "a loss, since the host 'plain' has none of its own",
        )
        check_value(
            "pair_weight",
            self.pair_weight,
            self.pair_weight == 1 or self.host != "plain",
            "1 with the host 'plain', which has no loss beside which to weigh one",
        )
        for name, default in (("embed_dim", None), ("pool", "avg")):
            value = getattr(self, name)
            fits = value == default or not of_parts
            check_value(name, value, fits, f"{default!r} with the host {self.host!r}")
        check_value(
            "pair_on",
            self.pair_on,
            self.pair_on != "parts" or of_parts,
            f"'whole' with the host {self.host!r}, which has no parts",
        )
        check_value(
            "sampler",
            self.sampler,
            self.sampler != "unpaired" or (self.host == "lpn" and alone),
            "another one: rows of 'unpaired' are no pairs, so it goes with the host 'lpn' and the "
            "loss 'none' only",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in a run folder and in `result.json`."""
        return asdict(self) | {"rate_drops": list(self.rate_drops)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Settings":
        """The settings of a stored run; raises `ValueError` naming keys that it does not know."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                f"settings: found unknown {', '.join(unknown)}; "
                f"expected only {', '.join(sorted(known))}; was the run made by another version?"
            )
        return cls(**values)

    def changed(self, **values: Any) -> "Settings":
        """A copy with some values replaced."""
        return replace(self, **values)


# Chapter 09 and its stored runs. Twin Towns' photographs vary by themselves, and in so few steps
# more variation cost recall on held-out training places: only mirroring and turning are kept.
# The last encoder is kept, since 60 held-out places tell checkpoints apart by chance only.
TWIN_TOWNS_MINI = Settings(
    augmentation={"jitter": 0, "jpeg": 0, "blur": 0, "erase": 0}, val_places=60, select="last"
)
