"""Micro-batches: the gradient of a large batch in the memory of a small one.

A loss over pairs needs the whole batch's embeddings at once, so its gradient is no sum over
micro-batches and plain accumulation trains on fewer negatives. Gradient caching keeps all of them:
embed without a graph, take the loss once, keep its gradient with respect to the embeddings, then
embed again with a graph, micro-batch by micro-batch, and pass each its part of that gradient on.
One more forward pass is the price.

Exact for encoders that treat each image by itself. Batch norm in training mode normalises each
micro-batch by itself (`freeze_batch_norm` ends that), and layers that draw, such as dropout, draw
for one micro-batch after the other: equal in law to the whole batch's draws, not number by number.
Source: Gao, Zhang, Han, Callan, "Scaling Deep Contrastive Learning Batch Size under Memory Limited
Setup", RepL4NLP 2021.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_flatten, tree_unflatten


def backward(
    encoder: nn.Module, images: Tensor, micro_batch: int, loss: Callable[[Tensor], Tensor]
) -> Tensor:
    """`loss(encoder(images)).backward()` with a graph of `micro_batch` images at a time.

    `images` (B, ...) -> the loss, a scalar without graph. `loss` maps the embeddings (B, D) to a
    scalar; gradients are added to those of `encoder` and of whatever else `loss` depends on.
    Raises ValueError when `micro_batch` is below 1.
    """
    parts = MicroBatches(encoder, images, micro_batch)
    z = parts.embed()
    value = loss(z)
    value.backward()
    parts.backward(z.grad)
    return value.detach()


class MicroBatches:
    """The two passes of `backward`, for loops with a loss scaler or several processes between.

    Mixed precision: `encoder` enters autocast by itself, once a call; an autocast around both
    passes would hand the second one the weights that the first has cast without a graph.
    Raises ValueError when `micro_batch`, in images, is below 1.
    """

    def __init__(self, encoder: nn.Module, images: Tensor, micro_batch: int):
        if micro_batch < 1:
            raise ValueError(f"micro_batch is {micro_batch}; expected 1 image or more")
        self.encoder = encoder
        self.parts = images.split(micro_batch)
        self.devices = [images.device] if images.is_cuda else []  # that draw, beside the CPU
        self.random_states: list[list[Tensor]] = []  # before each part
        self.leaves: list[Tensor] = []

    @torch.no_grad()
    def embed(self) -> Any:
        """First pass: what the encoder gives, (B, ...) each, leaves that will hold gradients.

        Embeddings (B, D), or tensors in tuples and dictionaries, of a host that gives more.
        Running statistics of the encoder stay as they are: they are the second pass's to move.
        """
        before = [buffer.clone() for buffer in self.encoder.buffers()]
        self.random_states = []
        outputs = []
        for part in self.parts:
            self.random_states.append(self._random_states())
            tensors, structure = tree_flatten(self.encoder(part))
            outputs.append(tensors)
        for buffer, value in zip(self.encoder.buffers(), before, strict=True):
            buffer.copy_(value)
        self.leaves = [torch.cat(rows).requires_grad_() for rows in zip(*outputs, strict=True)]
        return tree_unflatten(self.leaves, structure)

    def backward(
        self,
        gradient: Tensor | None = None,
        not_yet: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        """Second pass: add `gradient` (B, D), carried through the encoder, to its parameters'.

        None takes the gradients that the loss has left in the leaves of `embed`; a leaf without
        one took no part. Every part but the last runs within `not_yet()`: DDP's `no_sync`, so that
        processes exchange gradients once, however many parts each of them has.
        """
        wanted = [leaf.grad for leaf in self.leaves] if gradient is None else [gradient]
        sizes = [len(part) for part in self.parts]
        cut = [[None] * len(sizes) if rows is None else rows.split(sizes) for rows in wanted]
        with torch.random.fork_rng(self.devices):  # afterwards as the loss has left them
            for index, (part, *own) in enumerate(zip(self.parts, *cut, strict=True)):
                last = index == len(self.parts) - 1
                with nullcontext() if last else not_yet():
                    self._restore(self.random_states[index])
                    outputs, _ = tree_flatten(self.encoder(part))
                    used = [pair for pair in zip(outputs, own, strict=True) if pair[1] is not None]
                    torch.autograd.backward(*zip(*used, strict=True))

    def _random_states(self) -> list[Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in self.devices)]

    def _restore(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])
        for device, state in zip(self.devices, states[1:], strict=True):
            torch.cuda.set_rng_state(state, device)


def normalises_over_batch(module: nn.Module) -> bool:
    """Whether a batch-norm layer of `module` is in training mode: images depend on each other."""
    return any(isinstance(part, _BatchNorm) and part.training for part in module.modules())


def freeze_batch_norm(module: nn.Module) -> None:
    """Put the batch-norm layers of `module` into evaluation mode, to be done after each `train()`.

    They then normalise by their running statistics, which stay; scale and shift still learn.
    """
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.eval()
