"""A photograph and the tiles of a family of twins: the reader chooses, then sees what differs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import chain
from string import ascii_uppercase
from typing import TYPE_CHECKING

import numpy as np

from dphr_lab._images import jpeg_uri
from dphr_lab.teaching.shown import Shown, as_script, name_of

if TYPE_CHECKING:
    from dphr_lab.scenes import Change, Conditions, Place, Pose

_PX = 256  # for people; networks of this book get 64 or 128
_MARGIN_M = 2.0  # between a thing and its outline
QUESTION = "Which tile shows the place of the photograph?"


def find_among_twins(
    places: Sequence[Place],
    right: int,
    comments: Sequence[str],
    pose: Pose,
    day: Conditions | None = None,
    question: str = QUESTION,
) -> Shown:
    """A drone's photograph and the tiles of twins, 256 px each, one of which the reader chooses.

    `places` are twins of one family, whose tiles are called A, B, … in this order; the photograph
    shows `places[right]` from `pose`. Both views are of `day`, a fair one in summer where None.
    A click or key chooses a tile. Then the tile's comment (one a place) says whether it is right,
    and outlines show what differs between the right tile and each twin. Needs neither a kernel nor
    a network; where no script runs, answer and outlines are behind "Show the answer". Raises
    ValueError for fewer than two places, places of several families, a `right` that is none of
    them, or another number of comments.
    """
    from dphr_lab import scenes

    places = [*places]
    if len(places) < 2 or len({place.family for place in places}) > 1:
        families = [place.family for place in places]
        raise ValueError(f"places are of families {families}; expected two or more of one family")
    if right not in range(len(places)):
        raise ValueError(f"right is {right}; expected 0 to {len(places) - 1}, a number of places")
    if len(comments) != len(places):
        raise ValueError(f"comments: {len(comments)} given; expected {len(places)}, one a place")
    day = day or scenes.Conditions()
    scene = places[right].scene
    photo = scenes.render_drone(scene, pose, _PX, day, np.random.default_rng(0))
    tiles = [
        scenes.render_satellite(place.scene, _PX, day, np.random.default_rng(0)) for place in places
    ]
    differs = [_differences(places[right], place) for place in places]
    differs[right] = [*chain(*differs)]  # from any of the twins
    above, aside = scenes.satellite_matrix(_PX), scenes.drone_matrix(pose, _PX)
    views = [_view(photo, "Drone photograph of the place", outlines(differs[right], aside))]
    for letter, tile, changes in zip(ascii_uppercase, tiles, differs, strict=False):
        views.append(_view(tile, f"Satellite tile {letter}", outlines(changes, above)))
    return _quiz(question, views, right, comments)


def _differences(place: Place, twin: Place) -> list[Change]:
    """What was changed from their family's layout in one of the two; nothing for itself."""
    return [] if place.id == twin.id else [*place.changes, *twin.changes]


def outlines(changes: Sequence[Change], matrix: np.ndarray) -> list[np.ndarray]:
    """Where in a picture the changed things are or were: polygons (n, 2), pixels.

    `matrix` (3, 4) is the picture's camera, such as `scenes.drone_matrix` gives. A polygon goes
    around a thing from the ground to its eaves, at a distance of 2 m. A thing that was moved has
    two, one that was recoloured has one.
    """
    from cv2 import convexHull

    from dphr_lab.scenes import project
    from dphr_lab.scenes.towns.description import corners

    found = {}
    for thing in chain(*((change.before, change.after) for change in changes)):
        if thing is not None:
            foot = np.column_stack([corners(thing, _MARGIN_M), np.zeros(4)])
            top = foot + [0, 0, getattr(thing, "height_m", 0.0)]  # fields are flat
            pixels, _ = project(matrix, np.concatenate([foot, top]))
            hull = convexHull(pixels.astype(np.float32))[:, 0]
            found.setdefault(hull.round(1).tobytes(), hull)
    return [*found.values()]


def _view(pixels: np.ndarray, alt: str, polygons: list[np.ndarray]) -> str:
    """A picture with its outlines upon it, black and yellow: seen on any ground."""
    lines = "".join(
        f'<polygon points="{" ".join(f"{u:.1f},{v:.1f}" for u, v in polygon)}"/>'
        for polygon in polygons
    )
    return _VIEW.format(alt=escape(alt), picture=jpeg_uri(pixels), px=_PX, lines=lines)


def _quiz(question: str, views: list[str], right: int, comments: Sequence[str]) -> Shown:
    letters = ascii_uppercase[: len(comments)]
    name = name_of("twins", question, *views, *comments)
    html = _QUIZ.format(
        name=name,
        question=escape(question),
        photo=views[0],
        tiles="".join(
            _TILE.format(view=view, letter=letter)
            for view, letter in zip(views[1:], letters, strict=True)
        ),
        right=letters[right],
        comments="".join(
            f"<li>{letter}: {escape(comment)}</li>"
            for letter, comment in zip(letters, comments, strict=True)
        ),
        grade=_GRADE,
        told=as_script({"right": right, "comments": [*comments]}),
    )
    options = "".join(f"\n  ( ) tile {letter}" for letter in letters)
    return Shown(html, f"Your guess? {question}{options}")


_VIEW = """\
<span style="display:block;position:relative"><img alt="{alt}" src="{picture}" \
width="{px}" height="{px}" style="display:block;width:100%;height:auto;margin:0">\
<svg viewBox="0 0 {px} {px}" aria-hidden="true" style="display:none;position:absolute;inset:0;\
width:100%;height:100%;fill:none;stroke-linejoin:round">\
<g stroke="#000" stroke-width="4">{lines}</g>\
<g stroke="#f0e442" stroke-width="1.8">{lines}</g></svg></span>"""
_TILE = """\
<button type="button" disabled aria-pressed="false" style="display:block;font:inherit;\
color:inherit;background:transparent;border:0;padding:0;margin:0;text-align:center;cursor:pointer">\
{view}tile {letter}</button>
"""
# The outlines show while the answer is open, with and without scripts.
_QUIZ = """\
<div id="{name}" style="border-left:4px solid #0072b2;padding:.5em 1em;margin:.5em 0">
<style>#{name}:has(details[open]) svg {{ display: block !important }}</style>
<p id="{name}-q" style="margin:0 0 .5em"><strong>Your guess?</strong> {question}</p>
<div role="group" aria-labelledby="{name}-q" \
style="display:grid;grid-template-columns:repeat(2,minmax(0,256px));gap:.6em">
<div style="text-align:center">{photo}photograph</div>
{tiles}</div>
<p role="status" style="margin:.5em 0"></p>
<details><summary>Show the answer, and outline what differs</summary>
<p>The place is that of tile {right}.</p><ul>{comments}</ul></details>
</div>
<script>({grade})(document.getElementById("{name}"), {told});</script>"""
_GRADE = """\
function (box, told) {
  const tiles = [...box.querySelectorAll("button")], said = box.querySelector("[role=status]");
  const choose = (chosen) => {
    tiles.forEach((tile, k) => {
      tile.setAttribute("aria-pressed", k === chosen);
      tile.style.outline = k === chosen ? "3px solid #0072b2" : "";
    });
    said.textContent = (chosen === told.right ? "Right. " : "No. ") + told.comments[chosen];
    box.querySelector("details").open = true;
  };
  tiles.forEach((tile, k) => {
    tile.disabled = false;
    tile.addEventListener("click", () => choose(k));
  });
}"""
