"""Render the pictures of `dphr demo`: 24 tiles of a town and one drone photograph.

    python book/_tools/store_demo.py

They go to dphr_lab/localization/demo, a folder a place. The world's seed is used nowhere else; the
query is the first view of the first place, whatever an encoder makes of it.
"""

import shutil
from pathlib import Path

from PIL import Image

from dphr_lab.datasets import TwinTowns
from dphr_lab.localization.demo import FOLDER, GALLERY, QUERIES
from dphr_lab.settings.worlds import WorldSettings

SETTINGS = WorldSettings(
    "demo", train_places=0, test_places=24, distractor_places=0, family_size=3, image_px=192,
    drone_views=8, weather=0.5, texture=1.0, seed=104,
)  # fmt: skip


def save(images, row: int, folder: Path, name: str) -> None:
    path = folder / f"place_{images.places[row]:02d}" / name
    path.parent.mkdir(parents=True)
    pixels = images.read([row], SETTINGS.image_px)[0].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path, quality=88, optimize=True)


if __name__ == "__main__":
    query, gallery = TwinTowns(SETTINGS, workers=1, progress=False).test("D2S")
    for name in (GALLERY, QUERIES):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    for row in range(len(gallery)):
        save(gallery, row, FOLDER / GALLERY, "satellite.jpg")
    save(query, 0, FOLDER / QUERIES, "drone.jpg")
