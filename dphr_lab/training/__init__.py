"""From settings and data to a run: `fit`, `refit`, and parts for a training loop of one's own.

Training runs in one process or several, and resumes bit for bit on a CPU.
"""

from dphr_lab.training.fitting import fit, refit
from dphr_lab.training.objectives import (
    check_host_options,
    make_augmentation,
    make_encoder,
    make_loss,
)
from dphr_lab.training.optimiser import learning_rate
from dphr_lab.training.run import NonFiniteLossError

__all__ = [
    "NonFiniteLossError",
    "check_host_options",
    "fit",
    "learning_rate",
    "make_augmentation",
    "make_encoder",
    "make_loss",
    "refit",
]
