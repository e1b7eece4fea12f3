"""A look before a run: counts, a memory estimate, a step done for real; writes nothing."""

import math
import time
from dataclasses import dataclass

import torch

from dphr_lab.settings import Settings
from dphr_lab.training.peak_memory import Peak, peak_memory
from dphr_lab.training.run import Run
from dphr_lab.training.step_cost import MIB, StepCost, step_cost

NOTICED = 0.1  # of a step: what it may wait for its images before that is said


@dataclass(frozen=True)
class DryRun:
    """What `dry_run` found."""

    settings: Settings  # with the steps that epochs gave
    device: str
    places: int  # trained on
    held_out_places: int
    pairs: int  # of the places trained on
    batches: int  # of the first epoch
    left_out: int  # pairs that the first epoch leaves out
    processes: int
    cost: StepCost  # counted
    peak: Peak  # measured
    read_s: float  # reading and augmenting the first batch, in this process
    step_s: float  # a step; on a CPU the first, what is set up once included
    loss: float

    @property
    def wait_s(self) -> float:
        """What a step waits for its images: workers read while the step before is computed."""
        if self.settings.workers == 0:
            return self.read_s
        return max(0.0, self.read_s / self.settings.workers - self.step_s)

    def __str__(self) -> str:
        s, cost, peak = self.settings, self.cost, self.peak
        batch = f"{s.batch} pairs" + (
            f" in micro-batches of {s.micro_batch}" if s.micro_batch else ""
        )
        measured = peak.how
        if peak.growth is not None:
            measured = (
                f"the step added {peak.growth / MIB:,.0f} MiB to a peak of "
                f"{peak.total / MIB:,.0f} MiB ({peak.how})"
            )
        first = ", what is set up once included" if self.device == "cpu" else ""
        minutes = s.steps * (self.step_s + self.wait_s) / 60
        waits = []
        if self.wait_s > NOTICED * self.step_s:
            needed = math.ceil(self.read_s / self.step_s)
            waits = [
                f"reading      too slow: a step waits {self.wait_s:.2f} s for its images with "
                f"--workers {s.workers}; {needed}, each with a core of its own, would keep up"
            ]
        return "\n".join(
            (
                f"trained on   {self.places:,} places, {self.pairs:,} pairs; "
                f"{self.held_out_places:,} places held out",
                f"batches      {self.batches:,} an epoch of {batch} over {self.processes} "
                f"process(es); {self.left_out:,} pairs left out",
                f"steps        {s.steps:,}, {s.steps / max(1, self.batches):.2f} epochs",
                f"memory       estimated: {cost}; activations counted by shape in "
                f"{s.mixed_precision if s.mixed_precision != 'no' else 'float32'}",
                f"             measured on {self.device}: {measured}",
                f"one step     {self.step_s:.2f} s{first}; its batch was "
                f"read in {self.read_s:.2f} s by one process; loss {self.loss:.4f}; "
                f"{cost.flops / 1e12:.3g} TFLOP by count",
                *waits,
                f"all steps    {minutes:,.1f} min at this pace, without validation and test",
                "nothing was written",
            )
        )


def dry_run(settings: Settings, data) -> DryRun:
    """Set a run up, do its first step, and say what it takes; writes nothing.

    Raises what `training.fit` would raise by then. The memory estimate counts activations as
    `memory.step_cost` does; what is measured is the growth of torch's allocations on a GPU, of
    this process's resident memory elsewhere. On a GPU, where the first step sets much up, a
    second one is done and timed.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    run = Run(settings, data)
    run.begin_epoch(0)
    device, settings = run.processes.device, run.settings
    own = settings.changed(batch=max(2, settings.batch // run.processes.count))
    cost = step_cost(own, run.encoder, device="cuda" if device.type == "cuda" else "cpu")
    with peak_memory(device) as peak:
        began = time.perf_counter()
        batch = run.reader[0, run.plan[0]]
        read_s = time.perf_counter() - began
        for _ in range(1 if device.type == "cpu" else 2):
            began = time.perf_counter()
            line = run.take_step(batch)  # reads the loss, so that it waits for the GPU
            step_s = time.perf_counter() - began
    return DryRun(
        settings=settings,
        device=str(device),
        places=len(run.pairs),
        held_out_places=len(run.held_out),
        pairs=len(run.pairs.pairs),
        batches=len(run.plan),
        left_out=run.plan.left_out,
        processes=run.processes.count,
        cost=cost,
        peak=peak,
        read_s=read_s,
        step_s=step_s,
        loss=line["loss"],
    )
