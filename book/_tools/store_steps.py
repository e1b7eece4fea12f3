"""Store how much a growing loss lengthens Adam's steps: python book/_tools/store_steps.py [ARM ...]

An encoder is trained as in the study `closest`, with an arm that replays a recorded lambda without
weights: `replay` (the closest reading's course) or `sharp_replay`. Its loss is (1 + lambda) L_tri,
so each of its gradients divided by 1 + lambda is that of L_tri. Beside the run Adam's averages are
kept twice, of the gradients as they are and of those divided. The file holds the length of the step
by the first over that by the second (all parameters, before weight decay), the length of the
gradient of L_tri, and lambda, at every tenth step. Numbers only, a file an arm, seed 0, into
dphr_lab/results/steps; what is stored is skipped.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from dphr_lab import results
from dphr_lab._files import write_json
from dphr_lab.results import environment
from dphr_lab.settings import Settings
from dphr_lab.studies.study import read_study
from dphr_lab.studies.world_cache import open_world
from dphr_lab.training.run import Run

RESULTS = Path(results.__file__).parent
FOLDER = RESULTS / "steps"
ARMS = ("replay", "sharp_replay")
DECIMALS = {"factor": 4, "gradient": 6, "lambda": 5}


class AdamStep:
    """The step of Adam for gradients given one after another, in units of the learning rate."""

    def __init__(self, beta1: float, beta2: float, eps: float):
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.count, self.mean, self.square = 0, 0.0, 0.0

    def __call__(self, gradient: torch.Tensor) -> torch.Tensor:
        """(P,) -> (P,)"""
        self.count += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * gradient
        self.square = self.beta2 * self.square + (1 - self.beta2) * gradient**2
        mean = self.mean / (1 - self.beta1**self.count)
        square = self.square / (1 - self.beta2**self.count)
        return mean / (square.sqrt() + self.eps)


def measure(arm: str) -> dict:
    """Train seed 0 of an arm, and compare each step with that of L_tri's gradients."""
    study = read_study("closest")
    stored = results.load("closest")["mini", arm, 0]
    settings = Settings.from_dict(stored["settings"])
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    run = Run(settings, open_world(study, "mini", settings.seed))
    lam = settings.loss_options["course"]
    group = run.optimizer.param_groups[0]
    with_growth, without = (AdamStep(*group["betas"], group["eps"]) for _ in range(2))
    found = {name: [] for name in DECIMALS}
    parameters = [p for p in run.encoder.parameters() if p.requires_grad]

    def compare(*_) -> None:
        """Of the gradients that the optimiser is about to use."""
        scale = 1 + lam[run.step]
        gradient = torch.cat([p.grad.flatten() for p in parameters])
        longer, usual = with_growth(gradient), without(gradient / scale)
        found["factor"].append((longer.norm() / usual.norm()).item())
        found["gradient"].append((gradient.norm() / scale).item())
        found["lambda"].append(scale - 1)

    run.optimizer.optimizer.register_step_pre_hook(compare)
    run.begin_epoch(0)
    for batch in run.coming_batches():
        run.take_step(batch)
        if run.batch_of_epoch == len(run.plan):
            run.begin_epoch(run.epoch + 1)
    thinned = {n: [round(v, DECIMALS[n]) for v in found[n][9::10]] for n in found}
    return {
        "about": "how much longer Adam's steps are for a loss that grows with a replayed lambda",
        "study": "closest",
        "arm": arm,
        "seed": settings.seed,
        "largest": round(float(np.max(found["factor"])), 4),
        "step": list(range(10, settings.steps + 1, 10)),
        **thinned,
        "versions": environment.versions(),
        "hardware": environment.hardware(),
    }


if __name__ == "__main__":
    for arm in sys.argv[1:] or ARMS:
        path = FOLDER / f"{arm}-s0.json"
        if not path.exists():
            write_json(path, measure(arm))
            print("stored", path.name, flush=True)
