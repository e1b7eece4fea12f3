"""What would be published: it holds the whole package, and says what it lacks where it lacks it."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.slow

HELP_S = 2.0  # of processor time


@pytest.fixture(scope="module")
def bare(distributions, tmp_path_factory):
    """The Python of an environment that holds the wheel and nothing else, no torch, no numpy."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    scripts = Path(sysconfig.get_path("scripts", "venv", {"base": str(folder)}))
    python = scripts / Path(sys.executable).name
    # what PYTHONPATH leads to would count as installed
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"),
            *("--no-deps", "--no-index", str(distributions[0])),
        ],
        check=True,
        cwd=folder,
        env=own,
    )
    return python


def run(command, folder):
    clean = {"PATH": str(Path(command[0]).parent), "SYSTEMROOT": "C:\\Windows"}  # no PYTHONPATH
    command = list(map(str, command))
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=clean)


def test_the_index_would_show_the_page(distributions):
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2


def test_the_wheel_holds_every_file_of_the_package(distributions):
    with zipfile.ZipFile(distributions[0]) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "dphr_lab").rglob("*") if path.is_file())
    own = {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}
    assert packed == own


def test_the_source_distribution_says_what_it_leaves_out(distributions):
    with tarfile.open(distributions[1]) as source:
        tops = {Path(name).parts[1] for name in source.getnames() if len(Path(name).parts) > 1}
    assert {"dphr_lab", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"} <= tops
    assert not tops & {"tests", "book"}
    assert "not shipped" in (ROOT / "MANIFEST.in").read_text("utf-8")


def test_help_answers_without_torch(bare, tmp_path):
    clock = "import resource, sys; print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))"
    script = bare.with_name("dphr")
    done = run([script, "--help"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: dphr")
    if sys.platform != "win32":
        code = f"import sys, atexit; atexit.register(lambda: exec({clock!r})); import dphr_lab.cli"
        timed = run([bare, "-c", f"{code}; dphr_lab.cli.main(['--help'])"], tmp_path)
        assert float(timed.stdout.splitlines()[-1]) < HELP_S


def test_the_package_imports_and_its_parts_name_what_they_lack(bare, tmp_path):
    done = run([bare, "-c", "import dphr_lab; print(dphr_lab.__file__)"], tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(bare.parents[1])
    done = run([bare, "-c", "import dphr_lab.losses"], tmp_path)
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'torch'"


def test_studies_are_listed_without_what_runs_them(bare, tmp_path):
    done = run([bare.with_name("dphr"), "study", "list"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "twins" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "x"],
        ["train", "--data", "x", "--out", "new"],
        ["evaluate", "--run", "x", "--data", "x"],
        ["search", "--run", "x", "--query", "x.jpg", "--gallery", "x"],
        ["scenes", "--out", "new"],
        ["probe", "--run", "x"],
        ["study", "report", "main"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_say_how_to_install_what_is_missing(bare, arguments, tmp_path):
    done = run([bare.with_name("dphr"), *arguments], tmp_path)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("dphr: No module named ")
    assert line.endswith("; install it with pip install 'dphr-lab[train]'")
    assert not (tmp_path / "new").exists()
