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
# # 22 Can it tell them apart?
#
# **How much has to change on the ground before an encoder notices?**
#
# By the end you can
#
# * **build** a test with two answers that differ in one recorded change, and show that nothing else gives the answer away;
# * **fit** a psychometric curve to the answers and read its threshold with an interval, or say that there is none;
# * **compare** encoders on the same trials, and say which loss taught what.
#
# You need: [01 The problem](01_the_problem.ipynb) and [09 Training DPHR](09_training_dphr.ipynb), the [notation](notation.md) page at hand, about an hour; the cells run in about a minute on two CPU cores. The curves of trained encoders are stored results. Nothing is downloaded.
#
# > **Which reading?** The runs and figures of this chapter are of *sharp DPHR (ours)*: exponential weights of sharpness 16, in-batch recall as the signal **[O]**. "RDA" and "PALW" name its two halves here. The closest reading of the paper has milder weights and another signal; [open choices](open_choices.md) sets the two side by side.

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from scipy.optimize import minimize
from scipy.stats import norm

from dphr_lab import probe, results, scenes
from dphr_lab.models import Encoder
from dphr_lab.plotting import PALETTE, picture_row, run_styles
from dphr_lab.scenes.towns.description import corners
from dphr_lab.studies import comparisons
from dphr_lab.teaching import compare_guess

plt.rcParams.update({"figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True})

# %% [markdown]
# ## Two skills in one number
#
# R@1 mixes two skills: finding the right *family* of look-alikes, and choosing its right *member*. A guesser who has only the first gets one in three on a world of triplets. Chapter 09 split R@1 into the two factors, but the twins of Twin Towns differ by what their world happened to draw: a roof here, a field there. To measure the second skill itself, we borrow from those who have measured eyes for 160 years: show two alternatives that differ in *one* thing, by a known amount, and count right answers.
#
# One trial: a drone view and two satellite images. One of them shows the place; in the other, one thing has changed. Before you read on, **guess which one is changed, and where**.

# %%
settings = probe.StimulusSettings(
    places=40, kinds=("building removed", "building moved", "building recoloured")
)
large = probe.make_stimuli(replace(settings, places=3, image_px=192), workers=1, progress=False)
trials = np.flatnonzero((large.places == 1) & (large.kinds == 0) & (large.doses_m2 == 160))
t = int(trials[0])
pictures = [large.drone[1], *large.satellite[large.pairs[t]]]

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Three square pictures: a drone view of a neighbourhood, and two satellite images of it, A and B, that are alike but for one building."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 3, figsize=(7.8, 2.9))
picture_row(axes, dict(zip(["drone", "A", "B"], pictures, strict=True)), frame=True)
print(f"{len(large.answers)} trials on {len(large.drone)} places, this is number {t}")

# %% [markdown]
# The answer is on record, with the building and its area. In the next figure it is outlined: the scene is known, so the corners of the changed thing can be projected into either view (chapter 01).

# %%
letter, change = "AB"[large.answers[t]], large.changes[t]
print(f"{letter} is the place; in the other: {change.kind}, {change.area_m2:.0f} m²")

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "The same neighbourhood as the drone saw it and as the two satellite images show it, with the outline of the changed building drawn in all three; it stands in the drone view and in one satellite image, and is gone in the other."}} cellView="form" jupyter={"source_hidden": true}
outline = np.column_stack([corners(change.before, 2.0), np.zeros(4)])
pose = probe.probe_days(settings, 1)[0]
matrices = [scenes.drone_matrix(pose, 192)] + 2 * [scenes.satellite_matrix(192)]
figure, axes = plt.subplots(1, 3, figsize=(7.8, 2.9))
picture_row(axes, dict(zip(["drone", "A", "B"], pictures, strict=True)), frame=True)
for axis, matrix in zip(axes, matrices, strict=True):
    u, v = scenes.project(matrix, outline[[0, 1, 2, 3, 0]])[0].T - 0.5
    axis.plot(u, v, color=PALETTE["yellow"], linewidth=1.8)
differ = (pictures[1] != pictures[2]).any(0).mean()
print(f"{100 * differ:.1f} % of the pixels differ between A and B")
assert 0 < differ < 0.2

# %% [markdown]
# What to see: outside the outline, its shadow and the blocks of the JPEG around them, the two satellite images are equal. What the answer depends on is a few pixels, and it is seen by the drone from the side.
#
# ## Dose
#
# The **dose** of a trial is the ground area that changed, in square metres. A building is *moved* or *resized* by just so much that the area is met; to be *removed* or *recoloured*, a building of that size is needed. Since hardly a town has houses of 5 m², the probe's places get small sheds and paved squares beforehand, one for each dose that they lack, and the drone sees those, too. Where there is no room, the trial is *missing* and counted as such; it is never replaced by another dose.

# %%
stimuli = probe.make_stimuli(settings, progress=False)
print(stimuli)
met = stimuli.areas_m2[stimuli.doses_m2 > 0] / stimuli.doses_m2[stimuli.doses_m2 > 0]
print(f"area met / dose asked: between {met.min():.2f} and {met.max():.2f}")
assert met.min() > 0.79 and met.max() < 1.26

# %% [markdown]
# At 64 pixels a side of 200 m, one pixel is about 10 m²: the smallest dose is half a pixel.
#
# ## Two alternatives, from scratch
#
# An encoder answers by similarity: of the two satellite images it takes the one whose embedding is nearer to the drone view's. A tie counts one half, as a coin would. There is no criterion to set and no word for "I do not know", which is why the method is called *forced choice*: chance is 50 %, whatever the encoder's scale.


# %%
def choices_scratch(z_drone, z_satellite, stimuli):
    """Right 1, wrong 0, tie 1/2, for each trial."""
    found = []
    for place, pair, answer in zip(stimuli.places, stimuli.pairs, stimuli.answers, strict=True):
        similarity = z_satellite[pair] @ z_drone[place]
        margin = float(similarity[answer] - similarity[1 - answer])
        found.append(0.5 if abs(margin) < 1e-6 else float(margin > 0))
    return np.array(found)


# %%
torch.manual_seed(0)
encoders = {
    "untrained": Encoder("test_convnext", image_px=64).eval(),
    "ImageNet": Encoder("tf_efficientnet_lite0", pretrained="pypi", image_px=64).eval(),
}
with torch.no_grad():
    z_drone = encoders["ImageNet"](torch.from_numpy(stimuli.drone))
    z_satellite = torch.cat(
        [encoders["ImageNet"](part) for part in torch.from_numpy(stimuli.satellite).split(256)]
    )
right = choices_scratch(z_drone.double(), z_satellite.double(), stimuli)
assert np.array_equal(right, probe.choices(z_drone, z_satellite, stimuli))
print(f"{len(right)} trials answered, the same by both routes")

# %% [markdown]
# **Predict, then run.** This encoder has seen a million photographs, none of them for this task. What share of the trials at 320 m², where a whole large building differs, does it answer rightly?

# %% tags=["nbval-ignore-output"]
guess = None  # your guess in percent, before you run
top = 100 * right[stimuli.doses_m2 == 320].mean()
compare_guess(guess, top, " %")
assert top < 75

# %% [markdown]
# It knows textures, edges and things, and it is of little use here: it was never asked to forget the viewpoint and to keep the place.
#
# ## Is the test fair?
#
# A test like this is easily spoilt. If the changed image were compressed twice, or had noise of its own, an encoder could answer by *that*. So every satellite image, changed or not, comes out of the same function, on the same day, with the same draw of noise. Four checks, each of which can fail:
#
# 1. *Dose 0.* A change that changes nothing must give the same picture, bit for bit.
# 2. *An oracle.* Who knows the scene that the drone saw, and draws it from above without noise, must find the true picture at the top dose.
# 3. *The oracle with the answers turned round* must be wrong: so the second check can fail.
# 4. *Strangers.* Ask the same pairs with the drone views of *other* places. Who is right then needs no drone view; he has a taste, say for full blocks over empty ones. This *blind* share should be near 50 %.

# %%
nothing = stimuli.satellite[stimuli.pairs[stimuli.doses_m2 == 0]]
assert np.array_equal(nothing[:, 0], nothing[:, 1])


def oracle(t):
    """The number of the picture that is nearer to the drone's scene as seen from above."""
    place = int(stimuli.places[t])
    day = probe.probe_days(settings, place)[2]
    seen = scenes.Flight.for_satellite(probe.probe_scene(settings, place), day, 64).satellite()
    pair = stimuli.satellite[stimuli.pairs[t]].transpose(0, 2, 3, 1).astype(float)
    return np.abs(pair - seen).sum((1, 2, 3)).argmin()


top_trials = np.flatnonzero((stimuli.doses_m2 == 320) & (stimuli.places < 12))
found = np.array([oracle(t) for t in top_trials])
assert (found == stimuli.answers[top_trials]).mean() >= 0.99
assert (found == 1 - stimuli.answers[top_trials]).mean() <= 0.01
print(f"dose 0: {len(nothing)} pairs, all equal; the oracle is right in all {len(found)} at 320 m²")

# %% [markdown]
# `probe` does the whole of it for any callable from images to embeddings; its whole use is `probe.probe(model, probe.make_stimuli())`. It refuses stimuli that fail the first check, and reports the blind share beside every share.

# %% tags=["nbval-ignore-output"]
live = {name: probe.probe(encoder, stimuli, name) for name, encoder in encoders.items()}
for report in live.values():
    blind = np.array(report.curves[probe.ALL_KINDS].blind)
    print(f"{report}\nblind shares between {blind.min():.1f} and {blind.max():.1f} %\n")
    assert report.control[0] == 50 and abs(blind - 50).max() < 15

# %% [markdown]
# ## The psychometric curve
#
# Shares at seven doses are better read as one curve. Below some dose nothing is seen, and the answers are a coin's; above some other everything is seen, but for *lapses* (a wall in front of the change, say), which no dose removes. Between the two the share rises with the *logarithm* of the dose, for which we take a cumulative normal $\Phi$:
#
# $$
# p(x) = \tfrac12 + \big(\tfrac12 - \lambda_0\big)\, \Phi\!\left(\frac{\log_2 x - \mu}{\sigma}\right),
# $$
#
# where $x$ is the dose in m², $\mu$ the midpoint and $\sigma$ the width in octaves, and $\lambda_0$ the lapse rate ([Wichmann and Hill, 2001](references.md#wichmann2001psychometric)). The **threshold** is the dose at which $p$ is 75 %, half-way from chance to certainty. The three numbers are those of largest likelihood, each dose giving a binomial count.


# %%
def fit_scratch(dose_m2, correct, trials):
    """midpoint (m²), width (octaves), lapse of largest likelihood."""
    x = np.log2(dose_m2)

    def cost(parameters):
        mu, log_sigma, lapse = parameters
        p = 0.5 + (0.5 - lapse) * norm.cdf((x - mu) / np.exp(log_sigma))
        p = np.clip(p, 1e-9, 1 - 1e-9)
        return -(correct * np.log(p) + (trials - correct) * np.log(1 - p)).sum()

    bounds = [(x.min() - 3, x.max() + 3), (np.log(0.5), np.log(6)), (0, 0.5)]
    found = minimize(cost, (x.mean(), 0.0, 0.02), bounds=bounds)
    return probe.Fit(2 ** found.x[0], np.exp(found.x[1]), found.x[2])


# %% [markdown]
# Known truth first: an observer whose curve we choose, with a threshold that follows from it, answers 200 places at each dose by throwing dice.

# %%
truth = probe.Fit(midpoint_m2=55, width_octaves=1.2, lapse=0.04)
doses = np.array(settings.doses_m2)
answers = np.random.default_rng(3).random((200, len(doses))) < truth(doses)
counts = answers.sum(0), np.full(len(doses), 200)
by_hand, by_package = fit_scratch(doses, *counts), probe.fit_curve(doses, *counts)
assert np.allclose(by_hand(doses), by_package(doses), atol=0.005)
print("share correct ", answers.mean(0).round(2))
print("fitted curve  ", by_package(doses).round(2))

# %% [markdown]
# How sure is the threshold? Trials of one place share its drone view, so they are not independent: whoever cannot see behind a tall house fails there at every dose. The **bootstrap** therefore draws *places*, with replacement, and fits again ([Efron and Tibshirani, 1993](references.md#efron1993bootstrap)). To draw places is to weigh their counts, so a thousand refits are two products of matrices.

# %%
weights = np.random.default_rng(0).multinomial(200, np.full(200, 1 / 200), size=1000)
once = np.ones_like(answers, float)
measured = probe.threshold(doses, *counts, weights @ answers, weights @ once)
needed = norm.ppf(0.25 / (0.5 - truth.lapse))
true_m2 = truth.midpoint_m2 * 2 ** (truth.width_octaves * needed)
print(f"75 % at {measured}; the truth is {true_m2:.0f} m²")
assert measured.low_m2 < true_m2 < measured.high_m2

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Share correct of a simulated observer against dose on a logarithmic axis: seven dots that rise from one half to nearly one, the fitted S-shaped curve through them, dotted lines at 75 per cent and at the threshold, and a bar that shows the threshold's interval."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(5.6, 3.4))
smooth = np.geomspace(5, 320, 100)
axis.plot(doses, 100 * answers.mean(0), "o", color=PALETTE["blue"], label="answers, 200 a dose")
axis.plot(smooth, 100 * by_package(smooth), "-", color=PALETTE["blue"], label="fitted curve")
axis.plot(smooth, 100 * truth(smooth), ":", color="black", label="the observer's own curve")
axis.axhline(75, color="0.5", linewidth=0.8)
axis.plot([measured.low_m2, measured.high_m2], [75, 75], color=PALETTE["vermilion"], linewidth=4)
axis.plot(measured.value_m2, 75, "D", color=PALETTE["vermilion"], label="threshold, 95 % interval")
axis.set_xscale("log", base=2)
axis.set_xticks(doses, [f"{dose:g}" for dose in doses])
axis.set(xlabel="changed area, m²", ylabel="correct, %")
axis.legend(frameon=False, fontsize=9)
print(f"threshold {measured.value_m2:.0f} m²")

# %% [markdown]
# What to see: the fitted curve lies on the observer's own, and the interval holds the true threshold. What if 75 % is never reached? A formula would give a number, far beyond the last dose, made of the curve's assumed shape and nothing else. The package says "not reached up to 320 m²" instead, and an interval may say "above 320" at one end.
#
# ## What each loss taught
#
# Now encoders that were trained for the task: chapter 09's network and settings, four losses, two seeds (each with its own world), beside the untrained network and ImageNet's. All were asked the same trials, on 200 places that are in none of their worlds, with all five kinds of change. The runs are stored; `book/_tools/store_probe.py` made them.

# %%
runs = {(loss, seed): run for (_, loss, seed), run in results.load("probe").items()}
asked = {key: probe.ProbeReport.from_dict(run["probe"]) for key, run in runs.items()}
names = ("untrained", "imagenet", "triplet", "infonce", "sharp_rda", "sharp")
seeds = sorted({seed for _, seed in runs})
print("loss, seed     at 80   160   320 m²    R@1  family  twin choice   75 % at")
for name in names:
    for seed in seeds:
        curve = asked[name, seed].curves[probe.ALL_KINDS]
        found_d2s = runs[name, seed]["report"]["D2S"]
        shares = "".join(f"{share:6.1f}" for share in curve.correct[-3:])
        measures = (found_d2s[key] for key in ("r_at_1", "family_r_at_1", "twin_choice"))
        row = "{:10.1f}{:8.1f}{:13.1f}".format(*measures)
        print(f"{name:10} {seed} {shares}{row}   {curve.threshold}")
        assert asked[name, seed].control[0] == 50

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Share correct against changed area on a logarithmic axis for six encoders of one seed, with error bars and fitted curves, and lines at chance and at 75 per cent. The printed line gives each encoder's share at the largest area."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7, 4.6))
shown = {name: asked[name, seeds[0]] for name in names}
probe.psychometric_curves(axis, shown)
tops = {name: report.curves[probe.ALL_KINDS].correct[-1] for name, report in shown.items()}
print("at 320 m²: " + ", ".join(f"{name} {share:.1f} %" for name, share in tops.items()))

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
at_top = {
    name: np.mean([asked[name, seed].curves[probe.ALL_KINDS].correct[-1] for seed in seeds])
    for name in names
}
trained = names[2:]
reached = [
    f"{n} (seed {s})" for n, s in asked if asked[n, s].curves[probe.ALL_KINDS].threshold.reached
]
Markdown(f"""
What to see: where each curve leaves the line of chance, and how far it rises. At 320 m² the four trained encoders are right in {min(at_top[n] for n in trained):.0f} to {max(at_top[n] for n in trained):.0f} %, the untrained one in {at_top["untrained"]:.0f} % and ImageNet's in {at_top["imagenet"]:.0f} % (means over seeds). Over all kinds together 75 % is reached by {", ".join(reached) or "none of them"}.
""")

# %% [markdown]
# The mean over kinds hides most of the story. The same answers by kind of change:

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "For each of five kinds of change a row, with a mark for each encoder at its share correct over the doses of 80 square metres and more. The printed table gives the same shares."}} cellView="form" jupyter={"source_hidden": true}
large_m2 = (80, 160, 320)
kinds = list(asked[names[0], seeds[0]].curves)[1:]
styles = run_styles(names)


def large_doses(name, kind):
    """Percent correct over the doses of 80 m² and more, mean over seeds."""
    shares = []
    for seed in seeds:
        curve = asked[name, seed].curves[kind]
        large = np.isin(curve.dose_m2, large_m2)
        shares.append(
            np.average(np.array(curve.correct)[large], weights=np.array(curve.trials)[large])
        )
    return np.mean(shares)


by_kind = {name: np.array([large_doses(name, kind) for kind in kinds]) for name in names}
figure, axis = plt.subplots(figsize=(7, 3.8))
for i, (name, (tone, _, mark)) in enumerate(styles.items()):
    rows = np.arange(len(kinds)) + 0.1 * (i - 2.5)
    axis.plot(by_kind[name], rows, mark, color=tone, label=name)
    print(f"{name:10}" + "".join(f"{share:7.1f}" for share in by_kind[name]))
axis.axvline(50, color="black", linewidth=0.8)
axis.set_yticks(range(len(kinds)), kinds)
axis.set(xlabel="correct at 80 m² and more, %")
axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
axis.invert_yaxis()

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
shares = np.array([by_kind[name] for name in trained])  # (losses, kinds)
level, apart = shares.mean(0), np.ptp(shares, axis=0).max()
order = np.argsort(-level)
said = ", ".join(f"{kinds[i]} {level[i]:.0f} %" for i in order)
assert np.ptp(level) > 5
Markdown(f"""
What to see: how far the kinds lie apart. Mean of the four trained encoders: {said}. From the easiest kind to the hardest that is {np.ptp(level):.0f} points; two losses differ by {apart:.0f} points at most within a kind.
""")

# %% [markdown]
# A threshold of its own is reached in few of these curves:

# %%
curves = [(name, seed, kind) for name, seed in asked for kind in kinds]
reached_by_kind = [
    (*at, asked[at[:2]].curves[at[2]].threshold)
    for at in curves
    if asked[at[:2]].curves[at[2]].threshold.reached
]
print(f"75 % reached in {len(reached_by_kind)} of {len(curves)} curves of one encoder and one kind")
for name, seed, kind, threshold in reached_by_kind:
    print(f"{name}, seed {seed}, {kind}: {threshold}")

# %% [markdown]
# A kind on which everyone stands near 50 % is one that training did not need. A training batch can be told apart by what is easiest in it; once that suffices, a loss asks for nothing more. That is a guess at a cause, not a finding; [23 Does it hold on photographs?](23_does_it_hold_on_photographs.ipynb) puts twins into one batch and looks at what changes.
#
# Which differences are more than luck of the places? Two encoders that answered the same trials are compared place by place: the bootstrap draws places, and takes both encoders' answers there.

# %%
pairs_of_losses = [
    "infonce triplet",
    "sharp_rda triplet",
    "sharp triplet",
    "sharp sharp_rda",
    "sharp infonce",
]
print("points at 80 m² and more, by seed")
gains = {}
for pair in pairs_of_losses:
    first, second = pair.split()
    gains[pair] = [
        probe.compare(asked[first, seed], asked[second, seed], doses_m2=large_m2) for seed in seeds
    ]
    cells = "   ".join("{:+5.1f} ({:+5.1f} to {:+5.1f})".format(*gain) for gain in gains[pair])
    print(f"{first + ' − ' + second:18} {cells}")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
clear = [p for p in gains if all(low > 0 or high < 0 for _, low, high in gains[p])]
open_ = [p for p in gains if all(low <= 0 <= high for _, low, high in gains[p])]
dash = " − ".join
Markdown(f"""
Clear of zero in every stored seed: {"; ".join(dash(p.split()) for p in clear) or "none"}. Not clear in any: {"; ".join(dash(p.split()) for p in open_) or "none"}. An interval that holds zero does not say that two losses are equal, but that these places cannot tell.
""")

# %% [markdown]
# ## The same test on photographs
#
# Aerial photographs can be asked, too. The change is then an edit of the tile, in which a patch is moved, copied elsewhere or recoloured (160 m² at most, for the tiles are small), and the drone's view is a warp of it; what that lacks is a subject of [23 Does it hold on photographs?](23_does_it_hold_on_photographs.ipynb). The networks were trained anew, on PhotoTowns, for 300 steps, and asked about tiles that no training place shows. The photographs belong to others and are not shown.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Share correct against edited area on a logarithmic axis for six encoders on photographs, with error bars and fitted curves, and lines at chance and at 75 per cent. The table below gives each encoder's share at 160 square metres."}} cellView="form" jupyter={"source_hidden": true}
on_photos = {
    (name, seed): probe.ProbeReport.from_dict(run["probe"])
    for (_, name, seed), run in results.load("probe_photo").items()
}
photo_seeds = sorted({seed for _, seed in on_photos})
figure, axis = plt.subplots(figsize=(7, 4.6))
probe.psychometric_curves(axis, {name: on_photos[name, photo_seeds[0]] for name in names})
edits = list(on_photos[names[0], photo_seeds[0]].curves)[1:]
print("kinds of edit:", ", ".join(edits), "| seeds:", len(photo_seeds))


# %%
def correct_at(reports, name, dose):
    """Percent correct at a dose in m², all kinds, mean over the reports' seeds."""
    curves = [report.curves[probe.ALL_KINDS] for (n, _), report in reports.items() if n == name]
    nearest = [np.argmin(abs(np.array(curve.dose_m2) - dose)) for curve in curves]
    return np.mean([c.correct[i] for c, i in zip(curves, nearest, strict=True)])


print("correct at 160 m², %  rendered   photographs")
at_160 = {name: [correct_at(r, name, 160) for r in (asked, on_photos)] for name in names}
for name, (rendered, photographed) in at_160.items():
    print(f"{name:20}{rendered:10.1f}{photographed:14.1f}")
reached_there = sum(r.curves[probe.ALL_KINDS].threshold.reached for r in on_photos.values())
print(f"75 % reached on photographs: {reached_there} of {len(on_photos)}")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
clear_there = []
for loss in trained[1:]:
    by_seed = [
        probe.compare(on_photos[loss, s], on_photos["triplet", s], doses_m2=large_m2)
        for s in photo_seeds
    ]
    for word, apart in (("ahead", all(g[1] > 0 for g in by_seed)),
                        ("behind", all(g[2] < 0 for g in by_seed))):  # fmt: skip
        clear_there += [f"{loss} ({word})"] if apart else []
on_rendered, photographed = zip(*(at_160[name] for name in trained), strict=True)
Markdown(f"""
What to see: at 160 m² ImageNet's network, never trained for the task, is right in {at_160["imagenet"][0]:.0f} % on rendered places and in {at_160["imagenet"][1]:.0f} % on photographs, the trained ones in {min(on_rendered):.0f} to {max(on_rendered):.0f} % and in {min(photographed):.0f} to {max(photographed):.0f} %. On photographs, at 80 m² and more, clearly apart from L_tri in every stored seed: {", ".join(clear_there) or "none"}. The two columns are not one scale: an edit is no change of the world, and a pasted patch has an edge, though the unchanged image went through the same machinery.
""")

# %% [markdown]
# ## Which skill does each loss improve?
#
# There are now three measures. R@1 of the *family* is the first skill; *twin choice*, right answers between a place and one of its twins, is the second, with whatever their world happened to change (often more than one thing); and the probe is the second skill for one change at a time. The first two are those of the stored study `main`, chapter 09's; intervals are Student's over its seeds.

# %%
main = results.load("main")
compared = ("sharp_palw", "infonce", "sharp_rda", "sharp")
skills = {"family": "family_r_at_1", "twin choice": "twin_choice"}
found_skills = {
    skill: dict(zip(compared, comparisons.against(main, "mini", "triplet", compared, measure),
                    strict=True))
    for skill, measure in skills.items()
}  # fmt: skip
print("points above L_tri    family    twin choice    probe, 80 m² and more, by seed")
for loss in compared:
    cells = [found_skills[skill][loss].interval for skill in skills]
    by_probe = (
        " ".join(f"{gain[0]:+.1f}" for gain in gains.get(f"{loss} triplet", [])) or "not asked"
    )
    print(f"{loss:16}{cells[0]!s:>14}{cells[1]!s:>14}    {by_probe}")


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def clear_of_zero(difference):
    return abs(difference.interval.mean) > difference.interval.half_width


def skills_of(loss):
    """What a loss improves over L_tri, beyond what chance gives."""
    found = [skill for skill in skills if clear_of_zero(found_skills[skill][loss])]
    if all(low > 0 for _, low, _ in gains.get(f"{loss} triplet", [(0, 0, 0)])):
        found.append("the probe's single changes, in each seed")
    return " and ".join(found) or "neither clearly"


share = {n: np.mean([g[0] for g in gains[f"{n} triplet"]]) for n in compared if n != "sharp_palw"}
choice = [found_skills["twin choice"][loss].interval.mean for loss in share]
assert max(share.values()) < min(choice)
Markdown(f"""
In one sentence, with respect to L_tri: {"; ".join(f"**{loss}** improves {skills_of(loss)}" for loss in compared)}. On one change at a time InfoNCE, RDA and sharp DPHR gain {min(share.values()):.1f} to {max(share.values()):.1f} points, where their twin choice gains {min(choice):.1f} to {max(choice):.1f}.
""")

# %% [markdown]
# So a large step in R@1 need not mean a sharp eye: on one change at a time, the same encoders are hardly better than before. Why twin choice rises all the same, we have not settled. Twins of a world differ by the changes of both, often several at once, in a world that the encoder was trained on the like of; the probe's pair differs by one.
#
# ## What the probe does not say
#
# * *A dose is not a contrast.* A white roof on dark ground is an easier 80 m² than a grey one on asphalt. The kinds have curves of their own for that reason, and a threshold belongs to a kind, an image size and a world.
# * *One camera, one day.* Each place has one drone view; the two satellite images of a trial share day and noise. Between two real satellite images of one place lie months. `own_noise=True` and `weather=1` are the first steps there.
# * *Rendered towns.* Whether an order of losses holds on photographs is measured in [23 Does it hold on photographs?](23_does_it_hold_on_photographs.ipynb).
# * *Resampled places say nothing of seeds.* The intervals above are about places. Two seeds of training are few.
#
# ## Probe your own encoder
#
# Anything that turns a batch of `uint8` images into a batch of vectors can be probed. From the command line, run folders and any timm name, beside their untrained selves:
#
# ```bash
# dphr probe --run runs/first --backbone tf_efficientnet_lite0 \
#   --pretrained pypi --out probe.json --figure probe.png
# dphr probe --run runs/first --kinds removed swapped --doses 40 80 160 320
# ```
#
# ## Summary

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
best = {name: large_doses(name, probe.ALL_KINDS) for name in names}
Markdown(f"""
* You **built** {len(stimuli.answers):,} trials on {len(stimuli.drone)} places. Dose 0 gave equal pictures in all {len(nothing)} pairs, and the oracle was right in all {len(found)} at 320 m².
* You **fitted** a simulated observer's curve: threshold {measured.value_m2:.0f} m², interval {measured.low_m2:.0f} to {measured.high_m2:.0f}, truth {true_m2:.0f}. Where 75 % is not reached, the report says so and gives a bound.
* You **compared** encoders on the same trials: at 80 m² and more, {best["untrained"]:.0f} % were right untrained, {best["imagenet"]:.0f} % with ImageNet's weights, {best["triplet"]:.0f} % after L_tri, {best["infonce"]:.0f} % after InfoNCE, {best["sharp_rda"]:.0f} % after RDA and {best["sharp"]:.0f} % after sharp DPHR (means over the stored seeds).
""")

# %% [markdown]
# ## Exercises
#
# 1. *Predict.* All embeddings are turned by one rotation and made seven times longer. Which answers change?
# 2. *Break.* Make the changed pictures one grey level darker. What does the probe say, and what would an encoder have scored?
# 3. *Modify.* Give each alternative its own noise (`own_noise=True`). What becomes of dose 0?
# 4. *Prove.* How many independent trials does a share near 50 % need for a 95 % interval of ± 2 points?
# 5. *Open.* The dose is an area on the ground. Design a dose that would make the five kinds equally hard at an equal dose, and say how you would test that it does.

# %% [markdown]
# **Solutions** (run, and collapsed until you open them)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# 1. None: a rotation keeps cosines, and the length is divided out.
turn = torch.linalg.qr(
    torch.randn(z_drone.shape[1], z_drone.shape[1], generator=torch.manual_seed(0))
)[0]
assert np.array_equal(right, probe.choices(7 * z_drone @ turn, 7 * z_satellite @ turn, stimuli))

# 2. It refuses: the pairs of dose 0 differ. A darker picture would have been a cue at every dose.
darker = stimuli.satellite.copy()
changed = stimuli.pairs[np.arange(len(right)), 1 - stimuli.answers]
darker[changed] -= darker[changed] > 0
try:
    probe.probe(encoders["untrained"], replace(stimuli, satellite=darker))
    raise AssertionError("the leak went unseen")
except ValueError as error:
    print(str(error).split(":")[1].strip())

# 3. The two pictures differ by noise alone, so an encoder answers, and is right about half the time.
own = replace(settings, places=8, doses_m2=(320,), own_noise=True)
noisy = probe.make_stimuli(own, workers=1, progress=False)
pairs = noisy.satellite[noisy.pairs[noisy.doses_m2 == 0]]
assert (pairs[:, 0] != pairs[:, 1]).any((1, 2, 3)).all()

# 4. The standard error is sqrt(p (1 - p) / n), largest at p = 1/2: n = (1.96 / 0.02)^2 / 4.
n = (1.96 / 0.02) ** 2 / 4
tosses = np.random.default_rng(0).binomial(round(n), 0.5, 4000) / round(n)
assert round(n) == 2401 and abs((abs(tosses - 0.5) < 0.02).mean() - 0.95) < 0.01
print(f"{n:.0f} trials")

# %% [markdown]
# ## Readings
#
# * [Wichmann and Hill (2001)](references.md#wichmann2001psychometric): how to fit a psychometric curve, and why the lapse rate must be free.
# * [Geirhos et al. (2018)](references.md#geirhos2018generalisation): the method turned on networks, beside people, on the same pictures.
# * [Funke et al. (2021)](references.md#funke2021five): what to check before a network is said to see something; our checks of fairness are in its spirit.
# * [Efron and Tibshirani (1993)](references.md#efron1993bootstrap): the bootstrap, by its inventor; on what to resample, above all.
