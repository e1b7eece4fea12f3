"""A batch whose rows are spread over processes: put together, or summed, with exact gradients."""

from __future__ import annotations

from dataclasses import dataclass

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
    `DPHRLoss` and `TripletLoss` with `across_processes` take the own rows, ungathered, to the same
    end, and share the work.
    """
    return Spread.over_processes(own).gather(own)


@dataclass(frozen=True)
class Spread:
    """Which of a batch's rows each process holds, in the order of ranks."""

    counts: tuple[int, ...]  # rows of each process; one number: all rows are here
    rank: int = 0

    @classmethod
    def over_processes(cls, own: Tensor) -> Spread:
        """Of a batch of which this process holds `own` (b, ...); all ranks must call together."""
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return cls((own.shape[0],))
        counts = [own.new_zeros(1, dtype=torch.long) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, counts[0].new_full((1,), len(own)))
        return cls(tuple(int(count) for count in counts), dist.get_rank())

    @property
    def several(self) -> bool:
        """Whether other processes hold rows too."""
        return len(self.counts) > 1

    @property
    def rows(self) -> int:
        """How many rows the batch has."""
        return sum(self.counts)

    @property
    def first(self) -> int:
        """The place of this process's first row among all."""
        return sum(self.counts[: self.rank])

    def gather(self, own: Tensor) -> Tensor:
        """(b, ...) of each process -> (B, ...); this process's own rows keep their graph."""
        if not self.several:
            return own
        padded = own.new_zeros((max(self.counts), *own.shape[1:]))  # equal shapes are wanted
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in self.counts]
        dist.all_gather(parts, padded)
        parts = [part[:count] for part, count in zip(parts, self.counts, strict=True)]
        parts[self.rank] = own
        return torch.cat(parts)

    def sum_(self, values: Tensor) -> Tensor:
        """`values`, in place, summed over processes."""
        if self.several:
            dist.all_reduce(values)
        return values

    def min_(self, values: Tensor) -> Tensor:
        """`values`, in place, the least of all processes. NaN becomes -inf, so that it is kept."""
        if self.several:
            values.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
            dist.all_reduce(values, dist.ReduceOp.MIN)
        return values
