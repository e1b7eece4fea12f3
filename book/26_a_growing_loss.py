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
# # 26 What does a growing loss do by itself?
#
# **DPHR's loss grows with $\lambda^t$ while it trains. What does that do, without any weights?**
#
# By the end you can
#
# * **say** why Adam cancels a constant factor on a loss, and not a growing one;
# * **compute** how much longer a growing loss makes Adam's steps;
# * **choose** a control that keeps the growth apart from the weights.
#
# You need: [08 PALW](08_palw.ipynb), and [05 How sure are we?](05_how_sure_are_we.ipynb) for the intervals; half an hour. The cells run in seconds on two CPU cores. All training runs are stored results. Nothing is downloaded.
#
# > **Which reading?** *Closest* is the nearest reading of the paper that our sources allow, *sharp DPHR (ours)* our steeper variant **[O]**. They have different weights and different $\lambda^t$. Each number says which of the two it belongs to.

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
from dphr_lab.losses import DPHRLoss, TripletLoss
from dphr_lab.plotting import PALETTE, RUN_STYLES
from dphr_lab.studies.comparisons import paired, student_interval
from dphr_lab.teaching import check_answer, guess_choice, guess_number, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True
torch.set_default_dtype(torch.float64)  # two routes are compared below
STYLES = {
    name: dict(zip(("color", "linestyle"), RUN_STYLES[arm], strict=False))
    for name, arm in (("closest", "dphr"), ("sharp DPHR", "sharp"))
}


# %% [markdown]
# ## The loss doubles. What do the steps do?
#
# Take the weights away from DPHR, and a plain loss with a growing factor is left: $(1 + \lambda^t)\,L_\text{tri}$. So here is the simplest case. A gradient has the size 1 for 1,000 steps. Then the loss is multiplied by 2, once and for all. SGD's step is the learning rate times the gradient. Adam divides the gradient by the root of an average of recent squared gradients, which reaches back about 1,000 steps. Which line is Adam's?

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Left, the size of a gradient that doubles at step 1,000. Right, how long the steps of two optimisers are, in units of the learning rate. One is SGD, the other Adam."}, "image": {"alt": "Two panels over 4,000 steps. Left, a line at one that jumps to two at step 1,000. Right, line A jumps from one to two and stays; line B jumps from one to two and falls back towards one within some 3,000 steps."}} cellView="form" jupyter={"source_hidden": true}
size = np.repeat([1.0, 2.0], [1000, 3000])
square, adam = 1.0, []
for g in size:
    square = 0.999 * square + 0.001 * g**2
    adam.append(g / np.sqrt(square))
figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3), sharex=True)
left.plot(size, color="0.2")
right.plot(size, color=PALETTE["orange"], linestyle="--", label="A")
right.plot(adam, color=PALETTE["purple"], label="B")
left.set(ylabel="size of the gradient", xlabel="step", ylim=(0, 2.3))
right.set(ylabel="length of a step", xlabel="step", ylim=(0, 2.3))
right.legend(frameon=False, loc="lower right")
for axis in (left, right):
    axis.grid(color="0.92")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Which line is Adam's step?",
    {
        "A": "SGD's step is as long as its gradient, and stays doubled.",
        "B": "Right after the jump the average still remembers gradients of "
        "size 1, so the step is twice as long. Once it has forgotten them, "
        "the factor cancels.",
    },
    "B",
)

# %% [markdown]
# So a *constant* factor does nothing under Adam: it cancels. A factor that *grows* lengthens the step, for as long as the average remembers the smaller gradients. Chapter 08 says that AdamW cancels most of a factor. This page computes what is left.
#
# ## The factor of a step
#
# Suppose that nothing but $1 + \lambda^t$ changes the size of the gradient. Then Adam's step at step $t$ is the learning rate times
#
# $$
# f_t = \frac{1 + \lambda^t}{\sqrt{\text{average of } (1 + \lambda)^2 \text{ up to } t}} .
# $$
#
# The average is Adam's own: an exponential one with $\beta_2 = 0.999$, divided by the sum of its weights so far.


# %%
def factor_scratch(lam, beta2=0.999):
    square, factor = 0.0, []
    for t, s in enumerate(1 + np.asarray(lam), start=1):
        square = beta2 * square + (1 - beta2) * s**2
        factor.append(s / np.sqrt(square / (1 - beta2**t)))
    return np.array(factor)


# %% [markdown]
# Two courses of $\lambda^t$ go in, both read off one stored run of 800 steps: the closest reading's own, and the one that sharp DPHR's signal (recall) would have given.

# %%
stored = files("dphr_lab") / "results" / "weights" / "s0.json"
course = json.loads(stored.read_text("utf-8"))["course"]
steps = np.arange(1, 801)
LAMBDA = {
    "closest": np.interp(steps, course["step"], course["lambda"]),
    "sharp DPHR": np.interp(steps, course["step"], course["recall_signal"]),
}
factor = {name: factor_scratch(lam) for name, lam in LAMBDA.items()}

# %% [markdown]
# The second route is PyTorch's own Adam, on a number whose gradient has the size $1 + \lambda^t$ and nothing else:

# %%
for name, lam in LAMBDA.items():
    x, taken = torch.zeros(1, requires_grad=True), []
    adam = torch.optim.Adam([x], lr=1e-3, betas=(0.0, 0.999))
    for size in 1 + lam:
        before, x.grad = x.item(), torch.full((1,), -size)
        adam.step()
        taken.append((x.item() - before) / 1e-3)
    assert np.allclose(taken, factor[name], rtol=1e-4)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_number(
    "The closest λ rises from 0 to 0.9 in these 800 steps. By how many "
    "percent is Adam's step longer at most?",
    100 * (factor["closest"].max() - 1),
    within=6,
    unit=" %",
    explain="Under SGD it would be 90 % longer.",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Left, two courses of lambda over one run. Right, the factor by which each lengthens Adam's steps. The later and the faster lambda rises, the longer the steps."}, "image": {"alt": "Two panels over 800 steps. Left, both lambdas rise to 0.9 and 0.8. Right, both factors start at one; the closest one rises to a maximum around step 290 and falls slowly, the sharp one rises earlier and less."}} cellView="form" jupyter={"source_hidden": true}
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.2))
for name in LAMBDA:
    left.plot(steps, LAMBDA[name], label=name, **STYLES[name])
    right.plot(steps, factor[name], label=name, **STYLES[name])
left.set(xlabel="step", ylabel="λ", ylim=(0, 1))
right.set(xlabel="step", ylabel="length of a step, factor f", ylim=(0.95, 1.5))
for axis in (left, right):
    axis.grid(color="0.9")
    axis.legend(frameon=False)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
for name, each in factor.items():
    longer = 100 * (each.max() - 1)
    print(f"{name}: steps up to {longer:.0f} % longer")

# %% [markdown]
# Steps are up to 26 % longer with the closest λ, and up to 13 % longer with the sharp one. That is a different learning-rate schedule, and a schedule alone can change R@1.
#
# ## Does it change R@1?
#
# Two comparisons on the same seeds keep the growth and the weights apart.
#
# * **Growth alone**: $(1 + \lambda^t)\,L_\text{tri}$ minus $L_\text{tri}$.
# * **Weights alone**: DPHR minus $(1 + \lambda^t)\,L_\text{tri}$.
#
# The loss without weights *replays* the $\lambda^t$ of the run with weights, step by step. (In the last row each of the two runs follows its own recall.) **Predict**: in which rows do the weights add something?

# %%
ASKED = {
    "closest, 300 steps": ("closest_short", "closest", "replay"),
    "sharp DPHR, 300 steps": ("closest_short", "sharp", "sharp_replay"),
    "closest, 800 steps": ("closest", "closest", "replay"),
    "sharp DPHR, 800 steps": ("main", "sharp", "sharp_palw"),
}
found = {}
for name, (study, whole, grows) in ASKED.items():
    runs = results.load(study)
    growth = paired(runs, "mini", grows, "triplet").interval
    found[name] = growth, paired(runs, "mini", whole, grows).interval

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
for name, (growth, weights) in found.items():
    clear = weights.mean > weights.half_width
    assert clear == name.startswith("sharp")
    assert "800" in name or abs(growth.mean) < growth.half_width
table(
    ["λ of", "growth alone", "weights alone"],
    [[n, g.signed, w.signed] for n, (g, w) in found.items()],
    caption="Points of R@1, drone to satellite; five seeds, not corrected",
)

# %% [markdown]
# * **Growth.** After 300 steps it changes nothing that five seeds show. After 800 steps the means are +4.3 ± 3.4 and +3.1 ± 3.5 points: it may help, and neither is clear ([note 20](20_the_closest_reading.ipynb) has the corrected test of the first).
# * **Weights.** Those of the closest reading add 0.0 ± 0.4 points after 300 steps, and -0.7 ± 2.1 after 800. Those of sharp DPHR add 23.4 ± 3.0 after 300, and 15.9 ± 7.1 after 800.
#
# So DPHR compared with $L_\text{tri}$ mixes two things. A loss whose size changes cannot be compared with one whose size does not, not even under Adam.
#
# ## Two controls
#
# The *replay* above keeps the growth and drops the weights. The other control keeps the weights and drops the growth: `rescale=True` divides the loss by $1 + \lambda^t$. Here without weights, at $\lambda = 1$:

# %%
draw = torch.Generator().manual_seed(0)
z = F.normalize(torch.randn(2, 8, 16, generator=draw), dim=-1)
no_weights = {"weight_map": None, "signal": "constant"}
grown = DPHRLoss(**no_weights)
held = DPHRLoss(**no_weights, rescale=True)
assert torch.isclose(grown(*z), 2 * TripletLoss()(*z))
assert torch.isclose(held(*z), TripletLoss()(*z))

# %% [markdown]
# [Note 25](25_what_the_gain_rests_on.ipynb) has sharp DPHR with `rescale=True`: its gain over $L_\text{tri}$ stays.
#
# ## Exercises
#
# **1. Derive.** In the first figure, how long is Adam's step 1,000 steps after the jump? (The average forgets by $0.999$ a step, and $0.999^{1000} \approx e^{-1}$.)

# %%
f_later = None  # your number, 1 at first

check_answer(f_later, 1.175, within=0.02)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The average of squares is 4 - 3 / e: three parts in e of the old 1 are left.
f_later = 2 / np.sqrt(4 - 3 * 0.999**1000)
check_answer(f_later, 1.175, within=0.02)

# %% [markdown]
# **2. Derive.** $\lambda$ rises in a straight line from 0 to 1, and the average is a plain mean of all steps so far. How large is $f$ at the end?

# %%
f_end = None  # your number

ramp = factor_scratch(np.arange(1, 1001) / 1000, beta2=1 - 1e-9)
check_answer(f_end, ramp[-1], within=0.02)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The mean of (1 + x)^2 over [0, 1] is 7/3.
f_end = 2 / np.sqrt(7 / 3)
check_answer(f_end, ramp[-1], within=0.02)
print(f"{ramp[-1]:.2f}")

# %% [markdown]
# **3. Predict.** Sharp DPHR's λ follows recall, and recall depends on how the network was trained, so on λ. Can this loop run away? Suppose that at a fixed λ recall settles at $0.3 + 0.5\,\lambda$. At each step λ moves one hundredth of the way to recall. Where does λ come to rest?

# %%
rest = None  # your number

check_answer(rest, 0.6, within=0.01)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# It rests where lambda = 0.3 + 0.5 lambda. After a push each step leaves
# 0.99 + 0.01 k of it, with the gain k = 0.5: less than all for any k < 1.
lam_now = 0.0
for _ in range(5000):
    lam_now = 0.99 * lam_now + 0.01 * (0.3 + 0.5 * lam_now)
check_answer(lam_now, 0.6, within=0.01)

# The gain of the real loop: late recall in the batch at a constant lambda of
# 1, minus that of L_tri, where lambda is 0.
main = results.load("main")


def late(arm, seed):
    curves = main["mini", arm, seed]["curves"]
    return np.array(curves["recall"])[np.array(curves["step"]) > 720].mean()


k = student_interval([late("sharp_rda", s) - late("triplet", s)
                      for s in range(5)])  # fmt: skip
assert 0 < k.mean - k.half_width < k.mean + k.half_width < 0.5
print(f"measured gain k: {k.mean:.2f} ± {k.half_width:.2f}, far below 1")

# %% [markdown]
# In the stored runs of sharp DPHR (study `main`) the loop's gain is 0.10 ± 0.04 instead of 0.5. So the loop cannot run away, and hardly amplifies anything.
#
# ## Summary
#
# * You can **say** why a growing loss matters under Adam: its average of squared gradients remembers some 1,000 steps. A constant factor cancels, a growing one lengthens the step.
# * You **computed** by how much: up to 26 % with the closest λ in a run of 800 steps, up to 13 % with the sharp one. PyTorch's Adam took the same steps.
# * You **chose** controls: a replay of $\lambda^t$ without weights, or a loss divided by $1 + \lambda^t$. Against the replay the closest reading gained 0.0 ± 0.4 points after 300 steps and sharp DPHR 23.4 ± 3.0. Growth alone may help after 800 steps; it is not clear.
#
# ## Readings
#
# * [Kingma and Ba (2015)](references.md#kingma2015adam), *Adam: A Method for Stochastic Optimization*, [arXiv](https://arxiv.org/abs/1412.6980): read what it says about rescaled losses with $f_t$ in mind.
# * [Loshchilov and Hutter (2019)](references.md#loshchilov2019adamw), *Decoupled Weight Decay Regularization*, [arXiv](https://arxiv.org/abs/1711.05101): the optimiser of these runs. Its decay does not grow with the loss.
# * [Musgrave et al. (2020)](references.md#musgrave2020reality), *A Metric Learning Reality Check*, [arXiv](https://arxiv.org/abs/2003.08505): why training details can pass for a better loss.
