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
# # 24 Sharpness, collapse and the step size
#
# **How sharp may weights be, and what else can look like their gain?**
#
# By the end you can
#
# * **place** any loss on one axis of sharpness, and match two losses at a point;
# * **predict** from distances alone whether a loss shrinks all vectors into one;
# * **separate** the gain of weights from that of a longer step and of a feedback loop.
#
# You need: chapters [06](06_hard_negatives.ipynb), [07](07_rda.ipynb) and [08](08_palw.ipynb), an hour. The cells run in seconds on two CPU cores. Training runs are stored results, and all of them are of *sharp DPHR (ours)* unless a line says *closest*. Nothing is downloaded.

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
    HERLikeLoss,
    WeightedInfoNCE,
    info_nce_sharpness,
    pairwise_distance,
    rda_sharpness,
    rda_weights,
    soft_margin_sharpness,
)
from dphr_lab.plotting import PALETTE, RUN_STYLES
from dphr_lab.studies.comparisons import over_seeds, paired, student_interval
from dphr_lab.teaching import guess_choice, guess_number, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True
torch.set_default_dtype(torch.float64)  # derivatives are compared below


def plus_minus(interval):
    mean = round(interval.mean, 1) + 0.0  # no "-0.0"
    return f"{mean:+.1f} ± {interval.half_width:.1f}"


# %% [markdown]
# ## One axis for all losses
#
# The sharpness of a loss is how fast its push on a negative falls with distance: $\kappa = -\partial \log w / \partial d$. What all negatives of a query share drops out. Sharpnesses add where weights multiply:
#
# | loss | compares | sharpness |
# |---|---|---|
# | $L_\text{tri}$ | difference to the positive | $\alpha (1 - \sigma)$ |
# | RDA, closest | ratio | that, and $\tfrac{1}{\omega} \cdot h(1-h)/d$ |
# | RDA, sharp | ratio | that of $L_\text{tri}$, and $\beta\, h(1-h)/d$ |
# | InfoNCE, where its own $p_k$ is small | the negative alone | $d/\tau - 1/d$ |
# | HCL, hard contrastive learning ([Robinson et al., 2021](references.md#robinson2021hard)) | the negative alone | that, and $\beta d$ |
# | HER, hard exemplar reweighting ([Cai et al., 2019](references.md#cai2019ground)), our form **[O]** | difference | that of $L_\text{tri}$, more than doubled, up to its cut |


# %%
def sharpness_of(log_push, d):
    at = d.clone().requires_grad_()
    return -torch.autograd.grad(log_push(at).sum(), at)[0]


d, positive, tau = torch.linspace(0.15, 1.3, 231), 0.35, 0.07
pos = torch.tensor([positive])


def tri(d):
    return torch.sigmoid(10 * (positive - d))


def hardness(d):
    return positive / (positive + d)


LOG_PUSH = {
    "L_tri": lambda d: tri(d).log(),
    "closest": lambda d: (tri(d) * (0.5 + hardness(d))).log(),
    "sharp": lambda d: tri(d).log() + 16 * hardness(d),
    "InfoNCE": lambda d: d.log() - d**2 / 2 / tau,
    "HCL": lambda d: d.log() - d**2 / 2 / tau - 2 * d**2 / 2,
    "HER-like": lambda d: (tri(d) * (tri(d) - 0.05)).log(),
}
kappa = {name: sharpness_of(push, d) for name, push in LOG_PUSH.items()}

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
plain = soft_margin_sharpness(pos, d[None])[0]
assert torch.allclose(kappa["L_tri"], plain)
mild = rda_sharpness(pos, d[None], weight_map="interval")[0]
assert torch.allclose(kappa["closest"], plain + mild)
steep = rda_sharpness(pos, d[None], beta=16)[0]
assert torch.allclose(kappa["sharp"], plain + steep)
assert torch.allclose(kappa["InfoNCE"], info_nce_sharpness(d) - 1 / d)
assert torch.allclose(kappa["HCL"] - kappa["InfoNCE"], 2 * d)
# The package's weights are these, too.
draw = torch.Generator().manual_seed(0)
z = F.normalize(torch.randn(2, 12, 8, generator=draw), dim=-1)
far, others = pairwise_distance(*z), ~torch.eye(12, dtype=torch.bool)
wrong = torch.sigmoid(10 * (far.diagonal()[:, None] - far))
her = (wrong.clamp(0.05, 0.95) - 0.05) / 0.9
package = HERLikeLoss().terms(*z)["weights"][0]
assert torch.allclose(package[others], her[others])
hcl = torch.exp(2 * (1 - far**2 / 2)) * others
hcl = hcl / hcl.sum(1, keepdim=True) * 11
package = WeightedInfoNCE("hcl", beta=2.0).terms(*z)["weights"][0]
assert torch.allclose(package, hcl)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Sharpness by distance of the negative, for a positive at 0.35 (grey line). RDA sharpens where negatives are near; InfoNCE and HCL are sharpest where they are far. HER-like ends where its weight is cut."}, "image": {"alt": "Six curves. L_tri rises from one to ten, the closest reading lies just above it, the sharp one starts near 25 and falls to L_tri; InfoNCE and HCL rise from below zero to about 18 and 20 in nearly straight lines. HER-like rises steeply and ends shortly behind the positive."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7.2, 3.8))
STYLES = {
    name: dict(zip(("color", "linestyle"), RUN_STYLES[arm], strict=False))
    for name, arm in (
        ("L_tri", "triplet"),
        ("closest", "dphr"),
        ("sharp", "sharp"),
        ("InfoNCE", "infonce"),
    )
}
STYLES["HCL"] = {"color": PALETTE["purple"], "linestyle": (0, (8, 3))}
STYLES["HER-like"] = {"color": "0.35", "linestyle": (0, (1, 3))}
kappa["HER-like"][tri(d) <= 0.05] = torch.nan  # cut: no weight
for name, style in STYLES.items():
    axis.plot(d, kappa[name], label=name, **style)
axis.axvline(positive, color="0.7")
axis.set(xlabel="distance of the negative", ylabel="sharpness κ")
axis.set_ylim(-6, 34)
axis.legend(frameon=False, ncols=2, loc="upper right")
axis.grid(color="0.92")

# %% [markdown]
# Two losses can be matched at one distance. InfoNCE is as sharp as another loss at $d$ where $d/\tau - 1/d = \kappa$. At a tie, with the positive at 0.35, that gives the temperatures below. Matched there, they still differ everywhere else.

# %%
tie = torch.tensor([[positive]])
at_tie = {"L_tri": soft_margin_sharpness(pos, tie).item()}
closest = rda_sharpness(pos, tie, weight_map="interval").item()
at_tie["closest"] = at_tie["L_tri"] + closest
at_tie["sharp"] = at_tie["L_tri"] + rda_sharpness(pos, tie).item()
matched = {k: positive / (v + 1 / positive) for k, v in at_tie.items()}

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
table(
    ["loss", "κ at the tie", "matching τ"],
    [[name, at_tie[name], f"{matched[name]:.3f}"] for name in at_tie],
    caption="At distance 0.35; InfoNCE at its usual 0.07 is the least sharp",
)

# %% [markdown]
# ## How sharp?
#
# The stored studies asked this in several settings. Their answers seem to differ: once $\beta = 64$ leads $\beta = 16$, once it does not.

# %%
ASKED = {
    "axes: 4 − 16": ("axes", "beta_4", "sharp"),
    "axes: 64 − 16": ("axes", "beta_64", "sharp"),
    "rda: 64 − 16": ("rda", "sharp_rda_b64", "sharp_rda"),
    "hard_negatives: 100 − L_tri": ("hard_negatives", "beta_100", "triplet"),
}
by_beta = {
    name: paired(results.load(study), "mini", *pair).interval
    for name, (study, *pair) in ASKED.items()
}

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
sharper, again = by_beta["axes: 64 − 16"], by_beta["rda: 64 − 16"]
assert sharper.mean > sharper.half_width  # clear, uncorrected
assert abs(again.mean - sharper.mean) < again.half_width  # both may hold
batches = ("random", "random", "twin families", "random")
length = (300, 300, 300, 200)
rows = [
    [name, kind, steps, plus_minus(i)]
    for (name, i), kind, steps in zip(
        by_beta.items(), batches, length, strict=True
    )
]  # fmt: skip
table(
    ["study: β", "batches", "steps", "points of R@1"],
    rows,
    caption="Paired over three seeds; 95 % intervals, not corrected",
)

# %% [markdown]
# They do not contradict each other. The interval of `rda` is so wide that it holds the mean of `axes` as well. The batches differ, too: `axes` has random ones and a growing $\lambda$, `rda` whole twin families and $\lambda = 1$. So a value above 16 may be better in random batches (+5.9, one of many comparisons in that study), 4 is clearly worse, and nobody tuned $\beta$ for families.
#
# The paper complains that fixed weights are sensitive to a **shift of the distribution** **[A]**. Study `twin_shift` tests on places that all have twins. It trains on such places, or on places of which one in ten has twins:

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
shift = results.load("twin_shift")
lost = {
    arm: over_seeds(shift, "mini", arm) - over_seeds(shift, "rare", arm)
    for arm in ("triplet", "sharp_rda")
}
intervals = {arm: student_interval(list(each)) for arm, each in lost.items()}
assert all(i.mean < 3 for i in intervals.values())
table(
    ["loss, constant λ", "R@1 lost by the shift, points"],
    [[arm, plus_minus(i)] for arm, i in intervals.items()],
    caption="Twins common in training minus twins rare; three seeds, 95 %",
)

# %% [markdown]
# No loss shows in the means. The interval of sharp RDA is wide: a loss of five points would not have been seen.
#
# The nearest negative may also be no negative at all: a picture of the *right* place under another label. Its distances are those of a twin, and **no function of two distances can tell one from the other**. Study `rda` trained twice, once with 15 % of the training places under two labels, so that each meets its double in the batch:

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
doubled = {
    arm: paired(results.load("rda"), "mini", f"{arm}_split", arm).interval
    for arm in ("triplet", "sharp_rda")
}
assert all(abs(i.mean) < i.half_width for i in doubled.values())
table(
    ["loss, constant λ", "R@1 with 15 % doubled − without, points"],
    [[arm, plus_minus(i)] for arm, i in doubled.items()],
    caption="Paired over three seeds; 95 %, not corrected",
)

# %% [markdown]
# Again nothing is clear, and a cost of some points would not have been seen. A double's tile is the positive's own tile, so what one label pushes away the other pulls in.
#
# ## Will it collapse?
#
# Let all distances shrink by one factor $c$. For a loss of differences
#
# $$
# \frac{\partial L}{\partial \log c} = \sum_{i,k} w_{ik}\,(d_i^+ - d_{ik}) .
# $$
#
# The reason is short: as $d \to c\,d$, each distance has $\partial d / \partial \log c = d$. The push on a negative is $w_{ik} = -\partial L / \partial d_{ik}$, and their sum is the pull on $d_i^+$. The derivative is positive, so that shrinking pays, where the positive is farther than the *weighted mean* negative. Take a batch as an untrained network might give it: the positive is nearer than the average negative, but not than the nearest.

# %%
draw = torch.Generator().manual_seed(0)
base = torch.randn(60, 16, generator=draw)
other = 0.45 * base + torch.randn(60, 16, generator=draw)
far = pairwise_distance(F.normalize(base, dim=1), F.normalize(other, dim=1))
off = ~torch.eye(60, dtype=torch.bool)
d_pos, d_neg = far.diagonal()[:, None], far[off].view(60, 59)
nearest = float((d_neg.amin(1) < d_pos[:, 0]).double().mean())
print(f"nearest negative before the positive: {100 * nearest:.0f} %")


# %%
def pull_scratch(weigh, c):
    """dL / dlog c, per unit of pull on the positives, over c."""
    to_pos, to_neg = c * d_pos, c * d_neg
    w = weigh(to_pos, to_neg)
    return float((w * (to_pos - to_neg)).sum() / w.sum() / c)


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def slope(p, n):
    return torch.sigmoid(10 * (p - n))


def sharp(p, n):
    omega = rda_weights(p / (p + n), None, "exp", 100.0, "query")
    return omega * slope(p, n)


def nearest_only(p, n):
    return (n == n.amin(1, keepdim=True)).double()


def semi_hard(p, n):
    farther = n.masked_fill(n <= p, torch.inf).amin(1, keepdim=True)
    farther = torch.where(farther.isfinite(), farther, n.amax(1, keepdim=True))
    return (n == farther).double()


WEIGH = {
    "hardest": nearest_only,
    "β = 100 alone": sharp,
    "L_tri + β = 100": lambda p, n: slope(p, n) + sharp(p, n),
    "L_tri": slope,
    "semi-hard": semi_hard,
}
scales = np.geomspace(0.005, 1, 61)
pulls = {
    name: np.array([pull_scratch(weigh, c) for c in scales])
    for name, weigh in WEIGH.items()
}  # fmt: skip
guess_choice(
    "Which of these shrink the vectors at every scale, without end?",
    {
        "none": "Two of them do.",
        "hardest, and β = 100 alone": "At every scale they pick negatives "
        "that are nearer than the positive.",
        "all but semi-hard": "L_tri weighs all negatives alike once distances "
        "are small, and the average negative is farther than the positive.",
    },
    "hardest, and β = 100 alone",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Pull on the scale against the scale of all distances. Above zero a loss shrinks the vectors, below it spreads them. Where a curve crosses zero the scale comes to rest."}, "image": {"alt": "Five curves over the scale from 0.005 to 1. Hardest and beta 100 alone are nearly flat above zero. L_tri beside beta 100 and L_tri alone are below zero at small scales; semi-hard is below zero throughout."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7.2, 3.6))
looks = (
    ("0.35", (0, (1, 3))),
    (PALETTE["sky"], "-."),
    (PALETTE["vermilion"], ":"),
    (PALETTE["orange"], "--"),
    (PALETTE["purple"], "-"),
)
for (name, pull), (colour, line) in zip(pulls.items(), looks, strict=True):
    axis.plot(scales, pull, color=colour, linestyle=line, label=name)
axis.axhline(0, color="black", linewidth=0.8)
axis.set(xscale="log", xlabel="scale c of all distances", ylim=(-0.35, 0.45))
axis.set_ylabel("spreads ← pull → shrinks")
axis.legend(frameon=False, ncols=2, loc="upper center")
axis.grid(color="0.92")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
assert all((pulls[name] > 0).all() for name in ("hardest", "β = 100 alone"))
assert all(pulls[name][0] < 0 for name in list(WEIGH)[2:])
assert (pulls["semi-hard"] < 0).all()

# %% [markdown]
# The hardest negative is the same one at each scale, and the ratio $h$ knows no scale either. Both choices are nearer than the positive on average, so nothing stops these two short of zero. (Semi-hard keeps its choice as well. But it is farther than the positive, so the vectors spread.) In the stored study of chapter 06 exactly these two arms collapsed, on each seed. "$\beta = 100$ alone" is the truly lone term here; 06 approximates it with a factor of 100 beside one part of $L_\text{tri}$. With a whole $L_\text{tri}$ beside it, $\beta = 100$ came to rest. The hardest beside $L_\text{tri}$ was not run.
#
# ## A growing loss is a longer step
#
# Take the weights away, and what is left of DPHR is $(1 + \lambda^t)\,L_\text{tri}$. Under SGD its step is $1 + \lambda$ times as long. Adam divides the gradient by the root of its averaged square, so a *constant* factor cancels. A *growing* one does not: the average remembers smaller gradients, for about 1,000 steps at $\beta_2 = 0.999$. What survives is
#
# $$
# f_t = (1 + \lambda^t) \Big/ \sqrt{\operatorname{average}_{\beta_2}\big((1 + \lambda)^2\big)_t} .
# $$


# %%
def factor_scratch(lam, beta2=0.999):
    scale, square, factor = 1 + np.asarray(lam), 0.0, []
    for t, s in enumerate(scale, start=1):
        square = beta2 * square + (1 - beta2) * s**2
        factor.append(s / np.sqrt(square / (1 - beta2**t)))
    return np.array(factor)


# %% [markdown]
# The second route is PyTorch's own Adam, on a gradient whose size is $1 + \lambda^t$ and nothing else. Its steps must be $f_t$ times the learning rate.

# %%
stored = files("dphr_lab") / "results" / "weights" / "s0.json"
course = json.loads(stored.read_text("utf-8"))["course"]
steps = np.arange(1, 801)
LAMBDA = {
    "closest": np.interp(steps, course["step"], course["lambda"]),
    "sharp": np.interp(steps, course["step"], course["recall_signal"]),
}
factor = {name: factor_scratch(lam) for name, lam in LAMBDA.items()}
for name, lam in LAMBDA.items():
    x, taken = torch.zeros(1, requires_grad=True), []
    adam = torch.optim.Adam([x], lr=1e-3, betas=(0.0, 0.999))
    for size in lam:
        before, x.grad = x.item(), torch.full((1,), -1.0 - size)
        adam.step()
        taken.append((x.item() - before) / 1e-3)
    assert np.allclose(taken, factor[name], rtol=1e-4)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_number(
    "By how many percent is Adam's step longer at most, at the closest λ?",
    100 * (factor["closest"].max() - 1),
    within=6,
    unit=" %",
    explain="Under SGD it would be up to twice as long.",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Left, the lambda of a stored run of the closest reading, and the sharp clock that watched it. Right, by which factor Adam's step grows because of it."}, "image": {"alt": "Two panels over 800 steps. Left, both lambdas rise to 0.9 and 0.8. Right, both factors start at one; the closest one rises to a maximum around step 350 and falls slowly, the sharp one rises earlier and less."}} cellView="form" jupyter={"source_hidden": true}
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.2))
for name in LAMBDA:
    left.plot(steps, LAMBDA[name], label=name, **STYLES[name])
    right.plot(steps, factor[name], label=name, **STYLES[name])
left.set(xlabel="step", ylabel="λ", ylim=(0, 1))
right.set(xlabel="step", ylabel="f", ylim=(0.95, 1.5))
for axis in (left, right):
    axis.grid(color="0.9")
    axis.legend(frameon=False)

# %%
short = "closest_short"
alone = {
    "main: sharp λ − L_tri": ("main", "sharp_palw", "triplet"),
    "short: closest λ − L_tri": (short, "replay", "triplet"),
    "short: closest − closest λ": (short, "closest", "replay"),
    "short: sharp − sharp λ": (short, "sharp", "sharp_replay"),
}  # fmt: skip
gained = {
    name: paired(results.load(study), "mini", *pair).interval
    for name, (study, *pair) in alone.items()
}

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
for name, each in factor.items():
    print(f"{name}: f is {each.max():.2f} at most")
table(
    ["arms (λ: no weights)", "points of R@1"],
    [[name, plus_minus(i)] for name, i in gained.items()],
    caption="What the growing size does alone, and what weights add to it; "
    "five seeds each; 95 %, not corrected",
)

# %% [markdown]
# A loss whose size changes during training cannot be compared with one whose size does not, not even under Adam. Two controls remove this: `rescale=True`, and a *replay* of $\lambda^t$ without weights. Against its replay the closest reading gains nothing here, and sharp DPHR 23.4 points.
#
# ## The loop
#
# $\lambda$ changes training, training changes the signal, and the signal changes $\lambda$. Suppose that at a fixed $\lambda$ recall settles at $s_0 + k\lambda$. Then a disturbance shrinks to $m + (1 - m)k$ of itself each step, where $m = 0.99$ is the momentum of chapter 08. For $k < 1$ the loop is stable and rests at $s_0/(1 - k)$. The gain $k$ can be read off stored runs: late recall in the batch at constant $\lambda = 1$, minus that of $L_\text{tri}$.

# %%
main = results.load("main")


def late(arm, seed, curve="recall"):
    curves = main["mini", arm, seed]["curves"]
    return np.array(curves[curve])[np.array(curves["step"]) > 720].mean()


gains = [late("sharp_rda", s) - late("triplet", s) for s in range(5)]
lam_end = [late("sharp", s, "lambda") for s in range(5)]

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
k = student_interval(gains)
assert 0 < k.mean - k.half_width < k.mean + k.half_width < 0.5
rows = [[seed, gains[seed], lam_end[seed]] for seed in range(5)]
table(
    ["seed", "gain k", "λ at the end"],
    rows,
    caption=f"Study main, sharp; mean gain {k.mean:.2f} ± {k.half_width:.2f}",
    digits=2,
)

# %% [markdown]
# The gain is about a tenth: the loop is closed, far from running away, and amplifies a disturbance by little. So a closed loop adds mostly that nobody has to know a timetable.
#
# ## Exercises
#
# **1. Derive.** At which temperature is InfoNCE as sharp as $L_\text{tri}$ for a negative at 0.7, a tie?

# %%
tau_1 = None  # your number

if tau_1 is not None:
    right = soft_margin_sharpness(torch.tensor([0.7]), torch.tensor([[0.7]]))
    print("right" if abs(0.7 / tau_1 - 1 / 0.7 - right) < 0.1 else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
tau_1 = 0.7 / (5 + 1 / 0.7)  # alpha / 2 is 5
assert abs(0.7 / tau_1 - 1 / 0.7 - 5) < 1e-9
print(f"{tau_1:.3f}")

# %% [markdown]
# **2. Derive.** $\lambda$ rises in a straight line from 0 to 1, and $\beta_2$ is so near 1 that the average is a plain mean. How large is $f$ at the end?

# %%
f_end = None  # your number

if f_end is not None:
    ramp = factor_scratch(np.arange(1, 1001) / 1000, 1 - 1e-9)
    print("right" if abs(f_end - ramp[-1]) < 0.01 else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The mean of (1 + x)^2 over [0, 1] is 7/3, so f = 2 / sqrt(7/3).
ramp = factor_scratch(np.arange(1, 1001) / 1000, 1 - 1e-9)
assert abs(2 / np.sqrt(7 / 3) - ramp[-1]) < 1e-3
print(f"{ramp[-1]:.2f}")

# %% [markdown]
# **3. Predict.** A loop has $s_0 = 0.3$ and a gain of 0.5. Where does $\lambda$ rest?

# %%
rest = None  # your number

lam_now = 0.0
for _ in range(5000):
    lam_now = 0.99 * lam_now + 0.01 * (0.3 + 0.5 * lam_now)
if rest is not None:
    print("right" if abs(rest - lam_now) < 0.01 else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
assert abs(0.3 / (1 - 0.5) - lam_now) < 1e-6

# %% [markdown]
# ## Summary
#
# * You **placed** losses on one axis: RDA sharpens near negatives, InfoNCE far ones. In the stored studies $\beta = 4$ was worse than 16. Whether 64 is better depends on the study, within its intervals.
# * You **predicted** collapse from the sign of a pull: what picks, at every scale, negatives that are on average nearer than the positive shrinks without end. Semi-hard picks farther ones and spreads.
# * You **separated** gains. A growing loss lengthens Adam's step by a known factor, and a replay without weights measures what is left for the weights.
#
# ## Readings
#
# * [Robinson et al. (2021)](references.md#robinson2021hard), *Contrastive Learning with Hard Negative Samples*, [arXiv](https://arxiv.org/abs/2010.04592): sharpness as the one parameter of hard negatives.
# * [Xuan et al. (2020)](references.md#xuan2020hard), *Hard Negative Examples are Hard, but Useful*, [arXiv](https://arxiv.org/abs/2007.12749): another route to the collapse of the hardest.
# * [Kingma and Ba (2015)](references.md#kingma2015adam), *Adam: A Method for Stochastic Optimization*, [arXiv](https://arxiv.org/abs/1412.6980): read what it says about rescaled losses with $f_t$ in mind.
