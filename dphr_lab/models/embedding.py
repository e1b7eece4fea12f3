"""Images as embeddings, and where they are computed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dphr_lab.models.encoder import Encoder


def default_device() -> str:
    """ "cuda" where torch finds a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


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

    `images` are `datasets.Images`, or whatever else has a length and
    `.read(indices, image_px) -> uint8 (n, 3, px, px)`; labels are not asked for. `image_px` None is
    the encoder's own, `batch_size` None as many images as make 256 of 128 px, 256 at most.
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
