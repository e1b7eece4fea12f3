"""Places seen by drone and by satellite: data sets, pairs, batches, and their checking."""

from .augment import NO_AUGMENTATION, Augmentation, Draws, ViewDraws, adjust_colour, apply, draw
from .batches import Batch, PairBatches, plan_batches
from .images import ArrayImages, FileImages, ImageSet, read_image
from .layouts import (
    SUES200,
    CrossViewDataset,
    FolderPairs,
    University1652,
    find_layout,
    open_dataset,
    sues200_split,
)
from .pairs import PairSet
from .twin_towns import TwinTowns
from .verification import PartCount, VerifyReport, verify

__all__ = [
    "NO_AUGMENTATION",
    "SUES200",
    "ArrayImages",
    "Augmentation",
    "Batch",
    "CrossViewDataset",
    "Draws",
    "FileImages",
    "FolderPairs",
    "ImageSet",
    "PairBatches",
    "PairSet",
    "PartCount",
    "TwinTowns",
    "University1652",
    "VerifyReport",
    "ViewDraws",
    "adjust_colour",
    "apply",
    "draw",
    "find_layout",
    "open_dataset",
    "plan_batches",
    "read_image",
    "sues200_split",
    "verify",
]
