"""Rows of a batch that is spread over processes, put together with exact gradients."""

import torch
import torch.distributed as dist
from torch import Tensor


def gather_rows(own: Tensor) -> Tensor:
    """Every process's rows, in the order of ranks; this process's own keep their graph.

    `own` (b, ...) -> (B, ...), b of any size on each rank. One process: `own` itself. All ranks
    must call it together.

    The other ranks' rows are constants, so a loss of the result has here the gradient of the own
    rows only, and the *sum* of the processes' parameter gradients is that of one process with the
    whole batch. Where they are averaged, as by DDP, multiply the loss by the number of processes.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return own
    world, rank = dist.get_world_size(), dist.get_rank()
    counts = [torch.zeros(1, dtype=torch.long, device=own.device) for _ in range(world)]
    dist.all_gather(counts, torch.tensor([len(own)], device=own.device))
    counts = [int(count) for count in counts]
    padded = own.new_zeros((max(counts), *own.shape[1:]))  # all_gather wants equal shapes
    padded[: len(own)] = own.detach()
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded)
    parts = [part[:count] for part, count in zip(parts, counts, strict=True)]
    parts[rank] = own
    return torch.cat(parts)
