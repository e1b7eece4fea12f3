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
# # 25 What the gain rests on
#
# **Sharp DPHR (ours) gains more than 20 points over the plain triplet loss in short runs. What does it owe that to?**
#
# By the end you can
#
# * **design** a control: change one thing, keep the rest, and say beforehand what should happen;
# * **tell** a cause that was shown from one that was only not refuted;
# * **say** what makes the gain, and what it was not seen to need.
#
# You need: [07 RDA](07_rda.ipynb), [08 PALW](08_palw.ipynb) and [21 The study](21_the_study.ipynb), half an hour. The cells run in seconds on two CPU cores. All training runs are stored. Nothing is downloaded.
#
# > **Which reading?** All runs of this note are of *sharp DPHR (ours)* **[O]** or of its half, sharp RDA. Sharp DPHR adds a weighted term to the plain loss $L_\text{tri}$. A negative's weight is $e^{\beta h}$ with $\beta = 16$, divided by its mean over the query; $h$ is the hardness. The term is multiplied by $\lambda$, which follows the recall in the batch. Sharp RDA has the same weights, at $\lambda = 1$ from the start.
#
# **The answer in short.** The weights make the gain: the same λ without weights gains nothing that was seen. And the weights must be *sharp*: blunt ones lose most of it. Twins are not needed. The ratio to the own positive and a λ that waits were not shown to help.
#
# Four experiments follow. R@1 is from drone to satellite. Where nothing else is said the world is `mini` of Twin Towns, with 300 steps. "+23.7 ± 4.1" is a mean difference over seeds, in points, and half of its 95 % interval. (Another study's runs of the same two losses gave 23.6 ± 4.0, in [09](09_training_dphr.ipynb).) **Clear** means: $p$ is below 0.05 after Holm's correction for all differences of the experiment, both directions together; experiment 2 says its own ([05](05_how_sure_are_we.ipynb)).

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
from statistics import mean

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import hsv_to_rgb
from scipy import stats

from dphr_lab.datasets import plan_batches
from dphr_lab.datasets.batches import family_order
from dphr_lab.plotting import arms_over_seeds
from dphr_lab.studies import comparisons
from dphr_lab.studies.study import complete_runs
from dphr_lab.teaching import check_answer, guess_choice, guess_number, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True
NAMES = {
    "triplet": "L_tri",
    "infonce": "InfoNCE",
    "sharp_rda": "sharp RDA",
    "sharp": "sharp DPHR",
}


# %% [markdown]
# ## 1. Does it need twins?
#
# Sharp weights stress near negatives, and only those of the batch. A *twin* is a place of the same family: the same layout with other details. Families have three members. Here are two batches of 64 places. A tile that has a twin in its batch has the colour of its family; all others are grey.

# %%
place = np.repeat(np.arange(1440), 4)  # four pairs a place
rng = np.random.default_rng(0)
orders = {
    "random": rng.permutation(len(place)),
    "families": family_order(place, place // 3, rng),
}
batches = {
    sampler: place[plan_batches(place, 64, order)]  # (batches, 64)
    for sampler, order in orders.items()
}

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Two batches of 64 places. Coloured tiles have a twin in the same batch, grey ones have none. One batch was drawn at random, one from whole families."}, "image": {"alt": "Two squares of eight by eight tiles. In A nearly all tiles are grey; five have a colour. In B nearly all tiles are coloured, three to a colour."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.2))
for axis, name, found in zip(axes, "AB", batches.values(), strict=True):
    shares = [np.mean(np.bincount(b // 3)[b // 3] > 1) for b in found]
    usual = np.argmin(abs(np.array(shares) - np.mean(shares)))
    family = found[usual] // 3  # the batch nearest to the mean share
    known, members = np.unique(family, return_counts=True)
    paint = dict.fromkeys(known, (0.85,) * 3)
    for i, each in enumerate(known[members > 1]):  # 12 hues, light and dark
        paint[each] = hsv_to_rgb((i * 5 % 12 / 12, 0.7, 0.95 - i // 12 * 0.4))
    tiles = np.array([paint[f] for f in family]).reshape(8, 8, 3)
    axis.imshow(tiles)
    axis.set(title=name, xticks=np.arange(0.5, 7), yticks=np.arange(0.5, 7))
    axis.grid(color="white", linewidth=2)
    axis.tick_params(length=0, labelbottom=False, labelleft=False)

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Which batch was drawn at random?",
    {
        "A": "Few places meet a twin there.",
        "B": "There nearly all stand beside their twins.",
    },
    "A",
)

# %%
for sampler, found in batches.items():
    family = found // 3
    twins = (family[:, :, None] == family[:, None]).sum(2) - 1
    print(f"{sampler}: {100 * (twins > 0).mean():.0f} % meet a twin")

# %% [markdown]
# Few twins meet in a random batch, yet they are built to be the hardest negatives. *If the gain comes from twins, it is small in a world where no place has one.* The study `twins` trains in such worlds. The last row is the usual world, from the study `short`:

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
twins_runs, short = complete_runs("twins"), complete_runs("short")
worlds = {
    "none": "no place has a twin",
    "third": "a third of the places have twins",
    "two_thirds": "two thirds have twins",
    "mini": "all have twins, the usual world",
}
weighted = ("sharp_rda", "sharp")


def both_ways(asked):
    """{name: (runs, world, arm, reference)} -> {(name, way): difference}.

    p is corrected by Holm for all of them, both directions together.
    """
    pairs = {
        (name, way): comparisons.paired(*of, direction=way)
        for name, of in asked.items() for way in ("D2S", "S2D")
    }  # fmt: skip
    return dict(zip(pairs, comparisons.corrected(pairs.values()), strict=True))


gain = both_ways({
    (world, arm): (short if world == "mini" else twins_runs,
                   world, arm, "triplet")
    for world in worlds for arm in weighted
})  # fmt: skip
rows = []
for world, said in worlds.items():
    of = short if world == "mini" else twins_runs
    base = comparisons.over_seeds(of, world, "triplet")
    rows.append([said, mean(base)])
    rows[-1] += [gain[(world, arm), "D2S"].interval.signed
                 for arm in weighted]  # fmt: skip
table(
    ["world", "L_tri's R@1, %", *(f"{NAMES[a]} − L_tri" for a in weighted)],
    rows,
    caption="Differences in points, 95 % intervals; three seeds, in the last "
    "row five. All eight are clear",
)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
assert len(gain) == 16 and max(d.p for d in gain.values()) < 0.05
assert min(d.interval.mean for d in gain.values()) > 20
print("trained where a third have twins, tested where two thirds have:")
for arm in weighted:
    d = comparisons.paired(twins_runs, "shifted", arm, "triplet")
    print(f"{NAMES[arm]} gains {d.interval.signed} points")

# %% [markdown]
# **Found: it does not need twins.** Where no place has one, sharp RDA still gains 35.5 ± 7.4 points and sharp DPHR 33.5 ± 6.9. Other places look alike, too. Each row changes the test places as well as the training places. Trained where a third have twins and tested where two thirds have, the gains are 28.8 ± 7.6 and 27.6 ± 5.4: large, too. The gain is smaller in the usual world, which comes from another study; no test compares the two.
#
# ## 2. Do the weights make it?
#
# *If the weights make the gain, the same λ without them gains nothing.* A *replay* takes the course of λ from a run of sharp DPHR, step by step, and gives every negative the weight 1.
#
# *If the weights have to be sharp, blunt ones lose the gain, too.* The study `axes` changes one choice of sharp DPHR at a time, on three seeds. `maps` repeats two of its blunt forms on five. With $\beta = 4$ the hardest negatives stand out less.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
axes_runs, replayed = complete_runs("axes"), complete_runs("closest_short")
maps = complete_runs("maps")
whole = short | axes_runs
kept = comparisons.paired(maps, "mini", "beta_4", "triplet").interval
guess_number(
    "Sharp DPHR gains 23.7 points over L_tri. How many does β = 4 leave?",
    kept.mean,
    within=4,
    unit=" points",
    explain=f"With its interval: {kept.signed}.",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "What is left of the gain over L_tri: each ring is a seed, with the mean and its 95 % interval, not corrected. Without weights, and with blunt ones, little or nothing of the gain is seen."}, "image": {"alt": "Six rows of points gained over L_tri. Sharp DPHR as it is, its loss divided by one plus lambda, and beta 64 lie at 22 to 30 points. Equal weights, beta 4 and weights linear in h lie near zero, at 0 to 4 points."}} cellView="form" jupyter={"source_hidden": true}
left_over = {
    "as it is": "sharp",
    "loss divided by 1 + λ": "rescaled",
    "equal weights, the same λ": "sharp_replay",
    "blunter: weights linear in h": "linear",
    "blunter: β = 4": "beta_4",
    "sharper: β = 64": "beta_64",
}
of_arm = {"sharp_replay": replayed, "linear": maps, "beta_4": maps}


def drawn_over_seeds(differences, height, label):
    """Draw differences by name; returns them with their seeds counted."""
    named = {f"{n} ({len(d.by_seed)} seeds)": d for n, d in differences}
    _, axis = plt.subplots(figsize=(7.2, height))
    rings = {name: d.by_seed for name, d in named.items()}
    half = {name: d.interval.half_width for name, d in named.items()}
    arms_over_seeds(axis, rings, half, chance=0)
    axis.set_xlabel(label)
    axis.grid(axis="x", color="0.92")
    return named


gained = [
    (said, comparisons.paired(of_arm.get(arm, whole), "mini", arm, "triplet"))
    for said, arm in left_over.items()
]
left = drawn_over_seeds(gained, 3.2, "R@1 minus that of L_tri, points")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
weights = comparisons.paired(replayed, "mini", "sharp", "sharp_replay")
assert 11 * weights.p < 0.001  # note 20 corrects it with ten others
# All fifteen changes of the study are corrected together.
arms = ("beta_64", "linear", "beta_4", "over_batch", "gamma_05", "gamma_2",
        "signal_constant", "signal_step", "rescaled", "power",
        "signal_similarity", "momentum_0", "momentum_09",
        "rescaled_constant", "sgd")  # fmt: skip
found = comparisons.against(axes_runs, "mini", "sharp", arms)
assert min(d.p for d in found) > 0.05
blunt = both_ways({arm: (maps, "mini", arm, "sharp")
                   for arm in ("beta_4", "linear")})  # fmt: skip
assert max(d.p for d in blunt.values()) < 0.05
for (arm, way), d in blunt.items():
    print(f"{arm} minus sharp DPHR, {way}: {d.interval.signed} points")
for arm in ("beta_4", "linear", "sharp"):  # seeds 0 to 2 are those of axes
    firsts = [comparisons.over_seeds(of, "mini", arm, seeds=range(3))
              for of in (maps, axes_runs)]  # fmt: skip
    assert np.allclose(*firsts, atol=0.1)
for arm in ("triplet", "sharp"):  # both studies trained these two losses
    levels = [comparisons.over_seeds(of, "mini", arm)
              for of in (replayed, short)]  # fmt: skip
    assert np.allclose(*levels, atol=0.1)
print(f"sharp DPHR minus its replay: {weights.interval.signed} points")
table(
    ["sharp DPHR", "minus L_tri, points"],
    [[said, d.interval.signed] for said, d in left.items()],
    caption="The figure in numbers; 95 % intervals, not corrected",
)

# %% [markdown]
# **Shown: the weights make the gain.** Sharp DPHR is 23.4 ± 3.0 points ahead of its replay ([note 20](20_the_closest_reading.ipynb) has the test). A larger loss is not the cause, either: divided by 1 + λ it still gains 22.4 ± 6.9 points (three seeds, not corrected).
#
# **Shown: they must be sharp.** In `maps` $\beta = 4$ is 20.1 ± 4.8 points behind sharp DPHR, and linear weights 21.4 ± 3.2. Both are clear, in both directions. (`axes` showed both drops on three seeds, not clear among fifteen changes. `maps` adds two seeds.) $\beta = 64$ keeps the gain; [note 24](24_how_sharp.ipynb) asks how sharp is best.
#
# ## 3. Is it the ratio to the own positive?
#
# RDA compares a negative with the query's *own* positive. The control, the **broken ratio**, compares it with the mean positive of the batch. *If the own positive matters, sharp RDA beats its broken form.*
#
# The usual control is nearly blind, though. A far positive raises $h$ for all negatives of its query at once. The weights are then divided by their mean over that query, so most of what the own positive does cancels ([07](07_rda.ipynb)). It does not cancel where weights are divided by the mean of the *batch*: the last row.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
asked = {
    "random batches, 800 steps": ("main", "sharp_rda", "broken_ratio"),
    "batches of whole families": ("rda", "sharp_rda", "broken"),
    "the same, weights over the batch":
        ("rda", "sharp_rda_batch", "broken_batch"),
}  # fmt: skip
ratio = both_ways({name: (complete_runs(study), "mini", *two)
                   for name, (study, *two) in asked.items()})  # fmt: skip
assert min(d.p for d in ratio.values()) > 0.05
ratio = {name: d for (name, way), d in ratio.items() if way == "D2S"}
level = {
    n: [mean(comparisons.over_seeds(complete_runs(study), "mini", arm))
        for arm in two]
    for n, (study, *two) in asked.items()
}  # fmt: skip
table(
    ["where", "own, %", "broken, %", "own − broken", "seeds"],
    [[n, *level[n], d.interval.signed, len(d.by_seed)]
     for n, d in ratio.items()],
    caption="R@1 of sharp RDA, and the difference in points with its 95 % "
    "interval. None is clear",
)  # fmt: skip

# %% [markdown]
# **Found: no help was seen, and the question is open.** The first two rows are the nearly blind ones. In the last, where the control can see, the own positive ended *below* the broken ratio. But the interval includes zero, and that row is another, poorer loss: weight may move from one query to another. So in sharp RDA as it is, the own positive can do little, since it cancels. Whether it helps where it does not cancel is open.
#
# ## 4. Is it the schedule?
#
# Hard negatives are said to mislead early on **[A]**, so $\lambda$ waits for the recall. *If waiting helps, λ by recall beats a constant λ, and most where labels are wrong or steps are large.* In *wrong pairs* the drone image comes with another place's satellite image. A *split* place is labelled as two.
#
# On `mini` one row has λ by recall squared, which waits longer. Two have a constant of equal mean, one half: one with both losses divided by 1 + λ, one undivided ([08](08_palw.ipynb)). Everywhere else the constant is 1. The world `small` has 600 training places for the 1,500 of `mini`; its runs take 200 steps, with ImageNet's weights 100.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "R@1 with a \u03bb that waits minus R@1 with a constant \u03bb: each ring is a seed, with the mean and its 95 % interval, not corrected. On the world small all seven means lie on the side of the constant. Five intervals leave out zero; after correction one difference is clear, small with clean pairs."}, "image": {"alt": "Eleven rows of points against a constant lambda. On mini, lambda by recall lies at zero, once with a narrow and once with a wide interval, recall squared about 7 points below, and the undivided row of equal means 2 points above. On small all seven means lie below zero, from just below to minus 6."}} cellView="form" jupyter={"source_hidden": true}
conditions = {
    "mini: clean": ("axes", "sharp", "signal_constant"),
    "mini: recall squared": ("axes", "gamma_2", "signal_constant"),
    "mini: equal means": ("palw", "recall", "half"),
    "mini: equal means, undivided":
        ("signals", "sharp_recall", "sharp_constant"),
    "small: clean": ("noise", "recall_clean", "constant_clean"),
}  # fmt: skip
others = {
    "noise": {"wrong15": "15 % wrong pairs"},
    "noise_more": {
        "wrong05": "5 % wrong pairs",
        "split05": "5 % of places split",
        "split15": "15 % of places split",
        "fast": "learning rate × 3",
    },
    "noise_warm": {"warm": "ImageNet's weights"},
}
for study, labels in others.items():
    for c, said in labels.items():
        arms = (f"recall_{c}", f"constant_{c}")
        conditions[f"small: {said}"] = (study, *arms)
waiting = both_ways({
    said: (complete_runs(study), said.split(":")[0], *arms)
    for said, (study, *arms) in conditions.items()
})  # fmt: skip
d2s = [(name, d) for (name, way), d in waiting.items() if way == "D2S"]
label = "R@1 minus that of a constant λ, points"
waits = drawn_over_seeds(d2s, 4.6, label)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
away = [said for said, d in waits.items()
        if abs(d.interval.mean) > d.interval.half_width]  # fmt: skip
clear = [key for key, d in waiting.items() if d.p < 0.05]
print("clear, of 22:", *(f"{name} {way};" for name, way in clear))
assert len(away) == 5 and clear[0] == ("small: clean", "D2S")
assert all(way == "S2D" for _, way in clear[1:])
on_small = [d for said, d in waits.items() if said.startswith("small")]
assert len(on_small) == 7
assert all(d.interval.mean < 0 for d in on_small)
rows = [
    [said, *(cell for way in ("D2S", "S2D") for d in [waiting[said, way]]
             for cell in (d.interval.signed, comparisons.p_text(d.p)))]
    for said in conditions
]  # fmt: skip
table(
    ["waiting − constant", "D2S, points", "p", "S2D, points", "p"],
    rows,
    caption="The figure in numbers; 95 % intervals; p by Holm for all 22",
)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
arms = {
    "small: constant, 15 % wrong pairs": ("noise", "constant_wrong15"),
    "small: by recall, clean pairs": ("noise", "recall_clean"),
    "small: by recall, 15 % wrong pairs": ("noise", "recall_wrong15"),
    "mini: by recall": ("axes", "sharp"),
    "mini: by recall squared": ("axes", "gamma_2"),
}
amount = {
    said: np.mean([np.mean(run["curves"]["lambda"])
                   for (_, a, _), run in complete_runs(of).items()
                   if a == arm])
    for said, (of, arm) in arms.items()
}  # fmt: skip
table(["λ", "mean over the run"], [*amount.items()], digits=2,
      caption="How much of the weighted term there was")  # fmt: skip

# %% [markdown]
# **Found: waiting was not seen to help**, not with wrong labels, larger steps or a pretrained start.
#
# * **On `small`** the constant is ahead in all seven means. Clear is the row of clean pairs, by 3.3 ± 1.4 points. With 15 % wrong pairs it is 2.0 ± 1.2 ($p$ = 0.064). From satellite to drone clean pairs and larger steps are clear, both for the constant. The cause may be that λ came *later*, or that there was *less* of it: with wrong pairs its mean was 0.25.
# * **On `mini`** nothing is clear. λ by recall is 0.4 ± 1.4 points from a constant 1, and 0.4 ± 5.7 from a constant of equal mean. Equal means part *when* from *how much*. In the undivided row, on five seeds, waiting is ahead by 2.4 ± 2.7. Neither row decides. λ by recall squared, which waits longer, is 7.4 ± 4.0 points behind a constant 1, but its mean is 0.22: a hint, against waiting or for more of the term.
#
# ## What is left
#
# | asked | answer |
# |---|---|
# | twins in the world? | not needed |
# | the weights? | shown: 23.4 ± 3.0 points over the same λ without them |
# | must they be sharp? | shown: blunt ones end 20.1 ± 4.8 and 21.4 ± 3.2 points behind |
# | the ratio to the own positive? | not shown to help; open |
# | a λ that waits? | not seen to help: on `small` a constant 1 is ahead in all seven means, clearly with clean pairs; where the means are equal nothing is clear |
#
# All of it holds for sharp weights in short runs at shared settings, with one small encoder; the row of ImageNet's weights has another.
#
# <details>
# <summary>More experiments, and how to see every run</summary>
#
# `dphr study report NAME` shows all runs of a study. This page uses parts of `twins`, `short`, `axes`, `maps`, `closest_short`, `main`, `rda`, `palw`, `signals`, `noise`, `noise_more` and `noise_warm`. They hold more: λ by the step, λ without weights in the worlds with fewer twins, weights over the batch, other optimisers. `sampling` has batches filled with look-alikes (the next cell). `transfer` breaks the ratio in three other worlds ([23](23_does_it_hold_on_photographs.ipynb)).
#
# </details>

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# Batches of whole families, or of a place and the 63 nearest to it by the
# encoder's own vectors, in place of random ones.
sampling = complete_runs("sampling")
rows = []
for loss, said in NAMES.items():
    row = [said]
    for sampler in ("families", "nearest"):
        arm = f"{loss}_{sampler}"
        d = comparisons.paired(sampling, "mini", arm, f"{loss}_random")
        row.append(d.interval.signed)
        assert d.interval.mean < d.interval.half_width  # no help was seen
    rows.append(row)
table(
    ["loss", "families − random", "nearest − random"],
    rows,
    caption="Study sampling: R@1 in points, three seeds, 95 % intervals, not "
    "corrected. No help was seen; most intervals are too wide to exclude it",
)

# %% [markdown]
# ## Exercises
#
# **1. Predict.** A batch holds 128 of the 1,440 places, drawn at random. Which share of them meets at least one of its two twins?

# %%
share = None  # percent

rng = np.random.default_rng(1)
drawn = [rng.permutation(1440)[:128] // 3 for _ in range(500)]  # families
met = [np.mean(np.bincount(d)[d] > 1) for d in drawn]
check_answer(share, 100 * np.mean(met), within=0.4)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# Of the other 1,439 places 127 are met. Both twins are missed with
# probability (1312 / 1439) (1311 / 1438).
share = 100 * (1 - (1312 * 1311) / (1439 * 1438))
check_answer(share, 100 * np.mean(met), within=0.4)
print(f"{share:.1f} %")

# %% [markdown]
# **2. Work out** how many seeds a study needs. One arm is truly three points better, and the differences scatter by five points from seed to seed. With how many seeds does half of all studies have a 95 % interval that leaves out zero? Try numbers in the function.


# %%
def share_seen(seeds):
    """Share of 4,000 simulated studies whose interval leaves out zero."""
    drawn = np.random.default_rng(0).normal(3, 5, (4000, seeds))
    half = stats.t.ppf(0.975, seeds - 1) * stats.sem(drawn, axis=1)
    return np.mean(abs(drawn.mean(1)) > half)


seeds_needed = None  # your number; share_seen(3) is about 0.1

half_of_them = next(n for n in range(3, 99) if share_seen(n) > 0.5)
check_answer(seeds_needed, half_of_them, within=1)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
for seeds_needed in (3, 5, 13, 25):
    seen_in = 100 * share_seen(seeds_needed)
    print(f"{seeds_needed} seeds: {seen_in:.0f} of 100 studies")
check_answer(13, half_of_them, within=1)

# %% [markdown]
# **3. Judge** what the schedule's figure supports.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Which sentence does the figure support?",
    {
        "A constant λ is better than one that waits": "It forgets mini, "
        "where nothing is clear.",
        "On small, with clean pairs, λ by recall ended behind a constant 1":
        "And no more: later and less are not separated.",
        "Waiting is harmless with ImageNet's weights": "An interval round "
        "zero does not show that nothing happens.",
    },
    "On small, with clean pairs, λ by recall ended behind a constant 1",
)  # fmt: skip

# %% [markdown]
# **4. Design** a run that separates *when* the weighted term comes in from *how much* of it there is.
#
# <details>
# <summary>Solution</summary>
#
# Two losses divided by 1 + λ, so that what counts is the share of the weighted term, λ/(1 + λ). Give both the mean share 1/4: λ = 1/3 throughout, and λ = 0 in the first half, then 1. Find the number of seeds first, as in exercise 2.
#
# </details>
#
# ## Summary
#
# * You **designed** controls: each changed one thing, and a sentence before the result said what should happen if the cause were real.
# * You **told** a cause refuted (without twins sharp RDA still gains 35.5 ± 7.4 points) from causes that were neither shown nor refuted: the ratio, and a λ that waits.
# * You can **say** that the weights make the gain: 23.4 ± 3.0 points over the same λ without them. They must be sharp: $\beta = 4$ ends 20.1 ± 4.8 points behind.
#
# ## Readings
#
# * [Deuser et al. (2023)](references.md#deuser2023sample4geo), *Sample4Geo: Hard Negative Sampling For Cross-View Geo-Localisation*, [arXiv](https://arxiv.org/abs/2303.11851): where batches of look-alikes come from in this field, and what they gain on other data sets.
# * [Schuirmann (1987)](references.md#schuirmann1987tost), *A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the Equivalence of Average Bioavailability*, [DOI](https://doi.org/10.1007/BF01068419): what it takes to show that something makes *no* difference, which no experiment of this page does.
# * [Musgrave et al. (2020)](references.md#musgrave2020reality), *A Metric Learning Reality Check*, [arXiv](https://arxiv.org/abs/2003.08505): what is left of gains once everything else is held equal.
