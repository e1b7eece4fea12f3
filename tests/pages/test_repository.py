"""The files around the package agree with each other and with the package."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from itertools import chain

import pytest
import yaml

import dphr_lab
from dphr_lab.cli import build_parser
from tests.helpers import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
URL = yaml.safe_load((ROOT / "book" / "_config.yml").read_text("utf-8"))["repository"]["url"]
EXTRAS = set(PROJECT["optional-dependencies"])
LARGEST_BYTES = 1_000_000  # of a tracked file that is not another project's
LARGEST = {"dphr_lab/models/starter/encoder.safetensors": 8_000_000}  # the starter encoder


def extras_named(requirement):
    """The extras in the brackets of 'name[a,b]'."""
    return set(re.search(r"\[(.*?)\]", requirement)[1].split(","))


def readme_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_one_version():
    assert CITATION["version"] == dphr_lab.__version__


def test_one_public_url():
    assert set(PROJECT["urls"].values()) == {URL}
    assert CITATION["repository-code"] == URL
    owner_and_name = URL.removeprefix("https://github.com/")
    name = owner_and_name.partition("/")[2]
    # every address in README of a repository of this name is ours
    found = re.findall(rf"(?:github\.com|/github)/([\w.-]+/{re.escape(name)})\b", README)
    assert set(found) == {owner_and_name}
    assert f"git+{URL}@" in README
    assert f"colab.research.google.com/github/{owner_and_name}/" in README


def test_requirements_install_every_extra():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    (own,) = [line for line in lines if line.startswith("-e ")]
    assert extras_named(own) == EXTRAS
    (jupyter_book,) = [line for line in lines if line.startswith("jupyter-book")]
    assert jupyter_book.endswith(",<2")


@pytest.mark.slow
def test_every_import_is_declared():
    sources = [path for top in ("dphr_lab", "tests", "book") for path in (ROOT / top).rglob("*.py")]
    sources = [path for path in sources if "_build" not in path.parts]
    imported = set()
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.partition(".")[0])
    imported -= set(sys.stdlib_module_names) | {"dphr_lab", "google"}
    imported -= {path.stem for path in sources}  # tests that share helpers
    imported -= {path.parent.name for path in sources if path.name == "__init__.py"}

    declared = list(chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()))
    names = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in declared}
    made_by = packages_distributions()  # module -> distributions that bring it
    brings = {
        module: {name.lower() for name in made_by.get(module, [module])} for module in imported
    }
    assert {module for module in imported if not brings[module] & names} == set()


def test_extras_named_in_readme_exist():
    named = set().union(*map(extras_named, re.findall(r"dphr-lab\[.*?\]", README)))
    assert named
    assert named <= EXTRAS


def test_readme_and_ci_run_the_same_commands():
    def bare(
        command,
    ):  # without how the book is built and tests are shared out, and by which python
        options = r" -(W|n logical|n|-keep-going|-maxprocesses \d|-dist loadfile)\b"
        return re.sub(options, "", command.replace(".venv/bin/", "")).strip()

    ci = [bare(line) for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()]
    set_up = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && "
    lines = [line for block in readme_blocks("bash") for line in block.splitlines()]
    commands = [line.removeprefix(set_up) for line in lines if line.startswith(set_up)]
    assert len(commands) == 2, "one command builds the book, one runs all tests"
    parts = [bare(part) for command in commands for part in command.split("&&")]
    assert parts == [
        "jupyter-book build book",
        "python -m pytest tests",
        "python -m pytest --nbval book",
    ]
    for part in parts:
        assert any(re.match(rf"step \w+ {re.escape(part)}$", line) for line in ci), part


@pytest.mark.slow
def test_readme_loss_snippet_runs():
    (snippet,) = [block for block in readme_blocks("python") if "DPHRLoss" in block]
    assert len(snippet.splitlines()) <= 12
    subprocess.run([sys.executable, "-c", snippet], cwd=ROOT, check=True)


@pytest.mark.parametrize("page", ["README.md", "book/data.md"])
def test_commands_shown_are_understood(page):
    text = (ROOT / page).read_text("utf-8").replace("\\\n", " ")  # a command over several lines
    lines = re.findall(r"^dphr .*$", text, re.MULTILINE)
    assert lines
    for line in lines:
        build_parser().parse_args(shlex.split(line)[1:])  # exits on an unknown flag


def test_readme_links_to_files_that_exist():
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target


def test_importing_the_package_is_light():
    heavy = ["torch", "torchvision", "timm", "accelerate", "matplotlib", "cv2", "numpy"]
    code = f"import sys, dphr_lab; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr


@pytest.mark.slow
def test_benchmarks_are_collected_only_when_named():
    if not list((ROOT / "tests" / "benchmarks").glob("test_*.py")):
        pytest.skip("there are no benchmarks")

    def collected(*paths):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *paths]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return "benchmarks/test_" in run.stdout

    # Beside the benchmarks a few small files are enough: the rule is about the folder `tests`.
    folders = [path for path in (ROOT / "tests").iterdir() if path.is_dir()]
    others = [f"--ignore={path}" for path in folders if path.name != "benchmarks"]
    assert not collected("tests", *others)
    assert collected("tests/benchmarks")


def test_no_large_file_is_tracked():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    tracked = [ROOT / name for name in listing.stdout.split("\0") if name]
    large = [
        path
        for path in tracked
        if "_vendor" not in path.parts
        and path.is_file()
        and path.stat().st_size > LARGEST.get(path.relative_to(ROOT).as_posix(), LARGEST_BYTES)
    ]
    assert not large
