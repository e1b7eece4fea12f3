"""From settings and data to a run: `fit`, `refit`, and parts for a training loop of one's own.

Training runs in one process or several, and resumes bit for bit on a CPU.
"""

from dphr_lab.training.fitting import fit, refit
from dphr_lab.training.objectives import learning_rate, make_augmentation, make_loss
from dphr_lab.training.run import NonFiniteLossError

__all__ = [
    "NonFiniteLossError",
    "fit",
    "learning_rate",
    "make_augmentation",
    "make_loss",
    "refit",
]
