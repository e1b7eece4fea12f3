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
# # 21 The study
#
# **What does each part of DPHR do, once every loss has had the same chance?**
#
# By the end you can
#
# * **show** how a study of ten losses finds winners where there are none, and what guards against it;
# * **compare** losses at equal settings and at equal budgets for choosing them, both ways of retrieval;
# * **say** where sharp DPHR wins, ties and loses, for which measured reason, and what would change your mind.
#
# You need: [09 Training DPHR](09_training_dphr.ipynb), the [notation](notation.md) page at hand, about an hour; the cells run in about a minute on two CPU cores. The runs that are compared are stored results, made by `dphr study run --preset cpu`; one small encoder is trained here. Nothing is downloaded.
#
# > **Which reading?** The runs and figures of this chapter are of *sharp DPHR (ours)*: exponential weights of sharpness 16, in-batch recall as the signal **[O]**. "RDA" and "PALW" name its two halves here. The closest reading of the paper has milder weights and another signal; [open choices](open_choices.md) sets the two side by side.

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
import tempfile
from dataclasses import replace
from statistics import mean, stdev

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy import special, stats

from dphr_lab.datasets import TwinTowns
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import PALETTE, arms_over_seeds, run_styles
from dphr_lab.results.tables import markdown_table
from dphr_lab.scenes import PRESETS
from dphr_lab.settings import TWIN_TOWNS_MINI
from dphr_lab.studies import comparisons, tuning
from dphr_lab.studies.study import complete_runs, read_study
from dphr_lab.teaching import compare_guess, right_and_twins
from dphr_lab.training import fit

plt.rcParams.update({"figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True})

# %% [markdown]
# ## Ten losses, five worlds
#
# Below are ten losses. Each chose its learning rate and its own sharpness by the same number of trials, on a world that is not used again, and was then trained anew in five worlds of Twin Towns. Marks are worlds, dots means. Before you read on, **draw lines**: which losses are apart, which are not?

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Ten rows, one a loss, each with five small marks, one a seed, and a dot for their mean, over R@1 from drone to satellite. The rows are in the order of their means; the table further below gives the differences."}} cellView="form" jupyter={"source_hidden": true}
NAMES = {
    "triplet": "$L_{tri}$",
    "sharp_rda": "sharp RDA",
    "sharp_palw": "sharp PALW",
    "sharp": "sharp DPHR",
    "sharp_infonce": "sharp DPHR + InfoNCE",
    "infonce": "InfoNCE",
    "hardest": "hardest",
    "hcl": "HCL",
    "multi_similarity": "multi-similarity",
    "circle": "circle",
}
budget = complete_runs("budget")
level = {arm: comparisons.over_seeds(budget, "mini", arm) for arm in NAMES}
by_level = sorted(NAMES, key=lambda arm: -mean(level[arm]))
figure, axis = plt.subplots(figsize=(6.4, 3.8))
arms_over_seeds(axis, {NAMES[arm]: level[arm] for arm in by_level})
axis.set_xlabel("R@1, drone → satellite (%)")
seeds = sorted({seed for *_, seed in budget})
assert len(seeds) >= 5
print(f"{len(seeds)} seeds; means from {mean(level[by_level[-1]]):.1f} to "
      f"{mean(level[by_level[0]]):.1f}")  # fmt: skip

# %% [markdown]
# Whoever draws lines by eye sees gaps between dots. Two things make gaps: losses, and luck. A seed changes the world, the first weights and the order of the batches, and any of them moves R@1 by points. So first, what luck alone would draw.
#
# ## A study that finds what is not there
#
# Known truth first: ten arms that are **all equal**. Each seed has an easy or a hard world, which all arms share, and each run its own luck. The sizes of both are those of the figure above, without the hardest triplet, which hardly learned: the scatter of the seeds' means, and of what is left within a seed, the same for all arms.

# %%
table = np.array([level[arm] for arm in NAMES if arm != "hardest"])  # (arms, seeds)
within = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
freedom = (len(table) - 1) * (len(seeds) - 1)
world_sd, run_sd = table.mean(0).std(ddof=1), np.sqrt((within**2).sum() / freedom)
rng = np.random.default_rng(0)
studies, arms, count = 2000, len(NAMES), len(seeds)
drawn = rng.normal(0, world_sd, (studies, 1, count)) + rng.normal(0, run_sd, (studies, arms, count))
print(f"from seed to seed {world_sd:.1f} points, from run to run within a seed {run_sd:.1f}")

# %% [markdown]
# **Predict, then run.** In what percentage of such studies, with five seeds, is at least one of the nine other arms "significantly" different from the first, at $p < 0.05$ in a paired t test?

# %%
guess = None  # in percent
differences = drawn[:, 1:] - drawn[:, :1]  # (studies, 9, seeds), within seeds
p = stats.ttest_1samp(differences, 0, axis=-1).pvalue
false_alarms = 100 * (p < 0.05).any(1).mean()
compare_guess(guess, false_alarms, " %")
lead = drawn.mean(-1).max(1) - drawn[:, 0].mean(-1)
print(f"and the best of ten equal arms leads the first by {lead.mean():.1f} points on average")

# %% [markdown]
# Three guards, each of which is easily checked here. *Pairing*: differences are taken within a seed, where both arms saw the same world. *Holm's correction*: the smallest of $m$ p values is multiplied by $m$, the next by $m - 1$, and so on, never falling ([Holm, 1979](references.md#holm1979simple)). *Fresh seeds*: what was chosen on some seeds is judged on others.


# %%
def holm_scratch(p_values):
    """The k-th smallest of m, times m - k + 1, and never below the one before."""
    p_values = np.asarray(p_values)
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.maximum.accumulate(np.minimum(factors * p_values[order], 1))
    return corrected


assert all(np.allclose(holm_scratch(row), comparisons.holm(row.tolist())) for row in p[:200])
after_holm = 100 * np.mean([(holm_scratch(row) < 0.05).any() for row in p])
wide = {"paired": differences[:, 0].std(-1, ddof=1).mean() / np.sqrt(count),
        "unpaired": np.sqrt(drawn[:, :2].var(-1, ddof=1).sum(1) / count).mean()}  # fmt: skip
print(f"false alarms: {false_alarms:.0f} % of studies as they are, {after_holm:.1f} % after Holm")
print("standard error of a difference:", {name: f"{error:.1f}" for name, error in wide.items()})
assert after_holm < 6 < false_alarms

# %% [markdown]
# What to see: uncorrected, a study of ten equal losses "finds" something far more often than once in twenty. After Holm it is one in twenty at most, *for all nine questions together*. All p values below are corrected so, within their table or list; intervals are not, as everywhere in this book.
#
# ## Equal settings are not equal chances
#
# Study `main` of chapter 09 gave every loss the learning rate that had been found good for sharp DPHR. The study `budget` gives each loss twelve trials: its own grid over learning rate and what makes it sharp ($\alpha$, $\beta$, temperature, margin, …), each of 200 steps and scored by R@1 on held-out *training* places of one extra world; then 300 steps in the five worlds that judge.

# %%
study = read_study("budget")
trials = tuning.scores(study.search, tuning.read_trials(study.folder))
assert {len(found) for found in trials.values()} == {12}
assert not set(study.search.seeds) & set(study.seeds)
Markdown(tuning.search_report(study.search, tuning.read_trials(study.folder)))

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Ten rows, one a loss. Twelve small marks a row give R@1 on held-out places of its twelve trials, their shape the learning rate, and a diamond the chosen one. Within most rows the marks spread over a wide range."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.4, 3.9))
spread = {}
for row, arm in enumerate(by_level):
    found = [score for _, scores in trials[arm] for score in scores]
    rates = np.array([one["learning_rate"] for one, _ in trials[arm]])
    spread[arm] = max(found) - min(found)
    for rate, mark in ((rates.min(), "<"), (np.median(rates), "|"), (rates.max(), ">")):
        at = np.array(found)[rates == rate]
        axis.plot(at, [row] * len(at), mark, color="0.35", markersize=8)
    axis.plot(max(found), row, "D", color=PALETTE["blue"], markersize=6)
axis.set(yticks=range(len(by_level)), yticklabels=[NAMES[arm] for arm in by_level])
axis.set_xlabel("R@1 on held-out training places (%)")
axis.set_title("< low rate   | middle   > high rate   ◆ chosen", fontsize=10)
axis.invert_yaxis()
best = {arm: max(score for _, scores in trials[arm] for score in scores) for arm in NAMES}
print(f"between a loss's trials: {min(spread.values()):.0f} to {max(spread.values()):.0f} points")
print(f"between the losses' best trials: {max(best.values()) - min(best.values()):.0f} points")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
learned = [arm for arm in NAMES if best[arm] > 10]
ranges = {arm: spread[arm] for arm in learned}
apart = max(best[arm] for arm in learned) - min(best[arm] for arm in learned)
assert max(best[arm] - spread[arm] for arm in learned) < min(best[arm] for arm in learned)
ends = [
    arm for arm in NAMES
    if max(trials[arm], key=lambda trial: mean(trial[1]))[0]["learning_rate"]
    == max(one["learning_rate"] for one, _ in trials[arm])
]  # fmt: skip
Markdown(f"""
What to see: how far a loss's own trials lie apart, {min(ranges.values()):.0f} to {max(ranges.values()):.0f} points among the {len(learned)} losses that passed 10 %, beside the {apart:.0f} points between these losses' best. Each one's worst trial is below each other's best: **whoever tunes one loss and not the other can have either order of any two of them.** {len(ends)} of the ten chose the highest learning rate on their list; the list may have been too short. The budget is equal, not unlimited.
""")

# %% [markdown]
# Now the five fresh worlds: each loss less L_tri, both ways of retrieval.


# %%
def gains(runs, world, reference, arms, direction="D2S"):
    """Each arm less the reference, p after Holm over the arms."""
    found = comparisons.against(runs, world, reference, arms, direction=direction)
    return {difference.arm: difference for difference in found}


def row_of(difference):
    interval = difference.interval
    star = "**" if difference.p < 0.05 else ""
    return f"{star}{interval.mean:+.1f} ± {interval.half_width:.1f}{star} ({difference.p:.3f})"


WAYS = ("D2S", "S2D")
found = {("triplet", way): gains(budget, "mini", "triplet", [*NAMES][1:], way) for way in WAYS}

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows = []
for arm in by_level:
    cells = [row_of(found["triplet", way][arm]) if arm != "triplet" else "" for way in WAYS]
    spread_of = f"{mean(level[arm]):.1f} ± {stdev(level[arm]):.1f}"
    rows.append((NAMES[arm], spread_of, *cells))
heads = ("loss", "R@1 D2S", "less L_tri, D2S", "less L_tri, S2D")
Markdown(f"{markdown_table(heads, rows)}\n\nLevel: mean ± standard deviation over seeds. Differences: "
         "mean ± 95 % half-width, p after Holm over nine arms in brackets; bold below 0.05.")  # fmt: skip


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def told(differences, sign):
    """The names of those clearly above (sign 1) or below (-1) zero."""
    clear = [d.arm for d in differences.values() if d.p < 0.05 and sign * d.interval.mean > 0]
    return ", ".join(NAMES[arm] for arm in clear) or "none"


Markdown(f"""
What to see: at equal budgets, clearly ahead of L_tri from drone to satellite: {told(found["triplet", "D2S"], 1)}; clearly behind: {told(found["triplet", "D2S"], -1)}. From satellite to drone, ahead: {told(found["triplet", "S2D"], 1)}; behind: {told(found["triplet", "S2D"], -1)}.
""")

# %% [markdown]
# Did choosing help? The study `short` ran five of these losses for as many steps in the same five worlds, at the default settings. The difference is what the twelve trials bought.

# %%
short = complete_runs("short")
defaults = {(world, f"{arm}_default", seed): run for (world, arm, seed), run in short.items()}
both = [arm for arm in NAMES if any(a == arm for _, a, _ in short)]
bought = comparisons.corrected(
    [comparisons.paired(budget | defaults, "mini", arm, f"{arm}_default") for arm in both]
)
print(*bought, sep="\n")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
hurt = [d.arm for d in bought if d.interval.mean < 0]
helped = [d.interval.mean for d in bought if d.interval.mean > 0]
assert hurt == ["infonce"] and max(bought[both.index("infonce")].by_seed) < 0
Markdown(f"""
What to see: the trials bought {len(helped)} of {len(bought)} losses {min(helped):.1f} to {max(helped):.1f} points, and **cost InfoNCE {-bought[both.index("infonce")].interval.mean:.1f}**, on each seed. Twelve trials on one world are a small budget: the best of twelve noisy trials is in part the luckiest, and what is best after 200 steps need not be after 300. Which of the two it was, was not tested. Either way a comparison with InfoNCE *as chosen* would flatter the others.
""")

# %% [markdown]
# So InfoNCE, the loss that most of the field trains with, is two yardsticks: as its trials chose it, and at its defaults, where it did better on these very worlds. The figure uses the second, the harder one.

# %%
others = [arm for arm in NAMES if arm != "infonce"]
for yardstick in ("infonce", "infonce_default"):
    for way in WAYS:
        against = gains(budget | defaults, "mini", yardstick, others, way)
        found[yardstick, way] = against
        print(f"{way}, less {yardstick}: ahead {told(against, 1)}; behind {told(against, -1)}")

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "One row a loss: its R@1 less that of InfoNCE at its defaults, by seed as small marks, the mean as a dot with its 95 per cent interval. sharp DPHR and RDA lie some twenty points right of the dotted line at zero, the intervals of the other losses shown reach across it or end near it."}} cellView="form" jupyter={"source_hidden": true}
harder = found["infonce_default", "D2S"]
figure, axis = plt.subplots(figsize=(6.4, 3.6))
shown = [arm for arm in by_level if arm not in ("infonce", "hardest")]  # the last: off the scale
arms_over_seeds(
    axis,
    {NAMES[arm]: harder[arm].by_seed for arm in shown},
    {NAMES[arm]: harder[arm].interval.half_width for arm in shown},
    chance=0,
)
axis.set_xlabel("R@1 less that of InfoNCE at its defaults, points")
for arm in others:
    print(f"{arm:18}{row_of(harder[arm]):24}less InfoNCE as chosen "
          f"{row_of(found['infonce', 'D2S'][arm])}")  # fmt: skip
assert told(harder, 1) == "sharp RDA, sharp DPHR"
assert all(found["infonce", "D2S"][arm].p < 0.05 for arm in ("circle", "sharp_palw"))

# %% [markdown]
# What to see: beside InfoNCE at its defaults, RDA and sharp DPHR stand alone. That circle and PALW were "ahead" of InfoNCE as chosen is a finding about its trials. (The hardest triplet, far behind either, is not drawn.)
#
# ## Longer, at equal settings
#
# The study `main` is the other extreme: one learning rate for all, that of sharp DPHR, and 800 steps in place of 300. (Equivalence: within two points, set after three seeds.)

# %%
main = complete_runs("main")
parts = ("sharp_palw", "infonce", "sharp_rda", "broken_ratio", "sharp")
long_gains = {way: gains(main, "mini", "triplet", parts, way) for way in WAYS}
print(f"less L_tri, 800 steps, {len({s for *_, s in main})} seeds; p after Holm over five")
for arm in parts:
    print(f"{arm:14}" + "   ".join(f"{w}: {row_of(long_gains[w][arm])}" for w in long_gains))
direct = gains(main, "mini", "sharp_rda", ("sharp", "broken_ratio"))
equal = comparisons.equivalences([*direct.values()], margin=2)
print(*equal, sep="\n")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
shared = [arm for arm in parts if arm in NAMES]
change = ", ".join(
    f"{NAMES[arm]} {found['triplet', 'D2S'][arm].interval.mean:+.1f} there and "
    f"{long_gains['D2S'][arm].interval.mean:+.1f} here"
    for arm in shared
)
assert found["triplet", "D2S"]["infonce"].interval.mean < 0 < (
    long_gains["D2S"]["infonce"].interval.mean)  # fmt: skip
Markdown(f"""
What to see: less L_tri, {change}. InfoNCE's changed its sign: there its trials had chosen badly, and runs were shorter. The studies differ in both, length and settings.
""")

# %% [markdown]
# So vary the length alone: the same five worlds and the same settings for 300 steps (`short`), 800 (`main`) and 1,200 (`long`), in each the learning rate falling to zero at its own end. **Predict**: as training gets longer, does RDA's lead over InfoNCE grow, stay or shrink?

# %%
by_length = {300: short, 800: main, 1200: complete_runs("long")}
asked = {"triplet": ("infonce", "sharp_rda", "sharp"), "infonce": ("sharp_rda", "sharp")}
leads = {
    (steps, reference, way): gains(runs, "mini", reference, arms, way)
    for steps, runs in by_length.items()
    for reference, arms in asked.items()
    for way in WAYS
}
for (steps, reference, way), of in leads.items():
    said = "  ".join(f"{NAMES[arm]} {row_of(lead)}" for arm, lead in of.items())
    print(f"{steps:5} {way}, less {NAMES[reference]:10} {said}")
alike = comparisons.equivalences([*leads[1200, "infonce", "D2S"].values()], margin=2)
print(*alike, sep="\n")
assert alike[0].verdict.startswith("equivalent")

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Two panels against the steps of training. Left, mean R@1 of L_tri, InfoNCE, RDA and sharp DPHR: all rise with length. Right, RDA and sharp DPHR less InfoNCE with 95 per cent intervals; a dotted line marks zero. The numbers are printed above."}} cellView="form" jupyter={"source_hidden": true}
styles = run_styles(("triplet", "infonce", "sharp_rda", "sharp"))
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.1))
at = list(by_length)
for arm, (tone, line, mark) in styles.items():
    means = [comparisons.over_seeds(runs, "mini", arm).mean() for runs in by_length.values()]
    left.plot(at, means, mark, linestyle=line, color=tone, label=NAMES[arm])
for arm, aside in (("sharp_rda", -12), ("sharp", 12)):
    tone, line, mark = styles[arm]
    intervals = [leads[steps, "infonce", "D2S"][arm].interval for steps in at]
    right.errorbar(np.array(at) + aside, [i.mean for i in intervals],
                   [i.half_width for i in intervals], fmt=mark, capsize=3, linestyle=line,
                   color=tone, label=NAMES[arm])  # fmt: skip
right.axhline(0, color="0.5", linestyle=":")
left.set(xlabel="steps", ylabel="R@1, drone → satellite (%)", xticks=at)
right.set(xlabel="steps", ylabel="R@1 less that of InfoNCE, points", xticks=at)
left.legend(frameon=False, fontsize=9)
right.legend(frameon=False, fontsize=9)
assert {s for *_, s in by_length[1200]} == {s for *_, s in short} == set(seeds)


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def lead(runs, scale):
    """RDA less InfoNCE on a scale of R@1, by seed."""
    rda, infonce = (comparisons.values(runs, "mini", arm) for arm in ("sharp_rda", "infonce"))
    return {seed: scale(rda[seed]) - scale(infonce[seed]) for seed in sorted(rda)}


points = {n: lead(runs, float) for n, runs in by_length.items()}
odds = {n: lead(runs, lambda r: special.logit(r / 100)) for n, runs in by_length.items()}
change = comparisons.student_interval([points[1200][s] - points[300][s] for s in points[1200]])
assert change.mean + change.half_width < 0
Markdown(f"""
What to see: RDA's lead over InfoNCE is {", ".join(f"{comparisons.student_interval([*d.values()])} after {n:,} steps" for n, d in points.items())}. From the shortest runs to the longest it changes by {change} points. Near the top a point is harder to win; in logarithms of odds, which allow for that, the lead is {", ".join(f"{round(mean(d.values()), 2) + 0:.2f}" for d in odds.values())}. **A short study rewards speed.** L_tri catches up, too; ahead of it RDA is by {", ".join(f"{leads[n, 'triplet', 'D2S']['sharp_rda'].interval} after {n:,} steps" for n in at)}.
""")

# %% [markdown]
# ## One choice at a time
#
# Sharp DPHR (ours) made choices that the sources leave open. The study `axes` changes each by itself, 300 steps, three seeds, against sharp DPHR as it is by default. `rescaled` is sharp DPHR at equal total weight, divided by $1 + \lambda^t$, so that a rising $\lambda$ moves weight without adding any. (PALW alone, so divided, *is* L_tri.) `rescaled_constant` is half of `signal_constant`: it shows what AdamW makes of a loss's size alone.


# %%
axes_runs = complete_runs("axes")
changed = [arm for arm in read_study("axes").arms if arm not in ("sharp", "sgd_triplet")]
by_axis = gains(axes_runs, "mini", "sharp", changed)
for each in by_axis.values():
    print(f"{each.arm:18}{row_of(each):24}by seed " + " ".join(f"{d:+.1f}" for d in each.by_seed))
pairs = [("rescaled", "triplet"), ("rescaled_constant", "triplet"), ("beta_4", "triplet"),
         ("rescaled_constant", "signal_constant"), ("sgd", "sgd_triplet")]  # fmt: skip
apart = comparisons.corrected(
    [comparisons.paired(short | axes_runs, "mini", *pair) for pair in pairs]
)
print(*apart, sep="\n")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
clear = [arm for arm, d in by_axis.items() if d.p < 0.05]
up, down = (
    [d for d in by_axis.values() if sign * d.interval.mean > d.interval.half_width]
    for sign in (1, -1)
)
schedule = [d.interval for arm, d in by_axis.items() if arm.startswith(("signal", "momentum"))]
needed_t = stats.t.ppf(1 - 0.025 / len(by_axis), len(apart[0].by_seed) - 1)
sharper, blunter = ("beta_64", "power"), ("beta_4", "linear", "over_batch")
assert {*sharper} <= {d.arm for d in up} and {*blunter} <= {d.arm for d in down}


def named(differences):
    return ", ".join(f"{d.arm} {d.interval.mean:+.1f}" for d in differences) or "none"


Markdown(f"""
What to see: clear after correction for {len(by_axis)} questions: {", ".join(clear) or "none"}. With three seeds the first of so many would need a t of {needed_t:.0f}; take the rest as leads. Intervals that leave out zero, upwards: {named(up)}; downwards: {named(down)}.

*Sharpness* moves R@1 most: the blunter weights leave little of the gain over L_tri (beta_4 {apart[2].interval}), the sharper ones add to it. What $\\lambda$ follows and how long it is averaged moved the mean by {max(abs(i.mean) for i in schedule):.1f} points at most; but the widest of these intervals is ± {max(i.half_width for i in schedule):.1f}, so that they are equal is not shown. *The gain is not the added weight*: at equal total weight it is {apart[0].interval} over L_tri with $\\lambda$ rising, {apart[1].interval} with it constant. Halving the loss changes R@1 by {apart[3].interval}. Under SGD, at one rate that was not searched, sharp DPHR is {apart[4].interval} points ahead of L_tri, at a level of {mean(comparisons.values(axes_runs, "mini", "sgd").values()):.0f} %.
""")

# %% [markdown]
# ## How many twins
#
# If a loss gains *because* it weighs look-alikes, it should gain most where there are many, and little where there are none. The study `twins` trains and tests where no place has twins, a third, two thirds; and trains at a third and tests at two thirds.

# %%
worlds = {"none": "none", "third": "⅓", "two_thirds": "⅔", "shifted": "⅓, tested at ⅔"}
twins = complete_runs("twins")
weighed = ("sharp_palw", "infonce", "sharp_rda", "sharp")
by_world = {(world, way): gains(twins, world, "triplet", weighed, way)
            for way in WAYS for world in worlds}  # fmt: skip

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows = []
for (world, way), found_there in by_world.items():
    base = mean(comparisons.over_seeds(twins, world, "triplet", direction=way))
    cells = [row_of(difference) for difference in found_there.values()]
    rows.append((f"{worlds[world]}, {way}", f"{base:.1f}", *cells))
heads = ("twins in", "$L_{tri}$", *(NAMES[arm] for arm in weighed))
Markdown(f"{markdown_table(heads, rows)}\n\nR@1: L_tri's level, and the others less it; "
         f"{len({s for *_, s in twins})} seeds, p after Holm over four arms.")  # fmt: skip


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def growth(arm):
    """How an arm's gain over L_tri changes from no twins to two thirds: points, log odds."""
    right = {
        (world, a): comparisons.over_seeds(twins, world, a) / 100
        for world in ("none", "two_thirds")
        for a in (arm, "triplet")
    }
    for value in (lambda share: 100 * share, special.logit):
        gain = [value(right[world, arm]) - value(right[world, "triplet"])
                for world in ("none", "two_thirds")]  # fmt: skip
        yield comparisons.student_interval(gain[1] - gain[0])


grown = {arm: [*growth(arm)] for arm in weighed}
said = "; ".join(
    f"{NAMES[a]} {p} ({o.mean:+.2f} ± {o.half_width:.2f})" for a, (p, o) in grown.items()
)
assert by_world["none", "D2S"]["sharp_rda"].interval.mean > 20
Markdown(f"""
What to see: **where no place has a twin** RDA gains {by_world["none", "D2S"]["sharp_rda"].interval} points, sharp DPHR {by_world["none", "D2S"]["sharp"].interval}. From none to two thirds, gains change by these points (and logarithms of odds): {said}. Gains that grow by ten points with the twins are not excluded, for three seeds tell little; that RDA *needs* twins is. In a random batch of 64 places the nearest negatives are mostly of other families, and there, too, some are near.
""")

# %% [markdown]
# ## Why? Three measurements
#
# **Which skill.** R@1 is the share of queries that find the family times the share of those that then choose its member; so the ratio of two losses' R@1 is the product of the ratios of these two. *Twin choice* is how often a query's own place beats a twin, pair by pair.

# %%
print(f"{'':18}family R@1   its member   twin choice")
for arm in by_level:
    family, choice = (
        mean(comparisons.over_seeds(budget, "mini", arm, measure))
        for measure in ("family_r_at_1", "twin_choice")
    )
    print(f"{arm:18}{family:10.1f}{100 * mean(level[arm]) / family:13.1f}{choice:14.1f}")


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def ratios(runs):
    """sharp DPHR over L_tri: family R@1, and its member once the family is found."""
    family, right = (
        [mean(comparisons.over_seeds(runs, "mini", arm, m)) for arm in ("sharp", "triplet")]
        for m in ("family_r_at_1", "r_at_1")
    )
    return family[0] / family[1], (right[0] / family[0]) / (right[1] / family[1])


by_skill = {300: ratios(budget), 800: ratios(main), 1200: ratios(by_length[1200])}
share = {n: 100 * np.log(f) / np.log(f * m) for n, (f, m) in by_skill.items()}
assert all(30 < each < 70 for each in share.values())
Markdown(f"""
What to see: sharp DPHR finds the family {by_skill[300][0]:.2f} times as often as L_tri and then its member {by_skill[300][1]:.2f} times as often; {share[300]:.0f} % of the gain, in logarithms, is the family ({share[800]:.0f} % after 800 steps and {share[1200]:.0f} % after 1,200, at the defaults). So weights on near negatives do not work on twins alone.
""")

# %% [markdown]
# **Where the push goes.** The weight of a negative is how hard a loss pushes it away ([06 Hard negatives](06_hard_negatives.ipynb)). Which share of all the push goes to the queries' two twins each, when 60 strangers are in the batch, too? An equal share would be two of 62. One small encoder, trained here with $L_\text{tri}$, gives all losses the same distances; only their weights differ.


# %%
def shares_on_twins(d_pos, d_neg, twin, alpha=10.0, beta=16.0, temperature=0.07):
    """Percent of each loss's push that goes to twins; d_pos (B, 1), d_neg and twin (B, K)."""
    plain = 1 / (1 + np.exp(-alpha * (d_pos - d_neg)))
    omega = np.exp(beta * (d_pos / (d_pos + d_neg) - 0.5))
    omega /= omega.mean(1, keepdims=True)
    odds = np.exp((d_pos**2 - d_neg**2) / (2 * temperature))
    push = {
        "triplet": plain,
        "sharp_rda": (1 + omega) * plain,
        "weighted term alone": omega * plain,
        "infonce": d_neg * odds / (1 + odds.sum(1, keepdims=True)),
        "hardest": d_neg == d_neg.min(1, keepdims=True),
    }
    return {loss: 100 * (w * twin).sum() / w.sum() for loss, w in push.items()}


# %% tags=["nbval-ignore-output"]
world = replace(PRESETS["mini"], train_places=450, test_places=63, distractor_places=0, seed=7)
data = TwinTowns(world, progress=False)
query, gallery = data.test("D2S")
first_view = [np.flatnonzero(query.places == place)[0] for place in gallery.places]
twins_of = right_and_twins(gallery, gallery)[1]
others = ~np.eye(len(gallery.places), dtype=bool)
twin = twins_of[others].reshape(len(twins_of), -1)
shares = {}
for steps in (10, 60, 240):
    settings = TWIN_TOWNS_MINI.changed(loss="triplet", steps=steps, val_places=0, seed=7, threads=2)
    with tempfile.TemporaryDirectory() as folder:
        fit(settings, data, folder, evaluate_test=False, progress=False)
        encoder = Encoder.load(folder)
    z_query, z_gallery = embed(encoder, query)[first_view], embed(encoder, gallery)
    d = np.sqrt(np.maximum(2 - 2 * (z_query @ z_gallery.T).double().numpy(), 4e-6))
    shares[steps] = shares_on_twins(np.diag(d)[:, None], d[others].reshape(len(d), -1), twin)
    print(f"{steps:3} steps: " + "   ".join(f"{n} {s:.0f} %" for n, s in shares[steps].items()))
late = shares[240]
assert (
    1.3 * late["triplet"] < late["sharp_rda"] < late["weighted term alone"] < late["sharp_rda"] + 10
)
assert 1.1 * late["triplet"] < late["infonce"] < 0.9 * late["sharp_rda"] < late["hardest"]

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Two panels. Left, R@1 on held-out training places against the step, for L_tri, InfoNCE, RDA and sharp DPHR: all rise and flatten, that of L_tri lowest. Right, the share of the push on twins after 10, 60 and 240 steps of training, a line a loss; it rises for all of them, most steeply for the hardest negative."}} cellView="form" jupyter={"source_hidden": true}
styles = run_styles(("triplet", "infonce", "sharp_rda", "sharp", "hardest"))
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.2))
at_step = {}
for arm in ("triplet", "infonce", "sharp_rda", "sharp"):
    curves = [run["curves"] for (_, a, _), run in main.items() if a == arm]
    at_step[arm] = np.mean([c["val_r_at_1"] for c in curves], 0)
    tone, line, _ = styles[arm]
    left.plot(curves[0]["val_step"], at_step[arm], linestyle=line, color=tone, label=NAMES[arm])
for arm in ("triplet", "infonce", "sharp_rda", "hardest"):
    tone, line, mark = styles[arm]
    right.plot([str(s) for s in shares], [s[arm] for s in shares.values()], mark,
               linestyle=line, color=tone, label=NAMES[arm])  # fmt: skip
right.axhline(100 * 2 / 62, color="0.5", linewidth=0.8)
left.set(xlabel="step", ylabel="R@1, held-out places (%)")
right.set(xlabel="steps trained", ylabel="push on twins (%)", ylim=(0, 100))
left.legend(frameon=False, fontsize=9)
right.legend(frameon=False, fontsize=9)
steps_800 = curves[0]["val_step"]
for at in (0, len(steps_800) // 3, -1):
    print(f"step {steps_800[at]:3}:", {arm: f"{v[at]:.1f}" for arm, v in at_step.items()})

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
Markdown(f"""
What to see, left: after {steps_800[0]} steps RDA has {at_step["sharp_rda"][0]:.0f} %, sharp DPHR {at_step["sharp"][0]:.0f} %, InfoNCE {at_step["infonce"][0]:.0f} % and L_tri {at_step["triplet"][0]:.0f} %; at the end {at_step["sharp_rda"][-1]:.0f}, {at_step["sharp"][-1]:.0f}, {at_step["infonce"][-1]:.0f} and {at_step["triplet"][-1]:.0f} % (equal settings, held-out training places, so a smaller gallery).
""")

# %% [markdown]
# Right: the push moves towards twins by itself as strangers are pushed away, even with $L_\text{tri}$. RDA adds a good part to that, and its weighted term alone would add little more, although at $\lambda = 1$ half of the weight stays uniform. InfoNCE, at its initial temperature, is within one query the duller of the two ([06 Hard negatives](06_hard_negatives.ipynb)), but pooled over queries it lies between $L_\text{tri}$ and RDA in the end: the order of their R@1 in short runs at the defaults. But a larger share is not by itself better: the hardest triplet, with the largest, hardly learned (it differs in its hinge and margin, too). One encoder, one seed.
#
# **Noise.** PALW's restraint should pay where labels are wrong. [23 Does it hold on photographs?](23_does_it_hold_on_photographs.ipynb) has the study of it, with twenty seeds; in short:


# %%
noise = complete_runs("noise")
of_noise = [
    comparisons.paired(noise, "small", f"{signal}_{labels}", f"constant_{labels}")
    for labels in ("clean", "wrong15")
    for signal in ("recall", "step")
]
noise_tests = comparisons.equivalences(comparisons.corrected(of_noise), margin=2)
print(*noise_tests, sep="\n")
assert all(test.difference.interval.mean < 0 for test in noise_tests)

# %% [markdown]
# What to see: the mean of either schedule lies below the constant's, with wrong pairs and without.
#
# Other controls are told elsewhere: which places meet in a batch, how large $\lambda$ may be and more kinds of noise in [23 Does it hold on photographs?](23_does_it_hold_on_photographs.ipynb), the ratio in [07 RDA](07_rda.ipynb), schedules at equal total weight in [08 PALW](08_palw.ipynb).
#
# ## What each part does

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
tuned = found["triplet", "D2S"]
chosen = found["infonce", "D2S"]
short_palw = gains(short, "mini", "triplet", ("infonce", "sharp_rda", "sharp", "sharp_palw"))[
    "sharp_palw"
]


def sure(difference):
    """A difference and how sure it is, in words."""
    interval, p = difference.interval, difference.p
    how = "clear" if p < 0.05 else "suggestive" if abs(interval.mean) > interval.half_width else (
        "not told from zero")  # fmt: skip
    return f"{interval.mean:+.1f} ± {interval.half_width:.1f} ({how})"


of_noise_said = ", ".join(
    f"{test.difference.arm.partition('_')[0]} {sure(test.difference)}" for test in noise_tests[2:]
)
Markdown(f"""
Of *sharp DPHR (ours)*, in Twin Towns, from scratch, at 64 px; R@1 from drone to satellite; {len(seeds)} seeds, but three where no place has twins, and twenty in a smaller world where pairs are wrong:

* *Does RDA help?* Against L_tri at equal budgets {sure(tuned["sharp_rda"])}; at equal settings, 800 steps, {sure(long_gains["D2S"]["sharp_rda"])}, 1,200 steps, {sure(leads[1200, "triplet", "D2S"]["sharp_rda"])}. Twins are not what it needs: without any, {sure(by_world["none", "D2S"]["sharp_rda"])}.
* *Does its ratio matter?* The broken ratio less RDA, 800 steps: {sure(direct["broken_ratio"])}; {equal[1].verdict}. [23 Does it hold on photographs?](23_does_it_hold_on_photographs.ipynb) asks it in more worlds.
* *Does PALW help?* Alone, at equal budgets {sure(tuned["sharp_palw"])}; at equal settings {sure(short_palw)} after 300 steps and {sure(long_gains["D2S"]["sharp_palw"])} after 800. As a schedule of RDA, 800 steps, {sure(direct["sharp"])}; with 15 % wrong pairs, less a constant λ: {of_noise_said}.
* *Both together?* sharp DPHR less L_tri: {sure(tuned["sharp"])} at equal budgets, {sure(long_gains["D2S"]["sharp"])} at equal settings after 800 steps, {sure(leads[1200, "triplet", "D2S"]["sharp"])} after 1,200.
* *Against InfoNCE?* After 300 steps sharp DPHR less InfoNCE is {sure(chosen["sharp"])} at equal budgets, {sure(harder["sharp"])} if InfoNCE may keep its defaults, which served it better, and {sure(leads[300, "infonce", "D2S"]["sharp"])} if both have theirs; at these, {sure(leads[800, "infonce", "D2S"]["sharp"])} after 800 steps and {sure(leads[1200, "infonce", "D2S"]["sharp"])} after 1,200. RDA less InfoNCE after 1,200: {sure(leads[1200, "infonce", "D2S"]["sharp_rda"])}; {alike[0].verdict} points. Both losses added, less InfoNCE at its defaults: {sure(harder["sharp_infonce"])}.
* *The other reweighting losses?* Less InfoNCE at its defaults: HCL {sure(harder["hcl"])}, multi-similarity {sure(harder["multi_similarity"])}, circle {sure(harder["circle"])}, hardest {sure(harder["hardest"])}.
""")

# %% [markdown]
# "Clear" is $p < 0.05$ after correction within the table or list above that a number is from, "suggestive" an interval that leaves out zero while the corrected p does not.
#
# ## What would change our mind
#
# * **The paper's text or code.** The map, the constants and the progress signal are ours **[O]**. [open choices](open_choices.md) says where each is set; `dphr study run axes` asks again with another.
# * **Real images and a large encoder.** None of these runs saw a photograph or a pretrained backbone. The preset `gpu` (224 px, a pretrained encoder, five losses, five seeds) is written and has not been run: no GPU was at hand. [results on University-1652 and SUES-200](real_results.md) has room for runs on University-1652 and SUES-200; [10 University-1652](10_university1652.ipynb) has the command.
# * **Large batches.** With 64 places a query rarely meets a twin. The share of near negatives grows with the batch, and with it what a weight can do.
# * **More seeds.** How many would settle sharp DPHR against InfoNCE within two points, if the two were in truth equal?


# %%
def seeds_needed(sd):
    """So many that each of the two one-sided tests has 95 % power, both then 90 % at least."""
    return next(
        n for n in range(3, 10_000)
        if stats.nct.cdf(-stats.t.ppf(0.95, n - 1), n - 1, -2 * np.sqrt(n) / sd) > 0.95
    )  # fmt: skip


lead = leads[1200, "infonce", "D2S"]["sharp"].by_seed
sd, freedom = stdev(lead), len(lead) - 1
low, high = sd * np.sqrt(freedom / stats.chi2.ppf([0.975, 0.025], freedom))
print(f"after 1,200 steps differences scatter by {sd:.1f} points: {seeds_needed(sd)} seeds")
print(f"but {len(lead)} seeds know that only as {low:.1f} to {high:.1f} (95 %): "
      f"{seeds_needed(low)} to {seeds_needed(high)} seeds")  # fmt: skip

# %% [markdown]
# ## Summary

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
Markdown(f"""
* You **showed** that a study of ten equal losses has a false difference in {false_alarms:.0f} % of the cases, and after Holm's correction in {after_holm:.1f} %.
* You **compared** ten losses at equal budgets: a loss's own trials lay {min(ranges.values()):.0f} to {max(ranges.values()):.0f} points apart. Ahead of L_tri from drone to satellite: {told(found["triplet", "D2S"], 1)}; from satellite to drone: {told(found["triplet", "S2D"], 1)}.
* You **said** where sharp DPHR stands: {sure(tuned["sharp"])} against L_tri at equal budgets; against InfoNCE, both at the defaults, {sure(leads[300, "infonce", "D2S"]["sharp"])} after 300 steps, {sure(leads[800, "infonce", "D2S"]["sharp"])} after 800, {sure(leads[1200, "infonce", "D2S"]["sharp"])} after 1,200. RDA learns sooner, and did not end higher; on one encoder it moved more of the push to twins than L_tri and InfoNCE.
""")

# %% [markdown]
# ## Exercises
#
# 1. *Predict.* With three seeds and no assumption but that each seed's sign is a fair coin if two losses are equal: how small can the p of a two-sided sign test get?
# 2. *Modify.* Take the trials' scores, in place of the five fresh worlds, as the losses' results. How much do the leads over L_tri change?
# 3. *Break.* In the simulation of equal arms, let each arm report the best of twelve trials on the judging seeds themselves, while the first arm has one trial. How large a lead does tuning alone buy?
# 4. *Prove.* Holm's correction keeps the chance of any false alarm at 5 %, whatever the dependence of the tests.
# 5. *Open.* Write down one result that would make you use DPHR in place of InfoNCE on your own data, before you run anything.

# %% [markdown]
# **Solutions** (run, and collapsed until you open them)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# 1. All three signs alike, either way: 2 / 2^3. No three seeds can be significant by signs alone; the
# t test gets further because it trusts that differences are normally distributed.
assert stats.binomtest(3, 3).pvalue == 2 / 2**3
print(f"1: {2 / 2**3}")

# 2. Held-out places of another world, fewer of them, and the best of twelve: levels differ.
lead_of_trials = {arm: best[arm] - best["triplet"] for arm in NAMES}
lead_of_runs = {arm: mean(level[arm]) - mean(level["triplet"]) for arm in NAMES}
moved_by = max(abs(lead_of_trials[arm] - lead_of_runs[arm]) for arm in NAMES)
print(f"2: the lead over L_tri changes by up to {moved_by:.1f} points")
assert moved_by > 0

# 3. The best of twelve draws of one normal luck: about 1.6 standard deviations.
luck = np.random.default_rng(3).normal(0, run_sd, (2000, 13, count)).mean(-1)
bought = (luck[:, 1:].max(1) - luck[:, 0]).mean()
print(f"3: {bought:.1f} points of R@1, with nothing better")
assert 1.4 < bought / (run_sd / np.sqrt(count)) < 1.8

# 4. Of m0 true equalities look at that with the smallest p. When Holm comes to it, at most m - m0
# were before it, so it is multiplied by m0 at least. It is rejected falsely only if some true p is
# below 0.05 / m0, and by Boole's inequality that happens with a chance of at most m0 * 0.05 / m0.
dependent = np.random.default_rng(4).normal(0, 1, (4000, 1)) + 0.3 * np.random.default_rng(
    5).normal(0, 1, (4000, 9))  # fmt: skip
p_dependent = 2 * stats.norm.sf(abs(dependent / np.sqrt(1.09)))
assert np.mean([(holm_scratch(row) < 0.05).any() for row in p_dependent]) < 0.05

# %% [markdown]
# ## Readings
#
# * [Musgrave et al. (2020)](references.md#musgrave2020reality): losses at equal budgets of search; many published gains went away.
# * [Holm (1979)](references.md#holm1979simple): six pages, one idea, still the right default.
# * [Bouthillier et al. (2021)](references.md#bouthillier2021variance): where the luck of a run comes from, and how to spend a budget on seeing it.
