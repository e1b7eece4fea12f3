"""The most memory that a piece of work held."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


class Peak:
    """The most memory of a piece of work, as measured: `with peak_memory() as peak: …`."""

    growth: int | None = None  # bytes above what was there before; None where it cannot be known
    total: int | None = None
    how = "not measured on this system"


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the peak on a GPU (torch's allocations) or of this process (Linux: resident set)."""
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.total = torch.cuda.max_memory_allocated(device)
        peak.growth, peak.how = peak.total - before, "torch's allocations on the GPU"
        return
    before = _resident("VmRSS") if _reset_peak() else None
    yield peak
    if before is not None:
        peak.total = _resident("VmHWM")
        peak.growth, peak.how = peak.total - before, "this process's resident memory"


def _reset_peak() -> bool:
    """Make the kernel forget this process's peak; False where that cannot be done."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")
        return True
    except OSError:
        return False


def _resident(name: str) -> int:
    for line in Path(f"/proc/{os.getpid()}/status").read_text("utf-8").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")
