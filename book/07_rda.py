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
# # 07 RDA
#
# **How much do the weights of DPHR really differ?**
#
# By the end you can
#
# * **compute** how hard a negative is relative to its positive, and its weight in both readings of the paper;
# * **measure** how much the weights of a batch differ, and which negatives get the gradient;
# * **say** which findings about RDA belong to our sharp map alone.
#
# You need: [06 Hard negatives](06_hard_negatives.ipynb), and [05 How sure are we?](05_how_sure_are_we.ipynb) for the intervals; half an hour. The cells run in seconds on two CPU cores. Longer runs are stored results. Nothing is downloaded.
#
# > **Two readings.** The *closest* reading of the paper is what `DPHRLoss()` computes. *Sharp DPHR (ours)*, `DPHRLoss.sharp()`, is our own steeper variant. Each number on this page says which of the two it belongs to. The grades **[A]**, **[S]** and **[O]** say where a statement comes from: [notation](notation.md).

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
import json
from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from dphr_lab import results
from dphr_lab.losses import (
    DPHRLoss,
    TripletLoss,
    pairwise_distance,
    rda_hardness,
    rda_sharpness,
    rda_weights,
)
from dphr_lab.plotting import PALETTE, RUN_STYLES, arms_over_seeds
from dphr_lab.studies.comparisons import paired
from dphr_lab.teaching import guess_choice, guess_number, slider, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True
torch.set_default_dtype(torch.float64)  # derivatives are compared below
ARMS = {"L_tri": "triplet", "closest": "dphr", "sharp": "sharp"}
STYLES = {
    name: dict(zip(("color", "linestyle"), RUN_STYLES[arm], strict=False))
    for name, arm in ARMS.items()
}

# %% [markdown]
# ## Two queries, one distance
#
# Two queries on the unit circle have one positive and one negative each. Both negatives are equally far from their queries. Which of the two negatives should count more in training?


# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Two queries (star), each with its positive (disc) and a negative (square) 50 degrees away. In A the positive is nearer than the negative, in B it is farther."}, "image": {"alt": "Two quarter circles, each with a query at the bottom and a negative 50 degrees further up. Left, the positive lies 20 degrees from the query, well before the negative. Right, it lies 60 degrees from the query, beyond the negative."}} cellView="form" jupyter={"source_hidden": true}
def on_circle(*degrees):
    """Unit vectors by their angles, (n, 2)."""
    angle = torch.tensor(degrees).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], 1)


POSITIVE = {"A": 20.0, "B": 60.0}  # degrees from the query
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.3))
arc = on_circle(*np.linspace(-5, 80, 60))
for axis, (title, at) in zip(axes, POSITIVE.items(), strict=True):
    axis.plot(*arc.T, color="0.8")
    for name, degrees, mark, colour in (
        ("query", 0.0, "*", "black"),
        ("positive", at, "o", PALETTE["blue"]),
        ("negative", 50.0, "s", PALETTE["vermilion"]),
    ):
        x, y = on_circle(degrees)[0].tolist()
        axis.plot([1, x], [0, y], ":", color=colour)
        axis.plot(x, y, mark, color=colour, markersize=10)
        axis.text(x + 0.05, y, name, va="center")
    axis.set(xlim=(0.1, 1.5), ylim=(-0.1, 1.05), aspect=1, title=title)
    axis.axis("off")
    d_pos, d_neg = pairwise_distance(on_circle(0.0), on_circle(at, 50.0))[0]
    assert (d_neg < d_pos) == (title == "B")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Which negative should count more?",
    {
        "that of A": "A ranks its positive first already.",
        "that of B": "B would retrieve the wrong place: its positive is "
        "farther away than this negative.",
        "both alike": "So says a weight that looks at the negative alone.",
    },
    "that of B",
)

# %% [markdown]
# A weight that depends on the negative alone cannot see this. DPHR has two levels. One weighs each *negative* in a batch; it is called RDA, ratio-based difficulty-aware weighting, and is the subject of this chapter. The other scales the whole weighted term as training goes on ([08 PALW](08_palw.ipynb)).
#
# RDA asks for *relative* difficulty **[A]**. In our sources the **hardness** of a negative is a ratio **[S]**:
#
# $$
# h = \frac{d^+}{d^+ + d^-} .
# $$
#
# Here $d^+$ is the distance to the positive and $d^-$ that to the negative. Equal distances, a **tie**, give 1/2. Above 1/2 the wrong place would come first. Then $h$ becomes a **weight** $\omega$. The closest reading maps $h$ linearly into an interval **[S]**; its bounds 0.5 and 1.5 are our choice **[O]**. Sharp DPHR takes an exponential with $\beta = 16$ and divides by its mean over the query's negatives **[O]**.


# %%
def hardness_scratch(d_pos, d_neg):
    return d_pos / (d_pos + d_neg)


def interval_scratch(h, w_min=0.5, w_max=1.5):
    return w_min + (w_max - w_min) * h


def sharp_scratch(h, beta=16.0):
    raw = torch.exp(beta * (h - 0.5))
    return raw / raw.mean(1, keepdim=True)


# %%
generator = torch.Generator().manual_seed(0)
d_pos = 2 * torch.rand(8, 1, generator=generator)
d_neg = 2 * torch.rand(8, 20, generator=generator)
h = hardness_scratch(d_pos, d_neg)
assert torch.allclose(h, rda_hardness(d_pos[:, 0], d_neg))
assert torch.allclose(interval_scratch(h), rda_weights(h))
steep = rda_weights(h, weight_map="exp", normalise="query")
assert torch.allclose(sharp_scratch(h), steep)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows, weight = [], {}
for name, at in POSITIVE.items():
    d_pos, d_neg = pairwise_distance(on_circle(0.0), on_circle(at, 50.0))[0]
    h = hardness_scratch(d_pos, d_neg)
    raw = torch.exp(16 * (h - 0.5))
    weight[name] = interval_scratch(h), raw
    shown = map(float, (d_pos, d_neg, h, weight[name][0]))
    rows.append([name, *shown, f"{raw:.3f}"])
closest, sharp = (float(b / a) for a, b in zip(*weight.values(), strict=True))
assert 1.25 < closest < 1.35 and sharp > 50
rows.append(["B over A", *["–"] * 3, f"{closest:.1f}", f"{sharp:.0f}"])
table(
    ["query", "d⁺", "d⁻", "h", "closest weight", "exponential"],
    rows,
    caption="The negatives of A and B. With one negative a query the mean "
    "would be that negative itself, so the exponential is not divided here",
    digits=2,
)

# %% [markdown]
# The closest reading gives the negative of B 1.3 times the weight of the other one. The exponential gives it 55 times.
#
# Move the width of the interval and $\beta$ below. **Predict** first: at width 1, which $\beta$ gives both lines the same slope at a tie, $h = 1/2$?

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
HARDNESS = torch.linspace(0.1, 0.9, 81)


def draw_maps(width, beta):
    """Both maps over h; the text below compares h = 0.6 with h = 0.4."""
    axis.clear()
    low, high = 1 - width / 2, 1 + width / 2
    line = interval_scratch(HARDNESS, low, high)
    curve = torch.exp(beta * (HARDNESS - 0.5))
    axis.plot(HARDNESS, line, **STYLES["closest"], label="interval")
    axis.plot(HARDNESS, curve, **STYLES["sharp"], label="exponential")
    axis.axvline(0.5, color="0.7", linewidth=1)
    axis.set(xlim=(0.1, 0.9), ylim=(0, 6), xlabel="hardness h", ylabel="ω")
    axis.legend(frameon=False, loc="upper left")
    above, below = (low + width * h for h in (0.6, 0.4))
    times = above / below, np.exp(0.2 * beta)
    return (
        "A negative of h = 0.6 weighs, compared with one of h = 0.4, "
        f"{times[0]:.2f} times as much in the interval [{low:g}, {high:g}] "
        f"and {times[1]:.2f} times as much with β = {beta:g}."
    )


WIDTHS, BETAS = [0.0, 0.5, 1.0, 1.5, 2.0], [0, 1, 2, 4, 8, 16]
figure, axis = plt.subplots(figsize=(7, 3.4))
slider(
    figure,
    draw_maps,
    {"width of the interval": WIDTHS, "β": BETAS},
    alt="Two lines of weight against hardness. The interval's is straight "
    "and turns about the point 1/2, 1 as its width changes; the "
    "exponential's bends upwards, the more so the larger beta is.",
)

# %% [markdown]
# It is $\beta = 1$. Sharp DPHR has 16. [Note 24](24_sharpness_and_step_size.ipynb) derives how steep each map is, and sets them beside other losses.
#
# ## What a ratio buys
#
# Divide by $d^-$: then $h = \sigma(\log d^+ - \log d^-)$ with $\sigma(x) = 1/(1+e^{-x})$. So when all distances are multiplied by one number, $h$ stays; the margin $d^+ - d^-$ does not. That matters because distances do grow in training. At the start all pictures may lie in a narrow cone, and training opens it.
#
# Below is one triplet: a query, a positive near it, and a negative. They are scattered about one direction, more widely in each row. The third column is the weight that $L_\text{tri}$ gives a triplet by itself, the slope $\sigma(10\,(d^+ - d^-))$ of its softplus.

# %%
draw = torch.Generator().manual_seed(1)
base = torch.randn(3, 64, generator=draw) / 8
base[1] = base[0] + 0.6 * base[1]  # the positive, near the query
pole = F.normalize(torch.ones(64), dim=0)
cone = []
for spread in (0.02, 0.05, 0.1, 0.2, 0.4):
    q, p, n = F.normalize(pole + spread * base, dim=1)
    a, b = (q - p).norm(), (q - n).norm()
    pull = torch.sigmoid(10 * (a - b))  # L_tri's own weight
    cone.append([spread, *map(float, (a - b, pull, rda_hardness(a, b)))])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
assert cone[0][2] - cone[-1][2] > 0.3
assert abs(cone[0][3] - cone[-1][3]) < 0.01
table(
    ["scatter", "margin d⁺ − d⁻", "L_tri's own weight", "hardness h"],
    cone,
    caption="A cone opens: the same triplet at five widths",
    digits=2,
)

# %% [markdown]
# In the narrowest cone $L_\text{tri}$ weighs this easy triplet by nearly one half, which is what it gives a tie. Only as the cone opens does it see that the triplet is easy. The hardness is 0.30 throughout.
#
# ## How much do weights differ in a batch?
#
# Two queries of our choice prove little. So encoders were measured on fresh batches of 64 pairs: one with ImageNet weights, an untrained one, and the same one after 100 and after 800 steps of training with the closest reading. The numbers are stored for three seeds (`python book/_tools/store_weights.py`). Three measures matter:
#
# * the **ratio** of the 95th to the 5th percentile of a query's weights: 1 if all weights are equal;
# * the **effective share**, $(\sum \omega)^2 / \sum \omega^2$ divided by the number of negatives: 1 if all count alike, nearly 0 if one takes all;
# * the **cosine** between the gradients of the weighted term $L_\text{wtri}$ and the plain term $L_\text{tri}$: 1 if the weights change nothing but the size of the step.

# %%
stored = files("dphr_lab") / "results" / "weights"
looks = [
    json.loads((stored / f"s{seed}.json").read_text("utf-8"))["looks"]
    for seed in range(3)
]  # fmt: skip


def seen(encoder, name, measure):
    return [look[encoder]["maps"][name][measure] for look in looks]


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
spread = {
    name: max(seen("100 steps", name, "p95_to_p5"))
    for name in ("interval [0.5, 1.5]", "sharp")
}  # fmt: skip
guess_number(
    "Ratio of the 95th to the 5th percentile of a query's weights, closest "
    "reading, after 100 steps (largest of three seeds)?",
    spread["interval [0.5, 1.5]"],
    within=0.2,
    digits=2,
    explain=f"In sharp DPHR it is {spread['sharp']:.0f}.",
)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
maps = {
    "closest, [0.5, 1.5]": "interval [0.5, 1.5]",
    "bounds [1, 4]": "interval [1, 4]",
    "bounds [0, 2]": "interval [0, 2]",
    "min-max first": "min-max [0.5, 1.5]",
    "sharp": "sharp",
}
when = ("ImageNet", "0 steps", "100 steps", "800 steps")
rows = []
for title, name in maps.items():
    share = np.concatenate([seen(at, name, "effective_share") for at in when])
    cosine = min(min(seen(at, name, "cosine")) for at in when)
    ratios = [f"{max(seen(at, name, 'p95_to_p5')):.2f}" for at in when]
    rows.append([title, *ratios, f"{share.min():.2f}", f"{cosine:.2f}"])
mild = [seen(at, "interval [0.5, 1.5]", "cosine") for at in when]
assert min(map(min, mild)) > 0.97
table(
    ["map", *when, "smallest share", "smallest cosine"],
    rows,
    caption="Four columns of ratios, the largest of three seeds; then the "
    "smallest effective share and cosine over all encoders and seeds",
)

# %% [markdown]
# In the closest reading the ratio is 1.45 at most, the share 0.98 or more and the cosine 0.97 or more. Other bounds, or scaling each query's $h$ to its own minimum and maximum first (min-max), are readings that our sources allow as well. They spread the weights further, but only the sharp map turns the gradient far.
#
# The weights are mild because $h$ is. In these batches the hardness of a query's negatives has a standard deviation below 0.1, and a linear map multiplies it by the width of the interval, here 1. If all weights of a batch were one number $c$, then $L_\text{wtri} = c\,L_\text{tri}$, and
#
# $$
# L_\text{DPHR} = L_\text{tri} + \lambda^t L_\text{wtri} = (1 + c\,\lambda^t)\, L_\text{tri} .
# $$
#
# ([08](08_palw.ipynb) explains $\lambda^t$.) The closest reading is nearly that. Mean weights are 0.72 to 0.97 below. [Note 20](20_the_closest_reading.ipynb) trains both and finds a tie. It also tunes the closest reading; min-max weights then add less than a point to what the growing loss does.

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
sds = [look[at]["sd_of_hardness"] for look in looks for at in when]
assert 0.03 < min(sds) < max(sds) < 0.1
flat, plain = DPHRLoss(w_min=0.8, w_max=0.8, signal="constant"), TripletLoss()
z = F.normalize(torch.randn(2, 8, 16, generator=generator), dim=-1)
assert torch.isclose(flat(*z), 1.8 * plain(*z))  # c = 0.8 and lambda = 1

# %% [markdown]
# ## Who gets the gradient?
#
# Put the positive at 40° on a circle and 61 negatives from 30° to 180°. Four of them lie before the positive. How strongly does each weighted term push a negative away from the query?

# %%
CROWD = np.arange(30.0, 180.1, 2.5)  # degrees


def push(weigh, detach=True):
    """Push of L_wtri away from the query, times K, (K,)."""
    angle = torch.tensor(CROWD).deg2rad().requires_grad_()
    d_neg = 2 * torch.sin(angle / 2)[None]  # (1, K)
    d_pos = pairwise_distance(on_circle(0.0), on_circle(40.0))[0]
    omega = weigh(rda_hardness(d_pos, d_neg))
    omega = omega.detach() if detach else omega
    loss = (omega * F.softplus(10 * (d_pos - d_neg))).sum()
    return -torch.autograd.grad(loss, angle)[0].numpy()


# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Left, each negative's share of the push; the positive is at 40 degrees. The closest reading lies on L_tri. Right, the sharp term's push (logarithmic beyond 1) with weights as constants (detached) and with gradients through them (attached): negatives in the shaded range are pulled in."}, "image": {"alt": "Two panels against the angle of the negative, with the positive at 40 degrees. Left, the shares of L_tri and of the closest reading lie upon each other and fall slowly from 30 degrees on; that of the sharp reading is steeper. Right, the push of the sharp reading: detached it stays above zero, attached it crosses zero shortly behind the positive and a shaded band marks the negatives that are pulled in."}} cellView="form" jupyter={"source_hidden": true}
pushes = {
    "L_tri": push(torch.ones_like),
    "closest": push(interval_scratch),
    "sharp": push(sharp_scratch),
}
attached = {
    "closest": push(interval_scratch, detach=False),
    "sharp": push(sharp_scratch, detach=False),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.5))
for name, style in STYLES.items():
    share = 100 * pushes[name] / pushes[name].sum()
    left.plot(CROWD, share, **style, label=name)
right.plot(CROWD, pushes["sharp"], **STYLES["sharp"], label="sharp, detached")
attached_style = {"color": PALETTE["vermilion"], "linestyle": ":"}
right.plot(CROWD, attached["sharp"], **attached_style, label="attached")
right.fill_between(
    CROWD, attached["sharp"], 0, where=attached["sharp"] < 0,
    interpolate=True, color=PALETTE["vermilion"], alpha=0.3,
)  # fmt: skip
left.set(ylabel="share of the push, %")
right.set_yscale("symlog", linthresh=1)
right.set_yticks((-1, 0, 1, 10, 100), ("−1", "0", "1", "10", "100"))
right.set(ylabel="push away (times K)")
for axis in (left, right):
    axis.set(xlim=(28, 122), xlabel="angle of the negative, °")
    axis.axvline(40, color="0.7", linewidth=1)
    axis.axhline(0, color="0.7", linewidth=1)
    axis.legend(frameon=False)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows = []
for name, at in pushes.items():
    inward = attached.get(name)
    pulled = None if inward is None else int((inward < -1e-6).sum())
    rows.append([name, 100 * at[CROWD < 40].sum() / at.sum(), pulled])
assert rows[1][2] == 0 < rows[2][2]
assert abs(rows[1][1] - rows[0][1]) < 5 < rows[2][1] - rows[0][1]
table(
    ["term", "push on the four, %", f"pulled in if attached, of {len(CROWD)}"],
    rows,
    caption="Share of all push on the four negatives nearer than the "
    "positive; number of negatives pulled in when weights are attached",
    digits=0,
)

# %% [markdown]
# Sharp weights put 83 % of the push on the four that lie before the positive. The closest reading puts 62 % there, and $L_\text{tri}$ has 60 % without any weights.
#
# The right panel is our argument for **detaching** weights, that is, for treating them as constants in the gradient. Both readings do so **[O]**. Sharp weights are divided by their mean. If gradients flow through that mean, an easy negative lowers the loss by coming *nearer*, because it then takes weight from the hard ones. No part of the idea asks for this. The interval has no such mean, and pulls none of them in.
#
# ## Does the ratio matter?
#
# We could not show that it does. Weighing may help because it is relative to the query's *own* positive, or only because near negatives count more. The control: replace $d^+$ in $h$ by its mean over the batch. This is the **broken ratio**.
#
# For sharp DPHR the control is nearly **blind**. A far positive raises $h$ for all negatives of its query together, and dividing by the query's mean takes out what they share. The closest reading does not divide. Here are the same negatives with three different positives:

# %%
far = 2 * np.sin(np.radians(np.arange(20.0, 181.0, 5.0)) / 2)
near = 2 * np.sin(np.radians([20.0, 45.0, 70.0]) / 2)
h = rda_hardness(torch.tensor(near), torch.tensor(far).expand(3, -1))
total = {"closest": interval_scratch(h), "sharp": sharp_scratch(h)}

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
held = total["sharp"][:, :4]
apart = float((held.amax(0) / held.amin(0)).max())
rows = [[f"{k}: mean weight", *w.mean(1).tolist()] for k, w in total.items()]
rows += [
    [f"{k}: share of nearest four", *(w[:, :4].sum(1) / w.sum(1)).tolist()]
    for k, w in total.items()
]  # fmt: skip
share = 100 * float((held.sum(1) / total["sharp"].sum(1)).min())
assert apart < 1.35 and share > 80
table(
    ["weights of a query", "d⁺ at 20°", "d⁺ at 45°", "d⁺ at 70°"],
    rows,
    caption=f"The same {len(far)} negatives, three positives",
    digits=2,
)

# %% [markdown]
# Sharp weights have mean 1 by construction. Their share on the four nearest negatives hardly depends on the positive either. So the control could decide only where weights are not divided per query. Study `rda` has one such pair of runs. There weights are divided by the mean of the whole *batch*, with the own ratio or the broken one.
#
# All comparisons that were run are below. Study `main` trained for 800 steps, `rda` for 300 on batches of whole twin families, and `closest_short` for 300. $\lambda$ is constant throughout.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
PAIRS = {
    "main": {
        "sharp minus L_tri": ("sharp_rda", "triplet"),
        "sharp minus broken": ("sharp_rda", "broken_ratio"),
    },
    "rda": {
        "sharp minus L_tri": ("sharp_rda", "triplet"),
        "sharp minus broken": ("sharp_rda", "broken"),
        "per batch: own minus broken": ("sharp_rda_batch", "broken_batch"),
        "own: per batch minus per query": ("sharp_rda_batch", "sharp_rda"),
    },
    "closest_short": {
        "closest weights, λ = 1, minus L_tri": ("rda", "triplet"),
    },
}
found, rows = {}, []
for study, pairs in PAIRS.items():
    for name, pair in pairs.items():
        d = paired(results.load(study), "mini", *pair)
        found[f"{name} ({study})"] = d
        rows.append([name, study, len(d.by_seed), d.interval.signed])
table(
    ["weights", "study", "seeds", "points of R@1"],
    rows,
    caption="Drone to satellite, paired by seed; 95 %, not corrected",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "The same seven differences: seeds (small rings), means (dots), 95 % intervals. Clear of zero are sharp weights minus L_tri, and what dividing over the batch costs them."}, "image": {"alt": "Seven rows of paired differences in R@1 with intervals. Sharp RDA minus L_tri lies far right of zero in both studies, sharp RDA minus the broken ratio around zero in both. Over the batch the own ratio lies left of the broken one, with an interval that just reaches zero, and the batch form lies left of the per-query form. The closest weights minus L_tri lie at zero with a short interval."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7.6, 3.8))
halves = {name: d.interval.half_width for name, d in found.items()}
by_seed = {name: d.by_seed for name, d in found.items()}
arms_over_seeds(axis, by_seed, halves, chance=0)
axis.set_xlabel("points of R@1 (mean, 95 %)")
axis.grid(color="0.92")

# %% [markdown]
# * **Sharp weights help** against $L_\text{tri}$, by 18.1 ± 5.3 and 24.0 ± 7.2 points. The broken ratio gains as much, as a blind control must.
# * **Where the control could have decided, it did not.** Over three seeds the broken ratio ended 14.6 ± 15.9 points above the own one. Dividing over the batch also cost 18.7 ± 13.4 points.
# * **The weights of the closest reading**, at $\lambda = 1$, end at $L_\text{tri}$. No broken ratio was run for it: where weights hardly matter, a control of them cannot decide.
#
# One more finding belongs to the sharp map alone. In an untrained encoder its effective share is 0.6–0.7: it is milder at first. After 100 steps with the closest reading the share is 0.1, and after 800 it is back at 0.3–0.4. In the closest reading it stays near 1.

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
for at, low, high in (
    ("0 steps", 0.6, 0.72),
    ("100 steps", 0.1, 0.12),
    ("800 steps", 0.29, 0.38),
):
    share = seen(at, "sharp", "effective_share")
    print(at, [f"{s:.2f}" for s in share])
    assert low < min(share) < max(share) < high
gains = [found[f"sharp minus L_tri ({s})"] for s in ("main", "rda")]
assert [round(gain.interval.mean) for gain in gains] == [18, 24]

# %% [markdown]
# ## Exercises
#
# **1. Predict.** Steep means: how fast $\log \omega$ changes with $h$. Which $\beta$ of an exponential is as steep as the interval $[0, 2]$ at a tie? And can other bounds, none of them negative, be steeper there?

# %%
beta = None  # your number

if beta is not None:
    tie = torch.tensor([0.7]), torch.tensor([[0.7]])
    wide = rda_sharpness(*tie, weight_map="interval", bounds=(0.0, 2.0))
    steep = rda_sharpness(*tie, beta=beta)
    print("right" if torch.allclose(wide, steep) else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The log slope at h = 1/2 is (w_max - w_min) / ((w_max + w_min) / 2): 2 for
# [0, 2], and never more, since w_min may not be negative.
tie = torch.tensor([0.7]), torch.tensor([[0.7]])
wide = rda_sharpness(*tie, weight_map="interval", bounds=(0.0, 2.0))
assert torch.allclose(wide, rda_sharpness(*tie, beta=2.0))
for bounds in ((0.0, 9.0), (0.1, 2.0), (1.0, 4.0)):
    assert rda_sharpness(*tie, weight_map="interval", bounds=bounds) <= wide

# %% [markdown]
# **2. Derive.** Someone measures with *squared* distances. Which $\beta$ of the exponential gives back the weights of $\beta = 16$, near $h = 1/2$?

# %%
beta = None  # your number

if beta is not None:
    a, b = torch.tensor([1.0]), torch.tensor([[0.98, 1.02]])
    mine = torch.exp(beta * (rda_hardness(a**2, b**2) - 0.5))
    theirs = torch.exp(16 * (rda_hardness(a, b) - 0.5))
    print("right" if torch.allclose(mine, theirs, rtol=1e-3) else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The log of a square is twice the log: h is twice as steep there, so half
# of beta.
a, b = torch.tensor([1.0]), torch.tensor([[0.98, 1.02]])
h, squared = rda_hardness(a, b), rda_hardness(a**2, b**2)
assert torch.allclose(squared, torch.sigmoid(2 * torch.logit(h)))
eight, sixteen = torch.exp(8 * (squared - 0.5)), torch.exp(16 * (h - 0.5))
assert torch.allclose(eight, sixteen, rtol=1e-3)

# %% [markdown]
# **3. Prove.** Weights of mean 1 per query make the loss larger, never smaller: $L_\text{wtri} \ge L_\text{tri}$ for each $\beta \ge 0$.
#
# <details>
# <summary>Solution</summary>
#
# For two negatives $j, k$ of a query the nearer one has the larger $\omega$ and the larger pair loss $\ell$. So $(\omega_j - \omega_k)(\ell_j - \ell_k) \ge 0$. The sum over all pairs is $2K^2\,(\overline{\omega\ell} - \overline{\omega}\,\overline{\ell})$, with bars for means over the $K$ negatives (Chebyshev's sum inequality). The mean weight is 1.
#
# </details>

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
for trial in range(100):
    z = F.normalize(torch.randn(2, 8, 3, generator=generator), dim=-1)
    terms = DPHRLoss.sharp(signal="constant", beta=float(trial % 60)).terms(*z)
    assert terms["weighted"] - terms["triplet"] > -1e-12

# %% [markdown]
# **4. Break.** Divided by the mean over the *batch*, $L_\text{wtri}$ can be smaller than $L_\text{tri}$. Find distances of two queries with one negative each. (Which query has the larger loss, and can it have the smaller $h$?)

# %%
d_pos, d_neg = None, None  # tensors of shape (2,) and (2, 1)

if d_pos is not None:
    loss = F.softplus(10 * (d_pos[:, None] - d_neg))
    h = rda_hardness(d_pos, d_neg)
    w = rda_weights(h, weight_map="exp", normalise="batch")
    print("right" if (w * loss).mean() < loss.mean() else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# One query with tiny distances: hard by difference, easy by ratio. The
# other vice versa.
d_pos, d_neg = torch.tensor([0.02, 1.0]), torch.tensor([[0.06], [1.6]])
loss = F.softplus(10 * (d_pos[:, None] - d_neg))
h = rda_hardness(d_pos, d_neg)
w = rda_weights(h, weight_map="exp", normalise="batch")
assert (w * loss).mean() < loss.mean() - 0.1

# %% [markdown]
# ## Summary
#
# * You **computed** a hardness that no common scale changes: it stayed at 0.30 while a cone opened. The closest reading makes a weight between 0.5 and 1.5 of it, sharp DPHR an exponential.
# * You **measured** the weights of real batches. In the closest reading the 95th percentile is at most 1.45 times the 5th, the gradient keeps its direction (cosine 0.97 or more), and $L_\text{DPHR}$ is nearly $(1 + c\,\lambda^t)\,L_\text{tri}$.
# * You can **say** what belongs to sharp DPHR alone: gains of 18.1 ± 5.3 and 24.0 ± 7.2 points over $L_\text{tri}$, weights that sharpen early and later ease again, and a control of the ratio that is blind. That the *ratio* matters is not shown.
#
# [24 Sharpness, collapse and the step size](24_sharpness_and_step_size.ipynb) sets RDA beside its relatives.
#
# ## Readings
#
# * [Zheng et al. (2025)](references.md#zheng2025dphr), *Dual-level Progressive Hardness-Aware Reweighting for Cross-View Geo-Localization*, [arXiv](https://arxiv.org/abs/2510.27181): the paper. If you have the text, compare its map with ours: [open choices](open_choices.md) says what to change.
# * [Cai et al. (2019)](references.md#cai2019ground), *Ground-to-Aerial Image Geo-Localization With a Hard Exemplar Reweighting Triplet Loss*, [paper](https://openaccess.thecvf.com/content_ICCV_2019/html/Cai_Ground-to-Aerial_Image_Geo-Localization_With_a_Hard_Exemplar_Reweighting_Triplet_Loss_ICCV_2019_paper.html): weights by difficulty for cross-view triplets, from a difference, cut off at both ends.
# * [Robinson et al. (2021)](references.md#robinson2021hard), *Contrastive Learning with Hard Negative Samples*, [arXiv](https://arxiv.org/abs/2010.04592): exponential weights of the negative alone, as importance sampling.
# * [Lin et al. (2017)](references.md#lin2017focal), *Focal Loss for Dense Object Detection*, [arXiv](https://arxiv.org/abs/1708.02002): the same worry in detection, easy samples that drown the hard ones.
