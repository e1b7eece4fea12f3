"""Sliders by keyboard, with scripts and without."""

import matplotlib.pyplot as plt
import pytest

from dphr_lab.teaching import slider

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def markup():
    figure, axis = plt.subplots(figsize=(7, 3.5))

    def draw(slope, height):
        axis.clear()
        axis.plot([0, 1], [height, height + slope])
        axis.set(xlim=(0, 1), ylim=(-2, 4))
        return f"It ends at {height + slope:.1f}."

    values = {"slope": [-1.0, 0.0, 0.5, 1.0, 2.0], "height": [0.0, 1.0, 2.0]}
    return slider(figure, draw, values, "A straight line by slope and height.").data


def test_its_picture_is_wide_and_fits_a_phone(page):
    picture = page.get_by_role("img", name="A straight line by slope and height.")
    assert picture.bounding_box()["width"] >= 640
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
    page.set_viewport_size({"width": 390, "height": 900})
    box = picture.bounding_box()
    assert box["x"] + box["width"] <= 390


def test_it_is_moved_by_keyboard_and_says_where_it_stands(page):
    assert page.get_by_text("It ends at 1.5.").is_visible()
    if not page.scripts:
        assert not page.get_by_role("slider").first.is_visible()
        return
    slope, height = (page.get_by_role("slider", name=name) for name in ("slope", "height"))
    picture = page.locator("img")
    seen = {picture.get_attribute("src")}
    for moved, key, stands, ends in (
        (slope, "ArrowRight", "1", "2.0"),
        (height, "ArrowLeft", "0", "1.0"),
        (slope, "Home", "-1", "-1.0"),
        (height, "End", "2", "1.0"),
    ):
        moved.press(key)
        assert moved.get_attribute("aria-valuetext") == stands
        assert page.get_by_role("status").inner_text() == f"It ends at {ends}."
        assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
        seen.add(picture.get_attribute("src"))
    assert len(seen) == 5
