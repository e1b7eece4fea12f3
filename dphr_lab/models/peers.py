"""Weights that a peer's own code wrote, as a host's files here.

Assumed of the public codes, by their state as read in November 2026 [S]; the names are all that is
taken from them:

* Sample4Geo (Skyy93/Sample4Geo): `model.<timm's names>` and `logit_scale`.
* MCCG (mode-str/crossview): `model_1.convnext.<the ConvNeXt authors' names>`, with a head that
  nothing uses; `model_1.tri_layer.cw|hc.conv.conv|bn`; `model_1.classifier1` (the global part) and
  `model_1.classifier_mcb1|2` (the parts gated along height and width), each `add_block.0` (linear),
  `add_block.1` (batch norm), `classifier.0`.
* LPN (wtyhub/LPN, its three-view network for University-1652): `model_1.model.<torchvision's
  ResNet>` for satellite images, `model_2` for street images (left out), `model_3` for drone
  images, equal to `model_1` where both share their weights; `classifier<i>`, i = 0 the innermost
  ring. Nothing in the file says that the last stage's stride was 1, so that is taken from the
  options (1 unless given).

Which class is which place is in none of these files: the classifiers are kept, their places are
unknown, and training them further is refused.
"""

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor

from dphr_lab._child import run_reader
from dphr_lab._files import write_json
from dphr_lab._locks import only_writer
from dphr_lab.models.lpn import LPN
from dphr_lab.models.mccg import MCCG
from dphr_lab.models.sample4geo import Sample4Geo
from dphr_lab.models.weights import load_exactly

CONVERTED = "converted.json"  # beside the encoder's files: where they come from
READER = Path(__file__).with_name("_torch_file.py")


def convert(
    file: Path | str,
    out: Path | str,
    host: str,
    backbone: str | None = None,
    image_px: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a peer's weights into the folder `out` as a host's files; returns what was done.

    `host` is "sample4geo", "mccg" or "lpn"; `backbone` and `image_px` None are the published ones;
    `options` go to the host's class. The file may have DataParallel's or torch.compile's prefixes
    and may lie in a training checkpoint. It is read in a child process that runs no code of it.
    Raises FileNotFoundError for no file, FileExistsError where `out` holds an encoder already, and
    ValueError that says what was found for a file of another host, backbone or code.
    """
    file, out = Path(file), Path(out)
    if host not in PEERS:
        raise ValueError(f"host is {host!r}: expected one of {', '.join(PEERS)}")
    _check_free(out)
    build, published_backbone, published_px = PEERS[host]
    backbone, image_px = backbone or published_backbone, image_px or published_px
    state = read_torch_file(file)
    encoder, renamed, left_out = build(
        _Names(file, host, state), backbone, image_px, dict(options or {})
    )
    own = encoder.state_dict()
    kept = {name: own[name] for name in ("mean", "std", "class_places") if name in own}
    if host != "sample4geo":  # which takes timm's pixel statistics; the others have ImageNet's
        for name, values in (("mean", IMAGENET_DEFAULT_MEAN), ("std", IMAGENET_DEFAULT_STD)):
            kept[name] = torch.tensor(values).view(1, 3, 1, 1)
    load_exactly(encoder, renamed | kept, f"{file}, read as {host},", backbone)
    if wrong := [name for name, value in renamed.items() if not value.isfinite().all()]:
        raise ValueError(f"{file}: {len(wrong)} of its weights are not finite, such as {wrong[0]}")
    record = {
        "file": file.name,
        "host": host,
        "backbone": backbone,
        "image_px": image_px,
        "tensors": len(renamed),
        "left_out": left_out,
        "parameters": sum(p.numel() for p in encoder.parameters()),
    }
    with only_writer(out):
        _check_free(out)
        encoder.save(out)
        write_json(out / CONVERTED, record)
    return record


def _check_free(out: Path) -> None:
    """Raise FileExistsError for an encoder, or a file of such a name, in the folder."""
    there = [n for n in ("encoder.json", "encoder.safetensors", CONVERTED) if (out / n).exists()]
    if there:
        raise FileExistsError(
            f"out: found another encoder in {out} ({', '.join(there)}); give another folder"
        )


def read_torch_file(file: Path | str) -> dict[str, Tensor]:
    """The tensors of a .pth, .pt or .safetensors file, read in a child process, no code of it run.

    Raises FileNotFoundError, and ValueError naming what was found in their place.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    with tempfile.TemporaryDirectory() as folder:
        tensors = Path(folder).resolve() / "tensors.safetensors"
        run_reader(READER, file, tensors)
        return load_file(tensors)


class _Names:
    """A peer's tensors by name, to be taken one group after the other."""

    def __init__(self, file: Path, host: str, state: dict[str, Tensor]):
        self.file, self.host, self.state = file, host, state

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose name begins so, without that beginning; they are taken away."""
        found = {n: v for n, v in self.state.items() if n.startswith(prefix)}
        for name in found:
            del self.state[name]
        return {name.removeprefix(prefix): value for name, value in found.items()}

    def need(self, prefix: str) -> dict[str, Tensor]:
        """`under`, raising ValueError where there is none."""
        if not any(name.startswith(prefix) for name in self.state):
            found = ", ".join(sorted(self.state)[:3])
            raise ValueError(
                f"{self.file} is not of the public {self.host} code: expected names that begin "
                f"with {prefix!r}, found {len(self.state)} such as {found or 'none'}"
            )
        return self.under(prefix)

    def finish(self) -> None:
        """Raise ValueError unless all has been taken."""
        if self.state:
            raise ValueError(
                f"{self.file} is not of the public {self.host} code: {len(self.state)} of its "
                f"tensors have no place in it, such as {', '.join(sorted(self.state)[:3])}"
            )


def _sample4geo(names: _Names, backbone: str, image_px: int, options: dict[str, Any]):
    renamed = {f"backbone.{n}": v for n, v in names.need("model.").items()}
    renamed["logit_scale"] = names.need("logit_scale")[""]
    names.finish()
    return Sample4Geo.with_options(options, backbone=backbone, image_px=image_px), renamed, []


def _mccg(names: _Names, backbone: str, image_px: int, options: dict[str, Any]):
    convnext = names.need("model_1.convnext.")
    unused = sorted(name for name in convnext if name.startswith("head."))
    last_norm = {f"norm.{kind}": convnext.pop(f"norm.{kind}") for kind in ("weight", "bias")}
    renamed = last_norm | {
        f"backbone.{_timm_convnext(name)}": value
        for name, value in convnext.items()
        if name not in unused
    }
    left_out = [f"model_1.convnext.{name}" for name in unused]
    for theirs, ours in (("cw", "gate_height"), ("hc", "gate_width")):
        gate = names.need(f"model_1.tri_layer.{theirs}.")
        kinds = (("conv.conv.", "conv."), ("conv.bn.", "norm."))
        renamed |= {f"{ours}.{_swapped(name, kinds)}": value for name, value in gate.items()}
    blocks = ("classifier1", "classifier_mcb1", "classifier_mcb2")
    classes, shapes = _parts(names, [f"model_1.{block}." for block in blocks], renamed)
    left_out += [f"model_2.{name}" for name in names.under("model_2.")]  # the street view's
    names.finish()
    given = {"backbone": backbone, "image_px": image_px, "classes": classes}
    return MCCG.with_options(shapes | options, **given), renamed, left_out


def _lpn(names: _Names, backbone: str, image_px: int, options: dict[str, Any]):
    satellite, drone = names.need("model_1.model."), names.need("model_3.model.")
    if any(not torch.equal(satellite[n], drone[n]) for n in satellite.keys() & drone.keys()):
        raise ValueError(
            f"{names.file}: its networks for satellite (model_1) and drone images (model_3) "
            "differ; a host here has one for both (LPN's flag --share)"
        )
    left_out = [f"model_1.model.{name}" for name in satellite if name.startswith("fc.")]
    left_out += [f"model_3.model.{name}" for name in drone]
    left_out += [f"model_2.{name}" for name in names.under("model_2.")]
    renamed = {f"backbone.{n}": v for n, v in satellite.items() if not n.startswith("fc.")}
    rings = len({n.partition(".")[0] for n in names.state if re.match(r"classifier\d+\.", n)})
    blocks = [f"classifier{ring}." for ring in reversed(range(rings))]  # outermost first
    classes, shapes = _parts(names, blocks or ["classifier0."], renamed)
    names.finish()
    options = {"rings": rings, "last_stride": 1} | shapes | options
    given = {"backbone": backbone, "image_px": image_px, "classes": classes}
    return LPN.with_options(options, **given), renamed, left_out


# host -> (what builds it and renames, the published backbone, the published image size)
PEERS: dict[str, tuple[Callable, str, int]] = {
    "sample4geo": (_sample4geo, "convnext_base.fb_in22k_ft_in1k_384", 384),
    "mccg": (_mccg, "convnext_tiny.fb_in22k_ft_in1k", 256),
    "lpn": (_lpn, "resnet50", 256),
}


def _parts(names: _Names, blocks: list[str], renamed: dict[str, Tensor]) -> tuple[int, dict]:
    """Rename every part's block into `renamed`; returns the classes, and options of the host."""
    kinds = (
        ("add_block.0.", "linear."),
        ("add_block.1.", "norm."),
        ("classifier.0.", "classifier."),
    )
    for part, block in enumerate(blocks):
        layers = names.need(block)
        renamed |= {
            f"part_heads.{part}.{_swapped(name, kinds)}": value for name, value in layers.items()
        }
    classes = renamed.get("part_heads.0.classifier.weight")
    if classes is None or classes.ndim != 2:
        raise ValueError(f"{names.file}: {blocks[0]}classifier.0.weight is missing, or no matrix")
    return len(classes), {"part_dim": classes.shape[1]}


def _swapped(name: str, beginnings: tuple[tuple[str, str], ...]) -> str:
    for old, new in beginnings:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _timm_convnext(name: str) -> str:
    """A name of the ConvNeXt authors' code as timm has it."""
    name = re.sub(r"^downsample_layers\.0\.", "stem.", name)
    name = re.sub(r"^downsample_layers\.(\d+)\.", r"stages.\1.downsample.", name)
    name = re.sub(r"^stages\.(\d+)\.(\d+)\.", r"stages.\1.blocks.\2.", name)
    return name.replace(".dwconv.", ".conv_dw.").replace(".pwconv", ".mlp.fc")
