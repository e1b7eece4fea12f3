"""Search; and the book as files on a disk, opened without a server."""

import sys

import pytest

from tests.browser.pages import HTML, STYLED, Opened, formulas_are_typeset, pictures_load
from tests.helpers import ROOT

sys.path.append(str(ROOT / "book" / "_ext"))
from dphr_pages import MOVED

pytestmark = pytest.mark.slow

# What Chromium says of pages from a disk whichever they are: it loads the theme's icon fonts all
# the same, only not ahead of time, and icons are drawn by the theme's script.
OF_FILES = ("blocked by CORS policy", "net::ERR_FAILED")


# Results come one by one, a few milliseconds apart, and the lines around the words later still.
FINISHED = """() => document.querySelector("#search-results .search-summary")
  ?.textContent.startsWith("Search finished")"""


def found(page) -> list[str]:
    page.wait_for_function(FINISHED)
    return page.eval_on_selector_all(
        "#search-results li a", "links => links.map(link => link.href.split('/').pop())"
    )


def test_search_finds_hard_negatives(context, server):
    opened = Opened(context, "search", server + "search.html?q=hard+negative")
    pages = {link.partition("?")[0].partition("#")[0] for link in found(opened.page)}
    assert {"glossary.html", "06_hard_negatives.html"} <= pages
    opened.page.wait_for_selector("#search-results .context")  # lines around the words
    assert opened.faults == opened.other_hosts == []
    opened.page.close()


def test_search_field_leads_to_the_results(context, server):
    opened = Opened(context, "index", server + "index.html")
    opened.page.keyboard.press("Control+k")
    opened.page.keyboard.type("hard negative")
    opened.page.keyboard.press("Enter")
    assert found(opened.page)
    opened.page.close()


def test_search_from_files(context):
    """The pages are found; the lines around the words stay out: a file may not read another."""
    opened = Opened(context, "search", (HTML / "search.html").as_uri() + "?q=hard+negative")
    assert any(link.startswith("glossary.html") for link in found(opened.page))
    assert opened.page.locator("#search-results .context").count() == 0
    opened.page.close()


@pytest.mark.parametrize("old", MOVED)
def test_an_old_address_leads_on(old):
    """Read and not followed: a page that is left while it opens stops the browser's driver."""
    text, new = (HTML / f"{old}.html").read_text("utf-8"), f"{MOVED[old]}.html"
    assert f'http-equiv="refresh" content="0; url={new}"' in text and f'<a href="{new}">' in text
    assert (HTML / new).is_file()


def test_pages_are_whole_as_files(filed):
    formulas_are_typeset(filed.page)
    pictures_load(filed.page)
    assert filed.page.evaluate(STYLED)
    assert filed.other_hosts == []
    assert [f for f in filed.faults if not any(known in f for known in OF_FILES)] == []
