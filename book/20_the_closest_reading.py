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
# # 20 Does the closest reading help?
#
# **Do the weights of DPHR, read as closely as our sources allow, change what a network learns?**
#
# By the end you can
#
# * **measure** how much weights differ within a batch, and what that does to the gradient;
# * **design** a control that keeps the size of a loss and removes its weights;
# * **say** what the closest reading gains over the plain triplet loss in these runs, and what was not tested.
#
# You need: [06 Hard negatives](06_hard_negatives.ipynb), [07 RDA](07_rda.ipynb) and [08 PALW](08_palw.ipynb), half an hour. The cells run in seconds on two CPU cores. The runs are stored results, made by `dphr study run closest_short`. Nothing is downloaded.

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

from dphr_lab import results
from dphr_lab.plotting import RUN_STYLES, arms_over_seeds
from dphr_lab.studies import comparisons
from dphr_lab.studies.study import complete_runs
from dphr_lab.teaching import guess_choice, guess_number, table

plt.rcParams.update({
    "figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True,
})  # fmt: skip
STYLES = {
    name: dict(zip(("color", "linestyle"), RUN_STYLES[arm], strict=False))
    for name, arm in (("closest", "dphr"), ("sharp", "sharp"))
}

# %% [markdown]
# ## Two readings of one sentence
#
# Public summaries of the paper say that each negative gets a weight from its hardness **[S]**
#
# $$
# h = \frac{d_\text{pos}}{d_\text{pos} + d_\text{neg}} .
# $$
#
# The hardness is 1/2 where the negative is exactly as far away as the positive. The same summaries say that $h$ is mapped *linearly into a weight interval* **[S]**. They do not give the interval. Our closest reading takes $[0.5, 1.5]$ **[O]**. Sharp DPHR, our own variant, takes an exponential of $h$ with a mean weight of one **[O]**.
#
# Take one query whose positive is 0.7 away. Its negatives lie at distances from 0.4 to 1.4. What weights does each reading give them?

# %%
d_pos, d_neg = 0.7, np.linspace(0.4, 1.4, 200)
h = d_pos / (d_pos + d_neg)
closest = 0.5 + (1.5 - 0.5) * h
sharp = np.exp(16 * h) / np.exp(16 * h).mean()
ratio = {"closest": closest, "sharp": sharp}
ratio = {name: w.max() / w.min() for name, w in ratio.items()}
print(f"h from {h.min():.2f} to {h.max():.2f}")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_number(
    "How many times the weight of the farthest negative does the nearest "
    "one get in the closest reading?",
    float(ratio["closest"]),
    within=0.3,
    digits=2,
    explain=f"In the sharp reading it is {ratio['sharp']:.0f} times.",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "The weight of a negative by its distance, for a positive at 0.7 (dotted). The closest reading is nearly flat. The sharp one falls steeply."}, "image": {"alt": "Two curves over the distance of the negative from 0.4 to 1.4. The sharp reading falls from about seven to nearly zero. The closest reading falls slightly, from 1.1 to 0.8."}} cellView="form" jupyter={"source_hidden": true}
lowest = np.linspace(0, 1.5, 16)  # w_min of many intervals: exercise 1
least, most = (lowest + (1.5 - lowest) * at for at in (h.min(), h.max()))
steepest = (most / least).max()
figure, axis = plt.subplots(figsize=(6.6, 3.2))
axis.plot(d_neg, sharp, **STYLES["sharp"], label="sharp")
axis.plot(d_neg, closest, **STYLES["closest"], label="closest")
axis.axvline(d_pos, color="0.5", linestyle=":")
axis.set(xlabel="distance of the negative", ylabel="weight", ylim=(0, None))
axis.legend(frameon=False)
axis.grid(color="0.9")

# %% [markdown]
# The interval is mild because $h$ is. For distances in this range $h$ stays between 0.33 and 0.64, and a linear map cannot make more of it than its own width allows.
#
# ## In real batches
#
# That was one query of our choice. [Chapter 07](07_rda.ipynb) measured encoders on fresh batches of 64 pairs: one with ImageNet weights, one untrained, and the same one after 100 and after 800 steps of training with the closest reading. The first number below is the ratio of the 95th to the 5th percentile of a query's weights. The second is the cosine between the gradients of the weighted term $L_\text{wtri}$ and the plain term $L_\text{tri}$. A cosine of one means: the weights change nothing except the size of the step.

# %%
stored = files("dphr_lab") / "results" / "weights"
looks = [
    json.loads(f.read_text(encoding="utf-8"))["looks"]
    for f in sorted(stored.iterdir(), key=lambda f: f.name)
    if f.name.endswith(".json")
]


def over_seeds(encoder, name, measure):
    return [look[encoder]["maps"][name][measure] for look in looks]


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
shown = {
    "closest, [0.5, 1.5]": "interval [0.5, 1.5]",
    "[0, 2]": "interval [0, 2]",
    "[1, 4]": "interval [1, 4]",
    "min-max first": "min-max [0.5, 1.5]",
    "sharp": "sharp",
}
when = ("ImageNet", "0 steps", "100 steps", "800 steps")
rows = []
for title, name in shown.items():
    spread = [max(over_seeds(at, name, "p95_to_p5")) for at in when]
    turned = min(min(over_seeds(at, name, "cosine")) for at in when)
    rows.append([title, *spread, f"{turned:.3f}"])
table(
    ["map", *when, "smallest cosine"],
    rows,
    caption=f"Four columns of ratios, the largest of {len(looks)} seeds, and "
    "the smallest cosine over all encoders and seeds",
    digits=2,
)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
assert min(over_seeds("100 steps", "interval [0.5, 1.5]", "cosine")) > 0.97
assert max(over_seeds("800 steps", "sharp", "cosine")) < 0.8

# %% [markdown]
# In a batch the closest reading's weights differ by less than half. The weighted term then points where the plain term points: the cosine is above 0.97. So the closest reading is nearly $(1 + \lambda^t)\,L_\text{tri}$. Other bounds, and min-max (each query's $h$ is first scaled to its range), spread the weights further and turn the gradient a little: the cosine is at least 0.885. Only the sharp map turns it far.
#
# This suggests a prediction. If the weights hardly turn the gradient, a run without them should end at the same place.
#
# ## The control: replay lambda without the weights
#
# A fair control keeps everything except the weights. The *replay* does this. While the closest reading trains, its $\lambda^t$ is recorded at each step. Then a second run trains with $(1 + \lambda^t)\,L_\text{tri}$ at that very $\lambda^t$, from the same first weights, on the same batches. The two runs differ in the weights of RDA alone.
#
# The study `closest_short` has twelve losses and five seeds. A seed changes the world, the first weights and the order of the batches. Each run is 300 steps on the world `mini` of Twin Towns at 64 px, with the other settings of study `main` ([09 DPHR in three hosts](09_training_dphr.ipynb)). Its expectation was written down before the runs: a tie between closest and its replay.

# %%
runs = complete_runs("closest_short")
arms = {
    "triplet": "L_tri",
    "replay": "closest's replay",
    "rda": "closest weights, λ = 1",
    "closest": "closest",
    "closest_0_2": "closest, bounds [0, 2]",
    "closest_1_4": "closest, bounds [1, 4]",
    "minmax": "closest, min-max first",
    "infonce": "InfoNCE",
    "sharp_replay": "sharp's replay",
    "sharp": "sharp",
}
recall = {a: comparisons.over_seeds(runs, "mini", a) for a in arms}
seeds = len(recall["closest"])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Closest minus L_tri, R@1 drone to satellite, in points: where is the "
    "mean of the seeds?",
    {"below -2": "Heavier hard negatives did not hurt here.",
     "between -2 and +2": "The figure and the table show it.",
     "+2 to +10": "That would need a gradient that turns.",
     "above +10": "The sharp reading does this, not this one."},
    "between -2 and +2",
)  # fmt: skip

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "R@1 from drone to satellite after 300 steps. Small rings are seeds, dots their means. All forms of the closest reading lie with L_tri. Sharp DPHR stands apart; its replay, without weights, lies with L_tri, too."}, "image": {"alt": "Ten rows, one an arm, with small rings for seeds and a dot for the mean. L_tri, its replay, constant lambda and all closest forms lie together a little above 20 percent. InfoNCE lies near 29 percent with a wide scatter. Sharp lies near 45 percent, sharp's lambda without weights is back near 20."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.6, 4.0))
axis.set(xlabel="R@1, drone → satellite (%)")
drawn = arms_over_seeds(axis, {arms[a]: recall[a] for a in arms})

# %% [markdown]
# Seeds differ in their worlds, and that scatters each row. The differences *within* seeds are surer. Each is a mean with a 95 % interval (Student's), and a p value that Holm's method corrects for all eleven rows of the table. [Chapter 09](09_training_dphr.ipynb) corrects four rows of the same runs together, so its p values are smaller.


# %%
def minus(arm, other, direction="D2S"):
    return comparisons.paired(runs, "mini", arm, other, direction=direction)


asked = [
    ("closest", "triplet"), ("closest", "replay"), ("rda", "triplet"),
    ("closest_0_2", "triplet"), ("closest_1_4", "triplet"),
    ("minmax", "triplet"), ("closest_hinge", "triplet_hinge"),
    ("closest", "infonce"), ("sharp", "closest"),
    ("sharp", "sharp_replay"), ("sharp_replay", "triplet"),
]  # fmt: skip
found = comparisons.corrected([minus(*pair) for pair in asked])
back = [minus(*pair, direction="S2D") for pair in asked]
found = dict(zip(asked, found, strict=True))

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
hinge = {"closest_hinge": "closest, hinge", "triplet_hinge": "L_tri, hinge"}
NAMES, rows = arms | hinge, []
for (pair, d), s2d in zip(found.items(), back, strict=True):
    both = d.interval.signed, s2d.interval.signed
    name = " minus ".join(NAMES[arm] for arm in pair)
    rows.append([name, *both, comparisons.p_text(d.p)])
table(
    ["difference of R@1, points", "D2S", "S2D", "p, D2S"],
    rows,
    caption=f"Paired over {seeds} seeds, 300 steps; intervals are not "
    "corrected, p is (Holm, eleven rows)",
)

# %% [markdown]
# * **The closest reading** ends where $L_\text{tri}$ ends: +0.4 ± 0.6 points. It ends where its own replay ends, to a few tenths of a point in each seed. Nothing is left for the weights to explain.
# * **Its other forms** show no clear gain either. The bounds [1, 4] gain 1.4 ± 0.9 points, which is not clear after Holm's correction. The other bounds and min-max change nothing that five seeds can show. Nor, from drone to satellite, do weights in a hinge of margin 0.3 in place of the softplus.
# * **InfoNCE** has none of DPHR's parts. On average it ends 7.4 points (D2S) and 12.3 points (S2D) ahead of the closest reading. From drone to satellite that is not clear after Holm's correction.
# * **Sharp DPHR** is another loss. It is 23.3 ± 3.9 points ahead of the closest reading, and 23.4 ± 3.0 ahead of its own replay. Both stay clear after the correction. Its gain is in its weights.
#
# "Not clear" is not "equal". Equality needs its own test ([05](05_how_sure_are_we.ipynb)): does the difference lie within two points of zero? That margin is the one used in the whole book.

# %%
alike = comparisons.equivalences(
    [found["closest", "triplet"], found["closest", "replay"]], margin=2
)
rows = []
for e in alike:
    low, high = e.range_90
    name = f"closest minus {arms[e.difference.reference]}"
    p = comparisons.p_text(e.p)
    between = f"{comparisons.signed(low)} to {comparisons.signed(high)}"
    rows.append([name, between, e.verdict, p])
table(["difference, D2S", "90 %", "verdict", "p, equality"], rows)

# %% [markdown]
# Both are equivalent to zero within two points. With five seeds, these settings and this size of network and world, the weights of the closest reading do nothing that matters.
#
# ## And with settings of its own?
#
# So far all losses had the same settings. The study `budget_closest` gave the closest reading twelve trials of rate, soft margin and scaling on held-out training places of another world, as every loss had in [the study](21_the_study.ipynb). The trials chose min-max, a steeper soft margin ($\alpha = 40$) and a rate of 0.006. $L_\text{tri}$'s own trials had chosen the same margin and the same rate. The replay has them, too.

# %%
tuned = complete_runs("budget_closest")
pairs = [("closest", "triplet"), ("replay", "triplet"), ("closest", "replay")]


def tuned_minus(arm, other, way="D2S"):
    return comparisons.paired(tuned, "mini", arm, other, direction=way)


there = comparisons.corrected([tuned_minus(*pair) for pair in pairs])
back_there = [tuned_minus(*pair, "S2D") for pair in pairs]
chosen = tuned["mini", "closest", 0]["settings"]
print("rate", chosen["learning_rate"], "and", chosen["loss_options"])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows = [
    [" minus ".join(arms[arm] for arm in pair), d.interval.signed,
     b.interval.signed, comparisons.p_text(d.p)]
    for pair, d, b in zip(pairs, there, back_there, strict=True)
]  # fmt: skip
table(
    ["difference of R@1, points", "D2S", "S2D", "p, D2S"],
    rows,
    caption="After twelve trials; 5 seeds, 300 steps; p is Holm's, three rows",
)

# %% [markdown]
# Here the closest reading leads $L_\text{tri}$ by two points from drone to satellite. Its replay has more than half of that lead: it is the growing size of the loss. The rest, 0.8 ± 0.7 points, is what min-max weights add. So "its weights do nothing" is said of the interval's weights alone.
#
# ## Longer, and with SGD
#
# Study `closest` has 800 steps. Study `sgd` has SGD with momentum at three learning rates. There a growing loss is a growing step, so we expected a replay to share any gain.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
later, under_sgd = results.load("closest"), results.load("sgd")
more = [("minmax", "triplet"), ("minmax", "replay"), ("infonce", "closest")]
rows = [(later, a, b, "800 steps", "") for a, b in [*pairs, *more]]
for rate, name in (("003", "0.03"), ("01", "0.1"), ("03", "0.3")):
    for a, b in (("closest", "triplet"), ("closest", "replay")):
        rows.append((under_sgd, a, b, f"SGD, rate {name}", f"_{rate}"))


def apart(way):
    return [
        comparisons.paired(of, "mini", a + end, b + end, direction=way)
        for of, a, b, _, end in rows
    ]  # fmt: skip


longer, longer_back = comparisons.corrected(apart("D2S")), apart("S2D")
for of, arm, run in (
    (later, "closest", "800 steps"), (under_sgd, "closest_01", "SGD, 0.1"),
):  # fmt: skip
    courses = [of["mini", arm, seed]["lambda_course"] for seed in range(5)]
    mean, end = np.mean(courses), np.mean([course[-1] for course in courses])
    print(f"{run}: λ of closest {mean:.1f} in the mean, {end:.1f} at the end")
table(
    ["run", "difference of R@1, points", "D2S", "S2D", "p, D2S"],
    [
        [run, f"{arms[a]} minus {arms[b]}", d.interval.signed,
         back.interval.signed, comparisons.p_text(d.p)]
        for (_, a, b, run, _), d, back in zip(
            rows, longer, longer_back, strict=True)
    ],
    caption="Paired over 5 seeds; intervals are not corrected, p is (Holm, "
    "twelve rows)",
)  # fmt: skip

# %% [markdown]
# After 800 steps the closest reading is 3.6 ± 2.9 points ahead of $L_\text{tri}$ (D2S), and its replay 4.3 ± 3.4. Neither is clear after the correction for twelve rows. What gain there is, the growing loss has without any weights. The min-max form is 5.0 ± 2.8 points ahead of $L_\text{tri}$, and 0.7 ± 1.3 ahead of that replay. InfoNCE is 13.1 ± 3.2 points ahead of the closest reading. One point stays open: from satellite to drone the closest reading is ahead of its replay by 1.9 ± 1.2 points, not corrected. Under SGD nothing is clear: $L_\text{tri}$ is learnt slowly, and $\lambda^t$ ends near 0.3.
#
# ## How much of lambda was there?
#
# A run of 300 steps is short for a signal that looks back over 100 losses and is then averaged again. How far did $\lambda^t$ get?

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Lambda over the run, one line a seed. The closest reading's stays at zero for 100 steps. Sharp DPHR's, made of recall, rises from the start."}, "image": {"alt": "Lambda against the step, five lines for closest and five for sharp. Closest stays at zero for one hundred steps and then rises. Sharp rises from the start."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.6, 3.2))
for arm, style in STYLES.items():
    for seed in range(seeds):
        course = runs["mini", arm, seed]["curves"]["lambda"]
        at = runs["mini", arm, seed]["curves"]["step"]
        label = arm if seed == 0 else None
        axis.plot(at, course, **style, label=label)
    courses = [runs["mini", arm, k]["lambda_course"] for k in range(seeds)]
    print(f"{arm}: mean λ over the run {np.mean(courses):.1f}")
axis.set(xlabel="step", ylabel="λ", ylim=(0, None))
axis.legend(frameon=False)
axis.grid(color="0.9")

# %% [markdown]
# Over the run the mean of $\lambda^t$ is about 0.2 for the closest reading and 0.5 for the sharp one. Is it late? The replay says no: even after 800 steps, where $\lambda$ is 0.6 in the mean, weights that hardly turn the gradient show no gain from drone to satellite (from satellite to drone it is open). And weights at $\lambda = 1$ from the first step are no better.
#
# ## What this does not say
#
# * The interval is our choice **[O]**. The paper may use another map, a normalisation, or another margin. The sharp reading shows that a steep map would matter.
# * These are rendered towns at 64 px, a test-size network, 300 or 800 steps. The paper joined DPHR to three hosts with pretrained backbones **[S]**, two of which train under SGD. [09 DPHR in three hosts](09_training_dphr.ipynb) has all three in small, from scratch; pretrained backbones are not run yet.
# * A finding of the form "no effect within two points" is for a weak encoder. It does not carry over by itself to a benchmark where nine of ten answers are right.
#
# ## Exercises
#
# **1. Predict.** No interval with bounds that are not negative can make the ratio of the largest to the smallest weight larger than a certain number, for the distances above. Which number, and at which $w_\text{min}$ is it reached (with $w_\text{max} = 1.5$)?

# %%
largest, w_min = None, None  # your two numbers

if largest is not None:
    ok = abs(largest - steepest) < 0.01 and w_min == 0
    print("right" if ok else "not yet")

# %% [markdown]
# **2. Prove.** With $w_\text{min} = w_\text{max} = 1$ the closest reading is $(1 + \lambda^t)\,L_\text{tri}$, exactly. Show it on random unit vectors: fill in the loss without weights ([open choices](open_choices.md#the-slots) has the value that gives none).

# %%
import torch

from dphr_lab.losses import DPHRLoss

z = torch.nn.functional.normalize(torch.randn(2, 8, 16), dim=-1)
flat = DPHRLoss(w_min=1.0, w_max=1.0, signal="constant")
without = None  # DPHRLoss(weight_map=..., signal="constant")

if without is not None:
    no_weights = without.settings.weight_map is None
    same = torch.isclose(flat(*z), without(*z))
    print("right" if no_weights and same else "not yet")

# %% [markdown]
# **3. Predict.** Look at the S2D column of the large table. What does the test of equality say, from satellite to drone, of closest minus its replay, and of closest weights at $\lambda = 1$ minus $L_\text{tri}$? The verdicts are "equivalent within ±2", "different" and "undecided".

# %%
verdicts = None  # your two verdicts, a tuple

pairs_3 = [("closest", "replay"), ("rda", "triplet")]
tests = [
    comparisons.equivalence(minus(*pair, "S2D"), margin=2) for pair in pairs_3
]  # fmt: skip
right_3 = tuple(test.verdict for test in tests)
if verdicts is not None:
    print("right" if verdicts == right_3 else "not yet")

# %% [markdown]
# **Solutions** (run, and collapsed until you open them)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# 1. Weights are w_min + (w_max - w_min) h. The ratio grows as w_min falls;
# at w_min = 0 they are proportional to h, so it is max h / min h.
assert np.isclose(steepest, h.max() / h.min())
mild = [(w + h.max()) / (w + h.min()) for w in (0.01, 0.5, 1.0)]
assert max(mild) < steepest and abs(steepest - 1.9) < 0.05
print(f"1: {steepest:.2f}, at w_min = 0")

# 2. omega = 1 for all, so the weighted term is L_tri.
plain = DPHRLoss(weight_map=None, signal="constant")
assert plain.settings.weight_map is None
assert torch.isclose(flat(*z), plain(*z))

# 3. Half-widths of 0.6 and 3.3: only the first is short enough.
assert right_3 == ("equivalent within ±2", "undecided")
back_way = minus("closest", "replay", "S2D").interval
assert abs(back_way.mean) < back_way.half_width
assert abs(minus("closest", "replay").interval.mean) < 0.5
assert minus("sharp", "sharp_replay", "S2D").interval.mean > 10

# %% [markdown]
# ## Summary
#
# * You **measured** how much weights differ: in a batch the closest reading turns the gradient of $L_\text{tri}$ by almost nothing, the sharp one by a lot.
# * You **designed** the control that decides: replay $\lambda^t$ without weights. At the shared settings the closest reading and its replay tie (0.0 ± 0.4 points). After twelve trials (min-max form) it led $L_\text{tri}$ by 2.1 ± 1.2 and its replay by 0.8 ± 0.7. After 800 steps it was ahead of $L_\text{tri}$ by 3.6 ± 2.9 points, which is not clear after Holm's correction; its replay was ahead by 4.3 ± 3.4. Sharp DPHR leads its replay by 23.4 ± 3.0.
# * One point is **open**: after 800 steps, from satellite to drone, closest was 1.9 ± 1.2 points ahead of its replay, not corrected.
# * You can **say** what was not tested: pretrained backbones, runs beyond 800 steps, real photographs.
#
# ## Readings
#
# * [Sun et al. (2020)](references.md#sun2020circle), *Circle Loss: A Unified Perspective of Pair Similarity Optimization*, [arXiv](https://arxiv.org/abs/2002.10857): weights that are linear in a similarity, and what their scale does.
# * [Robinson et al. (2021)](references.md#robinson2021hard), *Contrastive Learning with Hard Negative Samples*, [arXiv](https://arxiv.org/abs/2010.04592): exponential weights, whose sharpness is the one parameter.
# * [Musgrave et al. (2020)](references.md#musgrave2020reality), *A Metric Learning Reality Check*, [arXiv](https://arxiv.org/abs/2003.08505): controls decide, not gains.
