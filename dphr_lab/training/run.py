"""What a training run is made of, and the step that it takes.

A batch's way from files to a loss: `PairBatches` plans, `BatchReader` reads and augments,
`Run.coming_batches` loads ahead, and `Run.take_step` does the rest.
"""

import math
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils.data import DataLoader

from dphr_lab.datasets import Batch, BatchReader, PairBatches
from dphr_lab.datasets.label_noise import with_split_places, with_wrong_pairs
from dphr_lab.losses import DPHRLoss
from dphr_lab.losses.processes import gather_rows
from dphr_lab.settings import Settings
from dphr_lab.training.interrupts import ignore_interrupts
from dphr_lab.training.objectives import make_augmentation, make_encoder, make_loss
from dphr_lab.training.optimiser import make_optimiser, set_learning_rate
from dphr_lab.training.passes import TrainingModel, make_passes, training_mode, warn_of_batch_norm
from dphr_lab.training.processes import Processes, batch_recall
from dphr_lab.training.selection import hold_out, selection_note

WORKER_LOST = "DataLoader worker|shared memory|/torch_"  # in torch's words
MOST_STEPS = 10**9
COUNTED_EPOCHS = 1000  # whose batches are counted before a run; beyond them their mean counts


class WorkerLostError(OSError):
    """A data-loader process ended early; the message says what to do."""


@contextmanager
def worker_loss_told() -> Iterator[None]:
    """Say of a data-loader process that ended early what may have been, and what to do."""
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:  # the last two of its pipes
        text = str(error) or type(error).__name__
        if isinstance(error, RuntimeError) and not re.search(WORKER_LOST, text):
            raise
        raise WorkerLostError(
            f"workers: a data-loader process ended early ({text.splitlines()[0].strip()}), as for "
            "want of memory or of shared memory (/dev/shm; docker run --shm-size); go on with "
            "fewer --workers, 0 reads in the training process"
        ) from error


def _begun(loader: DataLoader) -> Iterator[Batch]:
    """The loader's batches; a worker that ends early is met when one is asked for.

    torch would raise in the midst of whatever Python does then, such as half an optimiser step.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    before = signal.getsignal(signal.SIGCHLD)
    coming = iter(loader)
    signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)
    return coming


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite; the message names the step, the places and a checkpoint."""

    def __init__(self, found: float, step: int, places: list[int], saved: str = "nothing is saved"):
        super().__init__(
            f"loss: found {found} at step {step}, places {places}; {saved}; "
            "try a smaller learning rate, clip_norm, or mixed_precision bf16 or no"
        )
        self.found, self.step, self.places = found, step, places


class Run:
    """One training run: what it is made of, where it stands, and its step.

    Making one builds the encoder, the loss and the optimiser; it writes, prints and resumes
    nothing. `begin_epoch` plans an epoch, `coming_batches` reads it, `take_step` learns from a
    batch. What a run leaves in a folder is up to `fitting`, `checkpoints`, `selection` and `log`.

    settings, data    as they were given; `settings.steps` follows from `epochs` where these are
    pairs, held_out   `PairSet`s: the places to train on, and those to validate on
    encoder, loss, optimizer, processes, reader
    step              optimiser steps taken;  epoch, batch_of_epoch   where the next batch is
    plan              `PairBatches` of the epoch;  z_places   what the "nearest" sampler goes by
    best              {"step", "val_r_at_1"} of the best validation so far
    wall_s            seconds of training, over all its parts where it was cut
    notes             what is to be said before it begins
    id                what its files are known by; None until it has a folder
    """

    id: str | None = None

    def __init__(self, settings: Settings, data):
        if settings.select == "test" and not (
            data.has_test and "D2S" in getattr(data, "directions", ("D2S",))
        ):
            raise ValueError(
                "select: found 'test', and the data has no test half of drone queries to select on"
            )
        self.data, self.processes = data, Processes(settings.mixed_precision)
        pairs, self.held_out = hold_out(data.train, settings)
        note = selection_note(settings, len(pairs), len(self.held_out))
        self.notes = [note] if note else []
        pairs = with_split_places(pairs, settings.split_places, settings.seed)
        self.pairs = with_wrong_pairs(pairs, settings.wrong_pairs, settings.seed)
        self.step = self.epoch = self.batch_of_epoch = 0
        self.best = {"step": None, "val_r_at_1": -1.0}
        self.wall_s = 0.0
        self.plan: PairBatches | None = None
        self.z_places: np.ndarray | None = None  # (places, D)
        self.settings = settings
        if settings.epochs is not None:
            self.settings = settings = settings.changed(steps=self._steps_of(settings.epochs))
        augmentation = make_augmentation(settings)
        self.reader = BatchReader(self.pairs, settings.image_px, augmentation, settings.seed)
        self.encoder = make_encoder(settings, self.pairs.place_ids)
        torch.manual_seed(settings.seed + self.processes.rank)  # equal weights, unequal dropout
        self.loss = make_loss(settings, getattr(self.encoder, "parts", 1))
        self.loss.to(self.processes.device)
        self.model, self.optimizer = self.processes.accelerator.prepare(
            TrainingModel(self.encoder), make_optimiser(self.encoder, self.loss, settings)
        )
        self.passes = make_passes(self.model, self.processes.accelerator, settings)
        if self.processes.main:
            warn_of_batch_norm(self.model, settings, self.processes.count)

    def take_step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step on this process's rows of a batch; returns its line of metrics.

        Raises `NonFiniteLossError`, with the run as it was before the step.
        """
        began = time.perf_counter()
        rate = set_learning_rate(self.optimizer, self.step, self.settings)
        training_mode(self.model, self.settings)
        own = self.passes.forward(batch)
        before = {name: value.clone() for name, value in self.loss.state_dict().items()}
        loss = self.processes.pair_loss(self.loss, own)
        host_loss = self.processes.host_loss(self.encoder, own)
        if host_loss is not None:
            loss = host_loss + self.settings.pair_weight * loss
        if not torch.isfinite(loss):
            self.loss.load_state_dict(before)
            places = gather_rows(own.places).tolist()
            raise NonFiniteLossError(loss.item(), self.step + 1, places)
        self.processes.backward(loss)
        self.passes.backward()
        self.processes.undo_factor(self.loss)
        if (most := self.settings.clip_norm) is not None:
            self.processes.accelerator.clip_grad_norm_(self.encoder.parameters(), most)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.batch_of_epoch += 1
        line = {"step": self.step, "epoch": self.epoch, "loss": loss.item()}
        line |= {"recall": batch_recall(own), "learning_rate": rate}
        if host_loss is not None:
            line["host_loss"] = host_loss.item()
        line |= self._lambda()
        line["images_per_s"] = 2 * self.settings.batch / (time.perf_counter() - began)
        return line

    def plan_epoch(self, epoch: int, sampler: str | None = None) -> PairBatches:
        """The batches of an epoch by the run's sampler or another, this process's slice of each."""
        return PairBatches(
            self.pairs,
            self.settings.batch,
            self.settings.seed,
            epoch,
            sampler=sampler or self.settings.sampler,
            z_places=self.z_places,
            rank=self.processes.rank,
            processes=self.processes.count,
        )

    def begin_epoch(self, epoch: int) -> None:
        """Plan an epoch, by the encoder as it is now where the sampler asks for it."""
        self.epoch, self.batch_of_epoch = epoch, 0
        self.z_places = self._embed_places() if self.settings.sampler == "nearest" else None
        self.plan = self.plan_epoch(epoch)

    def coming_batches(self) -> Iterator[Batch]:
        """The batches of all steps that are still to be done, epoch by epoch.

        The epoch is the one that was begun last when a batch is asked for, so workers read ahead
        to its end and no further; they are started once.
        """
        workers = self._workers()
        coming: list[tuple[int, np.ndarray]] = []
        loader = DataLoader(
            self.reader,
            batch_size=None,  # one item is one batch
            sampler=coming,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="spawn" if workers else None,
            worker_init_fn=ignore_interrupts if workers else None,
            pin_memory=self.processes.device.type == "cuda",
            generator=torch.Generator(),  # its own: making a loader must not draw from torch's
        )
        while self.step < self.settings.steps:
            first = self.batch_of_epoch
            last = min(len(self.plan), first + self.settings.steps - self.step)
            if first >= last:
                raise ValueError(
                    f"epoch {self.epoch}: no batch is left of {len(self.plan)}, {first} are done; "
                    "are there fewer images than before?"
                )
            coming[:] = [(self.epoch, self.plan[batch]) for batch in range(first, last)]
            with worker_loss_told():
                yield from _begun(loader)

    def _workers(self) -> int:
        """Data-loader processes, no more than this machine has any use for; the result is one."""
        asked = self.settings.workers
        most = max(8, 4 * (os.cpu_count() or 1))
        if asked > most:
            warnings.warn(f"workers: {asked} were asked for, {most} are started", stacklevel=2)
        return min(asked, most)

    def _steps_of(self, epochs: float) -> int:
        """Steps of so many passes over the training pairs, the last of which may be a part."""
        # what the encoder will decide is counted as drawn: that differs by few batches, if any
        sampler = "random" if self.settings.sampler == "nearest" else self.settings.sampler
        whole = math.ceil(epochs)
        about = whole * len(self.plan_epoch(0, sampler))
        if about > MOST_STEPS:
            raise ValueError(
                f"epochs is {epochs:g}: that is about {about:.1e} steps; expected at most "
                f"{MOST_STEPS:.0e}"
            )
        counted = min(whole, COUNTED_EPOCHS)
        lengths = [len(self.plan_epoch(epoch, sampler)) for epoch in range(counted)]
        if whole > counted:  # plans of one sampler differ by a batch or so
            return max(1, round(epochs * sum(lengths) / counted))
        part = 1 - (whole - epochs)
        return sum(lengths[:-1]) + max(1, round(part * lengths[-1]))

    def _embed_places(self) -> np.ndarray:
        """(places, D): each training place's satellite images as the encoder has them now."""
        z_places = None
        if self.processes.main:
            satellite = self.pairs.satellite
            rows = torch.from_numpy(np.searchsorted(self.pairs.place_ids, satellite.places))
            z = self.processes.embed(self.encoder, satellite)
            total = torch.zeros(len(self.pairs), z.shape[1]).index_add_(0, rows, z)
            z_places = torch.nn.functional.normalize(total).numpy()
        # one process's rounding for all, else their plans could differ
        return self.processes.from_main(z_places)

    def _lambda(self) -> dict[str, float]:
        """{"lambda": …} of a loss that has one, the mean where each part of a host has its own."""
        losses = [part for part in self.loss.modules() if isinstance(part, DPHRLoss)]
        values = [loss.progressive.value().item() for loss in losses]
        return {"lambda": sum(values) / len(values)} if values else {}
