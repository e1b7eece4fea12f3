"""From images to embeddings: encoders on timm backbones, their weights and their files."""

from dphr_lab.models.embedding import default_device, embed
from dphr_lab.models.encoder import Encoder
from dphr_lab.models.fingerprint import fingerprint
from dphr_lab.models.hosts import HOSTS
from dphr_lab.models.lpn import LPN
from dphr_lab.models.mccg import MCCG
from dphr_lab.models.onnx_encoder import OnnxEncoder
from dphr_lab.models.onnx_export import export
from dphr_lab.models.peers import convert
from dphr_lab.models.pooling import GeM
from dphr_lab.models.sample4geo import Sample4Geo
from dphr_lab.models.weights import PYPI_WEIGHTS, save_tensors

__all__ = [
    "HOSTS",
    "LPN",
    "MCCG",
    "PYPI_WEIGHTS",
    "Encoder",
    "GeM",
    "OnnxEncoder",
    "Sample4Geo",
    "convert",
    "default_device",
    "embed",
    "export",
    "fingerprint",
    "save_tensors",
]
