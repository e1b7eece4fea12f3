"""A clone on Windows, a download as zip: where links are text files the book is built, too."""

import shutil
import subprocess
import sys

import pytest
import yaml

from tests.helpers import ROOT

pytestmark = pytest.mark.slow


def git(*arguments):
    return subprocess.run(
        ["git", *map(str, arguments)], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The last commit, checked out without links."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    folder = tmp_path_factory.mktemp("windows") / "clone"
    git("clone", "--quiet", "--depth", 1, "-c", "core.symlinks=false", ROOT.as_uri(), folder)
    return folder


def test_nothing_that_is_built_or_installed_is_a_link():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = git("ls-files", "--stage").splitlines()
    links = {line.split("\t")[1] for line in tracked if line.startswith("120000")}
    assert links <= {"_config.yml", "_toc.yml"}  # beside the files in book/ that they lead to


def test_the_book_is_configured_where_links_are_text(clone):
    assert (clone / "_toc.yml").read_text("utf-8") == "book/_toc.yml"  # so the clone is such a one
    assert yaml.safe_load((clone / "book" / "_toc.yml").read_text("utf-8"))["root"] == "index"
    command = "from jupyter_book.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "config", "sphinx", "book"],
        cwd=clone,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    configured = (clone / "book" / "conf.py").read_text("utf-8")
    title = yaml.safe_load((clone / "book" / "_config.yml").read_text("utf-8"))["title"]
    assert f"html_title = {title!r}" in configured


def test_no_name_is_refused_by_windows():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = git("ls-files", "-z").split("\0")
    assert not [name for name in names if set(name) & set('<>:"|?*\\')]
    assert len({name.lower() for name in names}) == len(names)
