"""What a run says of itself on the way: metrics.jsonl, TensorBoard, and its curves as a figure."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dphr_lab.plotting import save, training_curves
from dphr_lab.results.run_folder import append_metrics


class Log:
    """Writes lines of metrics: `with Log(folder) as log: log.write(line)`.

    `folder` None writes nothing, as in all processes but the main one. `board` is TensorBoard's
    writer, for which events begin anew after `step`.
    """

    def __init__(self, folder: Path | None, board: Callable | None = None, step: int = 0):
        self.folder, self.board = folder, None
        if folder is not None and board is not None:
            self.board = board(folder, purge_step=step + 1)

    def write(self, line: Mapping[str, Any]) -> None:
        """Add a line to metrics.jsonl, and its numbers to TensorBoard."""
        if self.folder is not None:
            append_metrics(self.folder, line)
        if self.board is not None:
            for name, value in line.items():
                if name not in ("step", "epoch"):
                    self.board.add_scalar(name, value, line["step"])

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *error) -> None:
        if self.board is not None:
            self.board.close()


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
    """Draw a run's loss, lambda and recall over its steps into a file, where it has taken any."""
    if not columns.get("step"):
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    shown = [name for name in ("loss", "lambda", "recall") if name in columns]
    training_curves(figure.subplots(1, len(shown)), {"this run": columns}, shown)
    save(figure, path)
