"""Chapters as Colab opens them: a notebook alone in a folder, and what its first cell installs.

Stands for Colab: a fresh environment whose kernel has `google.colab` loaded and the packages that
are installed here, but not this one; the set-up cell as readers have it, whose git address leads
to a repository made of the working tree (git's own `url.insteadOf`). Does not stand for Colab: its
versions of Python and of the packages, its GPU, its network.

`--all-chapters` runs every chapter and stores how it went in `tests/pages/colab.json`.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import jupytext
import pytest
import yaml
from nbclient import NotebookClient

from dphr_lab._files import write_json
from dphr_lab.results import environment
from tests.helpers import ROOT

BOOK = ROOT / "book"
RESULT = ROOT / "tests" / "pages" / "colab.json"
SHORT = ("07_rda", "08_palw")  # those that ask for the least
CHAPTERS = sorted(path.stem for path in BOOK.glob("[0-9]*.py"))
URL = yaml.safe_load((BOOK / "_config.yml").read_text("utf-8"))["repository"]["url"]
TIMEOUT_S = 1800  # of one cell


@pytest.fixture(scope="module")
def repository(sources, tmp_path_factory):
    """What the public repository's branch would be: the working tree's package, committed."""
    if shutil.which("git") is None:
        pytest.skip("pip needs git for the set-up cell's address")
    folder = tmp_path_factory.mktemp("github") / "repository"
    shutil.copytree(sources, folder, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    name = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        [*name, "commit", "--quiet", "--message", "as it is"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def kernels(repository, tmp_path_factory):
    """A folder of Jupyter kernels with one, "colab"; its environment lacks this package."""
    folder = tmp_path_factory.mktemp("colab")
    venv.create(folder / "env", with_pip=False, symlinks=sys.platform != "win32")
    paths = sysconfig.get_paths("venv", {"base": str(folder / "env")})
    site = Path(paths["purelib"])
    # what is installed here, but not what links from there to this checkout
    (site / "here.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    (site / "google" / "colab").mkdir(parents=True)  # `google` itself is others', too
    (site / "google" / "colab" / "__init__.py").touch()
    # before the first cell; Debian's Python has a sitecustomize of its own
    (site / "colab.pth").write_text("import google.colab\n", "utf-8")
    python = Path(paths["scripts"]) / Path(sys.executable).name
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Colab",
        "language": "python",
        "env": {
            "PYTHONPATH": "",
            "PIP_NO_INDEX": "1",  # all that the package needs is there
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one as "no isolation"
            "PIP_FORCE_REINSTALL": "1",  # here it may be installed from the checkout
            "PIP_NO_DEPS": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": URL,
        },
    }
    write_json(folder / "kernels" / "colab" / "kernel.json", spec)
    return folder


def run_as_colab(stem, folder):
    """Run a chapter alone in `folder`; returns where its package was imported from."""
    notebook = jupytext.read(BOOK / f"{stem}.py")
    where = jupytext.reads("import dphr_lab; print(dphr_lab.__file__)", "py:percent").cells[0]
    notebook.cells.append(where)
    NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="colab",
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return Path(notebook.cells[-1].outputs[0].text.strip())


@pytest.mark.slow
@pytest.mark.parametrize("stem", CHAPTERS)
def test_chapter_runs_as_on_colab(stem, kernels, tmp_path, request, monkeypatch):
    everything = request.config.getoption("--all-chapters")
    if stem not in SHORT and not everything:
        pytest.skip("not one of the two short ones; --all-chapters runs all")
    began = time.perf_counter()
    monkeypatch.setenv("JUPYTER_PATH", str(kernels))
    package = run_as_colab(stem, tmp_path)
    assert package.is_relative_to(kernels)  # what the set-up cell installed, not this checkout
    if everything:
        stored = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {"chapters": {}}
        stored["chapters"][stem] = {
            "wall_s": round(time.perf_counter() - began, 1),
            "date": time.strftime("%Y-%m-%d"),
            **environment.describe(),
            "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        }
        stored["chapters"] = dict(sorted(stored["chapters"].items()))
        write_json(RESULT, stored)


def test_the_short_chapters_are_chapters():
    assert set(SHORT) <= set(CHAPTERS)


def test_stored_results_are_of_chapters_that_there_are():
    if not RESULT.exists():
        pytest.skip("all chapters have not been run as on Colab yet: --all-chapters does")
    assert set(json.loads(RESULT.read_text("utf-8"))["chapters"]) <= set(CHAPTERS)
