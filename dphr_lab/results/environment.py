"""What a number was measured with: versions of the packages and the machine they ran on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dphr_lab import __version__

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "accelerate",
    "numpy",
    "pillow",
    "opencv-python-headless",
    "safetensors",
    "scipy",
)


def describe() -> dict[str, dict[str, object]]:
    """{"versions": ..., "hardware": ...}, as they are stored beside a number."""
    return {"versions": versions(), "hardware": hardware()}


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of the installed ones that shape a result."""
    found = {"python": platform.python_version(), "dphr_lab": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, object]:
    """Processor, cores, memory and accelerators of this machine, and torch's thread count."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),  # such as AVX2 or AVX512
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "torch_threads": torch.get_num_threads(),
        "gpus": gpus,
    }


def record() -> dict[str, dict[str, object]]:
    """Both, as they are stored beside a number: {"versions": …, "hardware": …}."""
    return {"versions": versions(), "hardware": hardware()}


def _processor() -> str:
    """The model name that Linux gives; elsewhere what Python knows."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):  # not on Windows
        return None
