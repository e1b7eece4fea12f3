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
# * **say** what the gain was not seen to do without.
#
# You need: [07 RDA](07_rda.ipynb), [08 PALW](08_palw.ipynb) and [21 The study](21_the_study.ipynb), half an hour. The cells run in seconds on two CPU cores. All training runs are stored results. Nothing is downloaded.
#
# > **Which reading?** All runs of this note are of *sharp DPHR (ours)* **[O]**. It adds a weighted term to the plain loss $L_\text{tri}$. A negative's weight is $e^{\beta h}$ with $\beta = 16$, divided by its mean over the query; $h$ is the hardness. The term is multiplied by $\lambda$, which follows the recall in the batch. Its two halves have names. *Sharp RDA* has the weights, at $\lambda = 1$ from the start. *Sharp PALW* has the λ and no weights.
#
# **The answer in short.** Sharp weights are the strongest lead: with blunt ones little of the +23.7 ± 4.1 points is left. Twins are not needed, and λ alone gains nothing clear. Batches of look-alikes and a λ that waits were not seen to help. Whether the ratio to the *own* positive matters is open.
#
# In all tables R@1 is from drone to satellite, after 300 steps where nothing else is said. "+23.7 ± 4.1" is a mean difference in points over three or more seeds, and half of its 95 % interval. **Clear** means: $p$ is below 0.05 after Holm's correction for all rows asked together ([05](05_how_sure_are_we.ipynb)).

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
from dphr_lab.plotting import PALETTE, arms_over_seeds
from dphr_lab.studies import comparisons
from dphr_lab.studies.comparisons import signed
from dphr_lab.studies.study import complete_runs
from dphr_lab.teaching import check_answer, guess_choice, guess_number, table

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True
NAMES = {
    "triplet": "L_tri",
    "infonce": "InfoNCE",
    "sharp_palw": "sharp PALW",
    "sharp_rda": "sharp RDA",
    "sharp": "sharp DPHR",
}


def minus(runs, reference, arms, world="mini", way="D2S"):
    """Arm -> its difference to the reference, p after Holm."""
    found = comparisons.against(runs, world, reference, arms, direction=way)
    return {each.arm: each for each in found}


# %% [markdown]
# ## Who meets in a batch?
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

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "Two batches of 64 places. Coloured tiles have a twin in the same batch, grey ones have none. One batch was drawn at random, one from whole families."}, "image": {"alt": "Two squares of eight by eight tiles. In A nearly all tiles are grey; a few pairs have a colour. In B nearly all tiles are coloured, three to a colour."}} cellView="form" jupyter={"source_hidden": true}
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
# ## Does the gain need look-alikes?
#
# **In the world.** *If the gain comes from twins, it is small where no place has one.* The study `twins` trains in worlds with fewer twins. The last row is the usual world, from the study `short`:

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
twins_runs, short = complete_runs("twins"), complete_runs("short")
worlds = {
    "none": "no place has a twin",
    "third": "a third of the places have twins",
    "two_thirds": "two thirds have twins",
    "shifted": "trained at a third, tested at two thirds",
    "mini": "all have twins, the usual world",
}
halves = ("sharp_palw", "sharp_rda", "sharp")
rows = []
for world, said in worlds.items():
    of = short if world == "mini" else twins_runs
    weighed = (*halves, "infonce")
    for way in ("S2D", "D2S"):
        found = minus(of, "triplet", weighed, world, way)
        assert found["sharp_rda"].p < 0.05 and found["sharp"].p < 0.05
        assert found["sharp_palw"].p > 0.05
    base = comparisons.over_seeds(of, world, "triplet")
    rows.append([said, mean(base)])
    rows[-1] += [found[arm].interval.signed for arm in halves]
table(
    ["world", "L_tri's R@1, %", *(f"{NAMES[a]} − L_tri" for a in halves)],
    rows,
    caption="Points, 95 % intervals; three seeds, in the last row five. "
    "Sharp RDA and sharp DPHR are clear in every row, sharp PALW in none",
)

# %% [markdown]
# **Found: it does not need twins.** Where no place has one, sharp RDA still gains +35.5 ± 7.4 points and sharp DPHR +33.5 ± 6.9. (Other places look alike, too.) The usual world has a smaller gain, +23.7 points. It is another study, and no test compares the two.
#
# The table also splits the gain. **It comes with the weights.** λ without weights, sharp PALW, gains 0.5 to 3.1 points, and none of it is clear. So the gain is not that of a larger loss, either; [note 26](26_a_growing_loss.ipynb) asks this alone.
#
# **In the batch.** *If weights lack near negatives, batches with more of them help.* The study `sampling` fills batches with random places, with whole families, or with a place and the 63 nearest to it by the encoder's own vectors, as [Deuser et al. (2023)](references.md#deuser2023sample4geo) do on real data.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
sampling = complete_runs("sampling")
rows = []
for loss in ("triplet", "infonce", "sharp_rda", "sharp"):
    cells = [comparisons.over_seeds(sampling, "mini", f"{loss}_random").mean()]
    for sampler in ("families", "nearest"):
        arm = f"{loss}_{sampler}"
        d = comparisons.paired(sampling, "mini", arm, f"{loss}_random")
        cells.append(d.interval.signed)
        assert d.interval.mean < d.interval.half_width
    rows.append([NAMES[loss], *cells])
table(
    ["loss", "R@1 in random batches, %", "families − random",
     "nearest − random"],
    rows,
    caption="Differences in points, three seeds, intervals not corrected",
)  # fmt: skip

# %% [markdown]
# **Found: no help was seen**, for any loss. But most intervals are wide, so help is not excluded. InfoNCE lost 10.8 ± 4.3 points in batches of families.
#
# ## Is it the sharpness?
#
# *If the gain comes from sharp weights, blunt ones lose it.* The study `axes` changes one choice of sharp DPHR at a time. Two names are new. λ is recall to the power of $\gamma$, usually 1; $\gamma = 2$ lets it rise later. "Over the batch" means that weights are divided by the mean of the batch, not of each query.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
axes_runs = complete_runs("axes")
whole = short | axes_runs
kept = comparisons.paired(whole, "mini", "beta_4", "triplet").interval
guess_number(
    "Sharp DPHR gains 23.7 points over L_tri. How many does β = 4 leave?",
    kept.mean,
    within=4,
    unit=" points",
    explain=f"With its interval: {kept.signed}.",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "R@1 minus that of sharp DPHR, with one choice changed in each row: three seeds, their mean and its 95 % interval. Blunt weights (\u03b2 = 4, linear) lose about 22 points, nearly the whole gain; no change of \u03bb alone loses as much."}, "image": {"alt": "Nine rows. The blunter weights beta 4 and linear lie about 22 points below zero, weights over the batch and gamma 2 about 8 below, beta 64 about 6 above. The rows of lambda lie near zero."}} cellView="form" jupyter={"source_hidden": true}
CHANGED = {
    "beta_64": "sharper: β = 64",
    "linear": "blunter: weights linear in h",
    "beta_4": "blunter: β = 4",
    "over_batch": "weights over the batch",
    "gamma_05": "λ rises earlier: γ = 0.5",
    "gamma_2": "λ rises later: γ = 2",
    "signal_constant": "λ is constant",
    "signal_step": "λ follows the step",
    "rescaled": "loss divided by 1 + λ",
}
# The study's other six are corrected with them.
others = ("power", "signal_similarity", "momentum_0", "momentum_09",
          "rescaled_constant", "sgd")  # fmt: skip
changed = minus(axes_runs, "sharp", [*CHANGED, *others])
figure, axis = plt.subplots(figsize=(7.2, 3.9))
of = {said: changed[a].by_seed for a, said in CHANGED.items()}
half = {said: changed[a].interval.half_width for a, said in CHANGED.items()}
arms_over_seeds(axis, of, half, chance=0)
axis.set_xlabel("R@1 minus sharp DPHR's, points")
assert len(changed) == 15
assert min(d.p for d in changed.values()) > 0.05

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
left_over = {
    "as it is": ("sharp", "triplet"),
    "with blunter weights, β = 4": ("beta_4", "triplet"),
    "with weights linear in h": ("linear", "triplet"),
    "with its loss divided by 1 + λ": ("rescaled", "triplet"),
}
rows = [
    [said, comparisons.paired(whole, "mini", *pair).interval.signed]
    for said, pair in left_over.items()
]
table(
    ["sharp DPHR", "minus L_tri, points"],
    rows,
    caption="What is left of the gain: three seeds, in the first row five; "
    "intervals not corrected",
)  # fmt: skip

# %% [markdown]
# **Found, as a lead: the gain needs sharp weights.** With $\beta = 4$ +2.1 ± 5.4 points of it are left. It is a lead because the study has fifteen changes (the figure shows nine), and after Holm's correction for all of them none is clear. [Note 20](20_the_closest_reading.ipynb) points the same way with five seeds: the closest reading's weights, nearly equal, gain nothing. [Note 24](24_sharpness_and_step_size.ipynb) asks how sharp is best.
#
# ## Is it the ratio?
#
# Sharp weights could compare a negative with anything. RDA compares it with *its own* positive. The control, the **broken ratio**, compares it with the mean positive of the batch. *If the own positive matters, sharp RDA beats its broken form.*
#
# The usual control is nearly blind, though. A far positive raises $h$ for all negatives of its query at once. The weights are then divided by their mean over that query, so most of what the own positive does cancels ([07](07_rda.ipynb)). It does not cancel where weights are divided by the mean of the *batch*. Only the last row below is of that kind.
#
# To show that two losses are equal needs an equivalence test: the 90 % interval must lie within two points of zero ([Schuirmann, 1987](references.md#schuirmann1987tost)).

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
asked = {
    "rendered towns, 800 steps": ("main", "mini", "sharp_rda", "broken_ratio"),
    "plain rendered towns": ("transfer", "plain", "sharp_rda", "broken_ratio"),
    "textured towns": ("transfer", "textured", "sharp_rda", "broken_ratio"),
    "photographs": ("transfer", "photo", "sharp_rda", "broken_ratio"),
    "batches of whole families": ("rda", "mini", "sharp_rda", "broken"),
    "the same, weights over the batch":
        ("rda", "mini", "sharp_rda_batch", "broken_batch"),
}  # fmt: skip


def tested(pairs, margin=2):
    """Tests of equality within the margin; Holm over the pairs."""
    return comparisons.equivalences(comparisons.corrected(pairs), margin)


pairs = [comparisons.paired(complete_runs(study), *rest)
         for study, *rest in asked.values()]  # fmt: skip
ratio = dict(zip(asked, tested(pairs), strict=True))
equal = [n for n, t in ratio.items() if t.verdict.startswith("equivalent")]
assert equal == [*asked][1:4]
rows = [
    [
        name,
        len(t.difference.by_seed),
        signed(t.difference.interval.mean),
        " to ".join(map(signed, t.range_90)),
        t.verdict,
    ]
    for name, t in ratio.items()
]
table(
    ["where", "seeds", "sharp RDA − broken", "90 %", "verdict"],
    rows,
    caption="Points. Undecided: after Holm's correction for six rows neither "
    "a difference nor equality within two points is shown",
)

# %% [markdown]
# **Found: where the control is nearly blind, it sees nothing.** In three worlds ([23](23_does_it_hold_on_photographs.ipynb) describes them) the difference is below two points; that is what a blind control must show. **Where the control can see, it is open.** Over the batch the own positive ended 14.6 points *below* the broken ratio (90 % interval -25.3 to -3.8), with three seeds. After the correction for six rows that is undecided. So the ratio was not shown to help, and it may even have hurt. This row is the one to repeat with more seeds.
#
# ## Is it the schedule?
#
# Hard negatives are said to mislead early on **[A]**, so $\lambda$ waits. *If waiting helps, it helps most where labels are wrong or steps are large.* In *wrong pairs* the drone image comes with another place's satellite image. A *split* place is labelled as two. Two schedules, λ by recall and λ by the step, are compared with a constant λ.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
conditions = {
    "palw": {"": "clean, equal mean λ"},
    "noise": {"_clean": "clean", "_wrong15": "15 % wrong pairs"},
    "noise_more": {
        "_wrong05": "5 % wrong pairs",
        "_split05": "5 % of places split",
        "_split15": "15 % of places split",
        "_fast": "learning rate × 3",
    },
    "noise_warm": {"_warm": "ImageNet's weights"},
}
waits = {}  # (condition, schedule) -> its test against a constant lambda
for name, labels in conditions.items():
    of = complete_runs(name)
    ((world),) = {world for world, *_ in of}
    keys = [(c, arm) for c in labels for arm in ("recall", "step")]
    pairs = [comparisons.paired(of, world, arm + c, "constant" + c)
             for c, arm in keys]  # fmt: skip
    for (c, arm), test in zip(keys, tested(pairs), strict=True):
        waits[labels[c], arm] = test

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "R@1 of a rising lambda minus that of a constant one: means and 90 % intervals. Discs follow recall, squares the step; filled marks are clear after Holm's correction. All means lie on the side of the constant."}, "image": {"alt": "Eight rows of conditions with two marks each, all left of zero, between minus 6 and 0. Three marks are filled: both in the clean row and the disc at 15 percent wrong pairs."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7.2, 4))
rows = list(dict.fromkeys(condition for condition, _ in waits))
for (condition, arm), test in waits.items():
    y = rows.index(condition) + (0.15 if arm == "step" else -0.15)
    middle = test.difference.interval.mean
    colour = PALETTE["blue" if arm == "recall" else "vermilion"]
    axis.plot(test.range_90, [y, y], color=colour, linewidth=1.2)
    full = colour if test.verdict == "different" else "white"
    mark = {"marker": "o" if arm == "recall" else "s", "mec": colour}
    label = f"λ by {arm}" if condition == rows[0] else None
    axis.plot(middle, y, linestyle="", mfc=full, label=label, **mark)
axis.axvline(0, color="0.5", linestyle=":")
seeds = {c: len(t.difference.by_seed) for (c, _), t in waits.items()}
axis.set_yticks(range(len(rows)), [f"{c} ({seeds[c]} seeds)" for c in rows])
axis.invert_yaxis()
axis.legend(frameon=False, loc="lower left")
axis.set_xlabel("R@1 minus that of a constant λ, points")
axis.grid(color="0.92")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
assert len(waits) == 16
assert all(t.difference.interval.mean < 0 for t in waits.values())
clear = [key for key, t in waits.items() if t.verdict == "different"]
assert len(clear) == 3
table(
    ["clear rows", "minus constant λ, points", "90 %", "seeds"],
    [
        [
            f"{condition}, λ by {arm}",
            signed(waits[condition, arm].difference.interval.mean),
            " to ".join(map(signed, waits[condition, arm].range_90)),
            seeds[condition],
        ]
        for condition, arm in clear
    ],
    caption="The other thirteen are undecided",
)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
noise = complete_runs("noise")
arms = {"constant_clean": "constant", "step_clean": "by the step",
        "recall_clean": "by recall, clean",
        "recall_wrong15": "by recall, 15 % wrong"}  # fmt: skip
amount = {
    said: np.mean([np.mean(run["curves"]["lambda"])
                   for (_, a, _), run in noise.items() if a == arm])
    for arm, said in arms.items()
}  # fmt: skip
table(["λ", "mean over the run"], [*amount.items()], digits=2,
      caption="Study noise: how much of the weighted term")  # fmt: skip

# %% [markdown]
# A schedule differs from a constant λ in two ways: it comes *later*, and it lets in *less* of the weighted term. With wrong pairs λ by recall has a mean of 0.25, the constant 1.00. Only the first row of the figure has equal means, and its three seeds decide nothing.
#
# **Found: later and less did not help**, not with wrong labels, larger steps or a pretrained start. All 16 means are on the side of the constant. Whether that is the *later* or the *less* these runs cannot say.
#
# ## What is left
#
# | asked | answer |
# |---|---|
# | look-alikes in the world? | not needed |
# | look-alikes in the batch? | not shown to help |
# | λ without weights, a larger loss? | nothing clear |
# | sharp weights? | the strongest lead: without them little of the gain is left (three seeds) |
# | the ratio to the own positive? | per-query weights hide it; over the batch, where it shows, own minus broken was -14.6, undecided |
# | a schedule of λ? | none is ahead of a constant; timing and amount are not separated |
#
# All of it holds for sharp weights and a small encoder in short runs. Tables of every run: `dphr study report twins`, and so on for the other studies.
#
# ## Exercises
#
# **1. Predict.** A batch holds 128 of the 1,440 places, drawn at random. Which share of them meets at least one of its two twins?

# %%
share = None  # percent

rng = np.random.default_rng(1)
drawn = [rng.permutation(1440)[:128] // 3 for _ in range(500)]  # families
met = [np.mean(np.bincount(d)[d] > 1) for d in drawn]
check_answer(share, 100 * np.mean(met), within=1)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# Of the other 1,439 places 127 are met. Both twins are missed with
# probability (1312 / 1439) (1311 / 1438).
share = 100 * (1 - (1312 * 1311) / (1439 * 1438))
check_answer(share, 100 * np.mean(met), within=1)
print(f"{share:.1f} %")

# %% [markdown]
# **2. Work out** how many seeds an equivalence test needs. Two arms are truly equal, and their differences scatter by five points from seed to seed. With how many seeds do half of all studies show equality within two points? Try numbers in the function.


# %%
def share_shown(seeds):
    """Share of 2,000 simulated studies whose 90 % interval fits."""
    drawn = np.random.default_rng(0).normal(0, 5, (2000, seeds))
    half = stats.t.ppf(0.95, seeds - 1) * stats.sem(drawn, axis=1)
    return np.mean(abs(drawn.mean(1)) + half < 2)


seeds_needed = None  # your number; share_shown(5) is 0

half_of_them = next(n for n in range(5, 99) if share_shown(n) > 0.5)
check_answer(seeds_needed, half_of_them, within=5)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The 90 % half-width must be well below 2 points.
for seeds_needed in (5, 20, 36, 80):
    shown_in = 100 * share_shown(seeds_needed)
    print(f"{seeds_needed} seeds: {shown_in:.0f} of 100 studies")
assert share_shown(31) < 0.5 < share_shown(41)
check_answer(36, half_of_them, within=5)

# %% [markdown]
# **3. Judge** what the ratio's table supports.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Which sentence does the table support?",
    {
        "The ratio makes no difference.": "It forgets the undecided rows, "
        "the margin, and that per-query weights hide the ratio.",
        "In three worlds breaking the ratio moves R@1 by under 2 points.":
        "And no more: the control is nearly blind there.",
        "Over the batch the ratio costs 14.6 points.": "That takes a mean "
        "of three seeds, undecided after the correction, for a result.",
    },
    "In three worlds breaking the ratio moves R@1 by under 2 points.",
)  # fmt: skip

# %% [markdown]
# **4. Design** a run that separates *when* the weighted term comes in from *how much* of it there is.
#
# <details>
# <summary>Solution</summary>
#
# Two schedules of one mean: a constant 1/2, and 0 in the first half then 1 in the second. Find the number of seeds first, as in exercise 2.
#
# </details>
#
# ## Summary
#
# * You **designed** controls: each changed one thing, and a sentence before the result said what should happen if the cause were real.
# * You **told** causes that were shown from causes not refuted. Without twins sharp RDA still gains +35.5 ± 7.4 points, so twins are not needed. Whether look-alikes in the batch help is not shown either way.
# * You can **say** that the gain was not seen without sharp weights: with $\beta = 4$ +2.1 ± 5.4 points are left, three seeds, so this is a lead. The ratio was not shown to matter, but the control that can see it is undecided. No schedule was ahead of a constant λ.
#
# ## Readings
#
# * [Deuser et al. (2023)](references.md#deuser2023sample4geo), *Sample4Geo: Hard Negative Sampling For Cross-View Geo-Localisation*, [arXiv](https://arxiv.org/abs/2303.11851): where batches of look-alikes come from in this field, and what they gain on other data sets.
# * [Schuirmann (1987)](references.md#schuirmann1987tost), *A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the Equivalence of Average Bioavailability*, [DOI](https://doi.org/10.1007/BF01068419): two one-sided tests, and why a test without power proves no equality.
# * [Musgrave et al. (2020)](references.md#musgrave2020reality), *A Metric Learning Reality Check*, [arXiv](https://arxiv.org/abs/2003.08505): what is left of gains once everything else is held equal.
