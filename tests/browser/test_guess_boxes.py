"""Guess boxes by keyboard, with scripts and without."""

import pytest

from dphr_lab.teaching import guess_choice, guess_number

pytestmark = pytest.mark.slow

NUMBER = guess_number("How many of a hundred?", 61.3, within=5, unit=" %", explain="By eye.")
CHOICE = guess_choice("Which?", {"A": "It is near.", "B": "It is far."}, "A")


@pytest.fixture
def markup():
    return NUMBER._repr_html_() + CHOICE._repr_html_()


def test_a_number_is_graded_by_keyboard(page):
    if not page.scripts:
        assert not page.get_by_role("spinbutton").is_visible()
        return
    assert not page.get_by_text("Found: 61 %").is_visible()
    field = page.get_by_role("spinbutton", name="Your guess")
    for typed, verdict in (
        ("20", "Not near enough: you said 20 %"),
        ("58", "Right: you said 58 %"),
    ):
        field.fill(typed)
        field.press("Enter")
        assert page.get_by_role("status").first.inner_text() == f"{verdict}, found 61 %."
    assert page.get_by_text("Found: 61 %. By eye.").is_visible()


def test_a_choice_is_graded_by_keyboard(page):
    if not page.scripts:
        assert not page.get_by_role("radio").first.is_visible()
        return
    page.get_by_label("A", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    said = page.get_by_role("status").last
    assert said.inner_text() == "No. It is far."
    page.get_by_label("A", exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert said.inner_text() == "Right. It is near."


def test_the_answer_can_be_had_without_a_guess(page):
    assert not page.get_by_text("A. It is near.").is_visible()
    page.get_by_text("Show the answer").last.click()
    assert page.get_by_text("A. It is near.").is_visible()
