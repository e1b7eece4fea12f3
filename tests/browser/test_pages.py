"""Every page of the built book, as its readers meet it."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.browser.pages import (
    COLLAPSED,
    HTML,
    NAMES,
    OPEN_ALL,
    RAW_MARKDOWN,
    ROOT,
    SCREENSHOTS,
    STICKING_OUT,
    formulas_are_typeset,
    pictures_load,
)

pytestmark = pytest.mark.slow

WIDTHS = {"phone": 390, "desk": 1280}  # px
CHAPTER = re.compile(r"\d\d_\w+\.html")

# The script alone: the package reads it in the machine's own encoding when it is imported.
AXE = Path(find_spec("axe_playwright_python").origin).with_name("axe.min.js")
GRAVE = ("serious", "critical")
AUDIT = {
    "resultTypes": ["violations"],
    "preload": False,  # fetching the stylesheets once more would be the audit's request, not ours
    "iframes": False,
}
ONLY_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
# What is the same everywhere is audited once, for the sake of time: bars and menus on the first
# page, code in the first blocks of each, the dark's colours on one page of a kind. Formulas are
# MathJax's markup.
WHOLE_PAGE = "index.html"
MARK_MORE_CODE = """() => [...document.querySelectorAll("main pre")].slice(3).forEach(
  block => block.setAttribute("data-more-code", ""))"""
OUTSIDE = [["mjx-container"], ["[data-more-code]"]]
KINDS = (CHAPTER, re.compile("reference/.+"))
LIKE_ANOTHER = {name for kind in KINDS for name in list(filter(kind.fullmatch, NAMES))[1:]}


def test_asks_no_other_host(served):
    assert served.other_hosts == []


def test_formulas_are_typeset(served):
    source = HTML / "_sources" / served.name
    texts = [path.read_text("utf-8") for path in source.parent.glob(f"{source.stem}.*")]
    formulas = formulas_are_typeset(served.page)
    if any(re.search(r"(?<![\\$`])\$[^$\s`]", text) for text in texts):
        assert formulas > 0 or not CHAPTER.fullmatch(served.name)


def test_markdown_is_rendered(served):
    assert served.page.evaluate(RAW_MARKDOWN) == []


def test_pictures_load_and_say_what_they_show(served):
    number = pictures_load(served.page)
    assert number > 0 or not CHAPTER.fullmatch(served.name)


def show(page, device, theme):
    """The page on a device, in a theme as the reader's system asks for it."""
    page.set_viewport_size({"width": WIDTHS[device], "height": 900})
    page.emulate_media(color_scheme=theme)
    page.wait_for_function("theme => document.documentElement.dataset.theme == theme", arg=theme)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("device", WIDTHS)
def test_fits_the_window(served, device, theme):
    page = show(served.page, device, theme)
    assert page.evaluate(STICKING_OUT) == []
    picture = SCREENSHOTS / f"{served.name.removesuffix('.html')}-{device}-{theme}.jpg"
    page.screenshot(path=picture, type="jpeg", quality=70)


def test_what_is_collapsed_opens(served):
    opened = served.page.evaluate(OPEN_ALL)
    assert len(opened) == served.page.locator(COLLAPSED).count()
    assert [each for each in opened if not each[2] > each[1]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_can_be_used_by_all(served, theme, findings):
    """axe-core finds nothing serious or critical; in the dark only colours can be new."""
    if theme == "dark" and served.name in LIKE_ANOTHER:
        return
    page = show(served.page, "desk", theme)
    page.evaluate(MARK_MORE_CODE)
    part = {"exclude": OUTSIDE} | ({} if served.name == WHOLE_PAGE else {"include": [["main"]]})
    options = AUDIT if theme == "light" else AUDIT | ONLY_COLOURS
    ours = []
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("([part, options]) => axe.run(part, options)", [part, options])
    for rule in found["violations"]:
        findings[theme][f"{rule['impact']}: {rule['id']}"] += len(rule["nodes"])
        if rule["impact"] in GRAVE:
            ours += [(rule["id"], n["html"][:200], n["failureSummary"]) for n in rule["nodes"]]
    findings["pages"] += theme == "light"
    assert ours == []


def test_players_play(served):
    for player in served.page.locator(".animation").all():
        picture = player.locator("img")
        served.page.wait_for_function("picture => picture.src", arg=picture.element_handle())
        first = picture.get_attribute("src")
        player.get_by_title("Next frame").click()
        assert picture.get_attribute("src") != first
        player.get_by_title("First frame").click()
        assert picture.get_attribute("src") == first
        player.get_by_title("Play", exact=True).click()
        served.page.wait_for_function(
            "([picture, first]) => picture.src != first", arg=[picture.element_handle(), first]
        )
        player.get_by_title("Pause").click()


def test_sliders_slide(served):
    for slider in served.page.locator("[id^=slider-]").all():
        picture = slider.locator("img")
        for moved in slider.get_by_role("slider").all():
            first = picture.get_attribute("src")
            moved.press("ArrowLeft")
            assert picture.get_attribute("src") != first
            moved.press("ArrowRight")


def test_rankings_are_rearranged(served):
    for ranking in served.page.locator("div[id^=ranking-]").all():
        said = ranking.get_by_role("status")
        first = said.inner_text()
        ranking.locator("button[aria-pressed]").last.press("Home")
        assert said.inner_text() != first
        ranking.get_by_text("as at first").click()
        assert said.inner_text() == first


def test_choices_among_twins_are_graded_and_outlined(served):
    for choice in served.page.locator("div[id^=twins-]").all():
        said, verdicts = choice.get_by_role("status"), []
        for tile in choice.locator("button").all():
            tile.click()
            verdicts.append(said.inner_text().partition(".")[0])
        assert sorted(verdicts) == ["No"] * (len(verdicts) - 1) + ["Right"]
        outlines = choice.locator("polygon")
        assert all(outline.is_visible() for outline in outlines.all()) and outlines.count() > 3


def test_tabs_open(served):
    for tab in served.page.get_by_role("tab").all():
        tab.click()
        assert served.page.locator(f"#{tab.get_attribute('aria-controls')}").is_visible()


def test_opens_on_colab(served):
    if not CHAPTER.fullmatch(served.name):
        return
    (address,) = served.page.eval_on_selector_all(
        "a[href*='colab.research.google.com/github']", "links => links.map(link => link.href)"
    )
    path = address.partition("/blob/main/")[2]
    assert path == f"book/{served.name.replace('.html', '.ipynb')}"
    assert (ROOT / path).is_file()


def test_nothing_complained(served):
    """The last test of a page: nor did anything that the others did to it."""
    assert served.faults == []
