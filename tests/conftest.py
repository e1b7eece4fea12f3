"""Settings of the tests: no screen, one thread, and the size of the benchmarks."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers import ROOT

# what a distribution is made of; the tests and the book stay in the repository
PACKAGED = ("dphr_lab", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")

# Read when matplotlib and torch are imported, so before any test is. The same for one process and
# for the several of pytest-xdist, which would otherwise share the cores with their threads.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser):
    parser.addoption(
        "--all-chapters",
        action="store_true",
        help="pages/test_colab.py: run all chapters as Colab does, not two, and store how it went",
    )
    parser.addoption(
        "--benchmark-size",
        choices=("smallest", "full"),
        default="smallest",
        help="tests/benchmarks: 'smallest' checks values in seconds, 'full' measures",
    )


@pytest.fixture(scope="session")
def benchmark_size(request):
    """'smallest' or 'full', as asked for by --benchmark-size."""
    return request.config.getoption("--benchmark-size")


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """A copy of what distributions are made of: building leaves its traces there."""
    folder = tmp_path_factory.mktemp("sources")
    for name in PACKAGED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="session")
def distributions(sources, tmp_path_factory):
    """(wheel, source distribution), as `python -m build` makes them, the one from the other."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(sources)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source
