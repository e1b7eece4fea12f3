"""The encoder: one timm backbone, shared by both views, from images to unit vectors.

Drone and satellite images pass through the same weights, as in the strongest common baselines, so
a query and its place can only meet if the network learns what does not depend on the view.

Taught in: book/01, book/09.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dphr_lab import __version__
from dphr_lab._files import read_json, write_json
from dphr_lab.models.backbone import build, check_size, check_timm, features
from dphr_lab.models.pooling import GeM
from dphr_lab.models.weights import (
    file_state,
    from_hub,
    load_exactly,
    pypi_state,
    read_state,
    save_tensors,
    weights_source,
)
from dphr_lab.results.run_folder import is_starter, selected_on_test
from dphr_lab.settings import POOLS
from dphr_lab.settings.checks import check_keywords

SETTINGS_FILE = "encoder.json"
WEIGHTS_FILE = "encoder.safetensors"
WIDEST = 65_536  # of an image's side, and of an embedding


class Encoder(nn.Module):
    """Images of either view to L2-normalised embeddings, by a timm backbone.

    `backbone`: any timm name, with or without a weights tag. `embed_dim`: width of a linear layer
    on top; None keeps the backbone's own width. `pool`: "avg" is the backbone's own pooling (the
    average of the feature map; class token or the like for transformers over tokens), "gem" a
    `GeM` over the feature map. `image_px`: the side the encoder is meant for; None takes the
    backbone's. Convolutional backbones accept other sizes, those of fixed input size do not.

    `pretrained` says where the backbone's weights come from: None (drawn at random), True, "hub" or
    a tag such as "fb_in22k_ft_in1k_384" (timm's weights, downloaded or from its cache), a path to a
    `.safetensors` or `.pth` state dict (what `weights.file_state` reads), or "pypi" (the ImageNet
    weights in the packages of `PYPI_WEIGHTS`, needing no download at run time).

    Raises ValueError for an unknown backbone or pool, for an `image_px` that the backbone does not
    take, and for weights that do not fit; FileNotFoundError
    for a missing file, ModuleNotFoundError for a missing weights package, and ConnectionError,
    naming what works without a network, when timm's weights cannot be had.

    `selected_on_test` says whether this encoder was chosen by test results, which makes no fair
    measurement. `save` writes it, `load` reads it, and every report of the encoder shows it.
    """

    kind = "plain"  # the name in `models.HOSTS`, and in encoder.json
    options: tuple[str, ...] = ()  # keywords of `Settings.host_options`
    undecayed: tuple[str, ...] = ()  # parameters that weight decay leaves alone

    def __init__(
        self,
        backbone: str,
        embed_dim: int | None = None,
        pretrained: str | Path | bool | None = None,
        pool: str = "avg",
        image_px: int | None = None,
    ):
        super().__init__()
        if pool not in POOLS:
            raise ValueError(f"pool is {pool!r}: expected one of {POOLS}")
        check_timm()
        if not timm.is_model(backbone):
            near = difflib.get_close_matches(backbone, timm.list_models(), n=3)
            raise ValueError(
                f"backbone is {backbone!r}, which timm {timm.__version__} does not know. "
                f"Near it: {near or 'nothing'}; timm.list_models() lists all"
            )
        source, backbone = weights_source(pretrained, backbone)
        published = timm.get_pretrained_cfg(backbone)
        self.image_px = image_px or published.input_size[-1]
        self.fixed_size = published.fixed_input_size
        size = self.image_px if self.fixed_size else None
        self.backbone_name, self.pool_name, self.embed_dim = backbone, pool, embed_dim
        self.backbone = from_hub(backbone, size) if source == "hub" else build(backbone, size)
        check_size(self.backbone, backbone, self.image_px)
        if source == "pypi":
            load_exactly(
                self.backbone, pypi_state(backbone, self.backbone), "the PyPI weights", backbone
            )
        elif isinstance(source, Path):
            state = file_state(source, self.backbone, published.classifier)
            load_exactly(self.backbone, state, str(source), backbone)

        self.pool = GeM() if pool == "gem" else None
        width = self.backbone.head_hidden_size
        self.head = nn.Linear(width, embed_dim) if embed_dim else nn.Identity()
        self.width = embed_dim or width  # D
        self.selected_on_test = False
        self.register_buffer("mean", torch.tensor(published.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(published.std).view(1, 3, 1, 1))
        self.to(memory_format=torch.channels_last)
        if self.pool is not None:
            self._check_feature_map()

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), uint8 or float in [0, 1], RGB -> (B, D) float32 of length 1.

        The input is normalised here. The output is float32 under autocast, too.
        """
        x = self.backbone.forward_features(self.normalised(images))
        if self.pool is not None:
            x = self._pool_to_1x1(x)
        x = self.backbone.forward_head(x, pre_logits=True)  # own norms stay; pools what is unpooled
        return F.normalize(self.head(x).float())

    def normalised(self, images: Tensor) -> Tensor:
        """Images as `forward` takes them -> float, as the backbone was trained to see them."""
        self._check_images(images)
        if images.dtype == torch.uint8:
            images = images.to(self.mean.dtype) / 255
        x = (images.to(self.mean.dtype) - self.mean) / self.std
        return x.contiguous(memory_format=torch.channels_last)

    def save(self, folder: Path | str, selected_on_test: bool | None = None) -> None:
        """Write `encoder.safetensors` and `encoder.json` into `folder`, made when missing.

        `selected_on_test` None is what the encoder says of itself.
        """
        stamp = self.selected_on_test if selected_on_test is None else selected_on_test
        folder = Path(folder)
        save_tensors(self.state_dict(), folder / WEIGHTS_FILE)
        record = {"kind": self.kind} | self.settings()
        record |= {"selected_on_test": stamp, "dphr_lab": __version__}
        write_json(folder / SETTINGS_FILE, record)

    def settings(self) -> dict:
        """What `Encoder` must be given to build this architecture again; JSON's own types."""
        return {
            "backbone": self.backbone_name,
            "embed_dim": self.embed_dim,
            "pool": self.pool_name,
            "image_px": self.image_px,
        }

    @classmethod
    def load(cls, folder: Path | str) -> "Encoder":
        """The encoder that `save` wrote into `folder`, on the CPU, in evaluation mode.

        A file that ends in .onnx gives an `OnnxEncoder`, which has the same embeddings. "starter"
        is the encoder that comes with the package, where no folder of that name stands here.

        Its class is the one that `models.HOSTS` has for the file's "kind"; a file without that
        field is of before there were kinds, and "plain". Where it does not say whether the encoder
        was selected on the test set, the run that the folder belongs to does. Raises
        FileNotFoundError when a file is missing, and ValueError when a file is damaged or asks for
        what this version does not have, when the weights are not those of the backbone in the JSON
        (naming missing and unexpected ones), and when they are not finite.
        """
        from dphr_lab.models.hosts import HOSTS  # which imports this module

        folder = Path(folder)
        if folder.suffix == ".onnx":
            from dphr_lab.models.onnx_encoder import OnnxEncoder

            return OnnxEncoder(folder)
        if is_starter(folder):
            from dphr_lab.models import starter

            folder = starter.FOLDER
        for name in (SETTINGS_FILE, WEIGHTS_FILE):
            if not (folder / name).is_file():
                there = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else "no folder"
                raise FileNotFoundError(
                    f"{folder / name} is missing: a folder written by Encoder.save holds "
                    f"{SETTINGS_FILE} and {WEIGHTS_FILE}; found {there}"
                )
        settings = read_json(folder / SETTINGS_FILE, "the settings of an encoder")
        version = settings.pop("dphr_lab", "unknown")
        stamp = settings.pop("selected_on_test", None)  # older files lack it
        stamp = selected_on_test(folder) if stamp is None else stamp
        if not isinstance(stamp, bool):
            raise ValueError(
                f"{folder / SETTINGS_FILE}: selected_on_test is {stamp!r}; expected true or false"
            )
        kind = settings.pop("kind", cls.kind)
        if not isinstance(kind, str) or kind not in HOSTS:
            raise ValueError(
                f"{folder / SETTINGS_FILE}: kind is {kind!r}, written by dphr_lab {version}; "
                f"this is {__version__} and knows {', '.join(HOSTS)}"
            )
        try:
            for name in ("image_px", "embed_dim"):
                _check_width(name, settings.get(name))
            encoder = HOSTS[kind](**settings)
        except (TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
            raise ValueError(
                f"{folder / SETTINGS_FILE} holds other settings than can be built here ({error}); "
                f"it was written by dphr_lab {version}, this is {__version__}"
            ) from error
        path = folder / WEIGHTS_FILE
        state = read_state(path)
        told = f"{path}, of which {SETTINGS_FILE} tells,"
        load_exactly(encoder, state, told, settings["backbone"])
        state = encoder.state_dict()  # as the encoder holds them, whatever a file stores them in
        if wrong := [name for name, value in state.items() if not value.isfinite().all()]:
            raise ValueError(
                f"{path}: {len(wrong)} of its weights are NaN or infinite, such as {wrong[0]}: the "
                "training diverged; take an earlier checkpoint, or train with a smaller rate"
            )
        encoder.selected_on_test = stamp
        return encoder.eval()

    @classmethod
    def with_options(cls, options: dict[str, Any], **given: Any) -> "Encoder":
        """`cls(**given, **options)`; ValueError that begins with host_options for a wrong one."""
        cls.check_options(options)
        return cls(**given, **options)

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Raise ValueError for names that are none of this kind's, and values of another type."""
        if unknown := sorted(set(options) - set(cls.options)):
            raise ValueError(
                f"host_options: found {', '.join(unknown)}; the host {cls.kind!r} takes "
                f"{', '.join(cls.options) or 'none'}"
            )
        check_keywords("host_options", cls, options)

    def training_outputs(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What a training step asks for: (2 b, 3, H, W) -> (z, further).

        `images` are b drone images, then their b satellite images. `z` (2 b, D) are the embeddings,
        float32 of length 1, that a pair loss compares. `further` has by name what `host_loss`
        takes, each tensor (2 b, ...) with a row an image; an encoder without a loss of its own has
        none. Whatever a host learns takes part here, none of it in `host_loss`: then micro-batches
        and processes need to know of no host.
        """
        return self(images), {}

    def host_loss(self, further: dict[str, Tensor], places: Tensor) -> Tensor | None:
        """The host's own loss of a batch, a scalar; None for an encoder that has none.

        `further` is that of `training_outputs` for the 2 B images of a whole batch, rows of all
        processes together: its B drone images, then its B satellite images. Row i and row B + i
        are a pair, but for the sampler "unpaired". `places` (2 B,) int64 labels the rows.
        """
        return None

    def _check_images(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images has shape {tuple(images.shape)}: expected (B, 3, H, W)")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images is {images.dtype}: expected uint8, or float in [0, 1]")
        height, width = images.shape[2:]
        if self.fixed_size and (height, width) != (self.image_px, self.image_px):
            raise ValueError(
                f"images are {(height, width)}, but {self.backbone_name} was built for "
                f"{(self.image_px, self.image_px)}: resize them, or build the Encoder with their "
                "size as image_px"
            )
        if height == width and not torch.compiler.is_compiling():
            check_size(self.backbone, self.backbone_name, height)

    def _check_feature_map(self) -> None:
        shape = tuple(features(self.backbone, self.image_px).shape)
        if len(shape) != 4:
            raise ValueError(
                f"pool is 'gem', but {self.backbone_name} gives tokens of shape {shape}, "
                "not a feature map (B, C, H, W): use pool='avg'"
            )

    def _pool_to_1x1(self, x: Tensor) -> Tensor:
        if getattr(self.backbone, "output_fmt", "NCHW") == "NHWC":
            return self.pool(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.pool(x)  # (B, C, H, W) -> (B, C, 1, 1): what the head averages next


def _check_width(name: str, value: object) -> None:
    """Raise ValueError unless a file's number of pixels or of columns can be one."""
    if value is not None and not (type(value) is int and 1 <= value <= WIDEST):
        raise ValueError(f"{name} is {value!r}; expected a whole number, 1 to {WIDEST:,}")
