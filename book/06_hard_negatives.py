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
# **Which negatives teach, and which mislead?** The answer in short: usual losses turn to the hardest negatives by themselves. In a small study the hardest *alone* made the encoder collapse; stressed *beside* all others they helped, while all pairs were right.
#
# By the end you can
#
# * **watch** during training which wrong places come near, and say why they are twins in the end;
# * **derive** how much two usual losses push each negative, before anyone adds a weight;
# * **judge** when training on the hardest negative alone collapses, and what prevents it.
#
# You need: [02 Train your first retriever](02_first_retriever.ipynb) and [05 How sure are we?](05_how_sure_are_we.ipynb), half an hour. The cells take about a minute on two CPU cores: one training of 200 steps. Mining is compared on stored runs. Nothing is downloaded.

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
)
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import PALETTE, arms_over_seeds, picture_row
from dphr_lab.settings import TWIN_TOWNS_MINI
from dphr_lab.studies.comparisons import (
    over_seeds,
    paired,
    student_interval,
)
from dphr_lab.teaching import check_answer, guess_choice, guess_number, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True

# %% [markdown]
# ## The question in one picture
#
# A drone photograph is the query. Three satellite tiles are its candidates, and **tile 2** shows its place. A tile of another place is a *negative*. Suppose you may show the encoder **one** of the two negatives and say "not this". Which one *could* teach it more?

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "A query and three tiles, all on one day, 256 pixels each. Tile 2 is the right one. Compare tiles 1 and 3 with it."}, "image": {"alt": "Four square rendered pictures: a drone view, and three satellite tiles. Tiles 1 and 2 have the same roads and almost the same buildings. Tile 3 has other roads."}} cellView="form" jupyter={"source_hidden": true}
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
assert place.family == twin_place.family != stranger.family

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Which negative could teach more?",
    {
        "tile 1": "It differs from tile 2 at three spots, and nowhere else. "
        "To tell them apart the encoder must look at single buildings.",
        "tile 3": "Its roads are other ones. Any road shows it.",
    },
    "tile 1",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Left, tiles 1 and 2 with rings around what differs. Right, the same tiles at the 64 pixels that the network of this chapter gets."}, "image": {"alt": "Four pictures. Two tiles with the same roads, each with three rings around objects that differ: a pitch, a house with another roof, a court. Then the same two tiles in coarse pixels; pitch, roof and court can just be made out."}} cellView="form" jupyter={"source_hidden": true}
coarse = {f"tile {i}, 64 px": tile(of, 64)
          for i, of in ((1, twin_place), (2, place))}  # fmt: skip
ringed = {name: pictures[name] for name in ("tile 1", "tile 2")}
figure, axes = plt.subplots(1, 4, figsize=(9.2, 2.6))
picture_row(axes, ringed | coarse)
for axis in axes[:2]:
    for change in (*place.changes, *twin_place.changes):
        thing = change.after or change.before
        at = np.array([[thing.x, thing.y, 0]])
        (spot,), _ = scenes.project(scenes.satellite_matrix(256), at)
        ring = {"marker": "o", "fillstyle": "none", "markersize": 26}
        axis.plot(*spot, color="white", markeredgewidth=4, **ring)
        axis.plot(*spot, color="black", markeredgewidth=2, **ring)
pixels = [tile(of, 64).astype(int) for of in (place, twin_place, stranger)]
for i, other in zip((1, 3), pixels[1:], strict=True):
    gap = abs(pixels[0] - other).max(-1)
    clear, any_ = (100 * (gap > least).mean() for least in (30, 0))
    print(f"coarse tiles 2 and {i}: {clear:.0f} % of the pixels differ by "
          f"over 30 of 255, {any_:.0f} % at all")  # fmt: skip

# %% [markdown]
# Tile 1 is a **twin**: a place of the same layout with a few objects changed. It is a *hard* negative, because it lies near the query. Tile 3 is an *easy* one.
#
# But an untrained encoder hardly tells twin from place: at 64 pixels only 1 % of the pixels differ clearly (by over 30 of 255), against 77 % for tile 3. Pushing one away then pushes the other, too. So hard negatives can teach, and they can mislead. When do they do which?
#
# ## Watch the distances
#
# The distance $d$ of two embeddings is 0 if they are equal and 2 if they are opposite. Let $d^+$ be the distance of a query to its positive, the right place, and $d^-$ that to a negative. We train a small network on 300 places with the plain triplet term
#
# $$
# L_\text{tri} = \operatorname{mean}\; \operatorname{softplus}\big(10\,(d^+ - d^-)\big), \qquad \operatorname{softplus}(x) = \log(1 + e^x) .
# $$
#
# The mean goes over *all* negatives of the batch. The softplus is large where a negative is nearer than the positive, and nearly 0 where it is much farther.
#
# For the test, 60 places that the network never saw make one batch, in 20 families of three. Each query has its place, 2 twins and 57 *strangers*, places of other families.

# %% tags=["nbval-ignore-output"]
counts = {"train_places": 300, "test_places": 60, "distractor_places": 0}
towns = replace(scenes.PRESETS["mini"], **counts, seed=0)
data = TwinTowns(towns, progress=False)
query, gallery = data.test("D2S")
asking = query.subset(np.arange(0, len(query), 4))  # one a place

# %% [markdown]
# The loop is that of chapter 02. `pairs_of` gives batches of 64 pairs, and `train_scratch` keeps copies of the network before training and after 20 steps:


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
# Training begins with a contraction: within 20 steps the place comes near, its twins come with it, and so do some strangers. Then strangers leave, and twins stay. Place and twins still lie at the same distances after 200 steps: this network finds the family, not the place. Few pixels differ, and training seldom says "not this twin": a batch of 64 out of 300 places holds on average 0.4 of a query's two twins. (That need not be the cause: in [note 25](25_what_the_gain_rests_on.ipynb) batches of whole families showed no gain.)
#
# So at the start the nearest negatives are mostly strangers. After 200 steps it is a twin for about three in four queries (next table).
#
# ## What a loss already pushes
#
# How strongly does a loss push each negative away? Call $w_k = -\partial L / \partial d_k$ the **push** on negative $k$: it says how fast the loss falls as that negative moves off. For one query with $K$ negatives two usual losses give
#
# $$
# \begin{aligned}
# L_\text{tri}: \; & w_k = \tfrac{\alpha}{K}\, \sigma\big(\alpha (d^+ - d_k)\big), \quad \alpha = 10 \\
# \text{InfoNCE}: \; & w_k = \tfrac{d_k}{\tau}\, p_k, \quad p = \operatorname{softmax}(s / \tau), \quad s = 1 - \tfrac{d^2}{2}
# \end{aligned}
# $$
#
# The first holds because the slope of the softplus is the logistic function $\sigma(x) = 1/(1 + e^{-x})$. The second holds because cross-entropy ([02](02_first_retriever.ipynb)) has the slope $p_k/\tau$ in the similarity $s_k$, and $\partial s/\partial d = -d$. Here $\tau = 0.07$ is the temperature (02 had $0.1$). The softmax goes over the positive and all negatives, and $p_k$ is the share that it gives negative $k$.


# %%
def tri_push_scratch(d_pos, d_neg, alpha=10.0):
    slope = torch.sigmoid(alpha * (d_pos - d_neg))
    return alpha * slope / d_neg.shape[1]


def nce_push_scratch(d_pos, d_neg, tau=0.07):
    s = 1 - torch.cat([d_pos, d_neg], 1) ** 2 / 2
    p = torch.softmax(s / tau, 1)[:, 1:]
    return d_neg / tau * p


# %% [markdown]
# A folded cell checks both against autograd, and the losses against the package's. On the 60 places two numbers say how the pushes are spread:
#
# * the **effective number** of negatives, $(\sum w)^2 / \sum w^2$: 59 when all count alike, 1 when one takes all;
# * the **twins' share** of all push: 3 % when all count alike.


# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
def tri(d_pos, d_neg):
    return F.softplus(10 * (d_pos - d_neg)).mean(1)


def nce(d_pos, d_neg, tau=0.07):
    d = torch.cat([d_pos, d_neg], 1)
    return -torch.log_softmax(-(d**2) / 2 / tau, 1)[:, 0]


def columns(d):
    """(B, B) distances -> positives (B, 1), negatives (B, B - 1)."""
    others = ~torch.eye(len(d), dtype=torch.bool)
    return d.diagonal()[:, None], d[others].view(len(d), -1)


z = F.normalize(torch.randn(2, 32, 16), dim=-1).double()
d = pairwise_distance(*z)
d_pos, d_neg = (each.requires_grad_() for each in columns(d))
for line, push in ((tri, tri_push_scratch), (nce, nce_push_scratch)):
    slope = torch.autograd.grad(line(d_pos, d_neg).sum(), d_neg)[0]
    assert torch.allclose(-slope, push(d_pos, d_neg))
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


# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
of_twin, rows = twin[apart].view(60, -1), []
for step, d in distances.items():
    row = [f"{step} steps", is_twin[step]]
    for push in (tri_push_scratch, nce_push_scratch):
        w = push(*columns(d.double()))
        row.append(float(effective_negatives(w).mean()))
        row.append(100 * float(w[of_twin].sum() / w.sum()))
    rows.append(row)
assert rows[2][2] < rows[0][2] / 2 and rows[2][3] > 2 * rows[0][3]
table(
    ["after", "nearest is a twin, %", "L_tri: number", "twins' %",
     "InfoNCE: number", "twins' %"],
    rows,
    caption="For how many queries the nearest negative is a twin; effective "
    "number of negatives, of 59, and the twins' share of all push",
    digits=0,
)  # fmt: skip

# %% [markdown]
# At first about half of the negatives share $L_\text{tri}$'s push. After 200 steps it is as uneven as if a handful shared it all, and twins have a large part of it. InfoNCE's push, measured on the same encoder, ends in the same way. Nobody added a weight. **So the usual losses turn to hard negatives by themselves.** The question is whether turning further helps.
#
# ## Does mining the hardest collapse?
#
# *Mining* turns all the way: only chosen negatives count. *Hardest* takes the nearest negative of each query ([Hermans et al., 2017](references.md#hermans2017defense)). *Semi-hard* takes the nearest one that is farther than the positive ([Schroff et al., 2015](references.md#schroff2015facenet)). The hardest is said to make an encoder **collapse** early: all pictures get nearly one vector.
#
# The study `hard_negatives` trained from scratch, 200 steps, three seeds. With 0.4 twins a batch the hardest negative is mostly a stranger. What misleads below is not the twin but the *scale* of all distances.
#
# Beside the two mined losses and $L_\text{tri}$ there is a **steep term**: $L_\text{tri}$ with weights that grow fast with nearness, so that few negatives count. One at nine tenths of the positive's distance weighs about 14 times as much as one at that distance. ([07](07_rda.ipynb) builds such weights; these are sharp DPHR's (ours) with $\beta = 100$.) It stands *beside* $L_\text{tri}$, or nearly *alone* (a hundred to one). With *wrong pairs* one training pair in ten shows two different places.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
stored = results.load("hard_negatives")
ARMS = {
    "hardest": "hardest",
    "beta_100_alone": "steep term, nearly alone",
    "semi_hard": "semi-hard",
    "triplet": "L_tri",
    "beta_100": "L_tri + steep term",
    "triplet_noise": "L_tri, wrong pairs",
    "beta_100_noise": "L_tri + steep term, wrong pairs",
}


def at_end(arm):
    """R@1 by seed, its interval, and the distance to the nearest stranger."""
    r_at_1 = over_seeds(stored, "mini", arm)
    curves = [stored["mini", arm, s]["curves"] for s in range(3)]
    far = [curve["val_d_stranger"][-1] for curve in curves]
    return r_at_1, student_interval(list(r_at_1)), far


ended = {arm: at_end(arm) for arm in ARMS}
guess_choice(
    "Which of these collapse?",
    {
        "none": "Two of them do: all distances end near 0.002.",
        "hardest, and the steep term nearly alone": "All distances end near "
        "0.002, the smallest that our distance returns.",
        "all that have the steep term": "Beside L_tri it does not, though "
        "wrong pairs bring it a part of the way.",
    },
    "hardest, and the steep term nearly alone",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "R@1 after 200 steps: seeds (small rings), means (dots), 95 % intervals. In brackets the distance of a query to its nearest stranger at the end. Two losses collapse. The steep term leads beside L_tri; with wrong pairs its lead is no longer clear."}, "image": {"alt": "Seven rows. Hardest and the steep term nearly alone, both at distance 0.002, lie near zero to five percent; semi-hard and L_tri between 13 and 20; L_tri with the steep term between 29 and 39 with a wide interval; with wrong pairs L_tri is near 11 and L_tri with the steep term near 15."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7.6, 3.7))
values, halves = {}, {}
for arm, (r_at_1, interval, far) in ended.items():
    name = f"{ARMS[arm]} ({np.mean(far):.3f})"
    values[name], halves[name] = r_at_1, interval.half_width
arms_over_seeds(axis, values, halves)
axis.set(xlabel="R@1, drone → satellite (%)", xlim=(0, None))
axis.grid(color="0.92")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
for arm, (_, interval, far) in ended.items():
    gone = arm in ("hardest", "beta_100_alone")
    assert all(x < 0.01 for x in far) if gone else min(far) > 0.02
    print(f"{ARMS[arm]}: {interval.mean:.1f} ± {interval.half_width:.1f}, "
          f"nearest stranger at {np.mean(far):.3f}")  # fmt: skip
# Two arms of one seed share the world, the first weights and the batches.
PAIRS = [
    ("semi_hard", "triplet"), ("semi_hard", "triplet_hinge"),
    ("beta_100", "triplet"), ("beta_100_noise", "triplet_noise"),
    ("beta_100_hinge", "triplet_hinge"),
]  # fmt: skip
for pair in PAIRS:
    d = paired(stored, "mini", *pair)
    seeds = ", ".join(f"{x:.1f}" for x in d.by_seed)
    print(f"{pair[0]} minus {pair[1]}: {d.interval.signed} ({seeds})")
    above = d.interval.mean > d.interval.half_width
    assert above == (pair[0] != "beta_100_noise")
# What wrong pairs take: of the steep term, of L_tri, of the lead.
drops = []
for arm in ("beta_100", "triplet"):
    d = paired(stored, "mini", arm, f"{arm}_noise")
    drops.append(np.array(d.by_seed))
    print(f"wrong pairs cost {ARMS[arm]} {d.interval}")
lead = student_interval(list(drops[0] - drops[1]))
print(f"and its lead {lead}: "
      + ", ".join(f"{x:.1f}" for x in drops[0] - drops[1]))  # fmt: skip
drawn = stored["mini", "beta_100_alone", 0]["report"]["D2S"]["gallery"]
print(f"chance: {100 / drawn:.1f} %; twins a batch: {2 * 63 / 299:.1f}")
steep = np.exp(100 * (1 / 1.9 - 0.5))  # distances 1 and 0.9, beta = 100
assert round(steep) == 14
for arm in ("triplet_hinge", "beta_100_hinge"):
    _, interval, _ = at_end(arm)
    print(f"{arm}: {interval.mean:.1f} ± {interval.half_width:.1f}")

# %% [markdown]
# * **The hardest collapses** on each seed, and so does the steep term nearly alone: all distances end near 0.002. An untrained encoder's *nearest* negative is nearer than the positive, for example at 0.5 where the positive is at 0.8. The loss wants $d^+ - d^- = +0.3$ to fall. Halve all distances, and it is only $+0.15$. So the loss falls when everything shrinks together, and nothing holds it back. (Such tiny distances can keep some order. By chance R@1 is 0.3 %: the hardest has 0.6 %, the steep term alone 5 and 7 % on two of its three seeds.)
# * **Beside $L_\text{tri}$ the steep term does not collapse**, and gives the best encoder here: 33.8 ± 12.2 % against 15.2 ± 3.9 %, paired +18.6 ± 15.8 points. Above zero, but three seeds leave its size open. $L_\text{tri}$ spreads the vectors again once all distances are small: its slopes are then alike, and the *average* negative lies behind the positive (exercise 3).
# * **Wrong pairs** cost the steep term beside $L_\text{tri}$ more than half of its R@1 (19.2 ± 10.6 points, paired), and $L_\text{tri}$ alone less than a third. They also shrink distances, with the steep term most (nearest stranger at 0.051), part of the way to a collapse. The lead left, +3.9 ± 4.9, is no longer clear. (It fell by 14.8 ± 14.7.)
# * **Semi-hard mining**, alone, did not collapse, and ended 2.9 ± 0.9 points above $L_\text{tri}$ (paired).
#
# Both mined losses have the form of a **hinge**, $\max(0,\, 0.3 + d^+ - d^-)$. As a hinge, the steep term beside $L_\text{tri}$ has 37.4 ± 2.5 %, and $L_\text{tri}$ 13.5 ± 3.5 %: the form is not the reason.
#
# So **the *hardest* negatives mislead when they stand alone, and teach beside all others (as the steep term). The nearest *beyond the positive* teach alone, too.** This is one small network at one learning rate, three seeds. [Note 24](24_how_sharp.ipynb) shows with two distances why the hardest shrinks everything.
#
# ## Exercises
#
# **1. Derive.** With label smoothing $\varepsilon$ each of the $B$ candidates gets $\varepsilon/B$ of InfoNCE's target, and the right one $1 - \varepsilon$ more. Some negatives are then pulled *closer*. Below which $p_k$?

# %%
threshold = None  # a number, for epsilon = 0.1 and B = 6

few = distances[200][:6, :6].double()  # a batch of six places
d_pos, d_neg = columns(few)  # (6, 1), (6, 5)
s = (1 - torch.cat([d_pos, d_neg], 1) ** 2 / 2).requires_grad_()
own, smooth = torch.zeros(6, dtype=torch.long), {"label_smoothing": 0.1}
loss = F.cross_entropy(s / 0.07, own, reduction="sum", **smooth)
slope = torch.autograd.grad(loss, s)[0][:, 1:]
p = torch.softmax(s / 0.07, 1)[:, 1:]
turn = (p - 0.07 * slope).mean().item()  # the p at which the slope is 0
check_answer(threshold, turn, within=5e-4)

# %% tags=["hide-cell", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The slope in the similarity of negative k is (p_k - epsilon / B) / tau.
assert abs(turn - 0.1 / 6) < 1e-9
assert torch.equal(slope < 0, p < 0.1 / 6)
print(f"pulled closer: {100 * (slope < 0).double().mean():.0f} %")

# %% [markdown]
# **2. Derive.** One negative moves, all else stays. At which distance is InfoNCE's push on it strongest, while its $p_k$ is small? ($\tau = 0.07$)

# %%
strongest = None  # your number

at = torch.linspace(0.05, 1.5, 2901, dtype=torch.float64)[:, None]
others = torch.full((2901, 400), 0.3, dtype=torch.float64)
moving = torch.cat([at, others], 1)  # so many that p stays small
push = nce_push_scratch(torch.full_like(at, 0.3), moving)[:, 0]
check_answer(strongest, at[push.argmax()].item(), within=0.006)

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
# Semi-hard mining takes a negative that is farther than the positive, so each term of the sum is negative, and the loss falls when distances *grow*. The hardest takes the nearest. Where that is on average nearer than the positive, the sum is positive and shrinking pays. So it is in the untrained network, and by a little still after 200 steps of $L_\text{tri}$ (below). If all negatives weigh alike, the average counts instead, and that lies behind the positive.
#
# </details>

# %% tags=["hide-cell", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
gaps = {}
for step in (0, 200):
    d_pos, d_neg = columns(distances[step].double())
    farther = d_neg.masked_fill(d_neg <= d_pos, torch.inf).amin(1)
    assert (d_pos[:, 0] - farther < 0).all()
    gaps[step] = float((d_pos[:, 0] - d_neg.amin(1)).mean())
    average = float((d_pos - d_neg).mean())
    print(f"step {step}: positive minus nearest negative {gaps[step]:+.2f}, "
          f"minus average negative {average:+.2f}")  # fmt: skip
    assert average < 0
assert gaps[0] > 0

# %% [markdown]
# ## Summary
#
# * You **watched** a contraction and then a separation: strangers leave, twins stay, and after 200 steps about three in four nearest negatives are twins.
# * You **derived** the push of $L_\text{tri}$ and InfoNCE, and saw both turn to hard negatives without any added weight.
# * You can **judge** mining: the hardest negative alone collapsed on each of three seeds, semi-hard mining on none. Beside $L_\text{tri}$ a steep term led by 18.6 ± 15.8 points of R@1 (33.8 against 15.2 %, paired). Wrong pairs cost it 19.2 ± 10.6 points; the lead left is no longer clear.
#
# ## Readings
#
# * [Schroff et al. (2015)](references.md#schroff2015facenet), *FaceNet: A Unified Embedding for Face Recognition and Clustering*, [arXiv](https://arxiv.org/abs/1503.03832): semi-hard negatives, and the remark that the hardest can collapse training early.
# * [Hermans et al. (2017)](references.md#hermans2017defense), *In Defense of the Triplet Loss for Person Re-Identification*, [arXiv](https://arxiv.org/abs/1703.07737): the hardest within a batch works after all. List what differs from the runs above.
#
#   <details>
#   <summary>Answer</summary>
#
#   Their batches have several pictures of each of 18 persons, and the loss takes the hardest positive as well. The vectors are not normalised, so they are free to spread. A softplus stands in place of the hinge. One of their two networks starts pretrained, so its nearest negatives mean something from the first step.
#
#   </details>
# * [Wu et al. (2017)](references.md#wu2017sampling), *Sampling Matters in Deep Embedding Learning*, [arXiv](https://arxiv.org/abs/1706.07567): which distances are drawn matters as much as the loss.
# * [Xuan et al. (2020)](references.md#xuan2020hard), *Hard Negative Examples are Hard, but Useful*, [arXiv](https://arxiv.org/abs/2007.12749): why the hardest negatives make triplet training fail, and a remedy.
