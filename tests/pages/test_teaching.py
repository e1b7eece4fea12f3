"""What the chapters show and ask: nothing of it needs another host."""

import base64
import json
import re
from xml.etree import ElementTree

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from dphr_lab import scenes
from dphr_lab.datasets import ArrayImages
from dphr_lab.teaching import (
    check_answer,
    compare_guess,
    find_among_twins,
    guess_choice,
    guess_number,
    outlines,
    player,
    public_data,
    ranking,
    right_and_twins,
    slider,
    table,
)

pytest.importorskip("IPython")


def make(frames=3, alt='a <line> that "moves"'):
    figure, axis = plt.subplots(figsize=(2, 2), dpi=50)
    drawn = []

    def draw(i):
        drawn.append(i)
        axis.clear()
        axis.plot([0, i], [0, 1])

    return player(figure, draw, frames, alt).data, drawn, figure


def test_a_player_asks_no_other_host_and_keeps_its_buttons():
    markup, _, _ = make()
    assert not re.search(r"(src|href)=.https?:", markup)
    assert "fa-" not in re.sub(r"base64,[^\"]*", "", markup)
    buttons = re.findall(r"<button[^>]*>\s*(.*?)\s*</button>", markup, flags=re.S)
    assert len(buttons) == 9 and all(re.fullmatch(r"[^<>]{1,3}", b) for b in buttons), buttons


def test_a_player_draws_every_frame_once_and_closes_its_figure():
    markup, drawn, figure = make(frames=4)
    assert drawn == [0, 1, 2, 3]
    assert len(re.findall(r"frames\[\d+\] = ", markup)) == 4
    assert not plt.fignum_exists(figure.number)


def test_a_player_is_described_and_the_same_each_time():
    first, _, _ = make()
    assert 'alt="a &lt;line> that &quot;moves&quot;"' in first
    assert first == make()[0] != make(alt="another")[0]


def test_a_player_refuses_no_frames_no_description_and_too_much(monkeypatch):
    with pytest.raises(ValueError, match="frames is 0"):
        make(frames=0)
    with pytest.raises(ValueError, match="alt is empty"):
        make(alt=" ")
    monkeypatch.setattr("dphr_lab.teaching.players._LARGEST_PLAYER", 1000)
    with pytest.raises(ValueError, match="fewer frames"):
        make()


def make_slider(values=None, alt='a <line> that "turns"'):
    figure, axis = plt.subplots(figsize=(6, 3))
    drawn = []

    def draw(slope, height=0.0):
        drawn.append((slope, height))
        axis.clear()
        axis.plot(np.linspace(0, 1, 100), slope * np.linspace(0, 1, 100) ** 2 / 3 + height)
        axis.set(xlim=(0, 1), ylim=(-1, 3))
        return f"slope {slope} </script>"

    values = {"slope": [0.5, 1.0, 2.0]} if values is None else values
    return slider(figure, draw, values, alt).data, drawn, figure


def told_by(markup):
    """What a slider's script knows: values, parts, frames and texts."""
    return json.loads(
        re.search(r'getElementById\("[^"]+"\), (\{.*\})\);</script>', markup, re.S)[1]
    )


def test_a_slider_draws_each_value_once_and_stores_common_parts_once():
    markup, drawn, figure = make_slider()
    assert drawn == [(0.5, 0.0), (1.0, 0.0), (2.0, 0.0)]
    assert not plt.fignum_exists(figure.number)
    told = told_by(markup)
    assert told["values"] == [["0.5", "1", "2"]] and len(told["frames"]) == 3
    drawings = ["".join(told["parts"][i] for i in frame) for frame in told["frames"]]
    assert len(set(drawings)) == 3
    for drawing in drawings:
        assert ElementTree.fromstring(drawing).tag.endswith("svg")
    assert len("".join(told["parts"])) < 0.5 * sum(map(len, drawings))


def test_a_slider_rests_on_its_middle_and_reads_without_a_script():
    markup, _, _ = make_slider()
    told = told_by(markup)
    picture = re.search(r"base64,([^\"]+)", markup)[1]
    middle = "".join(told["parts"][i] for i in told["frames"][1])
    assert base64.b64decode(picture).decode() == middle
    assert 'value="1" aria-valuetext="1"' in markup and "<div hidden>" in markup
    assert 'alt="a &lt;line&gt; that &quot;turns&quot;"' in markup
    assert "slope 1.0 &lt;/script&gt;</p>" in markup and markup.count("</script>") == 1


def test_a_slider_asks_no_other_host_and_is_the_same_each_time():
    markup = make_slider()[0]
    assert not re.search(r"(src|href)=.https?:", markup)
    assert markup == make_slider()[0] != make_slider(alt="another")[0]


def test_two_parameters_cross():
    markup, drawn, _ = make_slider({"slope": [1, 2], "height <m>": [0, 1]})
    assert markup.count('type="range"') == 2 and "height &lt;m&gt;" in markup
    assert drawn == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_slider_refuses_what_cannot_be_moved_or_read(monkeypatch):
    for values in ({}, {"slope": [1]}):
        with pytest.raises(ValueError, match="2 or more"):
            make_slider(values)
    with pytest.raises(ValueError, match="alt is empty"):
        make_slider(alt=" ")
    monkeypatch.setattr("dphr_lab.teaching.players._LARGEST_PLAYER", 1000)
    with pytest.raises(ValueError, match="fewer frames"):
        make_slider()


@pytest.mark.parametrize(("guess", "said"), [(None, ""), (40, "your guess: 40.0%, off by 21.0%\n")])
def test_a_guess_is_set_beside_what_was_found_and_none_is_not_spoken_of(guess, said, capsys):
    compare_guess(guess, 61.0, "%")
    assert capsys.readouterr().out == f"found: 61.0%\n{said}"


@pytest.mark.parametrize(
    ("answer", "right", "said"),
    [
        (None, 1.0, ""),
        (0.63, 0.634, "right\n"),
        (np.array([0.634]), 0.634, "right\n"),
        (0.7, 0.634, "not yet\n"),
        (float("nan"), 0.634, "not yet\n"),
        ("0.6 or so", 0.634, "not yet\n"),
        ([1, 2], 0.634, "not yet\n"),
        (print, 0.634, "not yet\n"),
        ((0.69, 0), (0.693, 0.0), "right\n"),
        ((0.69, None), (0.693, 0.0), "not yet\n"),
        ((None, None), (0.693, 0.0), ""),
        ((), (0.693, 0.0), "not yet\n"),
        ([3, 1], torch.tensor([3, 1]), "right\n"),
        (torch.tensor([3, 1]), np.array([3, 1]), "right\n"),
        (" Falls", "falls", "right\n"),
        (3, "falls", "not yet\n"),
    ],
)
def test_an_answer_is_right_or_not_yet_and_never_an_error(answer, right, said, capsys):
    check_answer(answer, right, within=0.01)
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(("answer", "said"), [([], "not yet: r\n"), (1, "right\n"), (None, "")])
def test_a_hint_follows_not_yet_alone(answer, said, capsys):
    check_answer(answer, 1, hint="r")
    assert capsys.readouterr().out == said


def test_a_table_is_aligned_text_and_marked_up_cells():
    shown = table(
        ["loss", "R@1, %", "steps"],
        [["L_tri <b>", 61.25, 1200], ["InfoNCE", np.float32(7), None]],
        caption="R@1 of two losses",
    )
    assert repr(shown).splitlines() == [
        "R@1 of two losses",
        "loss       R@1, %  steps",
        "L_tri <b>    61.2  1,200",
        "InfoNCE       7.0      –",
    ]
    html = shown._repr_html_()
    assert "<caption>R@1 of two losses</caption>" in html and html.count("<tr>") == 3
    assert html.count('scope="col"') == 3 and html.count('scope="row"') == 2
    assert "L_tri &lt;b&gt;" in html and '<td style="text-align:right">61.2</td>' in html
    with pytest.raises(ValueError, match="a row has 1 cells; expected 2"):
        table(["a", "b"], [["only one"]])


def test_a_box_asks_no_other_host_and_hides_its_answer_without_a_script():
    box = guess_number("How <far>?", 61.3, within=5, unit=" %", explain="By eye.")
    assert repr(box) == "Your guess? How <far>?"
    html = box._repr_html_()
    assert (
        html
        == guess_number("How <far>?", 61.3, within=5, unit=" %", explain="By eye.")._repr_html_()
    )
    assert "http" not in html and "How &lt;far&gt;?" in html and "<form hidden" in html
    folded = re.search(r"<details>(.*?)</details>", html, re.S)[1]
    assert "Found: 61 %. By eye." in folded
    assert "61" not in re.sub(r"<details>.*?</details>|<script>.*?</script>", "", html, flags=re.S)


def test_a_choice_lists_its_options_in_text_too():
    box = guess_choice("Which?", {"A": "Yes.", "B": "</script> is too far."}, "A")
    assert repr(box) == "Your guess? Which?\n  ( ) A\n  ( ) B"
    assert box._repr_html_().count("</script>") == 1  # its own end
    assert "A. Yes." in box._repr_html_()


@pytest.mark.parametrize(
    ("make_box", "said"),
    [
        (lambda: guess_number(" ", 1, within=1), "question is empty"),
        (lambda: guess_number("How far?", 1, within=-1), "within is -1"),
        (lambda: guess_choice("Which?", {"A": ""}, "A"), "two or more"),
        (lambda: guess_choice("Which?", {"A": "", "B": ""}, "C"), "right is 'C'"),
    ],
)
def test_a_box_refuses_what_cannot_be_asked(make_box, said):
    with pytest.raises(ValueError, match=said):
        make_box()


def test_a_ranking_says_what_the_formulas_say():
    shown = ranking([3, 2], gallery=6)  # the query of B in chapter 04
    assert repr(shown).splitlines() == [
        "· ✓ ✓ · · ·",
        "Right at 2, 3. R@1 0 %, R@5 100 %. AP 0.417 (trapezoid), 0.583 (textbook).",
    ]
    html = shown._repr_html_()
    assert html.count(">✓<") == 2 and html.count("wrong tile") == 4
    assert f'<data value="{(0 + 1 / 2 + 1 / 2 + 2 / 3) / 4:.6f}">0.417</data>' in html
    assert "http" not in html and "<p hidden" in html and html.count("disabled") == 3
    assert html == ranking([2, 3], gallery=6)._repr_html_() != ranking([2], 6)._repr_html_()


@pytest.mark.parametrize(
    ("right", "gallery", "said"),
    [
        ([], 10, r"right is \[\]"),
        ([2, 2], 10, "each once"),
        ([0, 3], 10, "from 1 to 10"),
        ([11], 10, "from 1 to 10"),
        ([1], 4, "gallery is 4"),
        ([1], 13, "expected 5 to 12"),
    ],
)
def test_a_ranking_refuses_what_is_none(right, gallery, said):
    with pytest.raises(ValueError, match=said):
        ranking(right, gallery)


POSE = scenes.Pose(160, azimuth_deg=140, pitch_deg=50, fov_deg=45)


@pytest.fixture(scope="module")
def families():
    """Places by family."""
    counts = {"train_places": 0, "test_places": 42, "distractor_places": 0}
    world = scenes.make_world(scenes.WorldSettings(**counts))
    return [world.test[i : i + 3] for i in range(0, 42, 3)]


def drawn(place, camera):
    day, rng = scenes.Conditions(), np.random.default_rng(0)
    if camera == "drone":
        return scenes.render_drone(place.scene, POSE, 256, day, rng).astype(int)
    return scenes.render_satellite(place.scene, 256, day, rng).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("family", [2, 5, 7, 13])
@pytest.mark.parametrize("camera", ["satellite", "drone"])
def test_outlines_enclose_what_differs(families, family, camera):
    """Second route: the pixels of two rendered twins."""
    first, second = families[family][:2]
    matrix = {
        "satellite": scenes.satellite_matrix(256),
        "drone": scenes.drone_matrix(POSE, 256),
    }[camera]
    differ = np.abs(drawn(first, camera) - drawn(second, camera)).max(-1) > 30
    around = np.zeros((256, 256), np.uint8)
    polygons = outlines([*first.changes, *second.changes], matrix)
    for polygon in polygons:
        one = cv2.fillPoly(np.zeros_like(around), [polygon.round().astype(int)], 1)
        assert differ[one == 1].mean() > 0.1
        around |= one
    near = cv2.dilate(around, np.ones((41, 41)))  # shadows fall up to here
    assert differ.sum() > 200 and differ[near == 0].sum() == 0
    assert differ[around == 1].sum() > 0.5 * differ.sum()


def test_a_recoloured_thing_has_one_outline_and_a_moved_one_two(families):
    above = scenes.satellite_matrix(256)
    kinds = {change.kind: change for place in families[13] for change in place.changes}
    count = {kind: len(outlines([change], above)) for kind, change in kinds.items()}
    assert count == {"building recoloured": 1, "field swapped": 1, "building moved": 2}


@pytest.mark.slow
def test_a_choice_among_twins_hides_its_answer_and_shows_each_picture_once(families):
    comments = ["no hall", "</script> here", "red"]
    shown = find_among_twins(families[2], 1, comments, POSE)
    assert repr(shown) == (
        "Your guess? Which tile shows the place of the photograph?"
        "\n  ( ) tile A\n  ( ) tile B\n  ( ) tile C"
    )
    html = shown._repr_html_()
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/jpeg;base64,([^"]+)"', html)
    assert [alt for alt, _ in pictures] == [
        "Drone photograph of the place",
        *(f"Satellite tile {letter}" for letter in "ABC"),
    ]
    assert len({*pictures}) == 4 and len(html) < 200_000
    # hidden even where a viewer takes styles and scripts away
    assert html.count("<svg") == html.count('aria-hidden="true" style="display:none;') == 4
    assert not re.search(r"(src|href)=.https?:", html) and html.count("</script>") == 1
    folded = re.search(r"<details>.*?</details>", html, re.S)[0]
    assert "that of tile B" in folded and "C: red" in folded
    rest = html.replace(folded, "").partition("<script>")[0]
    assert not any(word in rest for word in ("no hall", "here", "tile B."))
    assert html == find_among_twins(families[2], 1, comments, POSE)._repr_html_()


def test_a_choice_among_twins_refuses_what_is_none(families):
    comments = ["a", "b", "c"]
    for places, right, said, message in (
        (families[2][:1], 0, ["a"], "two or more of one family"),
        (families[2][:2] + families[3][:1], 0, comments, "two or more of one family"),
        (families[2], 3, comments, "right is 3; expected 0 to 2"),
        (families[2], 0, ["a"], "1 given; expected 3"),
    ):
        with pytest.raises(ValueError, match=message):
            find_among_twins(places, right, said, POSE)


def test_answers_are_right_or_twins_by_place_and_family():
    def images(view, places, families):
        return ArrayImages(view, np.zeros((len(places), 2, 2, 3), np.uint8), places, families)

    query = images("drone", [7, 9], [1, 2])
    gallery = images("satellite", [9, 8, 7, 5], [2, 1, 1, 3])
    right, twins = right_and_twins(query, gallery)
    assert right.tolist() == [[False, False, True, False], [True, False, False, False]]
    assert twins.tolist() == [[False, True, False, False], [False] * 4]
    order = np.array([[1, 2], [3, 0]])
    for whole, part in zip((right, twins), right_and_twins(query, gallery, order), strict=True):
        assert (part == np.take_along_axis(whole, order, 1)).all()
    with pytest.raises(ValueError, match="families are not known"):
        right_and_twins(query, images("satellite", [9], None))


def test_public_data_are_found_by_their_layout(tmp_path, monkeypatch):
    monkeypatch.delenv("DPHR_DATA", raising=False)
    assert public_data("University-1652") is None
    university, sues = tmp_path / "b", tmp_path / "c"
    for folder in (university / "test/query_drone/0001", university / "train/drone/0002"):
        folder.mkdir(parents=True)
    for folder in (sues / "satellite-view/0001", sues / "drone_512/0001/150"):
        folder.mkdir(parents=True)
    (tmp_path / "a").mkdir()
    monkeypatch.setenv("DPHR_DATA", str(tmp_path))
    assert public_data("University-1652") == university and public_data("SUES-200") == sues
    monkeypatch.setenv("DPHR_DATA", str(sues))
    assert public_data("University-1652") is None and public_data("SUES-200") == sues
    monkeypatch.setenv("DPHR_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="DPHR_DATA"):
        public_data("SUES-200")
