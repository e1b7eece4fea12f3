"""A ranking moved by mouse, finger and keys; its measures are the package's."""

import re

import numpy as np
import pytest

from dphr_lab.retrieval import evaluate
from dphr_lab.teaching import ranking

pytestmark = pytest.mark.slow

STARTS = {(1, 9, 10): 10, (4,): 12, (1,): 5, (2, 3, 5, 7, 11): 12, (6, 7): 7}


def by_the_package(ranks, gallery):
    """R@1, R@5 and both AP of one query whose right tiles stand at `ranks`."""
    query = np.arange(gallery, 0, -1.0)[None]  # scores fall from tile to tile
    places = [int(rank in ranks) for rank in range(1, gallery + 1)]
    report = evaluate(query, [1], np.eye(gallery), places)
    return [report.r_at_1, report.r_at_5, report.ap / 100, report.ap_textbook / 100]


def opened(browser, html, **options):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.set_content(f"<main>{html}</main>")
    return page


@pytest.fixture
def page(browser):
    page = opened(browser, ranking([1, 9, 10])._repr_html_())
    yield page
    assert page.faults == []
    page.context.close()


def ranks_of(page):
    tiles = page.get_by_role("button", name=re.compile("Right tile, rank"))
    labels = [tile.get_attribute("aria-label") for tile in tiles.all()]
    return [int(re.search(r"rank (\d+)", label)[1]) for label in labels]


def said(page):
    """The measures as the line below the ranking gives them."""
    found = page.locator("[role=status] data").all()
    return [float(each.get_attribute("value")) for each in found]


def tile_at(page, rank):
    return page.get_by_role("button", name=f"Right tile, rank {rank} of")


def drag(page, start, end):
    """From the middle of the tile at one rank to the middle of that at another."""
    tiles = page.locator("li")
    first, last = (tiles.nth(rank - 1).bounding_box() for rank in (start, end))
    y = first["y"] + first["height"] / 2
    page.mouse.move(first["x"] + first["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] / 2, y + 40, steps=5)  # hands slip
    page.mouse.up()


@pytest.mark.parametrize("start", STARTS, ids=str)
def test_its_measures_are_the_packages_after_every_move(browser, start):
    gallery = STARTS[start]
    page = opened(browser, ranking(start, gallery)._repr_html_())
    draw = np.random.default_rng(0)
    seen = {start}
    for _ in range(12):
        ranks = ranks_of(page)
        key = ("ArrowLeft", "ArrowRight", "Home", "End")[draw.integers(4)]
        tile_at(page, ranks[draw.integers(len(ranks))]).press(key)
        ranks = ranks_of(page)
        assert len({*ranks}) == len(start) and ranks == sorted(ranks)
        assert said(page) == pytest.approx(by_the_package(ranks, gallery), abs=1e-6)
        seen.add(tuple(ranks))
    assert len(seen) >= 4
    assert page.faults == []
    page.context.close()


def test_arrow_keys_move_the_tile_in_hand_and_the_ranks_are_said(page):
    tile_at(page, 9).focus()
    for _ in range(7):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")  # the tile kept the focus
    assert page.evaluate("document.activeElement.ariaLabel") == "Right tile, rank 2 of 10"
    assert page.get_by_role("status").inner_text() == (
        "Right at 1, 2, 10. R@1 100 %, R@5 100 %. AP 0.754 (trapezoid), 0.767 (textbook)."
    )
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")  # there is nothing before the first
    assert ranks_of(page) == [1, 2, 10]


def test_a_mouse_drags_a_right_tile_and_no_wrong_one(page):
    drag(page, 1, 4)
    assert ranks_of(page) == [4, 9, 10]
    assert said(page) == pytest.approx(by_the_package([4, 9, 10], 10), abs=1e-6)
    drag(page, 2, 7)
    assert ranks_of(page) == [4, 9, 10]
    drag(page, 10, 1)  # it passes the two others, which close the gap
    assert ranks_of(page) == [1, 5, 10]


def test_a_finger_drags_a_tile(browser):
    page = opened(browser, ranking([3])._repr_html_(), has_touch=True, is_mobile=False)
    client = page.context.new_cdp_session(page)
    boxes = [page.locator("li").nth(rank - 1).bounding_box() for rank in (3, 8)]
    middles = [{"x": box["x"] + box["width"] / 2, "y": box["y"] + 10} for box in boxes]
    for kind, points in (
        ("touchStart", [middles[0]]),
        ("touchMove", [middles[1]]),
        ("touchEnd", []),
    ):
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert ranks_of(page) == [8]
    page.context.close()


def test_buttons_move_the_chosen_tile_and_lead_back(page):
    tile_at(page, 9).click()
    assert tile_at(page, 9).get_attribute("aria-pressed") == "true"
    up, down = page.get_by_text("one rank up"), page.get_by_text("one rank down")
    up.click()
    up.click()
    assert ranks_of(page) == [1, 7, 10]
    down.click()
    assert ranks_of(page) == [1, 8, 10]
    page.get_by_text("as at first").click()
    assert ranks_of(page) == [1, 9, 10]
    assert said(page) == pytest.approx(by_the_package([1, 9, 10], 10), abs=1e-6)


def test_it_fits_a_phone_and_its_tiles_a_finger(page):
    page.set_viewport_size({"width": 390, "height": 900})
    boxes = [tile.bounding_box() for tile in page.locator("li").all()]
    assert boxes[-1]["x"] + boxes[-1]["width"] <= 390
    assert min(min(box["width"], box["height"]) for box in boxes) >= 24


def test_without_scripts_it_shows_the_ranking_as_given(browser):
    page = opened(browser, ranking([1, 9, 10])._repr_html_(), java_script_enabled=False)
    assert not page.get_by_text("one rank up").is_visible()
    assert tile_at(page, 9).is_disabled()
    text = page.get_by_role("status").inner_text()
    assert text.startswith("Right at 1, 9, 10. R@1 100 %") and "AP 0.478 (trapezoid)" in text
    page.context.close()
