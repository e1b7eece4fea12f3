"""What a training step takes: memory and arithmetic, counted without a GPU.

The encoder's forward pass is traced on tensors that have shapes and no values
(`torch._subclasses.FakeTensorMode`), as on a GPU and in the run's precision. Every tensor that
autograd keeps for the backward pass is counted once, by its storage. Beside these a step holds the
weights, their gradients and the optimiser's moments.

Not counted: the CUDA context and cuDNN's work space (about half a GiB to one), what the allocator
cannot use, and the loss's B x B matrices, which are small beside the encoder's activations.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from dphr_lab.models import Encoder
from dphr_lab.settings import Settings
from dphr_lab.settings.protocol import PUBLISHED, UNIVERSITY1652
from dphr_lab.training.objectives import make_encoder

HALF = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}
MOMENTS = {
    "adamw": 2,
    "sgd": 1,
    "nesterov": 1,
}  # tensors of the parameters' size that the optimiser keeps
CARD_SHARE = 0.85  # of a card that an estimate may fill: what is not counted needs the rest [O]
MIB, GIB = 2**20, 2**30


@dataclass(frozen=True)
class StepCost:
    """What one optimiser step takes; bytes and floating-point operations."""

    weights: int  # parameters and buffers
    gradients: int
    moments: int  # the optimiser's
    activations: int  # kept for the backward pass: of one micro-batch, or of the batch
    working: int  # twice the largest activation: room for one layer's backward pass
    flops: float  # of a step: forward and backward, and the micro-batches' second forward pass

    @property
    def peak(self) -> int:
        """Bytes at the moment when all of it is there."""
        return self.weights + self.gradients + self.moments + self.activations + self.working

    def fits(self, card_gb: float) -> bool:
        """Whether it fits on a card of so many GiB, leaving `1 - CARD_SHARE` of it free."""
        return self.peak <= CARD_SHARE * card_gb * GIB

    def __str__(self) -> str:
        parts = {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimiser": self.moments,
            "activations": self.activations,
            "at work": self.working,
        }
        listed = ", ".join(f"{name} {size / MIB:,.0f}" for name, size in parts.items())
        return f"{self.peak / MIB:,.0f} MiB ({listed})"


def step_cost(settings: Settings, encoder: Encoder | None = None, device: str = "cuda") -> StepCost:
    """What a step of these settings takes in one process, by counting.

    `encoder` saves building one; `device` "cuda" or "cpu" decides which kernels, and so which
    tensors, are counted: none of them runs. Raises what `make_encoder` raises, and ValueError for
    a device that `can_count` says no to.
    """
    if encoder is None:
        classes = range(PUBLISHED[UNIVERSITY1652]["train/drone"][0])  # where a host has some
        encoder = make_encoder(settings.changed(pretrained=None), classes)
    pairs = min(settings.micro_batch or settings.batch, settings.batch)
    precision = HALF[settings.mixed_precision]
    activations, largest, flops = count_activations(
        encoder.train(), 2 * pairs, settings.image_px, precision, device
    )
    trained = sum(p.numel() * p.element_size() for p in encoder.parameters())
    buffers = sum(b.numel() * b.element_size() for b in encoder.buffers())
    passes = 3 if pairs == settings.batch else 4  # a backward pass is two forward ones
    return StepCost(
        weights=trained + buffers,
        gradients=trained,
        moments=MOMENTS[settings.optimizer] * trained,
        activations=activations,
        working=2 * largest,
        flops=passes * flops * settings.batch / pairs,
    )


def count_activations(
    encoder: nn.Module, images: int, image_px: int, half: torch.dtype | None, device: str
) -> tuple[int, int, float]:
    """(bytes kept for backward, the largest tensor's, flops) of a forward pass of `images`.

    `half`: the precision of autocast, None for float32. Nothing is computed. Raises ValueError for
    a device that `can_count` says no to.
    """
    if not can_count(device):
        raise ValueError(
            f"torch {torch.__version__} asks for a GPU even where nothing is computed, and found "
            "none: count with device='cpu', or install a newer torch"
        )
    held: dict[int, torch.Tensor] = {}
    with FakeTensorMode(allow_non_fake_inputs=True), _autocast(device, half):
        state = {
            name: torch.empty_strided(
                t.shape, t.stride(), dtype=t.dtype, device=device, requires_grad=t.requires_grad
            )
            for name, t in [*encoder.named_parameters(), *encoder.named_buffers()]
        }
        batch = torch.empty((images, 3, image_px, image_px), dtype=torch.uint8, device=device)
        with FlopCounterMode(display=False) as counter, kept_for_backward(held):
            torch.func.functional_call(encoder, state, (batch,))
        own = {_storage(t) for t in state.values()}
        sizes = [t.untyped_storage().nbytes() for key, t in held.items() if key not in own]
    return sum(sizes), max(sizes, default=0), float(counter.get_total_flops())


def can_count(device: str) -> bool:
    """Whether steps of a device can be counted here; a GPU's without one, unless torch is old."""
    stands_in = hasattr(torch._C, "_ensureCUDADeviceGuardSet")  # for a driver that is missing
    return device != "cuda" or stands_in or torch.cuda.is_available()


@contextmanager
def kept_for_backward(held: dict[int, torch.Tensor]) -> Iterator[None]:
    """Note in `held` every storage that autograd keeps, by a key of it: a tensor that views it."""

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        held[_storage(tensor)] = tensor  # held, so that its key is not given to another
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


@contextmanager
def _autocast(device: str, half: torch.dtype | None) -> Iterator[None]:
    # by torch's inner switches: torch.autocast("cuda") switches itself off where no GPU is
    if half is None:
        yield
        return
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, half)
    try:
        yield
    finally:
        torch.set_autocast_enabled(device, False)
        torch.clear_autocast_cache()
