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
# # 10 University-1652
#
# **What stands behind one number on the field's usual benchmark?**
#
# By the end you can
#
# * **read** the data set as its files stand: places, images, directions, and what its "drone" views are;
# * **run** a published recipe from its listing, whole or scaled down, and say what was changed;
# * **report** a result so that it can be compared: direction, gallery, test-time augmentation, and where published numbers leave these open.
#
# You need: [04 Measuring retrieval](04_measuring_retrieval.ipynb) and [09 Training DPHR](09_training_dphr.ipynb), about an hour; the cells take about a minute on two CPU cores. Nothing is downloaded (but pretrained weights, where you run the recipe in full).

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from dphr_lab import scenes
from dphr_lab.datasets import open_dataset, plan_batches, verify
from dphr_lab.localization import evaluate_modes
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import (
    PALETTE,
    moving_average,
    picture_row,
    retrieval_strips,
    training_curves,
)
from dphr_lab.retrieval import query_outcomes, rank
from dphr_lab.settings.protocol import PUBLISHED
from dphr_lab.settings.recipes import RECIPES
from dphr_lab.teaching import compare_guess, public_data, right_and_twins
from dphr_lab.training import fit

torch.set_num_threads(2)
plt.rcParams.update({"figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True})
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## One place, seen as the benchmark sees it
#
# University-1652 ([Zheng et al., 2020](references.md#zheng2020university)) is sent by its authors on request and may not be passed on ([data](data.md)). This chapter therefore runs on whichever is at hand. Set the environment variable `DPHR_DATA` to a folder that holds the real set, and every cell below uses it, on a GPU with the recipe in full; otherwise a small Twin Towns world is rendered to disk in the same layout, file by file. The page you read says which it was:

# %% tags=["nbval-ignore-output"]
real = public_data("University-1652")
if real is None:
    world = scenes.make_world(
        scenes.WorldSettings("campus", 150, 60, 30, drone_views=6, weather=0.0)
    )
    root = scenes.write_university1652(world, folder / "University-1652", progress=False)
else:
    root = real
data = open_dataset(root)
print("data:", "Twin Towns in University-1652's layout" if real is None else data.name)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Six small pictures of one place: the satellite image, then five drone views from different sides, the first from far and the last from nearer and lower."}} cellView="form" jupyter={"source_hidden": true}
query, gallery = data.test("D2S")
place = query.places[0]
own = np.flatnonzero(query.places == place)
shown = own[np.linspace(0, len(own) - 1, 5).astype(int)]
pictures = [
    gallery.read(np.flatnonzero(gallery.places == place)[:1], 128)[0],
    *query.read(shown, 128),
]
figure, axes = plt.subplots(2, 3, figsize=(6, 4.2))
titles = ["satellite", *(f"drone, image {1 + i}" for i in shown)]
picture_row(axes, dict(zip(titles, pictures, strict=True)))

# %% [markdown]
# What to see: one satellite image, north up, and a flight around the place. In the real set the satellite images are photographs, but the "drone" images are **renders** of Google Earth's 3-D models along a simulated flight. No drone flew, and no season passed between two images of a place. SUES-200 ([11 SUES-200](11_sues200.ipynb)) was flown.
#
# The simulated flight is a descending spiral, 54 images in three rounds. The rendered world's flights follow the same description; with few views they take one round of it.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Two panels. Left, a plan: 54 camera positions on an inward spiral of three rounds about the place. Right, altitude against image number, a straight line falling from 256 to 121.5 metres."}} cellView="form" jupyter={"source_hidden": true}
poses = scenes.university_orbit(54)
x, y, altitude_m = np.array([scenes.camera_position(pose) for pose in poses]).T
figure, (plan, profile) = plt.subplots(1, 2, figsize=(7, 3.2))
plan.plot(x, y, ".-", color=PALETTE["blue"], linewidth=0.8)
plan.plot(0, 0, "^", color=PALETTE["vermilion"])
plan.text(10, 0, "place", va="center")
plan.set(xlabel="east (m)", ylabel="north (m)", aspect="equal")
profile.plot(np.arange(1, 55), altitude_m, ".", color=PALETTE["blue"])
profile.set(xlabel="image", ylabel="altitude (m)", ylim=(0, 280))
width_m = 2 * np.tan(np.radians(22.5)) * np.sqrt(x**2 + y**2 + altitude_m**2)
print(f"altitude {altitude_m.max():.0f} m to {altitude_m.min():.1f} m")
print(f"width seen at the centre: {width_m[0]:.0f} m to {width_m[-1]:.0f} m")
assert altitude_m.max() / altitude_m.min() > 2

# %% [markdown]
# What to see: over a flight the altitude halves, and with it the ground that an image shows. An encoder for this data set has to bridge scales as well as angles; chapter 11 takes that apart.
#
# ## What is in the folders
#
# `verify` counts every part beside the published counts. On a rendered world they differ, of course; on the real set a difference is your first warning.

# %% tags=["nbval-ignore-output"]
report = verify(root)
print(str(report).split("\n", 1)[1].split("notice")[0])
assert report.ok

# %% [markdown]
# Three things in the published column decide how results must be read. All three can be worked out:

# %%
published = PUBLISHED["University-1652"]
train_places, pairs = published["train/drone"]
places, queries = published["test/query_drone"]
gallery_places = published["test/gallery_satellite"][0]
print(
    f"distractors: {gallery_places} - {places} = {gallery_places - places} places never asked for"
)
print(f"queries: {queries:,} = {places} x 54 + {queries - places * 54}: not every folder holds 54")
print(f"drone images a gallery place: {published['test/gallery_drone'][1] / gallery_places:.1f}")

# %% [markdown]
# * *Drone → satellite* (D2S, localisation) asks 37,855 questions with one right answer each, among 951. The questions are not independent: 54 of them show one building. An interval must be drawn over places ([04 Measuring retrieval](04_measuring_retrieval.ipynb)).
# * *Satellite → drone* (S2D, navigation) asks only 701, with about 54 right answers each among 51,355. R@1 needs one of the 54; AP wants them all. So S2D often has the higher R@1 and the lower AP.
# * The 250 distractors belong to the gallery. Some projects take them out; we come to that.
#
# ## The recipe, line by line
#
# The strongest common baseline is Sample4Geo ([Deuser et al., 2023](references.md#deuser2023sample4geo)); the paper that this book reads reports "Sample4Geo-DPHR" **[S]**. A *recipe* is a frozen list of settings, and each line says where it comes from: **[S]** read in a public source, **[O]** our choice where sources are silent or where this package differs.

# %%
recipe = RECIPES["dphr-university1652"]
for line in recipe.describe().splitlines()[:-1]:
    print(line.replace("Sample4Geo's public code", "their code"))

# %% [markdown]
# Read it in four groups.
#
# *The encoder* is one ConvNeXt-Base for both views, pretrained on ImageNet at 384 px. *The batches* hold 128 pairs of 128 different places, so that every other pair is a true negative; which places meet is left to chance. (Sample4Geo's name speaks of sampling; on University-1652 its code has no hard-negative sampling beyond distinct places.) *The optimiser* makes a single pass over the pairs, at a rate that rises for a tenth of it and then falls. *Augmentation* mirrors both views together, since a mirrored place has mirrored views, but turns only the satellite image: north is arbitrary to a drone, the horizon is not.
#
# One pass is how many steps? Greedy filling with distinct places must leave little over, or part of the data would never be seen:

# %%
pair_places = np.repeat(np.arange(train_places), 54)[:pairs]
order = np.random.default_rng(0).permutation(pairs)
plan = plan_batches(pair_places, batch=128, order=order)
assert all(len(np.unique(pair_places[batch])) == 128 for batch in plan)
print(f"{len(plan)} steps; {pairs - plan.size} of {pairs:,} pairs left out")

# %% [markdown]
# Those 295 steps are what Sample4Geo's code makes, too. It trains on all 701 places and evaluates once, after its one epoch, so it chooses nothing by the test half. We hold out a tenth of the places. `dphr train --refit` and `--select-on-test` exist to reproduce the others' way: the first says beside its result that it trained on all places, the second stamps all that it makes.
#
# ## Run it
#
# One switch. With the real set and a GPU the recipe runs as it stands, in micro-batches that give the same gradients and, by our count, fit a card of 16 GB. Otherwise it is scaled down to a minute on a laptop, and what was changed is printed, as it is stored with the run. (The run lies in a temporary folder; one that should outlast this notebook is made by the commands under "On your GPU".)

# %%
FULL = real is not None and torch.cuda.is_available()  # or set it by hand (True: real set)
small = {"backbone": "test_convnext", "pretrained": None, "image_px": 64, "batch": 48}
small |= {"steps": 220, "learning_rate": 3e-3, "mixed_precision": "no", "val_places": 15}
small |= {"threads": 2}
settings = recipe.settings(**({"micro_batch": 8, "workers": 2} if FULL else small))
for name, change in recipe.overridden(settings).items():
    print(f"{name:16} {change['recipe']} -> {change['run']}")

# %% tags=["nbval-ignore-output"]
result = fit(settings, data, folder / "run", progress=FULL)
print(f"{result['wall_s']:.0f} s of training, {result['images_per_s']:.0f} images a second")

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Three panels, one below the other, against the training step: the loss falls, lambda rises from zero and recall within the batch rises."}} cellView="form" jupyter={"source_hidden": true}
curves = result["curves"]
figure, axes = plt.subplots(3, 1, figsize=(5.4, 6), sharex=True)
training_curves(axes, {"this run": curves}, width=10)
for axis in axes[:2]:
    axis.set_xlabel("")
recall = moving_average(curves["recall"], 10)
assert recall[-1] > recall[0] + 0.1

# %% [markdown]
# What to see (means over ten steps): the recall within the batch rises, $\lambda^t$ follows it at a distance, and the loss falls although $\lambda^t$ makes it larger. Had the curve of the loss been all you looked at, part of its shape would have been the schedule's.
#
# ## Eight numbers for one encoder
#
# Two directions, two galleries in circulation, with or without the mirrored image's embedding added. All eight are "R@1 on University-1652", and papers seldom say which. The `full` gallery is that of the data set's own code; `query_places` deletes gallery images of places that are never asked for, as Sample4Geo, DAC, CAMP and Game4Loc do.
#
# **Predict**, then run: by how many points does R@1, drone → satellite, rise when the distractors leave the gallery?

# %%
guess = None  # in points, such as 3

# %% tags=["nbval-ignore-output"]
encoder = Encoder.load(folder / "run")
encoder.to("cuda" if torch.cuda.is_available() else "cpu")
modes, found = ("full", "query_places"), {}
for direction in ("D2S", "S2D"):
    for flip in (False, True):
        asked, among = data.test(direction)
        reports = evaluate_modes(encoder, asked, among, modes, flip_tta=flip)
        found |= {(direction, mode, flip): report for mode, report in reports.items()}
for (direction, mode, flip), report in found.items():
    tta = "flip" if flip else "none"
    print(f"{direction}  {mode:13} TTA {tta:5} R@1 {report.r_at_1:5.1f}  AP {report.ap:5.1f}  "
          f"of {report.gallery:,} images")  # fmt: skip
gain = found["D2S", "query_places", False].r_at_1 - found["D2S", "full", False].r_at_1
compare_guess(guess, gain, " points")

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "R@1 in four rows, drone to satellite and satellite to drone, each without and with the mirrored image. In each row a dot for the full gallery and a ring for query places only, to its right or around it."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.4, 2.6))
rows = [(d, flip) for d in ("D2S", "S2D") for flip in (False, True)]
full, asked_for = ([found[d, mode, flip].r_at_1 for d, flip in rows] for mode in modes)
axis.hlines(range(4), full, asked_for, color="0.6", zorder=1)
axis.plot(full, range(4), "o", color=PALETTE["blue"], label="full")
ring = {"mfc": "none", "mec": PALETTE["vermilion"], "mew": 1.6, "markersize": 10}
axis.plot(asked_for, range(4), "o", label="query places", **ring)
assert all(b >= a for a, b in zip(full, asked_for, strict=True))
axis.set(yticks=range(4), yticklabels=[f"{d}, {'flip' if f else 'no TTA'}" for d, f in rows])
axis.invert_yaxis()
axis.set_xlabel("R@1 (%)")
_ = axis.legend(frameon=False, title="gallery")

# %% [markdown]
# What to see: the rings never lie to the left of the dots, in no direction and for no encoder (exercise 2 proves it). The encoder has not changed between the two; the task has. Whether the mirrored image helps is another matter: the mean of two looks may gain or cost, and in our run on Twin Towns it costs S2D a good part of its R@1. Neither choice is cheating; leaving it unsaid is. (That encoder is weak, a few seconds old.)
#
# ## Look at the answers
#
# Four questions that were answered wrongly, with the six best answers each:

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Four rows of small pictures: a drone query and its six best satellite images with scores. The first answer of each row is wrong; the right one, framed in solid green, stands further right or is not among the six."}} cellView="form" jupyter={"source_hidden": true}
query, gallery = data.test("D2S")
z_query, z_gallery = embed(encoder, query), embed(encoder, gallery)
order, scores = rank(z_query, z_gallery, 6)
right = gallery.places[order] == query.places[:, None]
known = query.families is not None
twins = right_and_twins(query, gallery, order)[1] if known else None
wrong = np.flatnonzero(~right[:, 0])
some = wrong[:: max(1, len(wrong) // 4)][:4]
strips = np.stack([gallery.read(order[i], 64).numpy() for i in some])
figure = plt.figure(figsize=(6.8, 4.4), layout="none")
retrieval_strips(figure, query.read(some, 64).numpy(), strips, scores[some], right[some],
                 None if twins is None else twins[some])  # fmt: skip
assert not right[some, 0].any()

# %% tags=["nbval-ignore-output"]
outcomes = query_outcomes(z_query, query.places, z_gallery, gallery.places)
first = gallery.places[outcomes.top1.numpy()[wrong]]
never_asked = ~np.isin(first, query.places)
print(f"{len(wrong)} of {len(query)} wrong; first answer a distractor in {never_asked.mean():.0%}")
if known:
    print(f"a twin in {twins[wrong, 0].mean():.0%}, which at random would be under 3 %")
    assert twins[wrong, 0].mean() > 0.1
if real is None:  # where each place has as many images
    by_view = [right[i :: len(own), 0].mean() for i in range(len(own))]
    print("right by image of the flight:", np.round(by_view, 2))

# %% [markdown]
# What to see: a mistake is seldom a shrug. On Twin Towns whole families arrive together, as in [09 Training DPHR](09_training_dphr.ipynb); the real set has its families as well, the look-alike halls of one campus, but nobody has labelled them. The other gallery protocol would forgive a part of the distractors: without one, the next image may be wrong, too.
#
# ## What to expect
#
# Published, drone → satellite. Read the last column before the first:

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
Markdown("""
| method | R@1 | gallery | grade | what we know of the number |
|---|---|---|---|---|
| Sample4Geo | 92.65 | query places | **[S]** | widely quoted; its code keeps 701 of 951 satellite images |
| Sample4Geo-DPHR | 92.32 | not said | **[S]** | read off a public leaderboard |
| an untrained network, full | 19.29 | 951 | **[S]** | AP 24.25: measured to compare the two galleries |
| the same features | 21.56 | 701 | **[S]** | AP 26.92: only the gallery differs |

| host | D2S, with DPHR | D2S, host | S2D, with DPHR | S2D, host |
|---|---|---|---|---|
| LPN | 74.62 / 77.87 | 75.93 / 79.14 | 86.73 / 74.93 | 86.45 / 74.79 |
| MCCG | 89.29 / 90.97 | 89.64 / 91.32 | 95.15 / 89.41 | 94.30 / 89.39 |
| Sample4Geo | 92.32 / 93.62 | 92.65 / 93.81 | 94.44 / 89.27 | 95.14 / 91.39 |
""")

# %% [markdown]
# We have not seen the paper's tables. The second table has the rows of a public leaderboard beside what the hosts' authors reported, R@1 / AP **[S]**. Eight of the twelve figures with DPHR lie *below* the host's own, among them all six of D2S. So gains can only be meant over hosts trained again, whose figures we have not seen. The largest, of MCCG in S2D, is six queries of 701. LPN and MCCG rank the full gallery and add the mirrored image; Sample4Geo does neither.
#
# And a gallery of 701 instead of 951 moved even an untrained network by

# %%
print(f"{21.56 - 19.29:.2f} points of R@1 and {26.92 - 24.25:.2f} of AP;")
print(f"the two methods differ by {92.65 - 92.32:.2f} points.")

# %% [markdown]
# ## On your GPU
#
# A batch of 128 pairs at 384 px does not fit on a small card. `--micro-batch` sends the batch through the encoder in pieces and gives the same gradients, at the price of a second forward pass. How much memory a step takes can be *counted* without a GPU, by tracing the encoder on tensors that have shapes and no values. The rows below are such estimates, **none was measured**; the CUDA context and what the allocator cannot use come on top.

# %% tags=["nbval-ignore-output"]
from dphr_lab.training.step_cost import GIB, step_cost

big = Encoder("convnext_base", image_px=384)
for micro_batch in (4, 8, 32, None):
    cost = step_cost(recipe.settings(micro_batch=micro_batch), big)
    cards = [card for card in (8, 16, 24, 80) if cost.fits(card)]
    print(f"micro-batch {micro_batch or 'none':>4}: {cost.peak / GIB:5.1f} GiB, "
          f"fits {cards or 'none'} GB; {cost.flops / 1e12:,.0f} TFLOP a step")  # fmt: skip

# %% [markdown]
# Divide the last figure by what your card really does in half precision to get a lower bound of the time a step; 295 of them make the recipe. [What a step takes](data.md#what-a-step-takes) has the table of all recipes, with that division done, and [How many workers](data.md#how-many-workers) says how many loader processes keep a GPU busy. `dphr prepare` writes a copy of the data set at the size that training reads, and `--dry-run` measures one step on your machine.
#
# ```bash
# dphr verify data/University-1652 --published
# dphr prepare data/University-1652 --out data/u384 --image-px 384
# dphr train --recipe dphr-university1652 --data data/u384 \
#   --out runs/dphr --micro-batch 16 --workers 8
# dphr evaluate --run runs/dphr --gallery-mode both
# ```
#
# ## Summary

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
full, cut = (found["D2S", mode, False] for mode in modes)
Markdown(f"""
* You **read** the data set ({"Twin Towns in its layout" if real is None else "the real one"}, on this page): {full.queries:,} drone queries against {full.gallery:,} satellite images, {full.gallery - cut.gallery:,} of them distractors; its "drone" views are renders.
* You **ran** `{recipe.name}` {"as it stands" if FULL else f"with {len(recipe.overridden(settings))} lines changed, all of them printed"}.
* You **reported** eight numbers for one encoder. R@1 of drone → satellite was {full.r_at_1:.1f} % in the full gallery and {cut.r_at_1:.1f} % without distractors, with the same features. Published numbers for Sample4Geo-DPHR disagree by 17.7 points, and do not say their gallery.
""")

# %% [markdown]
# ## Exercises
#
# 1. *Predict.* The official code prints "R@top1%". With 951 satellite images, which rank is that? And with 701 that were 951 before the junk was deleted?
# 2. *Prove.* Taking gallery images of other places away can never lower a query's R@1, nor its AP. Check it on the run above, query by query.
# 3. *Break.* Copy one query place into `train/`. Does training notice? Does `verify`?
# 4. *Modify.* A drone image has no north. Add to each *satellite* embedding those of its three quarter turns, as a test-time augmentation of its own. What does it do to R@1, and what would you have to write beside the number?
# 5. *Open.* Nobody has labelled the look-alikes of University-1652. How would you find its families without labels, and how would you check that you did?

# %% [markdown]
# **Solutions** (run, and collapsed until you open them)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# 1. CMC[round(0.01 G)] is 0-based, so it is R@(round(0.01 G) + 1), with G counted before deletion.
assert round(0.01 * 951) + 1 == 11
print("R@11 in both cases: G is counted before the junk is deleted")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# 2. Deleting an image that is no positive moves every positive up or leaves it; each precision
# i / r_i, and the one before it, can only grow.
full_gallery, asked_only = (
    query_outcomes(z_query, query.places, z_gallery, gallery.places, gallery_mode=mode)
    for mode in modes
)
assert bool((asked_only.first_positive <= full_gallery.first_positive).all())
assert bool((asked_only.ap >= full_gallery.ap - 1e-12).all())
print("no query lost by it")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# 3. Training does not notice: a place is a place. `verify` does, as it knows both halves.
import shutil

if real is None:  # not in a copy of gigabytes
    leaky = shutil.copytree(root, folder / "leaky")
    leaked = next((leaky / "test/query_drone").iterdir())
    for view in ("drone", "satellite"):
        shutil.copytree(
            leaky / f"test/query_{view}" / leaked.name, leaky / "train" / view / leaked.name
        )
    faults = verify(leaky).faults
    assert any("also in train" in fault for fault in faults)
    print(faults[0][:60] + "...")

# %% tags=["hide-cell", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# 4. Training turned the satellite images at random, so the four embeddings differ little, and
# their mean little from each; R@1 moves by a few points at most. Write "satellite: 4 turns".
with torch.no_grad():
    device = next(encoder.parameters()).device
    images = gallery.read(range(len(gallery)), settings.image_px).to(device)
    turned = sum(
        torch.cat([encoder(part) for part in images.rot90(k, (2, 3)).split(64)]) for k in range(4)
    )
turned = torch.nn.functional.normalize(turned, dim=-1).cpu()
hits = gallery.places[rank(z_query, turned, 1)[0][:, 0]] == query.places
print(f"R@1 {100 * right[:, 0].mean():.1f} by one look, {100 * hits.mean():.1f} by four turns")
assert abs(hits.mean() - right[:, 0].mean()) < 0.15

# %% [markdown]
# ## Readings
#
# * [Zheng et al. (2020)](references.md#zheng2020university): the data set, both directions, and the full-gallery protocol.
# * [Deuser et al. (2023)](references.md#deuser2023sample4geo): the recipe of this chapter; compare its augmentation with the listing above.
# * [Liu et al. (2022)](references.md#liu2022convnext): the encoder, and which training tricks made it as good as a transformer.
# * [Zheng et al. (2025)](references.md#zheng2025dphr): the paper whose numbers could not be settled here.
