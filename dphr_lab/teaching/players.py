"""What chapters do: compare a guess, show a player, find public data. Needs `[book]`."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from IPython.display import HTML
    from matplotlib.figure import Figure

    from dphr_lab.datasets import ImageSet

# The buttons' glyphs come from a font on another host; these are in every browser's own.
_GLYPHS = {
    "fa-minus": "−",
    "fa-fast-backward": "|◀◀",
    "fa-step-backward": "◀|",
    "fa-play fa-flip-horizontal": "◀",
    "fa-pause": "❚❚",
    "fa-play": "▶",
    "fa-step-forward": "|▶",
    "fa-fast-forward": "▶▶|",
    "fa-plus": "+",
}
_LARGEST_PLAYER = 1_000_000  # characters of HTML: a page has to load on a phone


def compare_guess(guess: float | None, truth: float, unit: str = "") -> None:
    """Print the value found and how far from it the reader's guess was.

    `guess` None: say how to make one. `unit` follows the numbers, such as "%" or " m".
    """
    print(f"found: {truth:.1f}{unit}")
    if guess is None:
        print("your guess: none yet; set it in this cell before you look, and run it again")
    else:
        print(f"your guess: {guess:.1f}{unit}, off by {abs(guess - truth):.1f}{unit}")


def right_and_twins(query: ImageSet, gallery: ImageSet, order=None) -> tuple:
    """Which gallery images show each query's place, and which a twin of it: two bool arrays.

    (Q, G) over the whole gallery; (Q, k) for `order` (Q, k), the gallery indices of each query's
    answers as `retrieval.rank` gives them. Raises ValueError where families are not known.
    """
    if query.families is None or gallery.families is None:
        raise ValueError("query and gallery: families are not known, so neither are twins")
    columns = np.arange(len(gallery))[None] if order is None else np.asarray(order)
    right = gallery.places[columns] == query.places[:, None]
    return right, (gallery.families[columns] == query.families[:, None]) & ~right


def player(
    figure: Figure,
    draw: Callable[[int], Iterable | None],
    frames: int,
    alt: str,
    interval_ms: int = 400,
) -> HTML:
    """An animation with buttons that plays in a built page, without a kernel or a network.

    `draw(i)` draws frame i of `frames` on `figure`, which is closed afterwards; `alt` is read to
    those who do not see it. Raises ValueError for no frames, no `alt`, or a player over 1 MB.
    """
    import matplotlib.pyplot as plt
    from IPython.display import HTML
    from matplotlib.animation import FuncAnimation

    if frames < 1:
        raise ValueError(f"frames is {frames}; expected 1 or more")
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the player shows")
    animation = FuncAnimation(
        figure, lambda i: draw(i) or (), frames=frames, init_func=lambda: (), interval=interval_ms
    )
    markup = animation.to_jshtml(default_mode="once")
    plt.close(figure)
    markup = _with_the_same_names_each_time(markup, alt)
    markup = _readable_by_all(_without_other_hosts(markup), alt)
    if len(markup) > _LARGEST_PLAYER:
        raise ValueError(
            f"the player has {len(markup) / 1e6:.1f} MB; expected at most "
            f"{_LARGEST_PLAYER / 1e6:.0f}: draw fewer frames, or a smaller figure or dpi"
        )
    return HTML(markup)


def _without_other_hosts(markup: str) -> str:
    markup = re.sub(r"<link[^>]*https?://[^>]*>", "", markup)
    for name, glyph in _GLYPHS.items():
        markup = markup.replace(f'<i class="fa {name}"></i>', glyph)
    return markup


def _readable_by_all(markup: str, alt: str) -> str:
    alt = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    markup = re.sub(r"<img (id=)", rf'<img alt="{alt}" style="max-width: 100%" \1', markup)
    markup = markup.replace("width: 374px;", "width: 374px; max-width: 90%;")  # of a phone
    return markup.replace('<input id="_anim_slider', '<input aria-label="Frame" id="_anim_slider')


def _with_the_same_names_each_time(markup: str, alt: str) -> str:
    """The markup's random identifiers replaced by one that depends on `alt`."""
    drawn = re.search(r"_anim_img([0-9a-f]{32})", markup).group(1)
    return markup.replace(drawn, hashlib.sha256(alt.encode()).hexdigest()[:32])


def public_data(name: str) -> Path | None:
    """The folder of "University-1652" or "SUES-200" in or below `DPHR_DATA`, None where it is not.

    `DPHR_DATA` is an environment variable: a data set's folder, or the one that holds it. Raises
    FileNotFoundError where it is set to no folder.
    """
    from dphr_lab.datasets import find_layout

    root = os.environ.get("DPHR_DATA")
    if not root:
        return None
    if not Path(root).is_dir():
        raise FileNotFoundError(f"DPHR_DATA is {root!r}: there is no such folder; set another one")
    for folder in (Path(root), *sorted(path for path in Path(root).iterdir() if path.is_dir())):
        try:
            if find_layout(folder).name == name:
                return folder
        except (FileNotFoundError, ValueError):  # no data set, or another kind of folder
            continue
    return None
