"""What the chapters show: guesses, tables, and players and sliders that need no other host."""

import base64
import json
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dphr_lab.datasets import ArrayImages
from dphr_lab.teaching import (
    compare_guess,
    guess_choice,
    guess_number,
    player,
    public_data,
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
