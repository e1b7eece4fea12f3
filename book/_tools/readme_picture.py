"""Draw README's picture:  python book/_tools/readme_picture.py

One family of twins at 256 px: a row a place, its satellite image and three drone views; the
recorded changes are ringed in the satellite image.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from dphr_lab import scenes
from dphr_lab.plotting import PALETTE, save

TARGET = Path(__file__).resolve().parents[1] / "images" / "twins.jpg"
PX, VIEWS = 256, 3
WORLD = replace(scenes.PRESETS["mini"], image_px=PX)
FAMILY = 14


def main() -> None:
    places = [place for place in scenes.make_world(WORLD).train if place.family == FAMILY]
    figure = Figure(figsize=(2 * (1 + VIEWS), 2 * len(places)), layout="constrained")
    axes = figure.subplots(len(places), 1 + VIEWS)
    for row, place in zip(axes, places, strict=True):
        rng = np.random.default_rng(place.id)
        day = place.conditions("satellite")
        row[0].imshow(scenes.render_satellite(place.scene, PX, day, rng))
        matrix = scenes.satellite_matrix(PX)
        for change in place.changes:
            for thing in filter(None, (change.before, change.after)):
                (u, v), _ = scenes.project(matrix, np.array([thing.x, thing.y, 0.0]))
                radius = 0.75 * max(thing.length_m, thing.width_m) * PX / scenes.SATELLITE_WIDTH_M
                row[0].add_patch(Circle((u, v), radius, fill=False, lw=2, ec=PALETTE["yellow"]))
        day = place.conditions("drone")
        for axis, pose in zip(row[1:], scenes.university_orbit(VIEWS), strict=True):
            axis.imshow(scenes.render_drone(place.scene, pose, PX, day, rng))
    for axis in axes.flat:
        axis.axis("off")
    save(figure, TARGET, dpi=90, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
