"""Moving figures for pages that have no kernel and no network: players and sliders.

All frames are drawn beforehand and are part of the page. A player shows them one after the other, a
slider the one that the reader asks for.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import product
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
    _has_text(alt)
    animation = FuncAnimation(
        figure, lambda i: draw(i) or (), frames=frames, init_func=lambda: (), interval=interval_ms
    )
    markup = animation.to_jshtml(default_mode="once")
    plt.close(figure)
    markup = _with_the_same_names_each_time(markup, alt)
    markup = _readable_by_all(_without_other_hosts(markup), alt)
    return HTML(_small_enough(markup))


def slider(
    figure: Figure,
    draw: Callable[..., str | None],
    values: Mapping[str, Sequence],
    alt: str,
) -> HTML:
    """A figure with a slider for each of its parameters, in a page without a kernel or a network.

    `values` maps the name of each parameter to the values that it takes, such as
    `{"β": [0, 4, 16]}`. `draw(value, ...)` draws `figure` anew, one value a parameter in that
    order; it is called once for each combination. A text that it returns stands below the picture.
    `figure` is closed afterwards, and `alt` is read to those who do not see it. Where no script
    runs the picture is the one in the middle. What frames have in common is stored once, so equal
    axis limits in all frames keep the page small. Raises ValueError for no parameter, fewer than
    two values of one, no `alt`, or a slider over 1 MB.
    """
    import matplotlib.pyplot as plt
    from IPython.display import HTML

    if not values or any(len(of_one) < 2 for of_one in values.values()):
        counts = {name: len(of_one) for name, of_one in values.items()}
        raise ValueError(
            f"values has {counts} values; expected a name or more, each with 2 or more"
        )
    _has_text(alt)
    said, frames = [], []
    for chosen in product(*values.values()):
        said.append(draw(*chosen) or "")
        frames.append(_drawing(figure))
    plt.close(figure)
    texts = {name: [_as_text(value) for value in of_one] for name, of_one in values.items()}
    return HTML(_small_enough(_with_sliders(texts, frames, said, alt)))


def _with_sliders(
    texts: dict[str, list[str]], frames: list[list[str]], said: list[str], alt: str
) -> str:
    """The markup of a slider: the middle frame as a picture, and a script that shows the others."""
    parts = {part: None for frame in frames for part in frame}
    number = {part: i for i, part in enumerate(parts)}
    told = {
        "values": [*texts.values()],
        "parts": [*parts],
        "frames": [[number[part] for part in frame] for frame in frames],
        "said": said,
    }
    # "</" and "<!" could end the script; escaped they are the same strings
    script = json.dumps(told, ensure_ascii=False).replace("</", "<\\/").replace("<!", "\\u003c!")
    rows, middle = "", 0
    for name, of_one in texts.items():
        half = len(of_one) // 2
        middle = middle * len(of_one) + half
        last, text = len(of_one) - 1, escape(of_one[half])
        rows += _SLIDER_ROW.format(name=escape(name), last=last, half=half, text=text)
    return _SLIDER.format(
        name=f"slider-{hashlib.sha256((alt + script).encode()).hexdigest()[:12]}",
        alt=escape(alt),
        picture=base64.b64encode("".join(frames[middle]).encode()).decode(),
        rows=rows,
        said=escape(said[middle]),
        show=_SHOW,
        told=script,
    )


def _drawing(figure: Figure) -> list[str]:
    """The figure as SVG, the same each time, in parts: a tag with what follows it."""
    import matplotlib as mpl

    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "slider", "svg.fonttype": "path"}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing, facecolor="white")
    markup = "<svg" + file.getvalue().partition("<svg")[2]
    # a hundredth of a point is not seen, and a last digit differs from machine to machine
    coordinate = r'(?<=[MLCQ "])-?\d+\.\d{3,}(?=[\s"])'
    markup = re.sub(coordinate, lambda found: f"{float(found[0]):.2f}", markup)
    return re.split(r"(?=<)", markup)[1:]


def _as_text(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _has_text(alt: str) -> None:
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the pictures show")


def _small_enough(markup: str) -> str:
    if len(markup) > _LARGEST_PLAYER:
        raise ValueError(
            f"the frames have {len(markup) / 1e6:.1f} MB; expected at most "
            f"{_LARGEST_PLAYER / 1e6:.0f}: draw fewer frames, or a smaller figure or dpi"
        )
    return markup


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


_SLIDER = """\
<div id="{name}" style="max-width:720px">
<img alt="{alt}" style="width:100%" src="data:image/svg+xml;base64,{picture}">
<div hidden>{rows}</div>
<p role="status" style="margin:.3em 0">{said}</p>
</div>
<script>({show})(document.getElementById("{name}"), {told});</script>"""
_SLIDER_ROW = """\
<div style="margin:.3em 0">
<label>{name} <input type="range" min="0" max="{last}" value="{half}" aria-valuetext="{text}" \
style="width:60%;vertical-align:middle"></label> <span>{text}</span>
</div>"""
# The sliders show where scripts run; the picture is then put together from its parts.
_SHOW = """\
function (box, told) {
  const sliders = [...box.querySelectorAll("input")], picture = box.querySelector("img");
  const show = () => {
    let at = 0;
    sliders.forEach((slider, k) => {
      const text = told.values[k][slider.value];
      at = at * told.values[k].length + Number(slider.value);
      slider.setAttribute("aria-valuetext", text);
      slider.parentElement.nextElementSibling.textContent = text;
    });
    const drawing = told.frames[at].map((part) => told.parts[part]).join("");
    picture.src = "data:image/svg+xml," + encodeURIComponent(drawing);
    box.querySelector("[role=status]").textContent = told.said[at];
  };
  sliders.forEach((slider) => slider.addEventListener("input", show));
  box.querySelector("[hidden]").hidden = false;
}"""
