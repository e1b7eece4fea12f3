"""From images to embeddings: encoders on timm backbones, their weights and their files."""

from dphr_lab.models.embedding import embed
from dphr_lab.models.encoder import Encoder
from dphr_lab.models.pooling import GeM
from dphr_lab.models.weights import PYPI_WEIGHTS, save_tensors

__all__ = ["PYPI_WEIGHTS", "Encoder", "GeM", "embed", "save_tensors"]
