"""Places seen by drone and by satellite: data sets, pairs, batches, and their checking."""

from dphr_lab.datasets.augment import (
    NO_AUGMENTATION,
    Augmentation,
    Draws,
    ViewDraws,
    adjust_colour,
    apply,
    draw,
)
from dphr_lab.datasets.batches import Batch, PairBatches, plan_batches
from dphr_lab.datasets.images import ArrayImages, FileImages, ImageSet, read_image
from dphr_lab.datasets.layouts import (
    SUES200,
    CrossViewDataset,
    FolderPairs,
    University1652,
    find_layout,
    open_dataset,
    sues200_split,
)
from dphr_lab.datasets.pairs import PairSet
from dphr_lab.datasets.photo_towns import PhotoTowns
from dphr_lab.datasets.twin_towns import TwinTowns
from dphr_lab.datasets.verification import PartCount, VerifyReport, verify

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
    "PhotoTowns",
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
