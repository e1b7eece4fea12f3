"""One process, or several that share every batch: Accelerate, and what keeps a step exact.

Each process embeds its own slice of a batch, and the step is that of one process with all of it:

* Every process takes the loss of the whole batch, and has its gradient for the own rows only
  (`pair_loss`, `host_loss`).
* DDP averages gradients over processes where their sum is wanted, so `backward` multiplies the
  loss by the number of processes.
* The loss's own parameters have their whole gradient on every process, so `undo_factor` divides
  theirs by that number.

Of one process these are the plain loss and its plain gradient.
"""

import os
from typing import Any

import torch
from torch import Tensor, nn

from dphr_lab.losses.processes import gather_rows
from dphr_lab.models import Encoder, default_device, embed
from dphr_lab.training.passes import Outputs


class Processes:
    """The processes of a run, as this one sees them.

    count, rank   how many there are, and which this is
    main          whether this one writes and prints
    device        where it computes
    accelerator   Hugging Face's, which found all that out
    """

    def __init__(self, mixed_precision: str):
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state()  # else a second run here could not change its precision
        started = int(os.environ.get("WORLD_SIZE", "1"))  # as torchrun says
        on_cpu = started > 1 and default_device() == "cpu"  # else each would train by itself
        self.accelerator = Accelerator(mixed_precision=mixed_precision, cpu=on_cpu)
        self.count = self.accelerator.num_processes
        self.rank = self.accelerator.process_index
        self.main = self.accelerator.is_main_process
        self.device = self.accelerator.device

    def pair_loss(self, loss: nn.Module, own: Outputs) -> Tensor:
        """A pair loss of the whole batch, a scalar, from this process's rows."""
        rows = (own.z_drone, own.z_satellite, own.places)
        if getattr(loss, "across_processes", False):  # it puts the rows together by itself
            return loss(*rows)
        return loss(*map(gather_rows, rows))

    def host_loss(self, encoder: Encoder, own: Outputs) -> Tensor | None:
        """The encoder's own loss of the whole batch, a scalar; None for one that has none."""
        if not own.further:
            return None

        def whole(drone: Tensor, satellite: Tensor) -> Tensor:  # (b, ...) each -> (2 B, ...)
            return torch.cat([gather_rows(drone), gather_rows(satellite)])

        further = {name: whole(*rows.split(len(own.places))) for name, rows in own.further.items()}
        return encoder.host_loss(further, whole(own.places, own.satellite_places))

    def backward(self, loss: Tensor) -> None:
        """Gradients of the whole batch's loss, scaled where fp16 wants it."""
        self.accelerator.backward(loss * self.count)

    def undo_factor(self, loss: nn.Module) -> None:
        """Take `backward`'s factor out of the gradients of the loss's own parameters."""
        for parameter in loss.parameters():
            parameter.grad /= self.count

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true in any process."""
        if self.count == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        return bool(self.accelerator.reduce(flags, "sum").item())

    def from_main(self, value: Any) -> Any:
        """The main process's `value`, in every process."""
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def from_all(self, own: Tensor) -> Tensor:
        """(n,) of each process -> (count, n) in every process, on the CPU."""
        return self.accelerator.gather(own[None].to(self.device)).cpu()

    def embed(self, encoder: Encoder, images) -> Tensor:
        """`models.embed`, in the precision of training."""
        with self.accelerator.autocast():
            return embed(encoder, images)

    def wait(self) -> None:
        """Wait until every process is here."""
        self.accelerator.wait_for_everyone()


def batch_recall(own: Outputs) -> float:
    """Share of the batch's drone rows whose nearest satellite row in it is of their place."""
    with torch.no_grad():
        nearest = (own.z_drone @ gather_rows(own.z_satellite).T).argmax(1)
        right = gather_rows(own.satellite_places)[nearest] == own.places
        return gather_rows(right.float()).mean().item()
