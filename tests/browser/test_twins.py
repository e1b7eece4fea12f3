"""A choice among twins by mouse and keys, with scripts and without."""

import pytest

from dphr_lab import scenes
from dphr_lab.teaching import find_among_twins

pytestmark = pytest.mark.slow

COMMENTS = ["a hall is missing", "<it> is here", "a roof is red"]


@pytest.fixture(scope="module")
def markup():
    counts = {"train_places": 0, "test_places": 3, "distractor_places": 0}
    world = scenes.make_world(scenes.WorldSettings(**counts))
    pose = scenes.Pose(160, azimuth_deg=140, pitch_deg=50, fov_deg=45)
    return find_among_twins(world.test, 1, COMMENTS, pose)._repr_html_()


def test_its_pictures_are_shown_at_their_own_size_and_fit_a_phone(page):
    pictures = page.get_by_role("img").all()
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.bounding_box()["width"] == picture.evaluate("p => p.naturalWidth") == 256
    page.set_viewport_size({"width": 390, "height": 900})
    boxes = [picture.bounding_box() for picture in pictures]
    assert max(box["x"] + box["width"] for box in boxes) <= 390
    assert min(box["width"] for box in boxes) > 140


def test_a_choice_is_graded_by_keyboard_and_outlined(page):
    outlines = page.locator("svg")
    assert not any(each.is_visible() for each in outlines.all())
    tiles = [page.get_by_role("button", name=f"Satellite tile {x}") for x in "ABC"]
    if not page.scripts:
        assert all(tile.is_disabled() for tile in tiles)
        return
    said = page.get_by_role("status")
    tiles[0].focus()
    page.keyboard.press("Enter")
    assert said.inner_text() == "No. a hall is missing"
    assert all(each.is_visible() for each in outlines.all())
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert said.inner_text() == "Right. <it> is here"
    assert [tile.get_attribute("aria-pressed") for tile in tiles] == ["false", "true", "false"]


def test_outlines_and_answer_can_be_had_without_a_choice_and_hidden_again(page):
    answer, outline = page.get_by_text("The place is that of tile B."), page.locator("svg").first
    assert not answer.is_visible()
    page.locator("summary").click()
    assert answer.is_visible() and outline.is_visible()
    assert page.get_by_text("C: a roof is red").is_visible()
    page.locator("summary").click()
    assert not outline.is_visible()
