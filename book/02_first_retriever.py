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
# # 02 Train your first retriever
#
# **What does a minute of training change?**
#
# By the end you can
#
# * **build** an encoder and a loss of a few lines each, and train them on pairs of views;
# * **read** a matrix of similarities, before and after training;
# * **measure** what training brought, on places that it never saw.
#
# You need: [00 Two minutes](00_two_minutes.ipynb), that you have seen a training loop in PyTorch, and 45 minutes. The cells take about a minute on two quiet CPU cores. Nothing is downloaded.

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from dphr_lab.datasets import TwinTowns
from dphr_lab.losses import SymmetricInfoNCE, TripletLoss
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import PALETTE, moving_average, picture_row
from dphr_lab.retrieval import (
    evaluate,
    paired_bootstrap,
    query_outcomes,
    resampled_counts,
)
from dphr_lab.scenes import PRESETS
from dphr_lab.teaching import check_answer, guess_choice, guess_number, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True

# %% [markdown]
# ## The plan in one picture
#
# Chapter 00 searched with an encoder that had never seen a town. Now we train one. A batch holds $B$ places, each with a drone photograph and a satellite tile. **One** encoder turns all of them into vectors of length 1. All products of a drone vector and a satellite vector make a $B \times B$ matrix. Its diagonal holds the pairs that belong together.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-02-plan", "caption": "A training step. Two views go through one encoder to unit vectors, and all their products make a B \u00d7 B matrix. Training is to make its diagonal (green) large and the rest small."}, "image": {"alt": "A flow from left to right: two boxes, B drone photographs and B satellite tiles, lead to one box, the encoder; from it come two boxes of unit vectors; their products fill a four by four matrix with a green diagonal."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.4, 3.4))
BOX = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": PALETTE["blue"]}
for x, y, text in (
    (0.8, 2.3, "B drone\nphotographs"),
    (0.8, 0.5, "B satellite\ntiles"),
    (2.7, 1.4, "one encoder\n114,432\nweights"),
    (4.5, 2.3, "z_drone\n(B, 128)"),
    (4.5, 0.5, "z_satellite\n(B, 128)"),
):
    axis.text(x, y, text, ha="center", va="center", bbox=BOX, fontsize=13)
FLOW = {"arrowstyle": "->", "lw": 2, "color": "0.3"}
for start, end in (
    ((1.5, 2.0), (1.95, 1.75)),
    ((1.5, 0.8), (1.95, 1.05)),
    ((3.45, 1.75), (3.85, 2.0)),
    ((3.45, 1.05), (3.85, 0.8)),
    ((5.15, 2.1), (5.6, 1.85)),
    ((5.25, 0.7), (5.6, 0.95)),
):
    axis.annotate("", end, start, arrowprops=FLOW)
for i in range(4):
    for j in range(4):
        colour = PALETTE["green"] if i == j else "0.88"
        corner = 5.7 + 0.33 * j, 1.73 - 0.33 * i
        square = plt.Rectangle(corner, 0.3, 0.3, color=colour)
        axis.add_patch(square)
axis.text(6.35, 2.25, "all products", ha="center", fontsize=13)
axis.text(6.35, 0.35, "(B, B)", ha="center", fontsize=13)
axis.set(xlim=(0, 7.1), ylim=(0, 2.9))
axis.set_axis_off()

# %% [markdown]
# ## The places
#
# 450 places are for training, with two photographs each. Other places are for the test: 60 are searched for, and 30 more stand in their way. All of them, the training places too, come in families of three twins. As in chapter 00, all pictures show the same fair summer day.

# %%
counts = {"train_places": 450, "test_places": 60, "distractor_places": 30}
towns = replace(PRESETS["mini"], **counts, drone_views=2)
data = TwinTowns(towns, progress=False)
train, (query, gallery) = data.train, data.test("D2S")
drone = train.drone.read(range(900), 64).view(450, 2, 3, 64, 64)
satellite = train.satellite.read(range(450), 64)
print(train)
print(len(query), "queries,", len(gallery), "tiles")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-02-pairs", "caption": "Two training places, as the network gets them: 64 \u00d7 64 pixels. Of each there are two photographs, from different sides, and a tile: find one crossing in all three."}, "image": {"alt": "Six small pictures: two drone photographs and the satellite tile of one place, then the same of a second place with other roads."}} cellView="form" jupyter={"source_hidden": true}
pictures = {}
for number, i in enumerate((0, 30), start=1):
    for name, image in (
        (f"place {number}, drone", drone[i, 0]),
        (f"place {number}, again", drone[i, 1]),
        (f"place {number}, tile", satellite[i]),
    ):
        pictures[name] = image.permute(1, 2, 0).numpy()
figure, axes = plt.subplots(1, 6, figsize=(7.6, 1.7))
picture_row(axes, pictures)
for axis in axes:
    axis.title.set_fontsize(9)
assert (train.drone.places[::2] == train.satellite.places).all()

# %% [markdown]
# ## The encoder
#
# Four convolutions halve the picture each: 64, 32, 16, 8, 4 pixels. The mean over what is left forgets *where* things are, which is useful when a drone may look from any side. A linear map gives 128 numbers, and dividing by their length puts them on the unit sphere.


# %%
class TinyEncoder(nn.Module):
    def __init__(self, widths=(3, 16, 32, 64, 128)):
        super().__init__()
        self.maps = nn.Sequential()
        for before, after in pairwise(widths):
            self.maps.append(nn.Conv2d(before, after, 3, 2, 1))
            self.maps.append(nn.BatchNorm2d(after))
            self.maps.append(nn.ReLU())
        self.linear = nn.Linear(widths[-1], 128)

    def forward(self, images):  # uint8 (B, 3, 64, 64)
        x = self.maps(images / 255 - 0.5)  # (B, 128, 4, 4)
        z = self.linear(x.mean(dim=(2, 3)))  # (B, 128)
        return F.normalize(z, dim=1)


# %%
torch.manual_seed(0)
encoder = TinyEncoder()
weights = sum(p.numel() for p in encoder.parameters())
z = encoder(satellite[:32])
print(f"{weights:,} weights; vectors {tuple(z.shape)}")
assert torch.allclose(z.norm(dim=1), torch.ones(32))
assert weights == 114_432

# %% [markdown]
# ## The loss
#
# Read a row of the matrix as a vote: which of the $B$ tiles shows this photograph's place? The **InfoNCE** loss is the cross-entropy of that vote, whose right answer is on the diagonal. The columns vote the other way, tiles for photographs, so that both views learn to find each other. Similarities lie between −1 and 1, so by themselves they would give a nearly even vote. Dividing by the *temperature* 0.1 makes it sharp: a similarity that is larger by 0.1 gets $e$ times the share.


# %%
def info_nce_scratch(z_drone, z_satellite, temperature=0.1):
    logits = z_drone @ z_satellite.T / temperature  # (B, B)
    diagonal = torch.arange(len(logits))
    there = F.cross_entropy(logits, diagonal)
    back = F.cross_entropy(logits.T, diagonal)
    return (there + back) / 2


z_drone, z_satellite = encoder(drone[:32, 0]), encoder(satellite[:32])
by_hand = info_nce_scratch(z_drone, z_satellite)
by_package = SymmetricInfoNCE(label_smoothing=0, temperature=0.1)
assert torch.allclose(by_hand, by_package(z_drone, z_satellite))

# %% [markdown]
# ## The loop
#
# Each step draws 32 places, no place twice, and one of the two photographs of each. Two folded helpers look at the test places. `measured(encoder)` is the report on all of them, with fields such as `r_at_1`. `batch_matrix(encoder)` holds the similarities of 24.


# %%
def fit_scratch(encoder, loss, steps=400, batch=32):
    rng = np.random.default_rng(0)
    optimiser = torch.optim.AdamW(encoder.parameters(), 2e-3)
    losses = []
    for _ in range(steps):
        place = rng.permutation(450)[:batch]
        view = rng.integers(2, size=batch)
        z_drone = encoder(drone[place, view])
        z_satellite = encoder(satellite[place])
        value = loss(z_drone, z_satellite)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return losses


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def asked(encoder):
    """Embeddings and labels of the test places, drone to satellite."""
    z = [embed(encoder, images, image_px=64) for images in (query, gallery)]
    families = query.families, gallery.families
    return z[0], query.places, z[1], gallery.places, "full", *families


def measured(encoder):
    """The report on the test places."""
    return evaluate(*asked(encoder))


def vote_loss(encoder):
    """InfoNCE without training, mean of ten batches of training places."""
    values = []
    encoder.eval()
    for seed in range(10):
        place = np.random.default_rng(seed).permutation(450)[:32]
        with torch.no_grad():
            z = encoder(drone[place, 0]), encoder(satellite[place])
            values.append(info_nce_scratch(*z).item())
    encoder.train()
    return np.mean(values)


def batch_matrix(encoder):
    """(24, 24) similarities of the first 24 test places."""
    rows = np.arange(24)
    encoder.eval()
    with torch.no_grad():
        z_drone = encoder(query.read(2 * rows, 64))
        z_satellite = encoder(gallery.read(rows, 64))
    encoder.train()
    return (z_drone @ z_satellite.T).numpy()


# %%
before, matrix_before = measured(encoder), batch_matrix(encoder)
losses = fit_scratch(encoder, info_nce_scratch)
after, matrix_after = measured(encoder), batch_matrix(encoder)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"name": "fig-02-loss", "caption": "The loss of each batch (grey) and its moving average over 25 steps. Dotted: a blind vote (exercise 1). At the end the batches are nearly solved."}, "image": {"alt": "The loss falls steeply within the first fifty steps from about three and a half, and ever more slowly after that."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.6, 2.9))
axis.plot(losses, color="0.8")
smooth = moving_average(losses, 25)
axis.plot(12 + np.arange(len(smooth)), smooth, color=PALETTE["blue"])
axis.axhline(np.log(32), linestyle=":", color="black")
axis.set(xlabel="step", ylabel="InfoNCE", ylim=(0, None))
axis.grid(color="0.9")
assert np.mean(losses[-25:]) < 0.5 * np.mean(losses[:5])
assert 0.05 < np.mean(losses[-25:]) < 0.25

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
guess_number(
    f"Untrained, R@1 was {before.r_at_1:.0f} in 100. What is it now?",
    after.r_at_1,
    within=8,
    unit=" in 100",
    explain="The table below has the rest.",
)

# %% [markdown]
# ## What it brought
#
# The loss ends near 0.1: in a batch the right tile gets about nine tenths of the vote. The test asks more: 90 tiles instead of 32, each place's twins among them, and none of these places was in training.
#
# Two others that never saw a town are measured, too: the mean colour of a picture, which is three numbers, and the ImageNet encoder of chapter 00. All get 64 pixels, which are few for ImageNet's. (Chapter 00 found R@1 30 with it, on other places and more pixels: [04](04_measuring_retrieval.ipynb#the-same-encoder-in-this-book) lists them side by side.)

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
pretrained = Encoder("tf_efficientnet_lite0", pretrained="pypi")
imagenet = measured(pretrained)
ours, theirs = (query_outcomes(*asked(x)) for x in (encoder, pretrained))
leads = [  # of the same queries, in 100; whole families are drawn again
    paired_bootstrap(100.0 * our, 100.0 * their, query.families)
    for our, their in (
        (ours.hit(1), theirs.hit(1)),
        (ours.hit(5), theirs.hit(5)),
        (ours.family_first, theirs.family_first),
    )
]
sides = [side.read(range(len(side)), 64) for side in (query, gallery)]
colours = [pixels.float().mean(dim=(2, 3)) for pixels in sides]  # (n, 3)
near = torch.cdist(*colours).argsort(dim=1).numpy()  # nearest colour first
hit = gallery.places[near] == query.places[:, None]
kin = gallery.families[near[:, 0]] == query.families
shares = hit[:, 0], hit[:, :5].any(axis=1), kin
colour = [100 * float(share.mean()) for share in shares]
assert after.r_at_1 > before.r_at_1 + 10 and after.r_at_1 > colour[0] + 5
assert after.r_at_5 > imagenet.r_at_5 + 15
assert leads[0].low < 0 < leads[0].high  # which of the two leads: undecided
assert leads[1].low > 0 and leads[2].low > -10  # on two threads: 0
assert after.family_r_at_1 > before.family_r_at_1 + 25
assert after.family_r_at_1 > imagenet.family_r_at_1 + 10
assert colour[2] > before.family_r_at_1
rows = []
for name, key, of_colour, lead in (
    ("R@1", "r_at_1", colour[0], leads[0]),
    ("R@5", "r_at_5", colour[1], leads[1]),
    ("R@1 of the family", "family_r_at_1", colour[2], leads[2]),
):
    was, other, now = (getattr(x, key) for x in (before, imagenet, after))
    by = f"{lead.estimate:+.0f} ({lead.low:+.0f} to {lead.high:+.0f})"
    rows.append([name, was, of_colour, other, now, by])
member = [100 * rows[0][i] / rows[2][i] for i in range(1, 5)]
kinds, kind = np.unique(query.families, return_inverse=True)
times = resampled_counts(len(kinds), 10_000)  # of each family


def chosen(of):
    """Right tiles among right families, in each draw of the families."""
    of_kind = (np.bincount(kind, x) for x in (of.hit(1), of.family_first))
    hits, found = (times @ each for each in of_kind)
    return 100 * hits / found


low, high = np.quantile(chosen(ours) - chosen(theirs), [0.025, 0.975])
assert low < 0 < high
by = f"{member[3] - member[2]:+.0f} ({low:+.0f} to {high:+.0f})"
rows.append(["then the right one", *member, by])
low, high = np.quantile(chosen(ours), [0.025, 0.975])
assert low < 33 and low < member[0] < high  # a guess; the untrained network
heads = ["in 100", "untrained", "mean colour", "ImageNet", "trained"]
table(
    [*heads, "difference"],
    rows,
    caption="120 queries. Difference: trained minus ImageNet (95 % interval). "
    f"The {member[3]:.0f} has the interval {low:.0f} to {high:.0f}",
    digits=0,
)

# %% [markdown]
# Compare the trained network first with itself, untrained: R@1 rises from 10 to 30 in 100, and that of the family from 29 to 77. (A blind choice finds the place once in 90 times, and the family once in 30.) Even untrained the network beats that, perhaps because its random filters pass colours on. On one summer day colours differ between families: the mean colour alone finds more families than the untrained network.
#
# Then compare it with ImageNet, in the last column. The interval says how far the choice of these test places by luck could move the difference; [05](05_how_sure_are_we.ipynb) explains it. In R@5 it lies above zero: the trained network leads. For the family, too. But on another processor the same code gave a lead of 14 with an interval that holds zero, so call that lead likely ([why](checked.md#what-is-not-checked)). In R@1, and in the choice among twins, it holds zero: undecided. All of this is one training run.
#
# The last row asks for the right one among twins. The trained network's 39 has an interval (see the caption) that holds a blind guess, 33, and the untrained network's 34. So this run does not show that training teaches anything about twins.
#
# Now the similarities themselves. Untrained, all lie between 0.9995 and 1, and tiny differences make the ranking. (This is the network in test mode. There batch norm uses running averages, which only the three batches of the cells above have touched. In training it uses the batch's own mean and scale, which spreads the vectors. So the loss curve begins a little below the dotted line.) So the left matrix below has a scale of its own. On it some families already look alike, such as 1, 6 and 7, perhaps by their colours.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"name": "fig-02-matrix", "caption": "Similarities of 24 test photographs (rows) and their tiles (columns), eight families of three; mind the two scales. Untrained, whole groups of families look alike. After training families 2, 3, 5 and 7 stand out alone, 1 and 6 only together, 4 weakly, and 8 not at all."}, "image": {"alt": "Two 24 by 24 matrices of shades. Left, untrained, with a scale from 0.9995 to 1: dark blocks on the diagonal and nearly as many off it, such as where families 1, 6 and 7 meet, and 3, 4 and 8. Right, trained: seven dark three by three blocks on the diagonal, the fourth of them the lightest; two more dark blocks where the first and the sixth family meet; the last block on the diagonal is pale."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.9))
for axis, title, values, least in zip(
    axes,
    ("untrained", "trained"),
    (matrix_before, matrix_after),
    (0.9995, -0.3),
    strict=True,
):
    shades = axis.imshow(values, cmap="Blues", vmin=least, vmax=1)
    axis.set(title=title, xlabel="family of the tile")
    middles = range(1, 24, 3)
    axis.set(xticks=middles, xticklabels=range(1, 9))
    axis.set(yticks=middles, yticklabels=range(1, 9))
    for edge in np.arange(2.5, 23, 3):
        axis.axhline(edge, color="white", linewidth=1)
        axis.axvline(edge, color="white", linewidth=1)
    bar = {"location": "bottom", "label": "similarity", "shrink": 0.8}
    middle = (least + 1) / 2
    ticks = [least, middle, 1]
    names = [f"{x:.5g}" for x in ticks]
    figure.colorbar(shades, ax=axis, **bar).set_ticks(ticks, labels=names)
axes[0].set_ylabel("family of the photograph")
same = gallery.families[:24, None] == gallery.families[:24]
gap = matrix_after[same].mean() - matrix_after[~same].mean()
assert gap > 0.3 and matrix_before.min() > 0.999
assert matrix_before[same].mean() - matrix_before[~same].mean() < 2e-4

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
others = 450 - 1 - 2  # neither the photograph's own tile nor its two twins'
no_twin = np.prod([(others - i) / (449 - i) for i in range(31)])
assert np.isclose(no_twin, 0.866, atol=0.001)  # 31 wrong tiles of 449
guess_choice(
    "Why do the blocks on the diagonal stay even inside?",
    {
        "Twins share nearly everything": "Twins differ in two to four "
        "things. And little asks the network to look for them: of the 31 "
        "wrong tiles in a batch none is a twin for "
        f"{100 * no_twin:.0f} of 100 photographs.",
        "The drone looks from the side": "True of all pictures here, and "
        "most families were separated all the same.",
        "400 steps are too few": "More steps help a little. Chapter 06 shows "
        "that what a batch holds matters more.",
    },
    "Twins share nearly everything",
)

# %% [markdown]
# A minute of training teaches the network to distinguish neighbourhoods, whichever way the drone looks. That it teaches anything about twins was not shown. In a random batch 87 of 100 photographs meet no twin among the 31 wrong tiles, and a twin is what would teach them. And the loss does not know what a twin is: a wrong tile counts by its share of the vote. [06 Hard negatives](06_hard_negatives.ipynb) and [07 RDA](07_rda.ipynb) take up both points.
#
# ## Exercises
#
# **1. A blind vote.** If all vectors are equal, what is the loss for a batch of 32? Work it out, then check.

# %%
blind = None  # your code: a number

z_equal = F.normalize(torch.ones(32, 128), dim=1)
value = info_nce_scratch(z_equal, z_equal).item()
hint = "each of 32 tiles has the same share"
check_answer(blind, value, within=0.01, hint=hint)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
blind = np.log(32)  # minus the log of a share of 1/32
z_equal = F.normalize(torch.ones(32, 128), dim=1)
assert np.isclose(blind, info_nce_scratch(z_equal, z_equal).item())
print(f"log 32 = {blind:.2f}")

# %% [markdown]
# **2. The triplet term.** DPHR, the method that this book is about, has a triplet term, our sources say **[S]**. Its form here, with the factor 10, is our choice **[O]**: $L_\text{tri}$ is the mean over all wrong tiles of $\log(1 + e^{10 (d^+ - d^-)})$, with the distance $d^+$ to the right tile and $d^-$ to a wrong one. (The letters are [grades](notation.md#the-method-and-how-sure-we-are-of-it).) Write it for one direction, photographs against tiles; the check takes the mean of both.


# %%
def triplet_scratch(z_drone, z_satellite):
    return None  # your code; torch.cdist(a, b) has all distances (B, B)


z = F.normalize(torch.randn(2, 8, 16), dim=-1)
mine = triplet_scratch(z[0], z[1])
if mine is not None:
    both = (mine + triplet_scratch(z[1], z[0])) / 2
    check_answer(both, TripletLoss()(z[0], z[1]).item(), within=1e-4)


# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
def triplet_solved(z_drone, z_satellite):
    d = torch.cdist(z_drone, z_satellite)  # (B, B)
    wrong = ~torch.eye(len(d), dtype=torch.bool)
    d_pos = d.diagonal()[:, None]  # (B, 1)
    return F.softplus(10 * (d_pos - d))[wrong].mean()


both = (triplet_solved(z[0], z[1]) + triplet_solved(z[1], z[0])) / 2
assert torch.isclose(both, TripletLoss()(z[0], z[1]), atol=1e-5)
print("both directions together are L_tri")

# %% [markdown]
# **3. The other loss.** Train a fresh `TinyEncoder` with `TripletLoss()`. Is its R@1 higher or lower than that of InfoNCE after as many steps? Begin with `torch.manual_seed(0)`. (The check goes by the encoder's InfoNCE loss. So its "right" counts only if you trained with `TripletLoss()`.) One run of each proves little: [05 How sure are we?](05_how_sure_are_we.ipynb) shows how to tell.


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def check_triplet(other):
    """Whether this is a TinyEncoder that was trained with L_tri."""
    if not isinstance(other, TinyEncoder):
        return print("not yet: other has to be the encoder itself")
    if vote_loss(other) > 1:
        return print("not yet: train it for 400 steps")
    if vote_loss(other) < 0.25:  # as low as InfoNCE itself makes it
        return print("not yet: this one was trained with InfoNCE")
    found = measured(other).r_at_1
    print(f"right: L_tri {found:.0f}, InfoNCE {after.r_at_1:.0f}")


# %%
other = None  # your code: a TinyEncoder, trained by fit_scratch

if other is not None:
    check_triplet(other)

# %% tags=["hide-cell", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
torch.manual_seed(0)
other = TinyEncoder()
fit_scratch(other, TripletLoss())
by_triplets = measured(other)
low, high = by_triplets.intervals["r_at_1"]
print(f"one run of each: L_tri {by_triplets.r_at_1:.0f}", end=" ")
print(f"({low:.0f} to {high:.0f}), InfoNCE {after.r_at_1:.0f}")
assert low < after.r_at_1 < high  # one run each: undecided
assert by_triplets.family_r_at_1 > before.family_r_at_1 + 25
assert vote_loss(encoder) < 0.22 and 0.28 < vote_loss(other) < 0.5

# %% [markdown]
# ## Summary
#
# * You **built** an encoder of 114,432 weights, a loss of five lines and a loop, and trained them on 450 places, with two photographs and a tile each.
# * You **read** a matrix of similarities. Before training whole groups of families look alike. After it four of eight families stand out alone, two stand out together, one is weak, and one is not found.
# * You **measured** on other places: R@1 rose from about 10 to about 30 in 100, and that of the family from 29 to 77. ImageNet weights reach 25 and 55 at 64 pixels; the lead over them in R@1 is undecided. For the trained network no choice among twins better than a guess, 33, was shown.
#
# ## Read on
#
# * [Hermans et al. (2017)](references.md#hermans2017defense), *In Defense of the Triplet Loss for Person Re-Identification* ([arXiv](https://arxiv.org/abs/1703.07737)): the triplet loss, and which triplets of a batch to use.
# * [van den Oord et al. (2018)](references.md#oord2018cpc), *Representation Learning with Contrastive Predictive Coding* ([arXiv](https://arxiv.org/abs/1807.03748)): the vote among a batch, under the name InfoNCE.
# * [Deuser et al. (2023)](references.md#deuser2023sample4geo), *Sample4Geo: Hard Negative Sampling For Cross-View Geo-Localisation* ([arXiv](https://arxiv.org/abs/2303.11851)): the same loss for drone and satellite, with hard negatives in the batch.
