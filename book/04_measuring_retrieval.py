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
# # 04 Measuring retrieval
#
# **When are two published numbers comparable?**
#
# By the end you can
#
# * **compute** R@K and both average precisions by hand, and say which of the two a paper printed;
# * **name** what must be equal before two scores are compared: gallery, K of "top 1 %", rule for ties, test-time augmentation;
# * **put** an interval around a score and around a difference by drawing places again, and say what no interval can mend.
#
# You need: [01 The problem](01_the_problem.ipynb), the [notation](notation.md) page at hand, about an hour; the cells run in about a minute on two CPU cores. Nothing is downloaded.

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from dphr_lab import results
from dphr_lab.datasets import TwinTowns
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import PALETTE
from dphr_lab.retrieval import bootstrap, evaluate, evaluate_files, paired_bootstrap, query_outcomes
from dphr_lab.scenes import WorldSettings
from dphr_lab.teaching import compare_guess

plt.rcParams.update({"figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True})

# %% [markdown]
# ## Eight numbers from one encoder
#
# Public leaderboards give *Sample4Geo-DPHR* a drone-to-satellite R@1 of 92.32 on University-1652. Sample4Geo without DPHR is widely quoted at 92.65 **[S]**. (One list had 74.62 for the same row. That is the row of LPN with DPHR: [University-1652](10_university1652.ipynb) has all twelve figures.) Is 92.32 against 92.65 a loss, a tie, or nothing that can be compared at all?
#
# To find out what a score depends on, hold everything else still: one encoder with ImageNet weights, not trained on places, and one rendered test set. 90 places in families of three are queried by six drone pictures each; the gallery holds one satellite picture of each, and of 60 **distractors**, which no query shows.

# %%
counts = {"train_places": 0, "test_places": 90, "distractor_places": 60, "drone_views": 6}
towns = TwinTowns(WorldSettings(**counts, image_px=64, weather=0.0), workers=1, progress=False)
query, gallery = towns.test("D2S")
encoder = Encoder("tf_efficientnet_lite0", pretrained="pypi")
z_query, z_gallery = (embed(encoder, images, image_px=128) for images in (query, gallery))
asked = (z_query, query.places, z_gallery, gallery.places)
assert (len(query), len(gallery)) == (540, 150)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "A chart of four rows: R@1, AP by the trapezoid, AP by the textbook, and R@top1%. Each row has two points, a filled circle for the full gallery and an open square to its right for the gallery of query places only. The eight values range from about 13 to about 44 percent."}} cellView="form" jupyter={"source_hidden": true}
reports = {mode: evaluate(*asked, mode) for mode in ("full", "query_places")}
rows = {"R@1": "r_at_1", "AP, trapezoid": "ap", "AP, textbook": "ap_textbook"}
rows["R@top1%"] = "r_at_top1_percent"
figure, axis = plt.subplots(figsize=(4.8, 2.6))
for (mode, report), marker in zip(reports.items(), ("o", "s"), strict=True):
    values = [getattr(report, field) for field in rows.values()]
    fill = {"color": PALETTE["blue"], "fillstyle": "full" if mode == "full" else "none"}
    axis.plot(values, range(4), marker, markersize=9, label=f"{report.gallery} in gallery", **fill)
    print(f"{mode:13}" + "  ".join(f"{n} {v:.1f}" for n, v in zip(rows, values, strict=True)))
axis.set(xlabel="percent", xlim=(0, None), ylim=(3.5, -0.5), yticks=range(4), yticklabels=rows)
axis.grid(color="0.9")
axis.legend(frameon=False, loc="upper right", handletextpad=0.2)
spread = [getattr(r, field) for r in reports.values() for field in rows.values()]
assert max(spread) > 2.5 * min(spread)

# %% [markdown]
# What to see: the same vectors, the same pictures, and scores that differ by a factor of three. All eight are honest, and each has been called *the* result somewhere. The rest of the chapter takes the differences one by one, then asks how far apart two *comparable* numbers have to be.
#
# ## Four queries by hand
#
# Known truth first. Four queries, one for each of the places A to D, rank six satellite pictures by score:

# %%
names = np.array(list("AABBCD"))  # place of each gallery picture
scores = np.array(
    [
        [0.48, 0.35, 0.40, 0.20, 0.10, 0.05],  # query of A
        [0.20, 0.10, 0.40, 0.30, 0.45, 0.05],  # of B
        [0.05, 0.20, 0.10, 0.30, 0.47, 0.40],  # of C
        [0.40, 0.10, 0.30, 0.05, 0.35, 0.25],  # of D
    ]
)


def ranks_scratch(row, is_positive):
    """1-based ranks of the positives; equal scores keep gallery order."""
    order = np.argsort(-row, kind="stable")
    return 1 + np.flatnonzero(is_positive[order])


ranks = [ranks_scratch(row, names == place) for row, place in zip(scores, "ABCD", strict=True)]

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "A grid of four rows, the queries A to D, and six columns, the ranks 1 to 6. Each cell holds the place of the picture at that rank; cells of positives are dark with a tick. Query A has positives at ranks 1 and 3, B at 2 and 3, C at 1, and D at 4."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(4.8, 2.5))
for row, place in enumerate("ABCD"):
    for column, picture in enumerate(np.argsort(-scores[row], kind="stable")):
        right = names[picture] == place
        colour = PALETTE["blue"] if right else "0.92"
        axis.add_patch(plt.Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, color=colour))
        text = f"{names[picture]} ✓" if right else names[picture]
        axis.text(column, row, text, ha="center", va="center", color="white" if right else "0.3")
axis.set(xlim=(-0.5, 5.5), ylim=(3.5, -0.5), xlabel="rank", ylabel="query of")
axis.set(xticks=range(6), xticklabels=range(1, 7), yticks=range(4), yticklabels=list("ABCD"))
axis.spines[:].set_visible(False)
for place, of_place in zip("ABCD", ranks, strict=True):
    print(f"query of {place}: positives at ranks {of_place.tolist()}")
assert [r.tolist() for r in ranks] == [[1, 3], [2, 3], [1], [4]]

# %% [markdown]
# What to see: read along a row, from the best score to the worst. **R@K** is the share of queries with at least one positive among the first K; it looks at the *first* positive only. So R@1 is 2 of 4. What is R@3?

# %%
guess = None  # your prediction, percent


def recall_scratch(ranks, k):
    return 100 * np.mean([of_query[0] <= k for of_query in ranks])


compare_guess(guess, recall_scratch(ranks, 3), " %")


# %% [markdown]
# ## Two average precisions
#
# R@K does not care where the second positive is. **Average precision** does. At the rank $r_i$ of the $i$-th of $n$ positives, the precision is $p_i = i / r_i$. Textbooks average these. The evaluation code that projects of this field copy from one another lays a *trapezoid* under the curve instead: it averages each $p_i$ with the precision just before that positive, $p_i^- = (i-1)/(r_i-1)$, taken as 1 if $r_i = 1$:
#
# $$
# \begin{aligned}
# \text{AP}_\text{textbook} &= \frac1n \sum_i p_i \\
# \text{AP}_\text{trapezoid} &= \frac1n \sum_i \tfrac12 (p_i^- + p_i)
# \end{aligned}
# $$


# %%
def ap_scratch(ranks, trapezoid):
    i = 1 + np.arange(len(ranks))
    precision = i / ranks
    if trapezoid:
        before = np.where(ranks > 1, (i - 1) / np.maximum(ranks - 1, 1), 1.0)
        precision = (before + precision) / 2
    return precision.mean()


# %%
for place, of_place in zip("ABCD", ranks, strict=True):
    textbook, official = (ap_scratch(of_place, kind) for kind in (False, True))
    print(f"{place}: textbook {textbook:.3f}, trapezoid {official:.3f}")

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Two panels with the precision of query B over its recall. Left, textbook: two bars of height one half and two thirds. Right, trapezoid: from recall 0 to one half the line rises from 0 to one half, then from one half to two thirds; the area below is smaller."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 2, figsize=(4.8, 2.5), sharey=True)
r, i = ranks[1], np.arange(2)
p, before = (i + 1) / r, i / (r - 1)
axes[0].bar([0.25, 0.75], p, width=0.5, color=PALETTE["sky"], edgecolor="black")
for left, low, high in zip((0, 0.5), before, p, strict=True):
    axes[1].fill_between([left, left + 0.5], [low, high], color=PALETTE["orange"], ec="black")
for axis, kind in zip(axes, ("textbook", "trapezoid"), strict=True):
    area = ap_scratch(r, kind == "trapezoid")
    axis.set(
        title=f"{kind}: {area:.3f}", xlabel="recall", xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1)
    )
axes[0].set_ylabel("precision")
areas = [p.mean(), np.mean((before + p) / 2)]
assert np.allclose(areas, [ap_scratch(r, False), ap_scratch(r, True)])

# %% [markdown]
# What to see, for query B with positives at ranks 2 and 3: both areas are called AP. The trapezoid starts from the 0 that precision has before the first positive, so it punishes a wrong first answer harder. With a single positive at rank $r > 1$ it is $\tfrac{1}{2r}$ where the textbook has $\tfrac1r$; on rank 1 both are 1.
#
# University1652-Baseline, SUES-200, Sample4Geo, DAC and CAMP, whose code we read, all print the trapezoid, and so numbers on University-1652 and SUES-200 that were made with them are trapezoids. scikit-learn computes the textbook's. Now the second route: the package must agree with both scratch functions, query by query, on real embeddings with several positives each (satellite queries, drone gallery).

# %% tags=["nbval-ignore-output"]
found = query_outcomes(z_gallery[:90], gallery.places[:90], z_query, query.places)
similarity = (z_gallery[:90] @ z_query.T).numpy()
for q, place in enumerate(gallery.places[:90]):
    of_query = ranks_scratch(similarity[q], query.places == place)
    assert len(of_query) == 6 and of_query[0] == found.first_positive[q]
    assert np.isclose(ap_scratch(of_query, trapezoid=True), found.ap[q])
    assert np.isclose(ap_scratch(of_query, trapezoid=False), found.ap_textbook[q])
report = found.report()
print(f"S2D: AP {report.ap:.1f} (trapezoid), {report.ap_textbook:.1f} (textbook)")

# %% [markdown]
# > **Concept question 1.**
# >
# > Paper X prints AP 66.7 and computes it with scikit-learn's `average_precision_score`. Paper Y prints 60.0, from the code of University1652-Baseline. Both rank the full gallery, one satellite picture a place. X is better, isn't it?
# >
# > **(a)** Yes: by 6.7 points of AP. **(b)** No: Y is, since the trapezoid is always lower. **(c)** It cannot be said from these two numbers; with Y's R@1 it could.
#
# <details>
# <summary>Answer</summary>
#
# **(c)**. With one positive a query, AP(textbook) = 2 · AP(trapezoid) − R@1 (exercise 1). If Y's R@1 is 50, its textbook AP is 70 and Y is ahead; if it is 54, its textbook AP is 66 and X is. *(a)* compares two rulers; it is the error of taking a library's AP for the field's. *(b)* is half true: it is never *higher* for the same ranking, but these are two rankings, so the difference must be computed, not assumed.
#
# </details>
#
# ## Which gallery, and which K?
#
# Public code bases rank different galleries from the same folders: the **full** one (University1652-Baseline, SUES-200, MCCG), or the **query places** only, the distractors deleted before ranking (Sample4Geo, DAC, CAMP, Game4Loc). [The data page](data.md#two-galleries-are-in-circulation) has the sizes. Nothing is learned between these lines:

# %% tags=["nbval-ignore-output"]
for mode, report in reports.items():
    print(f"{mode:13}{report.gallery:4} pictures  R@1 {report.r_at_1:.1f}  AP {report.ap:.1f}")
ranks_of = [query_outcomes(*asked, mode).first_positive for mode in reports]
assert (ranks_of[1] <= ranks_of[0]).all()  # deleting wrong answers moves no right one down
easier = reports["query_places"].r_at_1 - reports["full"].r_at_1
assert easier > 1

# %% [markdown]
# **R@top1%** has a catch of its own. The official code reads entry `round(0.01 * G)` of a list that begins at *zero*, so K is one more than it seems, and G is counted before any picture is deleted. Predict K for the 951 satellites of University-1652; then see what that does to small galleries, this one included.

# %% tags=["nbval-ignore-output"]
guess = None  # your prediction of K

for size in (951, 51_355, 200, 10_000, 150):
    print(f"gallery of {size:6,}: top 1 % is R@{round(0.01 * size) + 1}")
compare_guess(guess, round(0.01 * 951) + 1)
here = reports["full"]
print(f"here: R@1 {here.r_at_1:.1f}, R@top1% {here.r_at_top1_percent:.1f}")
assert here.top1_percent_rank == 3 and here.r_at_top1_percent > 1.5 * here.r_at_1

# %% [markdown]
# Of 150 pictures "the first percent" is one and a half; the measure takes three.
#
# **Ties.** Suppose training collapses, and every picture gets the same vector. What is R@1? It depends on a rule that few papers state.

# %%
z, five = torch.ones(5, 2), np.arange(5)
equal = z @ z.T
kind = 100 * (equal.diagonal() >= equal.max(dim=1).values).float().mean()
print(f"R@1 {kind:.0f} if a hit is 'nothing scores above the positive'")
print(f"R@1 {evaluate(z, five, z, five).r_at_1:.0f} with equal scores in gallery order")
for order in (five, np.roll(five, 1)):
    print(f"one query, gallery {order}: R@1 {evaluate(z[:1], [4], z, order).r_at_1:.0f}")

# %% [markdown]
# A count that is kind to ties calls a dead network perfect. This package orders equal scores by gallery index: dead networks get chance, and every run the same number. That makes a number repeatable, not fair, as the last two lines show for the query of place 4: where many scores are equal, as with embeddings rounded to few bits or one file under two place numbers, look before you report. A query without any positive scores 0 and stays in the mean, as in the official code; reports count such queries aloud.
#
# And **test-time augmentation**: adding the mirrored picture's embedding (University1652-Baseline, SUES-200, MCCG) is another protocol than adding none (Sample4Geo, DAC, CAMP). We shall measure what it is worth here.
#
# ## Pictures of one place are not independent
#
# Now two numbers of the same protocol. How far apart must they be? The usual formula, $\sqrt{p(1-p)/Q}$ for a share $p$ of $Q$ queries, assumes that each query succeeds or fails on its own. Count, for each place, how many of its six pictures find it:

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Bars show how many places have 0 to 6 of their six pictures right; a dashed line with markers shows the binomial distribution expected if pictures were independent. The bars are higher at 0 and from 3 to 5, and lower at 1 and 2."}} cellView="form" jupyter={"source_hidden": true}
outcomes = query_outcomes(*asked, "full", query.families, gallery.families)
hits = outcomes.hit(1).double().numpy()  # (Q,) 0 or 1
per_place = np.array([hits[query.places == place].sum() for place in np.unique(query.places)])
p = hits.mean()
binomial = [90 * np.prod([1, *(6 - np.arange(k)) / (1 + np.arange(k))]) for k in range(7)]
binomial *= p ** np.arange(7) * (1 - p) ** (6 - np.arange(7))
figure, axis = plt.subplots(figsize=(4.8, 2.8))
axis.bar(range(7), np.bincount(per_place.astype(int), minlength=7), color=PALETTE["sky"])
axis.plot(range(7), binomial, "D--", color=PALETTE["black"], label="if pictures were independent")
axis.set(xlabel="pictures of a place that find it, of 6", ylabel="places")
axis.legend(frameon=False)
wider = per_place.var() / (6 * p * (1 - p))
print(f"variance over places: {wider:.1f} times that of independent pictures")
assert np.isclose(binomial.sum(), 90) and wider > 1.5

# %% [markdown]
# What to see: more places fail altogether, and more succeed often, than independent pictures would. A place that looks like its neighbours does so from all sides. So the test set holds less evidence than its 540 queries suggest, and the unit to think in is the place.
#
# ## The bootstrap over places
#
# We would like to know how the score varies over *other places of this kind*. We have no others, but can draw from those we have, with replacement, as many as there are, each with all its queries, and take the score again; ten thousand times. The middle 95 % of these scores are the interval. Embeddings, gallery and ranks stay as they are: a place drawn twice counts twice as a question, not as another rival in the gallery.


# %%
def bootstrap_scratch(values, places, draws, seed):
    rng = np.random.default_rng(seed)
    _, place = np.unique(places, return_inverse=True)
    total, size = np.bincount(place, values), np.bincount(place)  # of each place
    n = len(total)
    means = []
    for _ in range(draws):
        drawn = rng.integers(n, size=n)
        means.append(total[drawn].sum() / size[drawn].sum())
    return np.quantile(means, [0.025, 0.975])


by_hand = bootstrap_scratch(100 * hits, query.places, 2000, seed=0)
interval = bootstrap(100 * hits, query.places, resamples=2000, seed=0)
assert np.allclose(by_hand, (interval.low, interval.high))

# %% [markdown]
# Does an interval that claims 95 % hold the truth 95 % of the time? Real data never say, but simulated data do. Take test sets of the size of SUES-200: 80 places, 50 pictures each. Each place has a difficulty of its own, drawn from a beta distribution whose mean, the true R@1, is 90 (two pictures of a place then correlate by 1/4). Draw 400 such test sets, and make both intervals for each, over places and over pictures. How often does the one over *pictures* hold 90?

# %%
guess = None  # your prediction, percent of the test sets

rng = np.random.default_rng(0)
label = np.repeat(np.arange(80), 50)
made = {"places": [], "pictures": []}
for seed in range(400):
    rate = rng.beta(0.9 * 3, 0.1 * 3, 80)  # of each place; mean 0.9
    hit = rng.random(len(label)) < rate[label]
    i = bootstrap(100 * hit, label, resamples=1000, seed=seed)
    made["places"].append((i.low, i.high))
    again = rng.binomial(4000, hit.mean(), 1000) / 4000  # pictures drawn again
    made["pictures"].append(np.quantile(100 * again, [0.025, 0.975]))
held = {u: np.mean([low <= 90 <= high for low, high in i]) for u, i in made.items()}
print(f"over places: {held['places']:.0%} of the intervals hold the truth")
compare_guess(guess, 100 * held["pictures"], " %")
assert 0.9 < held["places"] < 0.98 and held["pictures"] < 0.5

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Two panels, one below the other, of forty vertical intervals each and a horizontal line at the true value 90. Above, over places: long intervals, nearly all cross the line. Below, over pictures: short intervals, most of which miss the line; misses are dashed and marked by a cross."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 1, figsize=(4.8, 4.6), sharex=True, sharey=True)
for axis, (unit, intervals) in zip(axes, made.items(), strict=True):
    for x, (low, high) in enumerate(intervals[:40]):
        good = low <= 90 <= high
        style = {"color": PALETTE["blue" if good else "vermilion"], "ls": "-" if good else "--"}
        axis.plot([x, x], [low, high], **style)
        axis.plot(x, (low + high) / 2, "." if good else "x", color=style["color"])
    axis.axhline(90, color="black", linewidth=1)
    axis.set(title=f"over {unit}", ylabel="R@1, percent", xticks=[])
axes[1].set_xlabel("test set")
widths = {unit: np.mean([high - low for low, high in i]) for unit, i in made.items()}
for unit, width in widths.items():
    print(f"over {unit}: {width:.1f} points wide on average")
assert widths["places"] > 3 * widths["pictures"]

# %% [markdown]
# What to see (the first forty test sets; dashed with a cross where the truth is missed): the intervals over pictures are not wrong by a little. They pretend to 4,000 independent questions and miss the truth most of the time, each miss looking like a significant result.
#
# On Twin Towns one step more. Members of a family are each other's rivals: what makes one hard makes its twins hard. There the family is drawn as a whole, and every report that knows families does so.

# %% tags=["nbval-ignore-output"]
units = {"pictures": np.arange(len(hits)), "places": query.places, "families": query.families}
of_unit = {unit: bootstrap(100 * hits, groups) for unit, groups in units.items()}
for unit, i in of_unit.items():
    print(f"over {i.groups:3} {unit:9} R@1 {i}")
width = {unit: i.high - i.low for unit, i in of_unit.items()}
assert width["families"] > width["places"] > 1.2 * width["pictures"]
assert width["families"] - width["places"] < width["places"] - width["pictures"]
in_report = outcomes.report().intervals["r_at_1"]
assert in_report == [of_unit["families"].low, of_unit["families"].high]

# %% [markdown]
# Here the step from pictures to places matters more than the one from places to families. Thirty families are few, and no bootstrap knows of a kind of family that is not among them.
#
# > **Concept question 2.**
# >
# > A data set has 80 query places. To shorten the interval of the drone-to-satellite R@1, you fly again, and take 500 pictures of each place instead of 50. What happens to the interval over places?
# >
# > **(a)** It becomes $\sqrt{10}$ times shorter. **(b)** It hardly changes. **(c)** It becomes wider, since long flights see more difficult angles.
#
# <details>
# <summary>Answer</summary>
#
# **(b)**. Fifty pictures already tell nearly all about each place; what is missing is other places. *(a)* is the error of counting pictures, which the simulation above punishes. *(c)* confuses the score, which may well fall, with its uncertainty.
#
# </details>
#
# ## Two models, the same queries
#
# Intervals of two models may overlap although one is surely better: both find the same places hard, and that part of the uncertainty is shared. So compare *in pairs*: take each query's difference, and draw places again; beside the interval, the share of draws above zero (one at zero counts half) says how stable the sign is. Is mirrored-picture augmentation worth something to our encoder? We write both sets of embeddings to files, as any other program could, and let the package compare.

# %% tags=["nbval-ignore-output"]
guess = None  # your prediction: R@1 with mirrored pictures minus R@1 without


def write(folder, name, both):
    paths = [folder / f"{name}_{role}.npz" for role in ("query", "gallery")]
    for path, z, images in zip(paths, both, (query, gallery), strict=True):
        np.savez(path, features=z, places=images.places, families=images.families)
    return paths


z_flip = [embed(encoder, images, image_px=128, flip_tta=True) for images in (query, gallery)]
with tempfile.TemporaryDirectory() as folder:
    flipped = write(Path(folder), "flip", z_flip)
    plain = write(Path(folder), "plain", (z_query, z_gallery))
    compared = evaluate_files(flipped, plain, ["full"])
for name, difference in compared.differences["full"].items():
    print(f"{name:14}{difference}  above 0: {difference.share_above_0:.1%}")
gain = compared.differences["full"]["r_at_1"]
compare_guess(guess, gain.estimate, " points")
of_twins = compared.differences["full"]["twin_choice"]
assert gain.low > 0 and of_twins.low < 0 < of_twins.high
assert gain.estimate < width["families"] and gain.high - gain.low < width["families"]

# %% [markdown]
# For this encoder, on places of this kind, the mirrored pictures help: the interval of the gain lies above zero, though the gain is smaller than a single model's interval is wide. What they help is finding the family; the choice among twins, whose interval holds zero, did not move. A paper that compared its score with mirrored pictures to another's without would have credited its method with these points.
#
# The same from the command line, for anyone's embeddings, whichever framework made them: a file a role with the keys `features` (N, D), `places` (N,) and, where known, `families` (N,); or the `pytorch_result.mat` that University1652-Baseline writes.
#
# ```bash
# dphr evaluate --features flip_query.npz flip_gallery.npz \
#   --compare plain_query.npz plain_gallery.npz --out report.json
# dphr evaluate --features pytorch_result.mat
# ```
#
# ### 92.32 against 92.65
#
# Back to the two published numbers. Their per-query outcomes are not public, so nobody can pair them. What can be asked is: *under which assumptions* would 0.33 points on 701 places be a difference? Simulate two models with exactly these scores on 37,855 drone pictures. Three things are unknown: how strongly the pictures of a place go together (their correlation), how many of the places are equally hard for both models, and for how many pictures chance, too, falls the same way for both.


# %%
def simulated_pair(shared, together, alike, rng):
    """Hits (2, Q) of two models with R@1 92.32 and 92.65, and each query's place."""
    label = np.append(np.repeat(np.arange(701), 54), 0)  # 37,855
    u, common = rng.random((3, 701)), rng.random(701) < shared
    luck = rng.random((2, len(label)))
    luck[1] = np.where(rng.random(len(label)) < alike, *luck)
    hits = np.empty((2, len(label)), dtype=bool)
    for model, mean in enumerate((0.9232, 0.9265)):
        strength = 1 / together - 1  # the beta distribution whose correlation that is
        drawn = rng.beta(mean * strength, (1 - mean) * strength, 20_000)
        rate = np.quantile(drawn, np.where(common, u[0], u[1 + model]))  # of each place
        hits[model] = luck[model] < rate[label]
        missing = round(mean * len(label)) - hits[model].sum()
        turned = np.flatnonzero(hits[model] != (missing > 0))
        hits[model, rng.choice(turned, abs(missing), replace=False)] ^= True
    return hits, label


# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Two panels, one below the other, with intervals of the difference in R@1 against the share of places that are equally hard for both models: 0, 50, 90, 95 and 99 percent. Above, the pictures of a place go together strongly, below weakly. Circles: chance falls apart for each picture; squares, dashed: it is common to nine pictures in ten. Intervals shrink to the right. Those of the circles hold zero; those of the squares lie above it at the right end: in the upper panel at 99 percent, in the lower from 95 percent on."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 1, figsize=(4.8, 5.2), sharex=True, sharey=True)
holds, shares = {}, (0, 0.5, 0.9, 0.95, 0.99)
for axis, together in zip(axes, (0.5, 0.1), strict=True):
    for alike, colour, line, marker in ((0, "blue", "-", "o"), (0.9, "vermilion", "--", "s")):
        style = {"color": PALETTE[colour], "marker": marker}
        for x, shared in enumerate(shares):
            pair = simulated_pair(shared, together, alike, np.random.default_rng(x))
            (one, other), label = pair
            i = paired_bootstrap(100.0 * other, 100.0 * one, label, resamples=4000)
            at, error = x + alike / 3 - 0.15, [[i.estimate - i.low], [i.high - i.estimate]]
            axis.errorbar(at, i.estimate, error, **style)[2][0].set_linestyle(line)
            holds[together, alike, shared] = i.low <= 0 <= i.high
            print(f"correlation {together}, places {shared:.0%}, pictures {alike:.0%}: {i}")
        axis.plot([], [], linestyle=line, label=f"{alike:.0%} of pictures", **style)
    axis.axhline(0, color="black", linewidth=1)
    axis.set(title=f"correlation within a place {together}", ylabel="points of R@1")
axes[0].legend(frameon=False, loc="upper right", title="chance in common for")
axes[1].set(xticks=range(5), xticklabels=[f"{100 * shared:.0f} %" for shared in shares])
axes[1].set(xlabel="places equally hard for both models", ylim=(-2.2, 3.4))
assert all(held for (_, _, shared), held in holds.items() if shared <= 0.5)
assert all(held for (_, alike, shared), held in holds.items() if not alike and shared <= 0.95)
assert not (holds[0.1, 0.9, 0.95] or holds[0.1, 0.9, 0.99])

# %% [markdown]
# What to see: while only half of the places are equally hard, or while the two models err independently picture by picture on up to 95 % of shared places, every interval holds zero. Two models that agree on nearly all places *and* on most pictures are another matter: there 0.33 points show. How far two published networks agree, only their outcomes could say. So **the printed numbers do not show a difference**; a file of outcomes might. Whatever it said, it would compare two trained networks, not two methods: another seed trains another network, and no bootstrap over places knows of it. Chapter 09 repeats training for that.
#
# ## The noise floor of 80 queries
#
# In the satellite-to-drone direction of SUES-200 there are 80 queries, one a place. One query is 1.25 points, and no other step exists. Of a printed R@1 one can therefore ask whether it is *possible* ([Brown and Heathers (2017)](references.md#brown2017grim) asked it of psychology). Here are the R@1 that public leaderboards give for Sample4Geo-DPHR at the four altitudes **[S]**:

# %%
published = {  # direction -> number of queries, R@1 at 150, 200, 250, 300 m
    "drone → satellite": (4000, (94.55, 95.43, 98.95, 99.80)),
    "satellite → drone": (80, (95.00, 97.50, 98.75, 99.88)),
}
impossible = []
for direction, (queries, values) in published.items():
    possible = 100 * np.arange(queries + 1) / queries
    for value in values:
        nearest = possible[np.abs(possible - value).argmin()]
        verdict = "possible" if abs(nearest - value) < 0.00501 else f"nearest {nearest:.2f}"
        impossible += [value] * (verdict != "possible")
        print(f"{direction}, {queries:,} queries: {value:.2f} {verdict}")
assert impossible == [99.88]

# %% [markdown]
# 99.88 and 80 queries do not go together. We cannot say what it is (a mean over runs, a number of another column, more queries than the standard split has); we can say that it is no R@1 of the 80 queries of this protocol. And 97.50 against 98.75 is one query.
#
# A small test set is noisy; *choosing* on it makes the noise a gain. The training scripts of Sample4Geo, DAC and CAMP for University-1652 save the weights whenever the *test* R@1 is the best so far. Suppose that twenty checkpoints of a run are equally good, with a true R@1 of 95 on places of this kind, and report the best on 80 such places. Checkpoints of one run resemble each other: let a share of the outcomes be common to all twenty, the others independent given the place. What do you expect to print, on average over test sets, if half are common?

# %%
guess = None  # your prediction: mean of the best printed R@1, percent

rng = np.random.default_rng(1)
rate = rng.beta(0.95 * 3, 0.05 * 3, (2000, 80))  # of the places of 2,000 test sets
luck, own_luck = rng.random((2000, 80)), rng.random((20, 2000, 80))  # of 20 checkpoints
alike, chosen = rng.random((2000, 80)), {}
for common in (0, 0.5, 0.8, 0.9):
    printed = 100 * (np.where(alike < common, luck, own_luck) < rate).mean(axis=2)
    one, best = printed[0].mean(), printed.max(axis=0).mean()
    chosen[common] = best - one
    print(f"{common:.0%} common: a checkpoint chosen beforehand {one:.1f}, the best {best:.1f}")
compare_guess(guess, 95 + chosen[0.5], " %")
assert chosen[0] > chosen[0.5] > chosen[0.8] > chosen[0.9] > 0.3

# %% [markdown]
# Independent outcomes overstate what choosing gives; where nine outcomes in ten are common to all twenty, half a point is left. It is a gain all the same, and nothing was learned.

# %% [markdown]
# > **Concept question 3.**
# >
# > On SUES-200 at 250 m, method P prints a satellite-to-drone R@1 of 97.50, method Q 98.75. Both rank the full gallery. Which reading do the numbers allow?
# >
# > **(a)** Q is better by 1.25 points. **(b)** Q halved the error of P. **(c)** Q found one more of 80 places; a coin would explain it.
#
# <details>
# <summary>Answer</summary>
#
# **(c)**: two misses against one. *(a)* and *(b)* are arithmetic on the same single query; "halved the error" only sounds more. If all disagreements of P and Q are that one query, even the paired bootstrap over 80 places has a lower end at 0 (exercise 3).
#
# </details>
#
# > **Concept question 4.**
# >
# > You train for 20 epochs, evaluate each on the test set, and report the best epoch. Your baseline, from its paper, did the same. Is the comparison fair?
# >
# > **(a)** Yes: the same rule for both. **(b)** No: both numbers are too high, and by amounts that depend on how many checkpoints each tried and how noisy its curve is. **(c)** Yes, if the interval over places is printed beside it.
#
# <details>
# <summary>Answer</summary>
#
# **(b)**. The same sin does not cancel: the noisier method gains more from choosing. *(a)* is the common defence. *(c)* fails since the interval is about other places for a *fixed* model; it knows nothing of the choosing. The cure is to choose on training places held out for it, as `dphr train` does, and to read the test once. [Musgrave et al. (2020)](references.md#musgrave2020reality) found this and other habits behind much of the progress claimed in metric learning.
#
# </details>
#
# ## Before you compare: a checklist
#
# Same data and split · same direction · same gallery (mode and both sizes) · same AP · same K · same test-time augmentation · the same input size, if the claim is about a loss · checkpoint chosen without the test · an interval over places, paired if possible · several seeds. A report of this package prints the first half of that list itself:

# %% tags=["nbval-ignore-output"]
print(outcomes.report())

# %% [markdown]
# ## Summary

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
full, short = reports["full"], reports["query_places"]
Markdown(f"""
* You **computed** R@K and two average precisions of four queries by hand and checked them against the package; the same ranking had AP {full.ap:.1f} by the trapezoid, which this field prints, and {full.ap_textbook:.1f} by the textbook.
* You **named** what else moves a number without any learning: deleting {full.gallery - short.gallery} distractors raised R@1 from {full.r_at_1:.1f} to {short.r_at_1:.1f}; "top 1 %" of {full.gallery} pictures meant R@{full.top1_percent_rank}; a collapsed network scored 20 or 100 by the rule for ties.
* You **put** intervals around scores by drawing places again. In simulation they held the truth in {held["places"]:.0%} of the test sets, those over pictures in {held["pictures"]:.0%}. 92.32 against 92.65 on 701 places showed no difference, unless the two models agree on nearly all places and on most pictures as well; 80 queries cannot print 99.88; and choosing the best of twenty equal checkpoints gained {chosen[0.9]:.1f} points where nine outcomes in ten were common to all, {chosen[0]:.1f} where none was.
""")

# %% [markdown]
# ## Exercises
#
# **1. Prove.** With one positive a query, show AP(textbook) = 2 · AP(trapezoid) − R@1, all in percent, and that AP(trapezoid) − R@1 is at most a quarter of 100 − R@1. Do the published pairs of R@1 and AP for SUES-200, drone to satellite **[S]** (94.55, 95.60), (95.43, 96.36), (98.95, 99.14), (99.80, 99.85), obey the bound?
#
# <details>
# <summary>Solution</summary>
#
# At rank 1 all three are 1, and $1 = 2 \cdot 1 - 1$. At rank $r > 1$ the textbook's is $1/r$, the trapezoid's $\tfrac12 (0 + 1/r)$, and R@1 is 0. Means over queries keep a linear relation. A miss contributes $\tfrac{1}{2r} \le \tfrac14$ to the trapezoid's AP, since $r \ge 2$. All four pairs obey the bound. The last reaches it: up to rounding, at least six of its eight misses had the positive at rank 2.
#
# </details>

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
for report in reports.values():
    assert np.isclose(report.ap_textbook, 2 * report.ap - report.r_at_1)
    assert report.ap - report.r_at_1 <= (100 - report.r_at_1) / 4
for r_at_1, ap in ((94.55, 95.60), (95.43, 96.36), (98.95, 99.14), (99.80, 99.85)):
    assert ap - r_at_1 <= (100 - r_at_1) / 4 + 0.01  # both are rounded
needed = (99.845 - 99.80) / 100 * 4000  # what the eight misses of the last add to its AP, at least
most = [at_2 / 4 + (8 - at_2) / 6 for at_2 in range(9)]  # so many at rank 2, the others at 3
assert [at_2 for at_2 in range(9) if most[at_2] >= needed] == [6, 7, 8]
for run in results.load("main").values():  # the stored runs of chapter 09
    stored = run["report"]["D2S"]
    assert np.isclose(stored["ap_textbook"], 2 * stored["ap"] - stored["r_at_1"])
print("identity and bound hold")

# %% [markdown]
# **2. Predict.** A fifth query is added to the four by hand, of a place E that no gallery picture shows. What are R@3 and the mean textbook AP now, by the official rule? And if such queries were left out silently?

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# It scores 0 and stays in the mean: everything is multiplied by 4/5. Left out: as before.
recall = recall_scratch(ranks, 3) * 4 / 5
ap = 100 * np.mean([ap_scratch(r, trapezoid=False) for r in ranks]) * 4 / 5
rows = torch.tensor(np.vstack([scores, np.zeros(6)]), dtype=torch.float32)  # any scores for E
fill = (1 - rows.square().sum(0)).sqrt()  # completes each gallery column to length 1
z_five, z_six = torch.eye(6)[:5], torch.cat([rows, fill[None]]).T
report = query_outcomes(z_five, [0, 1, 2, 3, 4], z_six, [0, 0, 1, 1, 2, 3])
assert np.isclose(100 * report.ap_textbook.mean(), ap) and report.first_positive[4] == 0
assert np.isclose(100 * report.hit(3).double().mean(), recall)
print(f"R@3 {recall:.0f}, AP {ap:.1f}; left out: {recall / 0.8:.0f}, {ap / 0.8:.1f}")

# %% [markdown]
# **3. Modify.** Method P misses two of 80 queries, method Q only one of these two (concept question 3). Bootstrap their difference over the 80 places. What is the interval, what share of the draws lies above 0, and what does the package's `share_above_0`, which counts a draw at 0 as one half, say? Why is neither a probability that Q is better?

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
of_p, of_q = np.ones(80), np.ones(80)
of_p[:2], of_q[0] = 0, 0
i = paired_bootstrap(100 * of_q, 100 * of_p, np.arange(80))
above = 2 * i.share_above_0 - 1  # no draw lies below 0: share_above_0 = above + (1 - above) / 2
print(f"Q minus P {i}, draws above 0: {above:.0%}, above_0: {i.share_above_0:.0%}")
at_0 = (79 / 80) ** 80  # chance that a draw lacks the one deciding query, about 1/e
assert i.low == 0 and np.isclose(above, 1 - at_0, atol=0.02)
assert np.isclose(i.share_above_0, 1 - at_0 / 2, atol=0.01)
# The draws say how stable the sign is for these outcomes; a single query that
# happened to go to P instead would turn all of it round.

# %% [markdown]
# **4. Break.** A model finds all 80 places: R@1 is 100. What is its bootstrap interval, and why is it wrong? If the true R@1 is $p$, all 80 succeed with probability $p^{80}$. For which $p$ is that still 5 %?

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
i = bootstrap(np.full(80, 100.0), np.arange(80))
assert (i.low, i.high) == (100, 100)  # nothing to draw but successes
p = 0.05 ** (1 / 80)
assert np.isclose(p**80, 0.05) and abs(p - (1 - 3 / 80)) < 0.002  # the "rule of three"
print(f"the bootstrap says {i}; a true R@1 of {100 * p:.1f} still prints 100 once in 20")

# %% [markdown]
# **5. Modify.** In the simulation with 80 places of 50 pictures, let each place have only *one* picture. Do the two intervals still differ? Predict, then run it for 1 and for 50 pictures with 200 test sets each.


# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
def coverage(pictures, sets=200):
    rng = np.random.default_rng(2)
    label = np.repeat(np.arange(80), pictures)
    held = np.zeros(2)
    for seed in range(sets):
        hit = rng.random(len(label)) < rng.beta(2.7, 0.3, 80)[label]
        for unit, groups in enumerate((label, np.arange(len(label)))):
            i = bootstrap(100 * hit, groups, resamples=300, seed=seed)
            held[unit] += i.low <= 90 <= i.high
    return held / sets


one, fifty = coverage(1), coverage(50)
assert one[0] == one[1] and fifty[0] > fifty[1] + 0.3
print(f"1 picture: places {one[0]:.0%}, pictures {one[1]:.0%}")
print(f"50 pictures: places {fifty[0]:.0%}, pictures {fifty[1]:.0%}")
# With one picture a place the two are the same bootstrap.

# %% [markdown]
# **6. Open.** The gallery was held fixed. Say what changes if distractors are drawn again as well, try it with the embeddings above (draw gallery places, rank anew), and decide which question each interval answers. Which of them would you print in a paper?
#
# ## Readings
#
# * [Zheng et al. (2020)](references.md#zheng2020university): read its evaluation section beside this chapter, then its code: where is the trapezoid, and where is K of "top 1 %"?
# * [Field and Welsh (2007)](references.md#field2007bootstrapping): when drawing whole clusters gives consistent variances; the theory behind "over places".
# * [Koehn (2004)](references.md#koehn2004significance): the paired bootstrap, made popular for comparing machine translation systems, with a test of its own claims on real data.
# * [Brown and Heathers (2017)](references.md#brown2017grim): which means are impossible for the number of participants stated; our check of 99.88 in another field.
# * [Musgrave et al. (2020)](references.md#musgrave2020reality): what remained of several years of claimed progress in metric learning once losses met under one protocol, without feedback from the test set.
