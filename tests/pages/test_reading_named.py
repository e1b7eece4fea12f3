"""A number of DPHR says which reading it is of: the closest one, or sharp DPHR (ours)."""

import re

import pytest

from dphr_lab.settings.run import FIRST_EDITION
from dphr_lab.studies.study import read_study, stored_studies
from tests.helpers import ROOT

PAGES = [ROOT / "README.md", ROOT / "paper.md", *sorted((ROOT / "book").glob("*.md"))]
CHAPTERS = sorted((ROOT / "book").glob("[0-9]*.py"))
# The first edition's claim: that what it measured was DPHR.
OLD_CLAIM = re.compile(r"(?<!closest )\bour reading of (the )?DPHR|[Rr]esults of our reading")


@pytest.mark.parametrize("path", [*PAGES, *CHAPTERS], ids=lambda path: path.name)
def test_the_old_claim_stands_nowhere(path):
    text = " ".join(path.read_text("utf-8").split())
    assert OLD_CLAIM.findall(text.replace("# ", "")) == []


@pytest.mark.parametrize("path", [*PAGES, *CHAPTERS], ids=lambda path: path.name)
def test_arms_of_the_first_edition_are_not_called_by_their_old_names(path):
    """Where a page names an arm of a stored study in backticks, that arm is there."""
    arms = {arm for name in stored_studies() for arm in read_study(name).arms}
    old = set(FIRST_EDITION) - arms
    text = path.read_text("utf-8")
    assert [arm for arm in old if re.search(rf"`{arm}` (is|has|against|\d)", text)] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.name)
def test_a_chapter_that_shows_sharp_runs_says_so(path):
    text = path.read_text("utf-8")
    if re.search(r"DPHRLoss\.sharp\(|loss=\"sharp", text):
        assert "sharp DPHR" in text
