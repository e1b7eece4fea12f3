"""README's commands where text is not UTF-8 unless one says so, as on Windows.

Locales of those encodings stand in for Windows: cp1252 is the West's, gbk is China's. They are made
here where `localedef` has their sources; the plain C locale, whose text is ASCII, is everywhere.
"""

import os
import shutil
import subprocess
import sys

import pytest

from tests.faults.conftest import SHORT, SMALL
from tests.helpers import ROOT
from tests.pages.test_repository import readme_blocks

pytestmark = pytest.mark.slow

LOCALES = {"cp1252": ("en_US", "CP1252"), "gbk": ("zh_CN", "GBK"), "ascii": None}
COMMANDS = """
import sys
from dphr_lab.cli import main
image = "w/test/query_drone/0007/image-01.jpeg"
for line in (
    "recipes", "study list main", "study report main",
    "scenes --preset tiny --out w --workers 1 SMALL",
    "verify w", "prepare w --out small --image-px 32", "train --data w --out run SHORT",
    "evaluate --run run --data w --json report.json",
    f"search --run run --query {image} --gallery w/test/gallery_satellite --out found.png",
):
    assert main(line.split()) == 0, line
"""


@pytest.fixture(scope="module", params=LOCALES)
def environment(request, tmp_path_factory):
    """The environment of a machine whose text is in an encoding; skips where it cannot be had."""
    own = {name: v for name, v in os.environ.items() if name not in ("LANG", "PYTHONIOENCODING")}
    own |= {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
    if LOCALES[request.param]:
        if shutil.which("localedef") is None:
            pytest.skip("no localedef here")
        language, charmap = LOCALES[request.param]
        folder = tmp_path_factory.mktemp("locales")
        command = ["localedef", "-i", language, "-f", charmap, folder / f"{language}.{charmap}"]
        subprocess.run(command, capture_output=True)  # it warns of ASCII, and exits so
        if not (folder / f"{language}.{charmap}").exists():
            pytest.skip("no sources of locales here")
        own |= {"LOCPATH": str(folder), "LC_ALL": f"{language}.{charmap}"}
    said = run(own, ROOT, "-c", "import locale; print(locale.getpreferredencoding(False))").lower()
    assert "utf" not in said
    return own


def run(environment, folder, *arguments) -> str:
    """What Python prints, of the right exit code; bytes, since nobody knows their encoding."""
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, timeout=600
    )
    assert done.returncode == 0, done.stderr.decode("ascii", "backslashreplace")[-3000:]
    return done.stdout.decode("ascii", "backslashreplace")


def test_the_loss_in_ones_own_loop(environment, tmp_path):
    (snippet,) = (block for block in readme_blocks("python") if "DPHRLoss" in block)
    (tmp_path / "loop.py").write_text(snippet, "utf-8")
    run(environment, tmp_path, "loop.py")


def test_from_a_world_to_a_report(environment, tmp_path):
    commands = COMMANDS.replace("SMALL", " ".join(SMALL)).replace("SHORT", " ".join(SHORT))
    said = run(environment, tmp_path, "-c", commands)
    assert "R@1" in said and (tmp_path / "found.png").is_file()


def test_all_tests_are_collected(environment):
    arguments = ["tests", "--collect-only", "--quiet", "-p", "no:cacheprovider"]
    assert "error" not in run(environment, ROOT, "-m", "pytest", *arguments).splitlines()[-1]


def test_the_books_own_parts_are_made(environment, tmp_path):
    """All that the build reads for itself: generated parts, the reference, the configuration."""
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("_build"))
    configure = "from jupyter_book.cli.main import main; main()"
    run(environment, tmp_path, "-c", configure, "config", "sphinx", "book")
    assert (tmp_path / "book" / "conf.py").is_file()
    made = (
        "import dphr_generated as g, dphr_reference; print(ascii([p() for p in g.PARTS.values()]))"
    )
    own = environment | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'book' / '_ext'}"}
    run(own, tmp_path, "-c", made)
