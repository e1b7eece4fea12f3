"""Metrics in TensorBoard, and a run's curves as a figure."""

from collections.abc import Callable, Mapping
from pathlib import Path


def tensorboard_writer() -> Callable:
    """TensorBoard's writer; raises `ModuleNotFoundError` that says how to install it."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "tensorboard: is not installed; pip install 'dphr-lab[tensorboard]'"
        ) from None
    return SummaryWriter


def draw_curves(columns: Mapping[str, list[float]], path: Path) -> None:
    if not columns.get("step"):
        return
    from matplotlib.figure import Figure

    from dphr_lab.plotting import save, training_curves

    figure = Figure(figsize=(9, 3), layout="constrained")
    shown = [name for name in ("loss", "lambda", "recall") if name in columns]
    training_curves(figure.subplots(1, len(shown)), {"this run": columns}, shown)
    save(figure, path)
