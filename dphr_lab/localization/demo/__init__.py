"""`dphr demo`: a photograph and 24 tiles of a rendered town, ranked by the starter encoder.

All of it comes with the package (`book/_tools/store_demo.py` rendered it), so nothing is fetched.
"""

from __future__ import annotations

import html
from pathlib import Path

from dphr_lab._files import replace_when_done
from dphr_lab._images import jpeg_uri, read_image
from dphr_lab.localization.search import SearchResult, search_images
from dphr_lab.models import Encoder

FOLDER = Path(__file__).parent
GALLERY, QUERIES = "tiles", "query"
PICTURE_PX = 192


def run_demo(
    photo: Path | str | None = None,
    encoder: Encoder | None = None,
    top: int = 6,
    progress: bool = False,
) -> SearchResult:
    """Rank the demo's tiles for `photo`, the bundled drone photograph by default.

    `encoder` None is the starter. Raises FileNotFoundError for a missing photograph, ValueError
    for one that cannot be read.
    """
    photo = Path(photo) if photo else next((FOLDER / QUERIES).glob("*/*.jpg"))
    encoder = encoder or Encoder.load("starter")
    return search_images(encoder, [photo], FOLDER / GALLERY, top=top, progress=progress)


def write_page(found: SearchResult, path: Path | str, about: str) -> None:
    """One page that needs no network: the query, its matches best first, and `about` below."""
    query, matches, scores = found.queries[0], found.matches[0], found.scores[0]
    right = found.right[0] or (None,) * len(matches)
    cards = []
    for rank, (match, score, is_right) in enumerate(zip(matches, scores, right, strict=True), 1):
        kind, word = {True: ("right", "right place"), False: ("other", "another place"),
                      None: ("other", "")}[is_right]  # fmt: skip
        name = html.escape(f"{match.parent.name}/{match.name}")
        told = ", ".join(filter(None, (f"similarity {score:.3f}", word)))
        cards.append(
            f'<li class="{kind}"><img alt="match {rank}: {name}" src="{_data(match)}">'
            f"<span><b>{rank}</b> {name}<br>{told}</span></li>"
        )
    page = PAGE.format(
        query=_data(query), name=html.escape(query.name), size=found.gallery_size,
        cards="\n".join(cards), about=html.escape(about),
    )  # fmt: skip
    with replace_when_done(path) as aside:
        aside.write_text(page, encoding="utf-8")


def _data(path: Path) -> str:
    return jpeg_uri(read_image(path, PICTURE_PX))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Where was this photograph taken?</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 16px/1.4 sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }}
ol {{ display: flex; flex-wrap: wrap; gap: 1rem; list-style: none; padding: 0; }}
li {{ width: 200px; border: 4px solid #bbb; }}
li.right {{ border-color: #009e73; }}
li span {{ display: block; padding: .4rem; font-size: .85rem; }}
img {{ display: block; width: 100%; max-width: 192px; margin: auto; }}
figure {{ margin: 0; width: 200px; }}
</style></head><body>
<h1>Where was this photograph taken?</h1>
<figure><img alt="the photograph {name}" src="{query}"><figcaption>{name}</figcaption></figure>
<h2>The nearest of {size} tiles, best first</h2>
<ol>
{cards}
</ol>
<p>{about}</p>
</body></html>
"""
