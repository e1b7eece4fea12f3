"""Draw the picture of the landing page and of README: python book/_tools/landing_picture.py

One drone photograph and the six satellite tiles that an untrained search ranks first: the world and
the encoder of chapter 00, and another photograph. Nothing marks the right tile: it is asked for.
"""

from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from dphr_lab import scenes
from dphr_lab.datasets import TwinTowns
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import save
from dphr_lab.retrieval import rank
from dphr_lab.teaching import right_and_twins

TARGET = Path(__file__).resolve().parents[1] / "images" / "which_one.jpg"
COUNTS = {"train_places": 0, "test_places": 60, "distractor_places": 30}
WORLD = replace(scenes.PRESETS["mini"], **COUNTS, image_px=256, drone_views=1)
QUERY = 39  # its own tile is among the six, and so are its twins


def draw(photograph, tiles) -> Figure:
    """The figure: `photograph` and six `tiles` (px, px, 3) in the order of the search."""
    figure = Figure(figsize=(9.6, 4.1), layout="constrained")
    axes = figure.subplot_mosaic([["query", "query", 0, 1, 2], ["query", "query", 3, 4, 5]])
    axes["query"].imshow(photograph)
    axes["query"].set_title("the drone's photograph", fontsize=13)
    for i in range(6):
        axes[i].imshow(tiles[i])
        axes[i].set_title(i + 1, fontsize=13, color="0.2", fontweight="bold")
    for axis in axes.values():
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


def main() -> None:
    query, gallery = TwinTowns(WORLD, progress=False).test("D2S")
    encoder = Encoder("tf_efficientnet_lite0", pretrained="pypi")
    z_query, z_gallery = (embed(encoder, images, image_px=128) for images in (query, gallery))
    order, _ = rank(z_query, z_gallery, 6)
    right, twins = right_and_twins(query, gallery, order)
    if not right[QUERY, 2] or not twins[QUERY, :2].all():  # the pages say that it is the third
        raise SystemExit(f"query {QUERY}: found its place and twins {right[QUERY]}, {twins[QUERY]}")
    photograph = query.read([QUERY], 256)[0].permute(1, 2, 0)
    tiles = gallery.read(order[QUERY], 256).permute(0, 2, 3, 1)
    save(draw(photograph, tiles), TARGET, dpi=110, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
