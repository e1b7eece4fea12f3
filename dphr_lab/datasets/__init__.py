"""Places seen by drone and by satellite: data sets, pairs, batches, and their checking."""

from dphr_lab._images import read_image
from dphr_lab.datasets.augment import (
    NO_AUGMENTATION,
    Augmentation,
    SampledAugmentation,
    SampledView,
    adjust_colour,
    apply,
    sample_augmentation,
)
from dphr_lab.datasets.batches import Batch, BatchReader, PairBatches, plan_batches
from dphr_lab.datasets.dataset import CrossViewDataset
from dphr_lab.datasets.images import ArrayImages, FileImages, Images, ImageSet, UnlabelledImages
from dphr_lab.datasets.layouts import (
    SUES200,
    FolderPairs,
    University1652,
    find_layout,
    open_dataset,
)
from dphr_lab.datasets.pairs import PairSet
from dphr_lab.datasets.rendered import PhotoTowns, TwinTowns
from dphr_lab.datasets.verification import PartCount, VerifyReport, verify
from dphr_lab.settings.protocol import sues200_split

__all__ = [
    "NO_AUGMENTATION",
    "SUES200",
    "ArrayImages",
    "Augmentation",
    "Batch",
    "BatchReader",
    "CrossViewDataset",
    "SampledAugmentation",
    "FileImages",
    "FolderPairs",
    "ImageSet",
    "Images",
    "PairBatches",
    "PairSet",
    "PartCount",
    "PhotoTowns",
    "TwinTowns",
    "University1652",
    "UnlabelledImages",
    "VerifyReport",
    "SampledView",
    "adjust_colour",
    "apply",
    "sample_augmentation",
    "find_layout",
    "open_dataset",
    "plan_batches",
    "read_image",
    "sues200_split",
    "verify",
]
