"""Subsections as tabs: by mouse, keys and links; all open without scripts and on paper."""

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.slow

STYLE = ROOT / "book" / "_style"
FILES = {"css": "book.css", "js": "tabs.js"}
NAMES = ["One", "Two of four", "Three"]
# As the book's builder writes it; the theme hides what is `hidden` in this way.
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tabs</title>
<style>[hidden] { display: none !important }</style>
<style>%(css)s</style><script>%(js)s</script></head><body><main><article>
<section id="before"><h2>Before<a class="headerlink" href="#before">#</a></h2>
<p style="height:2000px">text <a id="leads" href="#deep">leads on</a></p></section>
<section id="ways"><h2>Four ways<a class="headerlink" href="#ways">#</a></h2>
<p>Choose.</p>
<!-- tabs -->
<section id="one"><h3>One<a class="headerlink" href="#one">#</a></h3><p>first text</p></section>
<section id="two"><h3>Two of four<a class="headerlink" href="#two">#</a></h3><p>second text</p>
<section id="deep"><h4>Deep<a class="headerlink" href="#deep">#</a></h4><p>deep text</p></section>
</section>
<section id="three"><h3>Three<a class="headerlink" href="#three">#</a></h3><p>third text</p>
</section></section>
<section id="after"><h2>After</h2><section id="plain"><h3>Plain</h3>
<p style="height:2000px">last text</p></section></section></article></main></body></html>"""
TEXTS = ["first text", "second text", "third text"]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("tabs") / "page.html"
    parts = {name: (STYLE / file).read_text("utf-8") for name, file in FILES.items()}
    path.write_text(PAGE % parts, "utf-8")
    return path.as_uri()


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request, browser, address):
    context = browser.new_context(java_script_enabled=request.param)
    page = context.new_page()
    page.scripts, page.faults = request.param, []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(address)
    yield page
    assert page.faults == []
    context.close()


def seen(page):
    """Which of the three texts can be seen."""
    return [number for number, text in enumerate(TEXTS) if page.get_by_text(text).is_visible()]


def test_one_is_open_and_all_are_without_scripts(page):
    assert page.get_by_text("last text").is_visible()  # not marked: as it was
    tabs = page.get_by_role("tab").all()
    if not page.scripts:
        assert (seen(page), tabs) == ([0, 1, 2], [])
        return
    assert [tab.inner_text() for tab in tabs] == NAMES and seen(page) == [0]
    assert page.get_by_role("tablist", name="Four ways").count() == 1
    for number, tab in enumerate(tabs):
        tab.click()
        assert seen(page) == [number]
        assert page.get_by_role("tabpanel", name=NAMES[number], exact=True).is_visible()
        chosen = [each.get_attribute("aria-selected") for each in tabs]
        assert chosen == [str(k == number).lower() for k in range(3)]


def test_keys_go_around(page):
    if not page.scripts:
        return
    page.get_by_role("tab", name="One").focus()
    for key, number in (
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowRight", 0),
        ("ArrowLeft", 2),
        ("Home", 0),
        ("End", 2),
    ):
        page.keyboard.press(key)
        assert seen(page) == [number]
        assert page.evaluate("document.activeElement.textContent") == NAMES[number]
    page.keyboard.press("Shift+Tab")  # the tabs are one stop
    assert page.evaluate("document.activeElement.closest('[role=tablist]')") is None


def test_a_link_opens_the_tab_that_it_leads_into(page, address):
    in_view = """rule => {
      const { top } = document.querySelector(rule).getBoundingClientRect();
      return top > -1 && top < innerHeight / 2;
    }"""
    page.locator("#leads").click()
    page.get_by_text("deep text").wait_for()  # the click only begins it
    page.wait_for_function(in_view, arg="#deep")
    for part, number in (("#three", 2), ("#two", 1), ("#one", 0)):
        page.goto("about:blank")
        page.goto(address + part)  # from another page
        assert seen(page) == ([number] if page.scripts else [0, 1, 2])
        page.wait_for_function(in_view, arg="[role=tablist]" if page.scripts else part)
    if page.scripts:
        page.evaluate("location.hash = '#plain'")
        assert seen(page) == [0]  # it is in no tab


def test_all_are_printed(page):
    page.emulate_media(media="print")
    assert seen(page) == [0, 1, 2]
    assert page.get_by_role("tab").count() == 0
    assert page.get_by_role("heading", name="Two of four").bounding_box()["height"] > 10
