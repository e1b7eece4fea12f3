"""A timm backbone: how it is built, and which sizes of images it takes."""

import re

import timm
import torch
from torch import Tensor, nn

STEPS = (32, 16, 14, 64)  # sides that backbones count in: whole patches, windows, halvings
OLDEST_TIMM = "1.0.21"  # as pyproject.toml bounds it
_TAKEN: set[tuple[str, int]] = set()  # (backbone, px) that were tried in this process


def check_timm() -> None:
    """Raise ValueError for a timm that was installed beside what pyproject.toml asks for."""
    found, oldest = (_numbers(version) for version in (timm.__version__, OLDEST_TIMM))
    if found < oldest:
        raise ValueError(
            f"timm {timm.__version__} is installed, and dphr-lab needs {OLDEST_TIMM} or newer: "
            "pip install --upgrade timm"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def build(name: str, image_px: int | None = None) -> nn.Module:
    """timm's `name` without weights or classifier; `image_px` is for those of fixed input size.

    Raises ValueError for a size that it cannot be built for.
    """
    if image_px is None:
        return timm.create_model(name, pretrained=False, num_classes=0)
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, img_size=image_px)
    except Exception as error:  # whatever its windows and patches make of it
        raise _wrong_size(name, image_px, error, _published_px(name)) from error


def check_size(backbone: nn.Module, name: str, image_px: int) -> None:
    """Raise ValueError, which names a size that works, if images of `image_px` are none it takes.

    Tried once in a process, with one empty image.
    """
    if (name, image_px) in _TAKEN:
        return
    if (error := _refusal(backbone, image_px)) is None:
        _TAKEN.add((name, image_px))
        return
    near = {(image_px // step + up) * step for step in STEPS for up in (0, 1)} - {0, image_px}
    sizes = [*sorted(near, key=lambda px: abs(px - image_px)), _published_px(name)]
    fixed = timm.get_pretrained_cfg(name).fixed_input_size
    fits = next((px for px in sizes if _fits(name, px, None if fixed else backbone)), None)
    raise _wrong_size(name, image_px, error, fits) from error


@torch.no_grad()
def features(backbone: nn.Module, px: int) -> Tensor:
    """What the backbone makes of one empty image, before any pooling; it keeps its mode."""
    modes = [(part, part.training) for part in backbone.modules()]
    like = next(backbone.parameters())
    image = torch.zeros(1, 3, px, px, device=like.device, dtype=like.dtype)
    try:
        return backbone.eval().forward_features(image)
    finally:
        for part, training in modes:
            part.training = training


def _refusal(backbone: nn.Module, px: int) -> Exception | None:
    """What a backbone raises at images of `px`, whatever that is; None if it takes them."""
    try:
        features(backbone, px)
    except Exception as error:
        return error
    return None


def _fits(name: str, px: int, backbone: nn.Module | None) -> bool:
    """Whether a size is taken: by `backbone`, or by one that is built for it."""
    try:
        return _refusal(backbone or build(name, px), px) is None
    except ValueError:
        return False


def _published_px(name: str) -> int:
    return timm.get_pretrained_cfg(name).input_size[-1]


def _wrong_size(name: str, px: int, error: Exception, fits: int | None) -> ValueError:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    to_do = f"; give one such as {fits}" if fits else ""
    return ValueError(
        f"image_px is {px}, and the backbone {name!r} takes no images of that size ({why}){to_do}"
    )
