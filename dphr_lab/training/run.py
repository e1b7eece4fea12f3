"""Training in one process or several, with bit-exact resume on a CPU.

`fit` runs on Hugging Face accelerate. A run lives in a folder, which `run_folder` describes.
"""

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from dphr_lab._files import replace_folder_when_done, write_json
from dphr_lab.datasets import Batch, BatchReader, PairBatches
from dphr_lab.datasets.dataset import describe_data
from dphr_lab.datasets.label_noise import with_split_places, with_wrong_pairs
from dphr_lab.localization import evaluate_dataset, place_distances, score
from dphr_lab.losses import DPHRLoss
from dphr_lab.losses.microbatch import MicroBatches, freeze_batch_norm, normalises_over_batch
from dphr_lab.losses.processes import gather_rows
from dphr_lab.models import Encoder, embed
from dphr_lab.results import environment
from dphr_lab.results.run_folder import (
    RESULT,
    RUN_FORMAT,
    SETTINGS,
    append_metrics,
    clear_start,
    curves,
    holds_run,
    keep_metrics,
    newest_checkpoint,
    read_metrics,
    stored_run,
)
from dphr_lab.settings import Settings
from dphr_lab.training import checkpoints
from dphr_lab.training.interrupts import ignore_interrupts, stop_after_step
from dphr_lab.training.log import draw_curves
from dphr_lab.training.objectives import (
    learning_rate,
    make_augmentation,
    make_encoder,
    make_loss,
    parameter_groups,
)
from dphr_lab.training.selection import SELECTED_ON, hold_out

POSITION = ("step", "epoch", "batch_of_epoch", "best", "wall_s")  # of a run, in a checkpoint
_OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}
SHOWN = ("loss", "lambda", "recall", "images_per_s")  # beside the progress bar


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite; the message names the step, the places and a checkpoint."""


class Run:
    """One training run: what it is made of, its steps, and its files."""

    def __init__(
        self,
        settings: Settings,
        data,
        folder: Path | None,  # None: write nothing
        *,
        resume: bool,
        progress: bool,
        origin: Mapping[str, Any] | None = None,
    ):
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state()  # else a second run here could not change its precision
        self.settings, self.data, self.folder = settings, data, folder
        self.origin = dict(origin or {})
        self.accelerator = Accelerator(mixed_precision=settings.mixed_precision)
        self.world = self.accelerator.num_processes
        self.rank = self.accelerator.process_index
        self.main = self.accelerator.is_main_process
        self.progress = progress and self.main
        if settings.select == "test" and not data.has_test:
            raise ValueError("select: found 'test', and the data has no test half to select on")
        self.board = None  # TensorBoard's writer, while there is one
        self.pairs, self.held_out = hold_out(data.train, settings)
        self.pairs = with_split_places(self.pairs, settings.split_places, settings.seed)
        self.pairs = with_wrong_pairs(self.pairs, settings.wrong_pairs, settings.seed)
        self.reader = BatchReader(
            self.pairs, settings.image_px, make_augmentation(settings), settings.seed
        )
        self.z_places: np.ndarray | None = None  # of the "nearest" sampler, at the epoch's start
        if settings.epochs is not None:
            settings = self.settings = settings.changed(steps=self._steps_of(settings.epochs))
        self.encoder = make_encoder(settings, self.pairs.place_ids)
        torch.manual_seed(settings.seed + self.rank)  # equal weights, unequal dropout
        self.loss = make_loss(settings, getattr(self.encoder, "parts", 1))
        self.loss.to(self.accelerator.device)
        optimizer = _OPTIMIZERS[settings.optimizer](
            parameter_groups(self.encoder, self.loss, settings),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.model, self.optimizer = self.accelerator.prepare(_Training(self.encoder), optimizer)
        self._warn_of_batch_norm()
        self.step = 0
        self.best = {"step": None, "val_r_at_1": -1.0}
        self.wall_s = 0.0
        self._open_folder(resume)
        if self.progress:
            batches = self.epoch_batches
            print(
                f"{batches.used} pairs an epoch in {len(batches)} batches of "
                f"{settings.batch} places; {batches.left_out} pairs left out"
            )

    # -- the steps -----------------------------------------------------------------------------

    def batches(self, epoch: int, sampler: str | None = None) -> PairBatches:
        """The batches of an epoch by the run's sampler or another, this process's slice of each."""
        return PairBatches(
            self.pairs,
            self.settings.batch,
            self.settings.seed,
            epoch,
            sampler=sampler or self.settings.sampler,
            z_places=self.z_places,
            rank=self.rank,
            processes=self.world,
        )

    def _steps_of(self, epochs: float) -> int:
        """Steps of so many passes over the training pairs, the last of which may be a part."""
        # what the encoder will decide is counted as drawn: that differs by few batches, if any
        sampler = "random" if self.settings.sampler == "nearest" else self.settings.sampler
        lengths = [len(self.batches(epoch, sampler)) for epoch in range(math.ceil(epochs))]
        part = 1 - (math.ceil(epochs) - epochs)
        return sum(lengths[:-1]) + max(1, round(part * lengths[-1]))

    def _begin_epoch(self, epoch: int) -> None:
        self.epoch, self.batch_of_epoch = epoch, 0
        self.z_places = None
        if self.settings.sampler == "nearest":
            self.z_places = self._embed_places()
        self.epoch_batches = self.batches(epoch)

    def _embed_places(self) -> np.ndarray:
        """(places, D): each training place's satellite images as the encoder has them now."""
        from accelerate.utils import broadcast_object_list

        found = [None]
        if self.main:  # one process's rounding for all, else their plans could differ
            satellite = self.pairs.satellite
            rows = torch.from_numpy(np.searchsorted(self.pairs.place_ids, satellite.places))
            with self.accelerator.autocast():
                z = embed(self.encoder, satellite)
            total = torch.zeros(len(self.pairs), z.shape[1]).index_add_(0, rows, z)
            found = [torch.nn.functional.normalize(total).numpy()]
        return broadcast_object_list(found)[0]

    def train(self) -> None:
        """Steps until the last, with validations and checkpoints on the way."""
        from tqdm.auto import tqdm

        settings, began, wall_before = self.settings, time.perf_counter(), self.wall_s
        with (
            stop_after_step() as stop,
            tqdm(total=settings.steps, initial=self.step, disable=not self.progress) as bar,
        ):
            for batch in self._loader():
                line = self._one_step(batch)
                bar.update()
                bar.set_postfix({k: f"{line[k]:.3g}" for k in SHOWN if k in line})
                last = self.step == settings.steps
                end_of_epoch = self.batch_of_epoch == len(self.epoch_batches)
                if end_of_epoch:
                    self._begin_epoch(self.epoch + 1)
                every = settings.validate_every
                if last or (end_of_epoch if every is None else self.step % every == 0):
                    self._validate()
                self.wall_s = wall_before + time.perf_counter() - began
                stopped = self._on_any_process(stop.is_set())
                due = self.step % settings.checkpoint_every == 0
                if last or end_of_epoch or stopped or due:
                    saved = self._save_checkpoint()
                if stopped and not last:
                    raise KeyboardInterrupt(f"stopped after step {self.step}; saved {saved}")

    def _one_step(self, batch) -> dict[str, float]:
        began, rate = time.perf_counter(), learning_rate(self.step, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        self._training_mode()
        *own, further, second_pass = self._embed(batch)
        device = self.accelerator.device
        places = [p.to(device) for p in (batch.places, batch.satellite_places)]
        own.append(places[0])
        own_rows = getattr(self.loss, "across_processes", False)  # else it wants all of them
        loss_state = {k: v.clone() for k, v in self.loss.state_dict().items()}
        loss = self.loss(*(own if own_rows else map(gather_rows, own)))
        host_loss = self._host_loss(further, places)
        if host_loss is not None:
            loss = host_loss + self.settings.pair_weight * loss
        if not torch.isfinite(loss):
            self.loss.load_state_dict(loss_state)
            saved = "nothing is saved"
            if self.folder is not None:
                saved = f"the state before this step is in {self._save_checkpoint('non-finite')}"
            raise NonFiniteLossError(
                f"loss: found {loss.item()} at step {self.step + 1}, "
                f"places {gather_rows(own[2]).tolist()}; {saved}; "
                "try a smaller learning rate, clip_norm, or mixed_precision bf16 or no"
            )
        # Every process holds the loss of the whole batch but the gradient of its own rows only,
        # and DDP averages over processes where their sum is wanted: hence the factor, and hence
        # its removal from the loss's own parameters, whose gradient every process has whole.
        self.accelerator.backward(loss * self.world)
        second_pass()
        for parameter in self.loss.parameters():
            parameter.grad /= self.world
        if self.settings.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.encoder.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.batch_of_epoch += 1
        line = {
            "step": self.step,
            "epoch": self.epoch,
            "loss": loss.item(),
            "recall": _batch_recall(*own[:2], *places),
            "learning_rate": rate,
        }
        if host_loss is not None:
            line["host_loss"] = host_loss.item()
        if lambdas := [
            part.progressive.value().item()
            for part in self.loss.modules()
            if isinstance(part, DPHRLoss)
        ]:
            line["lambda"] = sum(lambdas) / len(lambdas)  # of several where each part has one
        line["images_per_s"] = 2 * self.settings.batch / (time.perf_counter() - began)
        self._append_metrics(line)
        return line

    def _training_mode(self) -> None:
        self.model.train()
        if self.settings.freeze_bn:
            freeze_batch_norm(self.model)

    def _warn_of_batch_norm(self) -> None:
        """Say where the step is not that of the whole batch in one process."""
        own, micro_batch = self.settings.batch / self.world, self.settings.micro_batch
        cut = micro_batch is not None and micro_batch < own
        self._training_mode()
        if self.main and (cut or self.world > 1) and normalises_over_batch(self.model):
            warnings.warn(
                f"{self.settings.backbone} has batch norm, and each "
                f"{'micro-batch' if cut else 'process'} normalises itself: the gradients are not "
                "those of the whole batch; freeze_bn (--freeze-bn) makes them so",
                stacklevel=2,
            )

    def _embed(self, batch) -> tuple[torch.Tensor, torch.Tensor, dict, Callable[[], None]]:
        """This process's drone and satellite embeddings, what the host's loss takes of both
        (drone rows, then satellite rows), and what to call after backward.
        """
        device, micro_batch = self.accelerator.device, self.settings.micro_batch
        if micro_batch is None:
            images = torch.cat([batch.drone, batch.satellite]).to(device, non_blocking=True)
            with self.accelerator.autocast():
                z, further = self.model(images)  # one pass over both views: 2 b rows
            return z[: len(batch.places)], z[len(batch.places) :], further, lambda: None
        # every micro-batch holds both views, as the whole batch does: first drones, then satellites
        images, rows = torch.cat([batch.drone, batch.satellite]), len(batch.places)
        cut = torch.arange(rows).split(micro_batch)
        order = torch.cat([torch.cat([pairs, pairs + rows]) for pairs in cut])
        images = images[order].to(device, non_blocking=True)
        parts = MicroBatches(self.model, images, 2 * micro_batch)
        z, further = parts.embed()
        back = order.argsort().to(device)
        z, further = z[back], {name: values[back] for name, values in further.items()}

        def second_pass():  # the gradients have the factor `world` and the loss scale already
            parts.backward(not_yet=partial(self.accelerator.no_sync, self.model))

        return z[:rows], z[rows:], further, second_pass

    def _host_loss(self, further, places: list[torch.Tensor]) -> torch.Tensor | None:
        """The host's own loss of the whole batch, from this process's rows; None without one."""
        if not further:
            return None

        def whole(drone: torch.Tensor, satellite: torch.Tensor) -> torch.Tensor:
            return torch.cat([gather_rows(drone), gather_rows(satellite)])

        further = {name: whole(*rows.split(len(places[0]))) for name, rows in further.items()}
        return self.encoder.host_loss(further, whole(*places))

    def _loader(self) -> Iterator[Batch]:
        """The batches of all steps that are still to be done, epoch by epoch.

        An epoch is planned when it begins, by the encoder of that moment (`_begin_epoch`), so
        workers read ahead to its end and no further; they are started once.
        """
        workers = self.settings.workers
        coming: list[tuple[int, np.ndarray]] = []
        loader = DataLoader(
            self.reader,
            batch_size=None,  # one item is one batch
            sampler=coming,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="spawn" if workers else None,
            worker_init_fn=ignore_interrupts if workers else None,
            pin_memory=self.accelerator.device.type == "cuda",
            generator=torch.Generator(),  # its own: making a loader must not draw from torch's
        )
        while self.step < self.settings.steps:
            first = self.batch_of_epoch
            last = min(len(self.epoch_batches), first + self.settings.steps - self.step)
            coming[:] = [(self.epoch, self.epoch_batches[batch]) for batch in range(first, last)]
            yield from loader

    def _on_any_process(self, flag: bool) -> bool:
        if self.world == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.accelerator.device)
        return bool(self.accelerator.reduce(flags, "sum").item())

    def _validate(self) -> None:
        """Score the held-out training places; keep the encoder when it is the best so far."""
        on_test = self.settings.select == "test"
        if self.main and (on_test or len(self.held_out.drone)):
            query, gallery = self.data.test("D2S") if on_test else self.held_out.direction("D2S")
            with self.accelerator.autocast():
                z_query, z_gallery = (embed(self.encoder, images) for images in (query, gallery))
            best = {
                "step": self.step,
                "val_r_at_1": score(z_query, query, z_gallery, gallery).r_at_1,
            }
            distances = place_distances(z_query, query, z_gallery, gallery)
            self._append_metrics(best | {f"val_{name}": d for name, d in distances.items()})
            if best["val_r_at_1"] > self.best["val_r_at_1"]:
                self.best = best
                with replace_folder_when_done(self.folder / "best") as aside:
                    self.encoder.save(aside, selected_on_test=on_test)
        self.accelerator.wait_for_everyone()

    # -- the files -----------------------------------------------------------------------------

    def _open_folder(self, resume: bool) -> None:
        """Start a run folder, or put this run where the newest checkpoint left it.

        A start that was cut before its first checkpoint is no run: it is begun anew.
        """
        if self.folder is None:
            self._begin_epoch(0)
            return
        stored = self.folder / SETTINGS
        record = {"settings": self.settings.to_dict(), "data": describe_data(self.data)}
        record = json.loads(json.dumps(record))  # as it will be read back
        if resume:
            if not stored.exists():
                newest_checkpoint(self.folder)  # says that there is none
            self._check_same(stored_run(self.folder), record)
        elif holds_run(self.folder):
            raise FileExistsError(
                f"run_folder: found another run in {self.folder}; "
                "resume it (resume=True, --resume) or choose an empty folder"
            )
        self.accelerator.wait_for_everyone()
        if resume and holds_run(self.folder):
            self._load_checkpoint(newest_checkpoint(self.folder))
            return
        self._begin_epoch(0)  # a batch that the data cannot fill is said before any writing
        if self.main:
            clear_start(self.folder)
            write_json(
                stored,
                {"format": RUN_FORMAT}
                | record
                | {"origin": self.origin, "environment": environment.describe()},
            )

    def _check_same(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        """Raise `ValueError` unless the stored run has these settings and this data."""
        self.origin = before.get("origin", {})
        # a setting that is newer than the run had its default's meaning
        before["settings"] = Settings.from_dict(before["settings"]).to_dict()
        if before["data"]["world"] and now["data"]["world"]:
            defaults = {f.name: f.default for f in fields(self.data.settings)}
            before["data"]["world"] = {
                name: before["data"]["world"].get(name, defaults.get(name))
                for name in {**now["data"]["world"], **before["data"]["world"]}
            }
        different = [
            f"{name}: stored {before[part].get(name)!r}, given {value!r}"
            for part in ("settings", "data")
            for name, value in now[part].items()
            if name != "root" and before[part].get(name) != value  # folders may be moved
        ]
        if different:
            raise ValueError(
                f"resume: the run in {self.folder} was started with other settings or data; "
                f"{'; '.join(different)}; resume with the stored ones or start another run"
            )

    def _save_checkpoint(self, name: str | None = None) -> Path:
        """Model, optimiser, loss, random states and position; written aside, then renamed."""
        folder = self.folder / "checkpoints" / (name or f"step-{self.step:06d}")
        further = self._gather_random_states()
        if self.main:
            if self.z_places is not None:
                further["z_places"] = torch.from_numpy(self.z_places)
            position = {name: getattr(self, name) for name in POSITION} | {
                "scaler": None if self._scaler is None else self._scaler.state_dict(),
                "processes": self.world,
                "environment": environment.describe(),
            }
            checkpoints.save(folder, self.encoder, self.loss, self.optimizer, further, position)
        self.accelerator.wait_for_everyone()
        return folder

    def _load_checkpoint(self, folder: Path) -> None:
        position = checkpoints.read_position(folder, (*POSITION, "processes", "environment"))
        if position["processes"] != self.world:
            raise ValueError(
                f"resume: {folder} was saved by {position['processes']} processes, found "
                f"{self.world}; start as many as the run was started with"
            )
        before, now = position["environment"], json.loads(json.dumps(environment.describe()))
        if before != now and self.main:
            warnings.warn(
                "resume: versions or hardware differ from those of the checkpoint, so the run "
                f"will not end bit for bit as it would have: {before} then, {now} now",
                stacklevel=2,
            )
        further = checkpoints.load(folder, self.encoder, self.loss, self.optimizer)
        torch.set_rng_state(further[f"random.{self.rank}.cpu"])
        if torch.cuda.is_available() and f"random.{self.rank}.cuda" in further:
            torch.cuda.set_rng_state(further[f"random.{self.rank}.cuda"])
        if self._scaler is not None:
            self._scaler.load_state_dict(position["scaler"])
        for name in POSITION:
            setattr(self, name, position[name])
        self.z_places = further["z_places"].numpy() if "z_places" in further else None
        self.epoch_batches = self.batches(self.epoch)
        if self.main:
            keep_metrics(self.folder, self.step)

    @property
    def _scaler(self):
        """Accelerate's gradient scaler: there in fp16 only."""
        return self.accelerator.scaler

    def _gather_random_states(self) -> dict[str, torch.Tensor]:
        own = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            own["cuda"] = torch.cuda.get_rng_state()
        states = {}
        for name, state in own.items():
            rows = self.accelerator.gather(state[None].to(self.accelerator.device)).cpu()
            states |= {f"random.{rank}.{name}": row.clone() for rank, row in enumerate(rows)}
        return states

    def _append_metrics(self, line: Mapping[str, Any]) -> None:
        if self.main and self.folder is not None:
            append_metrics(self.folder, line)
        if self.board is not None:
            for name, value in line.items():
                if name not in ("step", "epoch"):
                    self.board.add_scalar(name, value, line["step"])

    @contextmanager
    def logging_to(self, board: Callable | None) -> Iterator[None]:
        """Within it lines go to TensorBoard's writer, too: into the run folder, from this step."""
        if board is not None and self.main:
            self.board = board(self.folder, purge_step=self.step + 1)
        try:
            yield
        finally:
            if self.board is not None:
                self.board.close()

    def _images_per_s(self) -> float | None:
        """Training images a second, all told: reading, augmentation, validation, checkpoints."""
        images = 2 * self.settings.batch * self.step
        return round(images / self.wall_s, 1) if self.wall_s else None

    def finish(self, evaluate_test: bool) -> dict[str, Any]:
        """Choose the encoder, read the test half once, and write the run's results."""
        result = {}
        if self.main:
            use_best = self.settings.select != "last" and self.best["step"] is not None
            kept = Encoder.load(self.folder / "best") if use_best else self.encoder
            kept.save(self.folder)
            report = {}
            if evaluate_test and self.data.has_test:
                # as stored, in float32: the encoder in training may be under autocast
                stored = Encoder.load(self.folder).to(self.accelerator.device)
                report = evaluate_dataset(stored, self.data)
            data = describe_data(self.data)
            if data["root"] is not None:  # results travel; the folders of a machine stay there
                data["root"] = Path(data["root"]).name
            result = {
                "format": RUN_FORMAT,
                "settings": self.settings.to_dict(),
                **self.origin,
                "data": data,
                **environment.describe(),
                "wall_s": round(self.wall_s, 2),
                "images_per_s": self._images_per_s(),
                "selected_step": self.best["step"] if use_best else self.step,
                "selected_on": SELECTED_ON[self.settings.select if use_best else "last"],
                "trained_on": {
                    "places": len(self.pairs),
                    "held_out_places": len(self.held_out),
                },
                "curves": curves(read_metrics(self.folder)),
                "report": {direction: r.to_dict() for direction, r in report.items()},
            }
            write_json(self.folder / RESULT, result)
            draw_curves(result["curves"], self.folder / "curves.png")
        self.accelerator.wait_for_everyone()
        return result


class _Training(nn.Module):
    """An encoder as a step calls it: DDP and autocast look at `forward` alone."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return self.encoder.training_outputs(images)


@torch.no_grad()
def _batch_recall(z_drone, z_satellite, places, satellite_places) -> float:
    """Share of drone rows whose nearest satellite row in the batch is of their place.

    Each process gives its own rows; the share is that of the whole batch.
    """
    nearest = (z_drone @ gather_rows(z_satellite).T).argmax(1)
    return gather_rows((gather_rows(satellite_places)[nearest] == places).float()).mean().item()
