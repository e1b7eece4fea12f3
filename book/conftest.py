"""Settings for `pytest --nbval book` (read by pytest, no part of the book)."""

import os
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parent
collect_ignore = ["_build"]  # Jupyter Book copies the notebooks there


def pytest_configure(config):
    option = config.option
    if not (getattr(option, "nbval", False) or getattr(option, "nbval_lax", False)):
        return
    if not option.nbval_sanitize_with:
        option.nbval_sanitize_with = str(BOOK / "nbval_sanitize.cfg")
    if not option.nbval_kernel_name:
        option.nbval_current_env = True  # this interpreter, whatever kernels are installed
    # Kernels start in book/: let them import the package of this checkout, installed or not.
    paths = (str(BOOK.parent), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    # A backend from outside, such as Agg, would leave the figures out of the outputs.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"


@pytest.hookimpl(optionalhook=True)  # xdist may not be installed
def pytest_xdist_make_scheduler(config, log):
    """With -n: keep the cells of one notebook on one worker, in order."""
    if config.getoption("dist") == "load":
        from xdist.scheduler import LoadFileScheduling

        return LoadFileScheduling(config, log)
