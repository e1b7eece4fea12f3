"""A ranking that a reader rearranges by hand, with what R@K and AP say of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from dphr_lab.plotting import PALETTE
from dphr_lab.teaching.shown import FIELD, Shown, as_script, name_of

_FEWEST, _MOST = 5, 12  # tiles: R@5 needs five, and a phone has room for a dozen


def ranking(right: Sequence[int], gallery: int = 10) -> Shown:
    """One query's ranking, whose right tiles a reader moves; its measures follow.

    `right` are the ranks, from 1, at which right tiles stand at first, among `gallery` tiles, 5 to
    12. A tile is moved by dragging, by arrow keys or by buttons, and those that it passes close
    the gap. R@1, R@5 and both average precisions are those of `retrieval.evaluate`. Needs neither
    a kernel nor a network; where no script runs it shows the ranking as given. Raises ValueError
    for no rank, one given twice or outside of the gallery, or a gallery of another size.
    """
    if not _FEWEST <= gallery <= _MOST:
        raise ValueError(f"gallery is {gallery}; expected {_FEWEST} to {_MOST} tiles")
    ranks = sorted(int(rank) for rank in right)
    if not ranks or len({*ranks}) < len(ranks) or ranks[0] < 1 or ranks[-1] > gallery:
        raise ValueError(
            f"right is {[*right]}; expected one rank or more, each once, from 1 to {gallery}"
        )
    tiles = "".join(
        _RIGHT.format(rank=rank, gallery=gallery) if rank in ranks else _WRONG
        for rank in range(1, gallery + 1)
    )
    said = _said(ranks, _measures(ranks, gallery))
    html = _RANKING.format(
        name=name_of("ranking", str(ranks), str(gallery)),
        columns=f"display:grid;grid-template-columns:repeat({gallery},1fr);gap:2px",
        numbers="".join(f"<span>{rank}</span>" for rank in range(1, gallery + 1)),
        tiles=tiles,
        said=said,
        move=_MOVE,
        told=as_script({"ranks": ranks}),
    )
    row = " ".join("✓" if rank in ranks else "·" for rank in range(1, gallery + 1))
    return Shown(html, f"{row}\n{re.sub('<[^>]+>', '', said)}")


def _measures(ranks: list[int], gallery: int) -> dict[str, float]:
    """What the package says of the ranking: R@1 and R@5 in percent, both AP in [0, 1]."""
    from dphr_lab.retrieval import query_outcomes

    angles = np.linspace(0, 1, gallery)  # the farther from the query, the later
    tiles = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    places = [int(rank in ranks) for rank in range(1, gallery + 1)]
    outcome = query_outcomes([[1.0, 0.0]], [1], tiles, places)
    return {
        "R@1": 100.0 * outcome.hit(1).item(),
        "R@5": 100.0 * outcome.hit(5).item(),
        "trapezoid": outcome.ap.item(),
        "textbook": outcome.ap_textbook.item(),
    }


def _said(ranks: list[int], measures: dict[str, float]) -> str:
    """The line that `_MOVE` writes after each move, for the ranking as given."""

    def value(name: str, digits: int) -> str:
        return f'<data value="{measures[name]:.6f}">{measures[name]:.{digits}f}</data>'

    listed = ", ".join(map(str, ranks))
    return (
        f"Right at {listed}. R@1 {value('R@1', 0)} %, R@5 {value('R@5', 0)} %. "
        f"AP {value('trapezoid', 3)} (trapezoid), {value('textbook', 3)} (textbook)."
    )


_TILE = "height:2.6em;border-radius:4px;box-sizing:border-box;width:100%"
_RIGHT = (
    f'<li><button type="button" disabled aria-pressed="false" aria-label="Right tile, rank {{rank}}'
    f' of {{gallery}}" style="{_TILE};display:block;padding:0;font:inherit;font-weight:bold;'
    f"color:#fff;background:{PALETTE['blue']};border:0;outline-offset:1px;cursor:grab;"
    f'touch-action:none">✓</button></li>'
)
_WRONG = f'<li><div role="img" aria-label="wrong tile" style="{_TILE};background:#ddd"></div></li>'
_RANKING = f"""\
<div id="{{name}}" style="max-width:720px;margin:.5em 0;padding:4px">
<div aria-hidden="true" style="{{columns}};text-align:center">{{numbers}}</div>
<ol aria-label="The ranking, best first" \
style="{{columns}};list-style:none;margin:0;padding:0">{{tiles}}</ol>
<p hidden style="margin:.5em 0">
<button type="button" data-by="-1" style="{FIELD}">◀ one rank up</button>
<button type="button" data-by="1" style="{FIELD}">one rank down ▶</button>
<button type="button" style="{FIELD}">as at first</button>
</p>
<p role="status" style="margin:.5em 0">{{said}}</p>
</div>
<script>({{move}})(document.getElementById("{{name}}"), {{told}});</script>"""
# A tile's place among its neighbours is its rank. What moves is a right tile, by mouse, finger or
# key; the line below is a live region, which screen readers read.
_MOVE = """\
function (box, told) {
  const row = box.querySelector("ol"), said = box.querySelector("[role=status]");
  const buttons = box.querySelector("p"), right = [...row.querySelectorAll("button")];
  const rankOf = (tile) => 1 + [...row.children].indexOf(tile.parentElement);
  let chosen = right[right.length - 1], dragged = false;
  const value = (x, digits) => `<data value="${x.toFixed(6)}">${x.toFixed(digits)}</data>`;
  const say = () => {
    const ranks = right.map(rankOf).sort((a, b) => a - b);
    const mean = (of) => ranks.reduce((sum, r, k) => sum + of(r, k + 1), 0) / ranks.length;
    const hit = (k) => value(ranks[0] <= k ? 100 : 0, 0);
    const textbook = mean((r, i) => i / r);
    const before = mean((r, i) => (r > 1 ? (i - 1) / (r - 1) : 1));
    said.innerHTML = `Right at ${ranks.join(", ")}. R@1 ${hit(1)} %, R@5 ${hit(5)} %. ` +
      `AP ${value((before + textbook) / 2, 3)} (trapezoid), ${value(textbook, 3)} (textbook).`;
  };
  const name = () => right.forEach((tile) => {
    tile.setAttribute("aria-label", `Right tile, rank ${rankOf(tile)} of ${row.children.length}`);
    tile.setAttribute("aria-pressed", tile === chosen);
    tile.style.outline = tile === chosen ? "3px solid #e69f00" : "";
  });
  const choose = (tile) => { chosen = tile; name(); };
  const move = (tile, rank) => {
    const from = rankOf(tile), to = Math.min(Math.max(rank, 1), row.children.length);
    if (to === from) return;
    const there = row.children[to - 1];
    row.insertBefore(tile.parentElement, to < from ? there : there.nextSibling);
    name();
    say();
  };
  row.addEventListener("click", ({ target }) => {
    if (right.includes(target)) choose(target);
  });
  row.addEventListener("pointerdown", (event) => {
    if (!right.includes(event.target)) return;
    event.preventDefault();
    choose(event.target);
    chosen.focus();
    dragged = true;
    row.setPointerCapture(event.pointerId);
  });
  row.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const { left, width } = row.getBoundingClientRect();
    move(chosen, 1 + Math.floor((event.clientX - left) / width * row.children.length));
  });
  for (const end of ["pointerup", "pointercancel"])
    row.addEventListener(end, () => {
      if (dragged) chosen.focus();
      dragged = false;
    });
  row.addEventListener("keydown", (event) => {
    if (!right.includes(event.target)) return;
    const rank = rankOf(event.target);
    const keys = { ArrowLeft: rank - 1, ArrowRight: rank + 1, Home: 1, End: row.children.length };
    if (!(event.key in keys)) return;
    event.preventDefault();
    choose(event.target);
    move(chosen, keys[event.key]);
    chosen.focus();
  });
  buttons.addEventListener("click", ({ target }) => {
    if ("by" in target.dataset) return move(chosen, rankOf(chosen) + Number(target.dataset.by));
    if (target.tagName !== "BUTTON") return;
    right.forEach((tile) => row.append(tile.parentElement));
    right.forEach((tile, k) => {
      row.insertBefore(tile.parentElement, row.children[told.ranks[k] - 1]);
    });
    name();
    say();
  });
  right.forEach((tile) => { tile.disabled = false; });
  buttons.hidden = false;
  name();
}"""
