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
# * **compute** how hard a negative is compared with its positive, and its weight in both readings of the paper;
# * **measure** how much the weights of a batch differ, and which negatives get the gradient;
# * **say** in a sentence what RDA does, and which gains belong to our sharp map alone.
#
# You need: [06 Hard negatives](06_hard_negatives.ipynb), and [05 How sure are we?](05_how_sure_are_we.ipynb) for the intervals; half an hour. The cells run in seconds on two CPU cores. Longer runs are stored results. Nothing is downloaded.
#
# > **Two readings.** The *closest* reading of the paper is what `DPHRLoss()` computes. *Sharp DPHR (ours)*, `DPHRLoss.sharp()`, is our own steeper variant. Each number on this page says which of the two it belongs to. **[A]** is from the paper's abstract, **[S]** from public summaries, **[O]** our choice ([notation](notation.md)).

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
from dphr_lab.plotting import PALETTE, RUN_STYLES
from dphr_lab.studies.comparisons import over_seeds, paired
from dphr_lab.teaching import (
    check_answer,
    guess_choice,
    guess_number,
    slider,
    table,
)

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
# A weight that looks at the negative alone cannot see this. $L_\text{tri}$ ([06](06_hard_negatives.ipynb)) sees it by its own slope, from the *difference* of the distances. **RDA**, ratio-based difficulty-aware weighting, looks at their *ratio*. In one sentence:
#
# > RDA multiplies each negative's part of the loss by a weight that is larger, the nearer this negative is *compared with the positive*.
#
# The paper asks for such *relative* difficulty **[A]**. Let $d^+$ be the distance of a query to its positive and $d^-$ that to a negative. The **hardness** of the negative is **[S]**
#
# $$
# h = \frac{d^+}{d^+ + d^-} .
# $$
#
# It is 1/2 where both are equally far, a **tie**. Above 1/2 the wrong place would come first. Then $h$ becomes a **weight** $\omega$:
#
# * **closest**: a straight line into an interval **[S]**. Its bounds, 0.5 and 1.5, are our choice **[O]**.
# * **sharp (ours)**: an exponential, $e^{\beta(h - 1/2)}$ with $\beta = 16$, divided by its mean over the query's negatives **[O]**.


# %%
def hardness_scratch(d_pos, d_neg):
    return d_pos / (d_pos + d_neg)


def closest_scratch(h, w_min=0.5, w_max=1.5):
    return w_min + (w_max - w_min) * h


def sharp_scratch(h, beta=16.0):
    raw = torch.exp(beta * (h - 0.5))
    return raw / raw.mean(1, keepdim=True)


# %% [markdown]
# The weighted term is the plain one with these weights: $L_\text{tri}$ is the mean over queries and negatives of $\operatorname{softplus}(10\,(d^+ - d^-))$, as in [06](06_hard_negatives.ipynb), and
#
# $$
# L_\text{wtri} = \operatorname{mean}\; \omega \cdot \operatorname{softplus}(10\,(d^+ - d^-)) .
# $$
#
# The package's functions give the same weights, here for 8 queries with 20 negatives each:

# %%
generator = torch.Generator().manual_seed(0)
d_pos = 2 * torch.rand(8, 1, generator=generator)
d_neg = 2 * torch.rand(8, 20, generator=generator)
h = hardness_scratch(d_pos, d_neg)
assert torch.allclose(h, rda_hardness(d_pos[:, 0], d_neg))
assert torch.allclose(closest_scratch(h), rda_weights(h))
steep = rda_weights(h, weight_map="exp", normalise="query")
assert torch.allclose(sharp_scratch(h), steep)

# %% [markdown]
# How much does a ratio of distances matter to each map? (The sharp column is not divided by the mean. All negatives of a query are divided by the same number, so their ratios stay.)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows = []
FAR = {"twice as far": 2.0, "as far": 1.0, "half as far": 0.5}
for name, times in FAR.items():
    h = 1 / (1 + times)
    closest, raw = closest_scratch(h), float(np.exp(16 * (h - 0.5)))
    rows.append([f"{name} as the positive", h, closest, f"{raw:.2f}"])
ratio = [rows[2][2] / rows[0][2], np.exp(16 * (rows[2][1] - rows[0][1]))]
last = [None, ratio[0], f"{ratio[1]:.0f}"]
rows.append(["last row over the first", *last])
assert abs(ratio[0] - 1.4) < 1e-9 and 200 < ratio[1] < 215
table(
    ["the negative is", "h", "closest weight", "sharp, undivided"],
    rows,
    caption="Weights of three negatives",
    digits=2,
)

# %% [markdown]
# A negative half as far as the positive gets 1.4 times the closest weight of one twice as far. In the sharp map it gets 207 times as much.
#
# Move the width of the interval and $\beta$. **Predict** first: at width 1, which $\beta$ gives both lines the same slope at a tie, $h = 1/2$?

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
HARDNESS = torch.linspace(0.1, 0.9, 81)


def draw_maps(width, beta):
    """Both maps over h; the text below compares h = 0.6 with h = 0.4."""
    axis.clear()
    low, high = 1 - width / 2, 1 + width / 2
    line = closest_scratch(HARDNESS, low, high)
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
# It is $\beta = 1$. Sharp DPHR has 16.
#
# ## What a ratio buys
#
# When all distances are multiplied by one number, $h$ stays as it is. (It is $\sigma(\log d^+ - \log d^-)$ with $\sigma(x) = 1/(1 + e^{-x})$: divide above and below by $d^+$.) The difference $d^+ - d^-$ does not. That matters because the scale changes in training: in 06 distances first shrank and then spread.
#
# Below is one triplet, a query with a positive near it and a negative. The three are scattered about one direction, more widely in each row. The third column is the weight that $L_\text{tri}$ gives this triplet by itself: the slope of its softplus, $\sigma(10\,(d^+ - d^-))$.

# %%
draw = torch.Generator().manual_seed(1)
base = torch.randn(3, 64, generator=draw) / 8
base[1] = base[0] + 0.6 * base[1]  # positive: near the query
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
# In the narrowest cone $L_\text{tri}$ weighs this easy triplet by nearly one half, as it does a tie. Only in a wide one does it see that the triplet is easy. The hardness is 0.30 throughout.
#
# ## How much do weights differ in a batch?
#
# Three negatives of our choice prove little. So four encoders were measured on fresh batches of 64 pairs (three seeds, stored): one with ImageNet weights, an untrained one, and the same one after 100 and after 800 steps of training with the closest reading. Two measures say how much the weights do:
#
# * the **ratio** of a large weight to a small one of the same query (its 95th and its 5th percentile), for the median query: 1 if all weights are equal;
# * the **cosine** between the gradients of $L_\text{wtri}$ and $L_\text{tri}$: 1 if the weights change nothing except the size of the step. Both are means of 20 batches.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
stored = files("dphr_lab") / "results" / "weights"
looks = [
    json.loads((stored / f"s{seed}.json").read_text("utf-8"))["looks"]
    for seed in range(3)
]  # fmt: skip


def seen(encoder, name, measure):
    return [look[encoder]["maps"][name][measure] for look in looks]


CLOSEST = "interval [0.5, 1.5]"
guess_number(
    "Closest, after 100 steps, median query: large over small weight?",
    max(seen("100 steps", CLOSEST, "p95_to_p5")),
    within=0.2,
    digits=2,
    explain="The largest of three seeds. In sharp DPHR it is "
    f"{max(seen('100 steps', 'sharp', 'p95_to_p5')):.0f}.",
)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
ENCODERS = {
    "with ImageNet weights": "ImageNet",
    "untrained": "0 steps",
    "after 100 steps": "100 steps",
    "after 800 steps": "800 steps",
}
rows = []
for title, at in ENCODERS.items():
    ratios = [max(seen(at, m, "p95_to_p5")) for m in (CLOSEST, "sharp")]
    cosines = [min(seen(at, m, "cosine")) for m in (CLOSEST, "sharp")]
    rows.append([title, *(f"{x:.2f}" for x in (ratios[0], cosines[0]))])
    rows[-1] += [f"{ratios[1]:.0f}", f"{cosines[1]:.2f}"]
    assert ratios[0] < 1.46 and cosines[0] > 0.97
table(
    ["encoder", "closest: ratio", "cosine", "sharp: ratio", "cosine"],
    rows,
    caption="Median query, mean of 20 batches; the largest ratio and the "
    "smallest cosine of three seeds",
)

# %% [markdown]
# **In the closest reading a large weight is typically at most 1.45 times a small one**, and the gradient nearly keeps its direction: the mean cosine is 0.97 or more. With sharp weights on the same encoders the ratio is up to 87, and the cosine falls to 0.52. Both are most extreme after 100 steps. By 800 steps the ratio is small again (9), but the cosine, which also depends on directions, is only back at 0.73.
#
# The closest weights are mild because $h$ is. Its standard deviation within a query is below 0.1 on average, and the line multiplies it by the width of the interval, here 1.
#
# Suppose that all weights of a batch were one number $c$. Then $L_\text{wtri} = c\,L_\text{tri}$. DPHR adds $\lambda^t$ times this term to the plain one, with a number $\lambda^t$ that [08](08_palw.ipynb) explains. So
#
# $$
# L_\text{DPHR} = L_\text{tri} + \lambda^t L_\text{wtri} = (1 + c\,\lambda^t)\, L_\text{tri} .
# $$
#
# The closest reading is nearly that: the plain loss, only larger. $c$ is 1 where negatives are as far as the positive, and 0.83 where they are twice as far (first table).

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
WHEN = ENCODERS.values()
sds = [look[at]["sd_of_hardness"] for look in looks for at in WHEN]
assert 0.03 < min(sds) < max(sds) < 0.1
flat, plain = DPHRLoss(w_min=0.8, w_max=0.8, signal="constant"), TripletLoss()
z = F.normalize(torch.randn(2, 8, 16, generator=generator), dim=-1)
assert torch.isclose(flat(*z), 1.8 * plain(*z))  # c = 0.8 and lambda = 1
milder = [max(seen(at, "sharp", "p95_to_p5")) for at in WHEN]
assert milder[2] > 3 * max(milder[1], milder[3])

# %% [markdown]
# ## Who gets the gradient?
#
# Put the positive at 40° on a circle and 61 negatives from 30° to 180°. Four of them lie before the positive. How strongly does each term push a negative away from the query? The push is the slope of the weighted term in the negative's angle. Below, `weigh` turns hardness into weights, and `detach` makes them constants for the slope.

# %%
CROWD = np.arange(30.0, 180.1, 2.5)  # degrees


def push(weigh, detach=True):
    """How strongly L_wtri pushes each negative away, (61,)."""
    angle = torch.tensor(CROWD).deg2rad().requires_grad_()
    d_neg = 2 * torch.sin(angle / 2)[None]  # (1, 61)
    d_pos = pairwise_distance(on_circle(0.0), on_circle(40.0))[0]
    omega = weigh(rda_hardness(d_pos, d_neg))
    omega = omega.detach() if detach else omega
    loss = (omega * F.softplus(10 * (d_pos - d_neg))).sum()
    return -torch.autograd.grad(loss, angle)[0].numpy()


pushes = {
    "L_tri": push(torch.ones_like),
    "closest": push(closest_scratch),
    "sharp": push(sharp_scratch),
}

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Each negative's share of all push; the positive is at 40 degrees. The closest reading lies on L_tri. The sharp one moves the push to the four negatives before the positive; the legend says how much lies there."}, "image": {"alt": "Three curves against the angle of the negative, from 30 to 120 degrees. L_tri and the closest reading lie upon each other and fall slowly; the sharp reading starts far higher and falls steeply. The legend gives 60, 62 and 83 percent for the four nearest."}} cellView="form" jupyter={"source_hidden": true}
four = {k: 100 * p[CROWD < 40].sum() / p.sum() for k, p in pushes.items()}
figure, axis = plt.subplots(figsize=(7.0, 3.4))
for name, style in STYLES.items():
    share = 100 * pushes[name] / pushes[name].sum()
    label = f"{name}: {four[name]:.0f} % on the four"
    axis.plot(CROWD, share, **style, label=label)
axis.axvline(40, color="0.7", linewidth=1)
axis.text(40.7, 28, "positive", color="0.4")
axis.set(xlim=(28, 122), ylim=(0, None), ylabel="share of all push, %")
axis.set_xlabel("angle of the negative, °")
axis.legend(frameon=False)
axis.grid(color="0.92")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
assert abs(four["closest"] - four["L_tri"]) < 5 < four["sharp"] - four["L_tri"]
print({name: f"{share:.0f} %" for name, share in four.items()})
# Gradients through the weights: an easy negative is pulled in.
inward = push(sharp_scratch, detach=False) < -1e-6
assert not (push(closest_scratch, detach=False) < -1e-6).any()
print(f"pulled in through sharp weights: {inward.sum()} of {len(CROWD)}")
assert inward.sum() > 10

# %% [markdown]
# Of all push, $L_\text{tri}$ puts 60 % on the four that lie before the positive, without any weights. The closest reading puts 62 % there, the sharp one 83 %.
#
# Both readings **detach** the weights: the gradient treats them as constants **[O]**. Why? Sharp weights are divided by their mean. Through that mean an easy negative could lower the loss by coming *nearer*, since it would take weight from the hard ones. With `detach=False` that happens to 53 of the 61 negatives (folded cell). No part of the idea asks for this. (Closest weights pull none in.)
#
# ## Do the weights help?
#
# Weights that turn the gradient may change what is learnt. Stored runs on Twin Towns compare them. $\lambda$ is 1 throughout, so the weighted term counts as much as the plain one. Rows of equal steps differ in the weights alone: world, batches and seeds are the same.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
PAIRS = {
    "closest weights, 300 steps": ("closest_short", "rda", "triplet"),
    "sharp weights, 300 steps": ("short", "sharp_rda", "triplet"),
    "closest weights, 800 steps": ("closest", "rda", "triplet"),
    "sharp weights, 800 steps": ("main", "sharp_rda", "triplet"),
}
gain, rows = {}, []
for name, (study, *pair) in PAIRS.items():
    runs = results.load(study)
    level = over_seeds(runs, "mini", "triplet").mean()
    d = gain[name] = paired(runs, "mini", *pair)
    assert len(d.by_seed) == 5
    rows.append([name, f"{level:.1f}", d.interval.signed])
clear = [abs(d.interval.mean) > d.interval.half_width for d in gain.values()]
assert clear == [False, True, True, True]
table(
    ["L_tri plus", "R@1 of L_tri alone, %", "added by the weights, points"],
    rows,
    caption="Drone to satellite; studies closest_short, short, closest and "
    "main; five seeds, paired, 95 % intervals, not corrected",
)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
for alike in (("closest_short", "short"), ("closest", "main")):
    for seed in range(5):  # the same L_tri in both studies
        one, two = (results.load(s)["mini", "triplet", seed] for s in alike)
        assert one["settings"] == two["settings"]
        assert one["report"]["D2S"]["r_at_1"] == two["report"]["D2S"]["r_at_1"]
broken = paired(results.load("main"), "mini", "sharp_rda", "broken_ratio")
assert abs(broken.interval.mean) < broken.interval.half_width
print("sharp: own ratio minus broken ratio:", broken.interval.signed)

# %% [markdown]
# **Sharp weights help; the closest ones add little or nothing**: +23.7 ± 4.0 points against +0.2 ± 1.1, on top of 21.7 %. After 800 steps sharp weights add 18.1 ± 5.3, and the closest 1.9 ± 1.3. This last gain is not clear once all 24 differences of its study are corrected ([note 20](20_the_closest_reading.ipynb)).
#
# Is it the *ratio* that helps? What all negatives of a query share is divided out of the sharp weights, so a test that changes only $d^+$ can hardly see anything (exercise 3). One test, the **broken ratio**, has the batch's mean for every $d^+$ in $h$. After 800 steps own minus broken ratio is -1.1 ± 1.5 points: no difference shown. [Note 25](25_what_the_gain_rests_on.ipynb) has tests that see more, all for sharp weights.
#
# ## Exercises
#
# **1. Predict.** Steep means: how fast $\log \omega$ changes with $h$. Which $\beta$ of an exponential is as steep as the interval $[1, 4]$ at a tie, $h = 1/2$?

# %%
beta = None  # your number

tie = torch.tensor([0.7]), torch.tensor([[0.7]])  # both equally far
wide = rda_sharpness(*tie, weight_map="interval", bounds=(1.0, 4.0))
one = rda_sharpness(*tie, beta=1.0)  # in proportion to beta
check_answer(beta, (wide / one).item(), within=0.05)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# At h = 1/2 the weight is (1 + 4) / 2 = 2.5 and its slope 4 - 1 = 3. The slope
# of its logarithm is 3 / 2.5 = 1.2; that of the exponential is beta.
assert torch.allclose(wide, rda_sharpness(*tie, beta=1.2))
most = rda_sharpness(*tie, weight_map="interval", bounds=(0.0, 9.0))
assert torch.allclose(most, rda_sharpness(*tie, beta=2.0))  # no more than 2

# %% [markdown]
# **2. Derive.** Someone measures with *squared* distances. Which $\beta$ of the exponential gives back the weights of $\beta = 16$, near a tie?

# %%
beta = None  # your number

a, b = torch.tensor([1.0]), torch.tensor([[1.001]])
h, squared = rda_hardness(a, b), rda_hardness(a**2, b**2)
same = 16 * (h - 0.5) / (squared - 0.5)
check_answer(beta, same.item(), within=0.1)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# h is the logistic function of log d_pos - log d_neg. The log of a square is
# twice the log, so h is twice as steep there: half of beta.
assert torch.allclose(squared, torch.sigmoid(2 * torch.logit(h)))
assert abs(same.item() - 8) < 0.01

# %% [markdown]
# **3. Predict.** All negatives of a query are equally far, at distance 1. Which weight does each get if the positive is near ($d^+ = 0.2$), and which if it is far ($d^+ = 1.5$): first in the closest reading, then in the sharp one? What does a test see that changes only $d^+$?

# %%
closest_near, closest_far = None, None  # your two numbers
sharp_near, sharp_far = None, None  # and two more

d_pos, d_neg = torch.tensor([0.2, 1.5]), torch.ones(2, 20)
h = rda_hardness(d_pos, d_neg)
mild, w = closest_scratch(h)[:, 0], sharp_scratch(h)[:, 0]
check_answer((closest_near, closest_far), mild.tolist(), within=0.01)
check_answer((sharp_near, sharp_far), w.tolist(), within=0.01)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# Sharp: one in both. The mean divides out what all negatives share, so a test
# that changes d_pos hardly sees anything. The closest reading does not divide.
assert torch.allclose(w, torch.ones(2))
assert mild[1] - mild[0] > 0.4
print("closest:", [f"{x:.2f}" for x in mild.tolist()])
# With negatives at many distances, the share of the nearest four is alike.
far = 2 * np.sin(np.radians(np.arange(20.0, 181.0, 5.0)) / 2)
near = torch.tensor(2 * np.sin(np.radians([20.0, 45.0, 70.0]) / 2))
held = sharp_scratch(rda_hardness(near, torch.tensor(far).expand(3, -1)))
held = held[:, :4].sum(1) / held.sum(1)
assert held.min() > 0.8 and held.max() / held.min() < 1.35
print("share of the nearest four:", [f"{x:.2f}" for x in held.tolist()])

# %% [markdown]
# **4. Prove.** Weights of mean 1 per query make the loss larger, never smaller: $L_\text{wtri} \ge L_\text{tri}$ for each $\beta \ge 0$.
#
# <details>
# <summary>Solution</summary>
#
# For two negatives $j, k$ of a query the nearer one has the larger $\omega$ and the larger pair loss $\ell$. So $(\omega_j - \omega_k)(\ell_j - \ell_k) \ge 0$. The sum over all pairs is $2K^2\,(\overline{\omega\ell} - \overline{\omega}\,\overline{\ell})$, with bars for means over the $K$ negatives (Chebyshev's sum inequality). The mean weight is 1.
#
# Divided by the mean over the whole *batch* it need not hold: a query with tiny distances, 0.02 and 0.06, is easy by ratio and has the larger loss (folded below).
#
# </details>

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
for trial in range(100):
    z = F.normalize(torch.randn(2, 8, 3, generator=generator), dim=-1)
    terms = DPHRLoss.sharp(signal="constant", beta=float(trial % 60)).terms(*z)
    assert terms["weighted"] - terms["triplet"] > -1e-12
# Divided over the batch: easy by ratio and hard by difference, or vice versa.
d_pos, d_neg = torch.tensor([0.02, 1.0]), torch.tensor([[0.06], [1.6]])
loss = F.softplus(10 * (d_pos[:, None] - d_neg))
h = rda_hardness(d_pos, d_neg)
w = rda_weights(h, weight_map="exp", normalise="batch")
assert (w * loss).mean() < loss.mean() - 0.1

# %% [markdown]
# ## Summary
#
# * You **computed** a hardness that no common scale changes: it stayed at 0.30 while a cone opened. The closest reading makes a weight between 0.5 and 1.5 of it, sharp DPHR an exponential.
# * You **measured** the weights of real batches. In the closest reading a large weight was typically at most 1.45 times a small one, and the gradient nearly kept its direction (mean cosine 0.97 or more). So $L_\text{DPHR}$ is nearly $(1 + c\,\lambda^t)\,L_\text{tri}$.
# * You can **say**: RDA weighs a negative more, the nearer it is compared with the positive. A large gain over $L_\text{tri}$ was seen for sharp weights alone: +23.7 ± 4.0 points after 300 steps, against +0.2 ± 1.1 for the closest ones (after 800, +18.1 ± 5.3 and +1.9 ± 1.3). That the *ratio* matters is not shown.
#
# [Note 24](24_how_sharp.ipynb) asks how sharp weights may be.
#
# ## Readings
#
# * [Zheng et al. (2025)](references.md#zheng2025dphr), *Dual-level Progressive Hardness-Aware Reweighting for Cross-View Geo-Localization*, [arXiv](https://arxiv.org/abs/2510.27181): the paper. If you have the text, compare its map with ours: [open choices](open_choices.md) says what to change.
# * [Cai et al. (2019)](references.md#cai2019ground), *Ground-to-Aerial Image Geo-Localization With a Hard Exemplar Reweighting Triplet Loss*, [paper](https://openaccess.thecvf.com/content_ICCV_2019/html/Cai_Ground-to-Aerial_Image_Geo-Localization_With_a_Hard_Exemplar_Reweighting_Triplet_Loss_ICCV_2019_paper.html): weights by difficulty for cross-view triplets, from a difference, cut off at both ends.
# * [Robinson et al. (2021)](references.md#robinson2021hard), *Contrastive Learning with Hard Negative Samples*, [arXiv](https://arxiv.org/abs/2010.04592): exponential weights of the negative alone, as importance sampling.
# * [Lin et al. (2017)](references.md#lin2017focal), *Focal Loss for Dense Object Detection*, [arXiv](https://arxiv.org/abs/1708.02002): the same worry in detection, easy samples that drown the hard ones.
