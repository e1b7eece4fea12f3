"""An animation with buttons, for pages that have no kernel and no network."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import HTML
    from matplotlib.figure import Figure

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
