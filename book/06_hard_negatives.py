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
# # 06 Hard negatives
#
# **Which negatives teach, and which mislead?**
#
# By the end you can
#
# * **watch** during training which wrong places come near, and say why they are twins in the end;
# * **derive** how much two usual losses weigh each negative before anyone adds a weight;
# * **judge** when mining the hardest negative collapses, and what prevents it.
#
# You need: [02 Train your first retriever](02_first_retriever.ipynb) and [05 How sure are we?](05_how_sure_are_we.ipynb), half an hour. The cells take about a minute on two CPU cores: one training of 200 steps. The table of mining is of stored runs. Nothing is downloaded.
#
# > **Two readings.** The *closest* reading of the paper is what `DPHRLoss()` computes. *Sharp DPHR (ours)*, `DPHRLoss.sharp()`, is our own steeper variant. [07 RDA](07_rda.ipynb) explains both.

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
import copy
import itertools
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from dphr_lab import results, scenes
from dphr_lab.datasets import Augmentation, BatchReader, PairBatches, TwinTowns
from dphr_lab.losses import (
    MinedTripletLoss,
    SymmetricInfoNCE,
    TripletLoss,
    effective_negatives,
    pairwise_distance,
    rda_hardness,
    rda_weights,
)
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import PALETTE, arms_over_seeds, picture_row
from dphr_lab.settings import TWIN_TOWNS_MINI
from dphr_lab.studies.comparisons import over_seeds, paired, student_interval
from dphr_lab.teaching import guess_choice, guess_number, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True

# %% [markdown]
# ## The question in one picture
#
# A drone photograph is the query. Three satellite tiles are its candidates, and one of them shows its place. Suppose you may show the encoder **one** of the two wrong tiles and say "not this". Which wrong tile teaches it more?

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "A query and three tiles, all on one day, 256 pixels each. The rings mark what differs between tiles 1 and 2; tile 3 has other roads."}, "image": {"alt": "Four square rendered pictures: a drone view, and three satellite tiles. Tiles 1 and 2 have the same roads and almost the same buildings; rings mark the few spots at which they differ. Tile 3 has other roads."}} cellView="form" jupyter={"source_hidden": true}
counts = {"train_places": 0, "test_places": 60, "distractor_places": 30}
world = scenes.make_world(scenes.WorldSettings(**counts, image_px=128))
place, twin_place, stranger = (world.test[i] for i in (23, 22, 12))
day = scenes.Conditions()
pose = scenes.Pose(altitude_m=160, azimuth_deg=180, pitch_deg=60, fov_deg=45)


def tile(of, px=256):
    rng = np.random.default_rng(0)
    return scenes.render_satellite(of.scene, px, day, rng)


rng = np.random.default_rng(0)
drone = scenes.render_drone(place.scene, pose, 256, day, rng)
pictures = {"query": drone, "tile 1": tile(twin_place)}
pictures |= {"tile 2": tile(place), "tile 3": tile(stranger)}
figure, axes = plt.subplots(1, 4, figsize=(9.2, 2.6))
picture_row(axes, pictures)
for axis in axes[1:3]:
    for change in (*place.changes, *twin_place.changes):
        thing = change.after or change.before
        at = np.array([[thing.x, thing.y, 0]])
        (spot,), _ = scenes.project(scenes.satellite_matrix(256), at)
        ring = {"marker": "o", "fillstyle": "none", "markersize": 26}
        axis.plot(*spot, color="white", markeredgewidth=4, **ring)
        axis.plot(*spot, color="black", markeredgewidth=2, **ring)
assert place.family == twin_place.family != stranger.family

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Which wrong tile teaches more?",
    {
        "tile 1": "Inside the rings it differs from the query, and nowhere "
        "else. To tell it from tile 2 one must look at a building.",
        "tile 2": "Inside the rings it is as the query: the right tile.",
        "tile 3": "Its roads are other ones. Any road shows it.",
    },
    "tile 1",
)

# %% [markdown]
# A *negative* is a picture of another place. Tile 3 is an easy one: "not this" teaches what the encoder will soon know anyway. Tile 1 is a **twin**, a place of the same layout with a few objects changed. It forces the encoder to look at a building. A twin is a *hard* negative because it lies near the query.
#
# But an encoder that knows nothing yet sees twin and place as one thing. Pushing one away then pushes the other, too. So hard negatives can teach, and they can mislead.
#
# How near does a twin lie? At the 64 pixels that the network gets, few pixels of the two tiles differ:

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
pixels = [tile(each, 64).astype(int) for each in (place, twin_place)]
share = 100 * (abs(pixels[0] - pixels[1]).max(-1) > 30).mean()
print(f"of the tiles' pixels, {share:.0f} % differ by over 30 of 255")

# %% [markdown]
# And the encoder ends with **pooling**: its vector is the mean of a map over all positions. What changes at one of 16 positions reaches the vector divided by 16. (Other poolings, such as the maximum, divide it by less. We did not measure whether that helps with twins.)
#
# ## Watch the distances
#
# Two unit vectors of similarity $s$ lie at the distance $d = \sqrt{2 - 2s}$: 0 if they are equal, 2 if they are opposite. A large similarity is a small distance.
#
# We train a small network on 300 places with the plain triplet term $L_\text{tri}$. Let $d^+$ be the distance of a query to its positive and $d^-$ to a negative. $L_\text{tri}$ is the mean of $\operatorname{softplus}(10\,(d^+ - d^-))$ over *all* negatives. Softplus, $\log(1 + e^x)$, is large where the negative is nearer than the positive, and nearly 0 where it is much farther.
#
# For the test, 60 places that the network never saw make one batch, in 20 families of three. Each query has its place, 2 twins and 57 strangers.

# %% tags=["nbval-ignore-output"]
counts = {"train_places": 300, "test_places": 60, "distractor_places": 0}
towns = replace(scenes.PRESETS["mini"], **counts, seed=0)
data = TwinTowns(towns, progress=False)
query, gallery = data.test("D2S")
asking = query.subset(np.arange(0, len(query), 4))  # one a place

# %% [markdown]
# The loop is that of chapter 02. It keeps copies of the network before training and after 20 steps:


# %%
def pairs_of(seed):
    augmentation = Augmentation(**TWIN_TOWNS_MINI.augmentation)
    reader = BatchReader(data.train, 64, augmentation, seed)
    for epoch in itertools.count():
        for rows in PairBatches(data.train, 64, seed, epoch):
            yield reader[epoch, rows]


# %%
def train_scratch(encoder, loss, steps, keep):
    optimizer = torch.optim.AdamW(encoder.parameters())
    kept = {}
    for step, batch in zip(range(steps), pairs_of(0), strict=False):
        if step in keep:
            kept[step] = copy.deepcopy(encoder)
        rate = 3e-3 * min(1, (step + 1) / 20)  # warm-up
        optimizer.param_groups[0]["lr"] = rate
        z = encoder(torch.cat([batch.drone, batch.satellite]))
        value = loss(*z.chunk(2))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return kept | {steps: encoder}


# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
encoder = Encoder("test_convnext", image_px=64)
kept = train_scratch(encoder, TripletLoss(), steps=200, keep=(0, 20))
distances = {}
for step, net in kept.items():
    z = embed(net, asking), embed(net, gallery)
    distances[step] = pairwise_distance(*z)

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
families = torch.from_numpy(gallery.families)
apart = ~torch.eye(60, dtype=torch.bool)
twin = (families[:, None] == families) & apart
is_twin = {}
for step, d in distances.items():
    nearest = d.masked_fill(~apart, torch.inf).argmin(1)
    is_twin[step] = 100 * twin[range(60), nearest].float().mean().item()
assert is_twin[0] < 35 and is_twin[200] > 50
guess_number(
    "After 200 steps: for how many queries in a hundred is the nearest "
    "negative a twin? (By chance, 2 of 59 negatives: 3 in 100.)",
    is_twin[200],
    within=10,
    unit=" in 100",
    explain=f"Before training it was {is_twin[0]:.0f}.",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Distances from a drone photograph to its place (blue), its twins (orange) and strangers (grey), before training and after 20 and 200 steps. Strangers leave; twins stay where the place is."}, "image": {"alt": "Three panels of histograms. Before training all three groups are spread widely and overlap. After 20 steps place and twins are near together and strangers spread over all distances. After 200 steps strangers are far out, and twins and places stay behind, one upon the other."}} cellView="form" jupyter={"source_hidden": true}
LOOKS = {
    "strangers": {"color": "0.8", "fill": True},
    "twins": {"color": PALETTE["orange"], "linewidth": 2.5},
    "place": {"color": PALETTE["blue"], "linewidth": 1.5, "linestyle": "--"},
}
figure, axes = plt.subplots(1, 3, figsize=(8.6, 3), sharey=True)
for axis, (step, d) in zip(axes, distances.items(), strict=True):
    groups = d[apart & ~twin], d[twin], d.diagonal()
    for group, (name, look) in zip(groups, LOOKS.items(), strict=True):
        edges = np.linspace(0, 2, 21)
        shares = np.histogram(group, edges)[0] / len(group)
        axis.stairs(100 * shares, edges, label=name, **look)
    axis.set(xlim=(0, 2), xlabel="distance", title=f"step {step}")
    axis.grid(color="0.92")
    if step == 0:
        axis.set_ylabel("% of the pairs of each kind")
        axis.legend(frameon=False)

# %% [markdown]
# Training begins with a contraction: within 20 steps the place comes near, its twins come with it, and so do some strangers. Then the strangers leave and the twins stay. So negatives that are hard at the start are mostly strangers that look alike to an untrained network. Those that are hard at the end are mostly twins.
#
# ## What a loss already weighs
#
# How strongly does a loss push each negative away? Call $w_k = -\partial L / \partial d_k$ the **push** on negative $k$: it says how fast the loss falls as that negative moves off. For one query with $K$ negatives two usual losses give
#
# $$
# \begin{aligned}
# L_\text{tri}: \; & w_k = \tfrac{\alpha}{K}\, \sigma\big(\alpha (d^+ - d_k)\big) \\
# \text{InfoNCE}: \; & w_k = \tfrac{d_k}{\tau}\, p_k, \quad p = \operatorname{softmax}(s / \tau), \quad s = 1 - \tfrac{d^2}{2}
# \end{aligned}
# $$
#
# The first holds because the slope of softplus is the logistic function $\sigma$; $\alpha$ is 10. The second holds because cross-entropy ([02](02_first_retriever.ipynb)) has the slope $p_k/\tau$ in $s_k$, and $\partial s/\partial d = -d$.


# %%
def tri_push_scratch(d_pos, d_neg, alpha=10.0):
    slope = torch.sigmoid(alpha * (d_pos - d_neg))
    return alpha * slope / d_neg.shape[1]


def nce_push_scratch(d_pos, d_neg, tau=0.07):
    s = 1 - torch.cat([d_pos, d_neg], 1) ** 2 / 2
    p = torch.softmax(s / tau, 1)[:, 1:]
    return d_neg / tau * p


# %% [markdown]
# Autograd is the second route. The losses below are the package's, written for distances.


# %%
def tri(d_pos, d_neg):
    return F.softplus(10 * (d_pos - d_neg)).mean(1)


def nce(d_pos, d_neg, tau=0.07):
    d = torch.cat([d_pos, d_neg], 1)
    return -torch.log_softmax(-(d**2) / 2 / tau, 1)[:, 0]


def columns(d):
    """(B, B) distances -> positives (B, 1), negatives (B, B - 1)."""
    others = ~torch.eye(len(d), dtype=torch.bool)
    return d.diagonal()[:, None], d[others].view(len(d), -1)


# %%
z = F.normalize(torch.randn(2, 32, 16), dim=-1).double()
d = pairwise_distance(*z)
d_pos, d_neg = (each.requires_grad_() for each in columns(d))
for line, push in ((tri, tri_push_scratch), (nce, nce_push_scratch)):
    slope = torch.autograd.grad(line(d_pos, d_neg).sum(), d_neg)[0]
    assert torch.allclose(-slope, push(d_pos, d_neg))

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The lines are the package's losses, averaged over both directions.
plain_nce = SymmetricInfoNCE(label_smoothing=0)
for line, loss in ((tri, TripletLoss()), (nce, plain_nce)):
    ways = [line(*columns(each)).mean() for each in (d, d.T)]
    assert torch.isclose(sum(ways) / 2, loss(*z).double(), rtol=1e-4)
mined = []
for p, n in map(columns, (d, d.T)):
    mined.append((0.3 + p - n.amin(1, keepdim=True)).relu().mean())
hardest = MinedTripletLoss("hardest")(*z).double()
assert torch.isclose(sum(mined) / 2, hardest, rtol=1e-4)


# %% [markdown]
# Now measure the pushes on the 60 places. Two numbers tell how they are spread. The **effective number** of negatives is $(\sum w)^2 / \sum w^2$: it is 59 when all count alike and 1 when one takes all. The other is the **twins' share** of all push.
#
# The table has two more rows, for later. They multiply $L_\text{tri}$'s push by a weight that grows with the hardness $h = d^+/(d^+ + d^-)$. The *closest term* takes a straight line in $h$, the *sharp term* $e^{\beta h}$ with $\beta = 16$. [Chapter 07](07_rda.ipynb) explains both.


# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
def closest_term(d_pos, d_neg):
    omega = rda_weights(rda_hardness(d_pos[:, 0], d_neg))
    return omega * tri_push_scratch(d_pos, d_neg)


def sharp_term(d_pos, d_neg):
    h = rda_hardness(d_pos[:, 0], d_neg)
    omega = rda_weights(h, weight_map="exp", normalise="query")
    return omega * tri_push_scratch(d_pos, d_neg)


PUSHES = {
    "L_tri": tri_push_scratch,
    "InfoNCE": nce_push_scratch,
    "closest term": closest_term,
    "sharp term": sharp_term,
}
of_twin, rows = twin[apart].view(60, -1), []
for name, push in PUSHES.items():
    number, share = [], []
    for step in (0, 20, 200):
        w = push(*columns(distances[step].double()))
        number.append(float(effective_negatives(w).mean()))
        share.append(100 * float(w[of_twin].sum() / w.sum()))
    rows.append([name, *number, *share])
assert rows[0][3] < rows[0][1] / 2 and rows[0][6] > 2 * rows[0][4]
heads = ("number, step 0", "20", "200", "twins' %, step 0", "20", "200")
table(
    ["loss", *heads],
    rows,
    caption="Effective number of negatives, of 59, and the twins' share of "
    "all push, % (3 if all negatives counted alike)",
    digits=0,
)

# %% [markdown]
# After 200 steps $L_\text{tri}$'s push is as uneven as if 5 of the 59 negatives shared it all, and the twins' share has grown from 6 % to 42 %. Nobody added a weight. So the usual losses reweight already. The closest term's factor changes little here, the sharp one a lot.
#
# ## Does mining the hardest collapse?
#
# Mining is a weight of 0 or 1. *Hardest* takes only the nearest negative of each query ([Hermans et al., 2017](references.md#hermans2017defense)). *Semi-hard* takes the nearest one that is farther than the positive ([Schroff et al., 2015](references.md#schroff2015facenet)). It has long been said that the hardest makes an encoder **collapse** early: all pictures get nearly one vector.
#
# The study `hard_negatives` trained nine forms from scratch, 200 steps, three seeds. They differ in three things:
#
# * *Which negatives count.* "$\beta = 100$" is the term of sharp DPHR with 100 in place of 16, a smooth form of "the nearest only". It stands *beside* $L_\text{tri}$, or nearly *alone*, a hundred parts to one of $L_\text{tri}$.
# * *The form.* Both mined losses are a **hinge**, $\max(0,\, 0.3 + d^+ - d^-)$, and so are the rows that say so. The others are softplus.
# * *The labels.* With "wrong pairs" one training pair in ten shows two different places.

# %%
stored = results.load("hard_negatives")
ARMS = {
    "hardest": "hardest",
    "semi_hard": "semi-hard",
    "beta_100_alone": "β = 100, nearly alone",
    "triplet": "L_tri",
    "beta_100": "L_tri and β = 100",
    "triplet_hinge": "L_tri, hinge",
    "beta_100_hinge": "L_tri and β = 100, hinge",
    "triplet_noise": "L_tri, wrong pairs",
    "beta_100_noise": "L_tri and β = 100, wrong pairs",
}
r_at_1 = {arm: over_seeds(stored, "mini", arm) for arm in ARMS}

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows = []
for arm, name in ARMS.items():
    curves = [stored["mini", arm, s]["curves"] for s in range(3)]
    far = [curve["val_d_stranger"][-1] for curve in curves]
    gone = arm in ("hardest", "beta_100_alone")
    assert all(x < 0.01 for x in far) if gone else min(far) > 0.02
    interval = student_interval(list(r_at_1[arm]))
    shown = f"{interval.mean:.1f} ± {interval.half_width:.1f}"
    rows.append([name, f"{np.mean(far):.3f}", shown])
table(
    ["loss", "distance", "R@1, %"],
    rows,
    caption="At the end: distance of a query to its nearest stranger, and R@1 "
    "with its 95 % interval over three seeds (chance: 1 of 360, 0.3 %)",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "The same R@1: seeds (small rings), means (dots), 95 % intervals. Sharp weights collapse nearly alone and lead beside L_tri; with wrong pairs they lose most of their lead."}, "image": {"alt": "Nine rows. Hardest and beta 100 nearly alone lie near zero to five percent, semi-hard and L_tri between 13 and 20, L_tri with beta 100 between 33 and 38, as softplus with a wide interval; with wrong pairs L_tri is near 11 and L_tri with beta 100 near 15."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7.2, 4.2))
halves = {
    name: student_interval(list(r_at_1[arm])).half_width
    for arm, name in ARMS.items()
}  # fmt: skip
arms_over_seeds(axis, {ARMS[a]: r_at_1[a] for a in ARMS}, halves)
axis.set(xlabel="R@1, drone → satellite (%)", xlim=(0, None))
axis.grid(color="0.92")

# %% [markdown]
# * **The hardest collapses** on each seed, and so do sharp weights that stand nearly alone. Their distances end at or next to 0.002, the smallest value that our distance returns. (Collapse need not take all order: R@1 of the second is 4.6 ± 7.0.) An untrained encoder's *nearest* negative is nearer than the positive. So the loss falls when all distances shrink together, and nothing holds it back.
# * **Beside $L_\text{tri}$ the same weights do not collapse** and give the best encoders here, as a hinge and as softplus. $L_\text{tri}$ spreads the vectors again as soon as all distances are small.
# * **Wrong pairs** cost the sharp weights more than half of their R@1, and $L_\text{tri}$ less than a third. They do not end lower than $L_\text{tri}$ does.
#
# So the nearest negatives mislead when they stand alone, and teach beside all others. This is one small network at one learning rate. [Note 24](24_sharpness_and_step_size.ipynb) shows with two distances why the hardest shrinks everything, and asks how sharp is sharp enough.
#
# ## What a batch holds
#
# A loss can only push the negatives that are in the batch. The study `sampling` (300 steps, three seeds) filled batches in three ways: with places at *random*, with whole *families* of twins, or with a place and the 63 *nearest* to it by the encoder of that moment. "Sharp RDA" is the plain sum of $L_\text{tri}$ and the sharp term. **Predict** before you look: do batches of hard negatives raise R@1?

# %%
sampled = results.load("sampling")
LOSSES = {"triplet": "L_tri", "infonce": "InfoNCE", "sharp_rda": "sharp RDA"}
against_random = {
    (loss, way): paired(sampled, "mini", f"{loss}_{way}", f"{loss}_random")
    for loss in LOSSES
    for way in ("families", "nearest")
}

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows = []
for loss, name in LOSSES.items():
    level = over_seeds(sampled, "mini", f"{loss}_random").mean()
    row = [name, f"{level:.1f}"]
    for way in ("families", "nearest"):
        i = against_random[loss, way].interval
        row.append(i.signed)
    rows.append(row)
assert max(d.interval.mean for d in against_random.values()) < 0
table(
    ["loss", "random, R@1", "families minus random", "nearest minus it"],
    rows,
    caption="R@1 in %; differences in points, three seeds, 95 %, uncorrected",
)

# %% [markdown]
# No gain was seen in these short runs. Each mean is below zero, but only InfoNCE's loss is clear. The other intervals include zero. A batch of families has a third as many layouts, and one of nearest places has few far strangers. Which of this matters was not tested. (Sample4Geo reports gains from hard batches for other data sets, with a pretrained encoder: [Deuser et al., 2023](references.md#deuser2023sample4geo).)
#
# ## Exercises
#
# **1. Derive.** With label smoothing $\varepsilon$ each of the $B$ candidates gets $\varepsilon/B$ of InfoNCE's target, and the right one the rest. Some negatives are then pulled *closer*. Below which $p_k$?

# %%
epsilon, B = 0.1, 60
threshold = None  # your formula

d_pos, d_neg = columns(distances[200].double())
s = (1 - torch.cat([d_pos, d_neg], 1) ** 2 / 2).requires_grad_()
own, smooth = torch.zeros(60, dtype=torch.long), {"label_smoothing": epsilon}
loss = F.cross_entropy(s / 0.07, own, reduction="sum", **smooth)
closer = torch.autograd.grad(loss, s)[0][:, 1:] < 0
p = torch.softmax(s / 0.07, 1)[:, 1:]
if threshold is not None:
    print("right" if torch.equal(closer, p < threshold) else "not yet")

# %% tags=["hide-cell", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The slope in the similarity of negative k is (p_k - epsilon / B) / tau.
assert torch.equal(closer, p < epsilon / B)
print(f"pulled closer: {100 * closer.double().mean():.0f} %")

# %% [markdown]
# **2. Derive.** One negative moves, all else stays. At which distance is InfoNCE's push on it strongest, while its $p_k$ is small?

# %%
strongest = None  # your formula, with tau = 0.07

at = torch.linspace(0.05, 1.5, 2901, dtype=torch.float64)[:, None]
others = torch.full((2901, 400), 0.3, dtype=torch.float64)
moving = torch.cat([at, others], 1)  # so many that p stays small
push = nce_push_scratch(torch.full_like(at, 0.3), moving)[:, 0]
if strongest is not None:
    found = at[push.argmax()].item()
    print("right" if abs(strongest - found) < 0.005 else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# d exp(-d^2 / 2 tau) has its maximum at sqrt(tau): nearer negatives are
# pushed less, because a similarity hardly changes where two vectors meet.
assert abs(at[push.argmax()].item() - 0.07**0.5) < 0.005
print(f"{0.07**0.5:.3f}")

# %% [markdown]
# **3. Prove.** Let all distances shrink by one factor $c$. For a loss of differences, $\partial L/\partial \log c = \sum w_{ik} (d_i^+ - d_{ik})$. Why does semi-hard mining never shrink the scale, and when does the hardest?
#
# <details>
# <summary>Solution</summary>
#
# Semi-hard mining takes a negative that is farther than the positive, so each term of the sum is negative, and the loss falls when distances *grow*. The hardest takes the nearest. Where that is on average nearer than the positive, the sum is positive and shrinking pays. So it is in the untrained network, and by a little still after 200 steps of $L_\text{tri}$ (below).
#
# </details>

# %% tags=["hide-cell", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
gaps = {}
for step in (0, 200):
    d_pos, d_neg = columns(distances[step].double())
    farther = d_neg.masked_fill(d_neg <= d_pos, torch.inf).amin(1)
    assert (d_pos[:, 0] - farther < 0).all()
    gaps[step] = float((d_pos[:, 0] - d_neg.amin(1)).mean())
    print(f"step {step}: positive minus nearest negative {gaps[step]:+.2f}")
assert gaps[0] > 0

# %% [markdown]
# ## Summary
#
# * You **watched** a contraction and then a separation: strangers leave, twins stay, and after 200 steps more than half of the nearest negatives are twins.
# * You **derived** the push of $L_\text{tri}$ and InfoNCE, and saw $L_\text{tri}$'s effective number of negatives fall without any added weight.
# * You can **judge** mining: the hardest negative alone collapsed on each of three seeds. Beside $L_\text{tri}$ sharp weights gave the best encoders of this small study, and wrong pairs took most of that lead. Batches of hard negatives showed no gain; only InfoNCE's loss by them is clear.
#
# ## Readings
#
# * [Schroff et al. (2015)](references.md#schroff2015facenet), *FaceNet: A Unified Embedding for Face Recognition and Clustering*, [arXiv](https://arxiv.org/abs/1503.03832): semi-hard negatives, and the remark that the hardest can collapse training early.
# * [Hermans et al. (2017)](references.md#hermans2017defense), *In Defense of the Triplet Loss for Person Re-Identification*, [arXiv](https://arxiv.org/abs/1703.07737): the hardest within a batch works after all. List what differs from the runs above.
# * [Wu et al. (2017)](references.md#wu2017sampling), *Sampling Matters in Deep Embedding Learning*, [arXiv](https://arxiv.org/abs/1706.07567): which distances are drawn matters as much as the loss.
# * [Xuan et al. (2020)](references.md#xuan2020hard), *Hard Negative Examples are Hard, but Useful*, [arXiv](https://arxiv.org/abs/2007.12749): why the hardest negatives make triplet training fail, and a remedy.
