"""Draw the picture of the landing page and of README: python book/_tools/landing_picture.py

One drone photograph and the six satellite tiles that an untrained search ranks first, as chapter 00
finds them: the same world, encoder and query. The right tile is framed and ticked.
"""

from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from dphr_lab import scenes
from dphr_lab.datasets import TwinTowns
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import PALETTE, save
from dphr_lab.retrieval import rank
from dphr_lab.teaching import right_and_twins

TARGET = Path(__file__).resolve().parents[1] / "images" / "which_one.jpg"
COUNTS = {"train_places": 0, "test_places": 60, "distractor_places": 30}
WORLD = replace(scenes.PRESETS["mini"], **COUNTS, image_px=256, drone_views=1)
QUERY = 23  # its own tile is among the six, and so are its twins


def draw(photograph, tiles, right) -> Figure:
    """The figure: `photograph` and six `tiles` (px, px, 3), `right` (6,) which of them it shows."""
    figure = Figure(figsize=(9.6, 4.1), layout="constrained")
    axes = figure.subplot_mosaic([["query", "query", 0, 1, 2], ["query", "query", 3, 4, 5]])
    axes["query"].imshow(photograph)
    axes["query"].set_title("the drone's photograph", fontsize=13)
    for i in range(6):
        axes[i].imshow(tiles[i])
        mark, colour = ("✓", PALETTE["green"]) if right[i] else ("", "0.2")
        axes[i].set_title(f"{i + 1} {mark}", fontsize=13, color=colour, fontweight="bold")
    for name, axis in axes.items():
        axis.set(xticks=[], yticks=[])
        framed = name != "query" and right[name]
        axis.spines[:].set(color=PALETTE["green"], linewidth=6, visible=bool(framed))
    return figure


def main() -> None:
    query, gallery = TwinTowns(WORLD, progress=False).test("D2S")
    encoder = Encoder("tf_efficientnet_lite0", pretrained="pypi")
    z_query, z_gallery = (embed(encoder, images, image_px=128) for images in (query, gallery))
    order, _ = rank(z_query, z_gallery, 6)
    right, twins = right_and_twins(query, gallery, order)
    if right[QUERY].sum() != 1 or twins[QUERY].sum() != 2:
        raise SystemExit(f"query {QUERY}: found its place and twins {right[QUERY]}, {twins[QUERY]}")
    photograph = query.read([QUERY], 256)[0].permute(1, 2, 0)
    tiles = gallery.read(order[QUERY], 256).permute(0, 2, 3, 1)
    save(draw(photograph, tiles, right[QUERY]), TARGET, dpi=110, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
