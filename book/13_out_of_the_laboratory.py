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
# # 13 Out of the laboratory
#
# **An encoder finds 97 of 100 test places when it looks north. What is left of that in bad weather, without a compass, and in a file for a small computer?**
#
# The answer in short: at the third of five strengths, rain and motion blur take more than half of it. At the fifth each of ten corruptions takes half or more. An encoder that was trained on turned images keeps 83 to 93 % at five headings, where ImageNet's weights alone fall from 81 to as little as 11 %. One exported file gives the same vectors, almost four times as fast on a server's CPU. No small computer was measured. And the test is an easy one: its queries are warps of the very photographs that they are searched among.
#
# By the end you can
#
# * **measure** what a corruption costs, with an interval, and how far it moves an embedding;
# * **compare** two cures for an unknown heading, and say what the comparison leaves open;
# * **export** an encoder to one file, check it, and read what 8 bits cost.
#
# You need: [04 Measuring retrieval](04_measuring_retrieval.ipynb), half an hour. The cells run in about a minute on two CPU cores, with the extra `onnx`. R@1 here is drone to satellite, and a stored result (`book/_tools/store_robustness.py`). Nothing is downloaded.

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["remove-cell"]
if "google.colab" in sys.modules:  # and what writes ONNX files
    package = package.replace("train,book", "onnx")
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
import json
import tempfile
from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from dphr_lab.datasets import TwinTowns
from dphr_lab.datasets.corruptions import CORRUPTIONS, corrupted
from dphr_lab.localization.robustness import measure_robustness
from dphr_lab.models import Encoder, embed, export
from dphr_lab.plotting import PALETTE
from dphr_lab.scenes import WorldSettings
from dphr_lab.teaching import (
    check_answer,
    guess_choice,
    guess_number,
    table,
)

plt.rcParams.update({
    "figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True,
})  # fmt: skip

# %% [markdown]
# ## A place in the rain
#
# A benchmark's photographs are taken on good days. A **corruption** spoils them afterwards, by a known amount: there are five strengths. Here it rains on a rendered place, at the third. Three satellite images are offered.

# %%
counts = {"train_places": 0, "test_places": 3, "drone_views": 1}
world = WorldSettings(**counts, family_size=1, image_px=256, weather=0.0)
town = TwinTowns(world, workers=1, progress=False)
photograph, gallery = town.test("D2S")
shown = ("fog", "rain", "snow", "dark", "motion_blur", "noise", "occlusion")
spoilt = {}
for name in shown:
    level = CORRUPTIONS[name].levels[2]  # the third of the five
    spoilt[name] = corrupted(photograph, name, level)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "A drone photograph in rain of the third of five strengths, and three satellite images. Which of them shows the same place?"}, "image": {"alt": "Four pictures: a drone view of grey ground with car parks and white roofs, covered by bright streaks of rain, and three satellite images. A has a pond; B has a road that crosses it aslant and two car parks; C has houses on green ground."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 4, figsize=(7.2, 2.1))
pictures = [spoilt["rain"].read([0], 256)[0]]
pictures += [gallery.read([i], 256)[0] for i in (2, 0, 3)]
for axis, picture, name in zip(axes, pictures, ("rain", *"ABC"), strict=True):
    axis.imshow(picture.permute(1, 2, 0))
    axis.set_title(name, fontsize=10)
    axis.axis("off")
assert gallery.places[0] == photograph.places[0]

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_choice(
    "Which satellite image shows the place in the rain?",
    {
        "A": "It has a pond. The photograph has none.",
        "B": "A road crosses it aslant, between two car parks.",
        "C": "Its ground is green.",
    },
    "B",
)

# %% [markdown]
# You look past the streaks. You had three tiles to choose from, though. The encoder measured below has 200, of another set. In rain of this strength it finds 36 of 100 places. Here are seven corruptions.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "The same photograph as it is, and under seven corruptions of the third strength. Which of them would you fear most?"}, "image": {"alt": "Eight pictures of the same rendered place seen by a drone: as it is, in fog, in rain, in snow, in the dark, with motion blur, with sensor noise, and with a grey rectangle over a fifth of it."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 4, figsize=(7.2, 3.9))
all_of_them = {"as it is": photograph, **spoilt}
for axis, (name, images) in zip(axes.flat, all_of_them.items(), strict=True):
    axis.imshow(images.read([0], 256)[0].permute(1, 2, 0))
    axis.set_title(name.replace("_", " "), fontsize=10)
    axis.axis("off")

# %% [markdown]
# ## How far does it move?
#
# An encoder turns a picture into a vector of length 1. If a corruption leaves the vector where it was, no answer changes. So measure how far the vector **moves**: 1 minus the cosine between the vector of the spoilt picture and that of the clean one. It is 0 for an equal vector and 1 for one at a right angle.


# %%
def moved_scratch(z_spoilt, z_clean):
    """Mean of 1 - cosine over pictures, both (B, D) of length 1."""
    return float((1 - (z_spoilt * z_clean).sum(1)).mean())


encoder = Encoder.load("starter")
z_clean = embed(encoder, photograph)
moved_by = moved_scratch(embed(encoder, spoilt["rain"]), z_clean)
by_package = measure_robustness(encoder, town, ["rain"])
third = by_package.conditions["rain"][2]  # of the five strengths
assert np.isclose(moved_by, third.shift, atol=1e-4)
assert abs(moved_scratch(z_clean, z_clean)) < 1e-4  # known truth: 0
print(f"rain moves these three places' photographs by {moved_by:.1f}")

# %% [markdown]
# ## What does it cost?
#
# Two encoders were measured, both EfficientNet-Lite0 at 128 px.
#
# * **ImageNet** has the weights of that classification task, and no training for places.
# * The **starter** comes with this package. It begins with the same weights and was trained on rendered towns and on warped aerial photographs. Its drone images were turned at random, with changes of brightness and contrast, and some JPEG, blur and erasing. So some corruptions have a relative in its training (JPEG, motion blur, dark, overexposure, occlusion).
#
# The test has 120 queries, searched among 200 satellite tiles. They are aerial photographs, warped as a drone would see them ([23](23_does_it_hold_on_photographs.ipynb)), of kinds of ground that no training saw. A warp has its tile's shadows, season and buildings, so real flights are harder: on the genuine drone photographs of six places, searched among 171 tiles, the starter finds 9.9 % (0.3 to 24.1). Each query is the first drone image of its place. **That one looks north, so north is up in it as on the tile.** Over four headings the starter finds 90.1 % of such places and ImageNet 59.2 % (model card). North is the easy heading. So all levels here are high; the comparisons say more.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
stored = files("dphr_lab") / "results" / "robustness"
names = {"imagenet": "ImageNet", "starter": "starter"}
texts = [(stored / f"{name}.json").read_text("utf-8") for name in names]
measured = dict(zip(names, map(json.loads, texts), strict=True))
conditions = {n: m["corruptions"]["conditions"] for n, m in measured.items()}


def with_interval(row):
    """R@1 as text with its interval."""
    low, high = row["r_at_1_interval"]
    return f"{row['r_at_1']:.0f} ({low:.0f} to {high:.0f})"


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
guess_number(
    "The dark picture above shows the third strength. How many of 100 places "
    "does the starter still find in it? Unspoilt it is 97.",
    conditions["starter"]["dark"][2]["r_at_1"],
    within=8,
    explain="More than in rain (36). But read on.",
)


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
unspoilt = [measured[name]["corruptions"]["unchanged"] for name in names]
rows = [["none", *map(with_interval, unspoilt), ""]]
for corruption in ("fog", "occlusion", "dark", "motion_blur", "rain"):
    imagenet, starter = (conditions[name][corruption] for name in names)
    cells = map(with_interval, (imagenet[2], starter[2], starter[4]))
    rows.append([corruption.replace("_", " "), *cells])
heads = ["corruption", "ImageNet, third strength", "starter, third strength"]
table(
    [*heads, "starter, fifth strength"],
    rows,
    caption="R@1 in percent, looking north; 95 % intervals over 120 places",
)


# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
def cells(corruption):
    rows, level = conditions["starter"][corruption], 2
    label = corruption.replace("_", " ")
    if corruption in ("scale", "rotation"):  # no order: the worst of them
        level = min(range(len(rows)), key=lambda i: rows[i]["r_at_1"])
        label += f", {rows[level]['level']:g}"
    at = [conditions[name][corruption][level] for name in names]
    fifth = with_interval(rows[4]) if level == 2 else None
    return [label, *map(with_interval, at), fifth, rows[level]["shift"]]


order = sorted(CORRUPTIONS, key=lambda c: -cells(c)[-1])
table(
    [*heads, "fifth", "moved"],
    map(cells, order),
    caption="All twelve; fifth strength and movement are the starter's. "
    "Scale (half the altitude) and rotation (135°) have "
    "no order of strength and stand at their worst level",
    digits=2,
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "R@1 of the starter by strength: the two corruptions that cost least at the third strength (fog, occlusion), the two that cost most there (motion blur, rain), and darkness. Bands are 95 % intervals over places. Follow fog and occlusion from the third strength to the fifth."}, "image": {"alt": "Five falling curves of R@1 over five strengths. Fog and occlusion fall late. Rain and motion blur fall at once. Darkness lies between them up to the third strength and falls below all others at the fifth."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.8, 3.6))
lines = {
    "fog": ("sky", "-"), "occlusion": ("green", "-."),
    "dark": ("black", ":"), "motion_blur": ("orange", "--"),
    "rain": ("vermilion", "-"),
}  # fmt: skip
for name, (tone, style) in lines.items():
    rows = conditions["starter"][name]
    values = [row["r_at_1"] for row in rows]
    bounds = np.array([row["r_at_1_interval"] for row in rows]).T
    at = range(1, len(rows) + 1)
    axis.plot(at, values, style, color=PALETTE[tone],
              label=name.replace("_", " "))  # fmt: skip
    axis.fill_between(at, *bounds, color=PALETTE[tone], alpha=0.12)
axis.set(xlabel="strength", ylabel="R@1 (%)", ylim=(0, 100))
axis.set_xticks(range(1, 6))
axis.legend(frameon=False)
axis.grid(color="0.9")

# %% [markdown]
# Two things to take from it.
#
# * **The order of the corruptions depends on the strength.** At the third, fog and occlusion cost the starter about the same (R@1 is 88 and 85 %). At the fifth, fog leaves 26 % and occlusion 48 %. Darkness goes from 64 to 5 %.
# * **How bad a picture looks to you need not say how much is lost.** The dark picture is nearly black, and in the rainy one you could solve the puzzle. The starter finds 64 % in such darkness and 36 % in such rain.
#
# Do not read the table as "rain is worse than fog", either. The strengths are our own choice **[O]**: the first is seen at a glance, the fifth leaves a person little. A third of rain and a third of fog have no common unit.
#
# `dphr robustness --run starter --data DATA` makes such a table for any encoder.
#
# ## Does moving further cost more?
#
# Ten corruptions have five strengths; scale has four levels and rotation five angles. That makes 59 conditions. If movement alone decided what is lost, the points of one encoder would lie on one curve.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
points = {
    name: {kind: np.array([(c["shift"], 100 * c["drop"]) for c in rows])
           for kind, rows in of.items()}
    for name, of in conditions.items()
}  # fmt: skip


def curve_and_scatter(parts):
    """A cubic curve through points (N, 2); their root mean square off it."""
    moved, lost = np.vstack(parts).T
    curve = np.polynomial.Polynomial.fit(moved, lost, 3)
    return curve, np.sqrt(np.mean((lost - curve(moved)) ** 2))


# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "How far a corruption moves the vectors, and the share of R@1 that is lost. Each point is one corruption at one strength; the line is a cubic curve through all. The starter's points lie closer to their curve than ImageNet's to theirs."}, "image": {"alt": "Two panels of 59 points each, loss in percent of R@1 against movement, with a rising curve through them. Right, the starter: a narrow rising band. Left, ImageNet: a wide band about the curve."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 2, figsize=(7.2, 3), sharey=True)
looks = (("vermilion", "^"), ("blue", "o"))
for axis, (name, of), look in zip(
    axes, points.items(), looks, strict=True
):  # fmt: skip
    tone, mark = look
    cloud = np.vstack(list(of.values()))
    axis.plot(*cloud.T, mark, color=PALETTE[tone], markersize=4)
    curve, _ = curve_and_scatter(list(of.values()))
    axis.plot(*curve.linspace(), color="0.4", linewidth=1.2)
    axis.set(xlabel="moved, 1 − cosine", title=names[name], xlim=(0, 0.8))
    axis.grid(color="0.9")
label = axes[0].set_ylabel("R@1 lost, % of its own")


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def scatter_of(kinds):
    """Scatter of both encoders over these corruptions, and its difference."""
    both = [
        curve_and_scatter([of[kind] for kind in kinds])[1]
        for of in points.values()
    ]  # fmt: skip
    return np.array([*both, both[0] - both[1]])


rng, columns = np.random.default_rng(0), []
for left_out in ((), ("rotation",)):
    kinds = [kind for kind in CORRUPTIONS if kind not in left_out]
    drawn = [rng.choice(kinds, len(kinds)) for _ in range(2000)]
    ends = np.percentile([*map(scatter_of, drawn)], [2.5, 97.5], axis=0)
    assert ends[0, 2] > 0  # ImageNet's is larger
    columns.append([
        f"{value:.1f} ({low:.1f} to {high:.1f})"
        for value, low, high in zip(scatter_of(kinds), *ends, strict=True)
    ])  # fmt: skip
assert sum(map(len, points["starter"].values())) == 59
labels = [*names.values(), "ImageNet minus starter"]
table(
    ["scatter about the curve", "all twelve", "without rotation"],
    list(zip(labels, *columns, strict=True)),
    caption="Root mean square, in percent of the encoder's R@1. In brackets "
    "95 % intervals: corruptions are drawn anew, and curves fitted anew",
)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
starter = conditions["starter"]
five = [c for c in starter if c not in ("scale", "rotation")]
assert max(five, key=lambda c: starter[c][2]["drop"]) == "rain"
third, fifth = ({c: starter[c][i]["r_at_1"] for c in five} for i in (2, 4))
ranked = sorted(five, key=third.get)
assert ranked[:2] == ["rain", "motion_blur"]
assert ranked[-2:] == ["occlusion", "fog"]
assert min(fifth, key=fifth.get) == "dark"
for name, of in conditions.items():  # binomial errors, in % of its own
    unspoilt = measured[name]["corruptions"]["unchanged"]["r_at_1"] / 100
    rates = [row["r_at_1"] / 100 for rows in of.values() for row in rows]
    variance = np.mean([rate * (1 - rate) / 120 for rate in rates])
    print(f"{name}: chance scatters {100 * variance**0.5 / unspoilt:.1f} %")
card = files("dphr_lab") / "models" / "starter" / "README.md"
for row in ("photos", "university"):
    [line] = [
        text for text in card.read_text("utf-8").splitlines()
        if text.startswith(f"| {row} | D2S | as it is |")
    ]  # fmt: skip
    of_starter, of_imagenet = line.replace("**", "").split(" | ")[3:5]
    print(f"{row}: {of_starter.split(',')[0]},", of_imagenet.split(",")[0])

# %% [markdown]
# The starter's points nearly lie on one curve: 4.5 % of its unspoilt R@1 off it, where the chance of 120 queries alone would give about 3.6 (roughly, since all conditions share the queries). ImageNet's lie 13.2 % off theirs (chance: 5.0). So how far the vectors move, which needs no labels, is a fair first look for the starter and a poor one for ImageNet's weights. It is no measurement for either.
#
# ## A turned photograph
#
# A drone's heading is often known, and then the photograph is turned north before the search. (0° is north here.) What if it is not known? Two cures exist. *Training* can turn the drone images at random. *Searching* can try four turns of the query, by 0°, 90°, 180° and 270°, and keep the one whose nearest tile is most similar (`--tta rotations`). Those are "4 looks"; "1 look" is the photograph as it is.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
one_look = measured["imagenet"]["turned_at_query_time"]["1"]
guess_number(
    "R@1 of the ImageNet encoder for photographs turned by 45°?",
    one_look["conditions"]["rotation"][1]["r_at_1"],
    within=5,
    unit=" %",
)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"figure": {"caption": "R@1 when the photograph is turned. The starter, trained with turns, stays above 80 % at all five angles. Four looks at query time raise the ImageNet encoder far at 90\u00b0 only. Bars are 95 % intervals over places."}, "image": {"alt": "R@1 over the angle for two encoders, each with one look and with four. The starter stays above eighty percent with either. The ImageNet encoder falls to eleven percent at 135 degrees with one look. Four looks raise it far at 90 degrees, hardly at 45 and 135, and lower it at 15; at 180 degrees it is high with either."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.8, 3.4))
rows_of = {}
sides = ("starter", "blue", 1), ("imagenet", "vermilion", -1)
for name, tone, side in sides:
    for looks, style in (("1", "-o"), ("4", "--s")):
        found = measured[name]["turned_at_query_time"][looks]
        rows = rows_of[name, looks] = found["conditions"]["rotation"]
        at = np.array([row["level"] for row in rows])
        rates = np.array([row["r_at_1"] for row in rows])
        ends = np.array([row["r_at_1_interval"] for row in rows]).T
        label = f"{names[name]}, {looks} look{'s' if looks == '4' else ''}"
        axis.errorbar(at + side + (2 if looks == "4" else 0), rates,
                      abs(ends - rates), fmt=style, color=PALETTE[tone],
                      elinewidth=0.8, capsize=2, label=label)  # fmt: skip
axis.set(xlabel="turned by, degrees", ylabel="R@1 (%)", ylim=(0, 100))
axis.set_xticks(at)
above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
axis.legend(frameon=False, ncols=2, **above)
axis.grid(color="0.9")

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
rows, rate_of = [], {}
for (name, looks), found in rows_of.items():
    unturned = measured[name]["turned_at_query_time"][looks]["unchanged"]
    rates = [unturned["r_at_1"]] + [row["r_at_1"] for row in found]
    rate_of[name, looks] = np.array(rates)
    rows.append([names[name], looks, *(f"{rate:.0f}" for rate in rates)])
gain = rate_of["imagenet", "4"] - rate_of["imagenet", "1"]
assert gain[3] > 25 and (np.delete(gain, 3) < 10).all()
gain = rate_of["starter", "4"] - rate_of["starter", "1"]
assert gain.min() > -1 and gain.max() < 7
assert rate_of["starter", "1"].min() > 83
table(["R@1 (%)", "looks", "0°", *(f"{angle:.0f}°" for angle in at)], rows)

# %% [markdown]
# * **Training.** The starter keeps 83 % or more at each of five angles, of 97 % unturned. It was trained with turned images. But it was trained on other things, too, and no starter was trained without turns. So this does not prove that the turns did it.
# * **Searching, ImageNet.** Four looks raise R@1 from 47 to 78 % at 90°: of a photograph turned by 0, 90 or 180° the four looks are the same four pictures. (So those columns agree, and 45° agrees with 135°.) At 15° it was lower with them (59 and 68 %). 45° and 135° lie between two of the turns. At 180° one look already finds 77 %, and we do not know why. A guess: roads and walls keep their directions when turned by 180°.
# * **Searching, the starter.** Four looks raise R@1 by at most 6 points (90 to 96 % at 90°, as much at 135°) and lose one unturned query of 120 (97 and 96 %). They take four times as long to embed.
#
# The stored files keep no single answers, so differences cannot be paired ([05](05_how_sure_are_we.ipynb)). Do not read a few points as a gain or a loss. Pair them on your own data before you pay for four looks.
#
# ## On a small computer
#
# A drone's computer may have no PyTorch. **ONNX** is a file format that a small program, ONNX Runtime, can run. The normalisation of the pixels is inside. An export must be checked: the same pictures must give the same vectors.

# %% tags=["nbval-ignore-output"]
path = Path(tempfile.mkdtemp()) / "starter.onnx"
exported = export(encoder, path)  # an encoder again, by ONNX Runtime
z_exported = embed(exported, photograph)
assert np.allclose(z_exported, z_clean, atol=1e-4)
print(f"one file of {path.stat().st_size / 1e6:.0f} MB, the same vectors")

# %% [markdown]
# In the shell this is `dphr export --run starter --onnx starter.onnx`. `--int8` rounds weights and activations to 8 bits, fitted on the pictures of `--data`. All commands take the file as `--run starter.onnx`.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
FORMS = {"pytorch": "PyTorch", "onnx": "ONNX", "onnx_int8": "ONNX, 8 bits"}
rows = []
for name in names:
    for form, found in measured[name]["forms"].items():
        low, high = found["intervals"]["r_at_1"]
        interval = f"{found['r_at_1']:.1f} ({low:.1f} to {high:.1f})"
        label = f"{names[name]}, {FORMS[form]}"
        rows.append([label, interval, found["ms_an_image"]])
table(
    ["encoder", "R@1 (95 %)", "ms an image"],
    rows,
    caption="R@1 in percent, with 95 % intervals over places, on all "
    "200 queries of the test set; the corruptions used 120 of them. Time: "
    "one thread of a server CPU, 128 px",
    digits=1,
)

# %% [markdown]
# ONNX Runtime gives the same R@1 almost four times as fast (8.8 and 2.3 ms for the starter). On another processor it was only two to three times as fast ([measured](measured.md)). 8 bits are faster again. With them the starter loses two queries of 200 and ImageNet gains one, net. So few queries cannot show a small cost. No computer of a drone was measured.
#
# ## Say what was not measured
#
# Who ships an encoder should say where it fails, in a **model card**. The starter's lies beside its weights (`dphr_lab/models/starter/README.md`). On genuine drone photographs it calls *not settled* whether the starter beats its ImageNet start: only six places were at hand.

# %% [markdown]
# ## Exercises
#
# **1. Predict.** Fog and then rain, both of strength 3. Is the starter's vector moved by *less* or by *more* than the sum of what fog and rain move it alone?

# %%
guess = None  # "less" or "more"

wet_fog = corrupted(spoilt["fog"], "rain", CORRUPTIONS["rain"].levels[2])
fog, rain, both = (
    moved_scratch(embed(encoder, images), z_clean)
    for images in (spoilt["fog"], spoilt["rain"], wet_fog)
)
check_answer(guess, "more" if both > fog + rain else "less")

# %% [markdown]
# **2. Read off.** Which of the ten corruptions with five strengths is the starter's worst at the *first*?

# %%
first = {c: rows[0]["r_at_1"] for c, rows in conditions["starter"].items()
         if c not in ("scale", "rotation")}  # fmt: skip
worst = None  # a name, found in `first`

check_answer(worst, min(first, key=first.get))

# %% [markdown]
# **3. Modify.** Which of the seven corruptions shown moves our three photographs *least*? You need no labels.

# %%
moves = {}  # your code: name -> moved_scratch(...), for each of `spoilt`
least = None  # a name

again = measure_robustness(encoder, town, list(shown)).conditions
theirs = {name: again[name][2].shift for name in shown}
named = isinstance(moves, dict)
given = [moves.get(name) for name in shown] if named else moves
if not named or moves:
    check_answer(given, list(theirs.values()), within=1e-3)
check_answer(least, min(theirs, key=theirs.get))

# %% [markdown]
# **4. Argue.** Your drone flies at dusk and in wind, always with a known heading. Which of the measures in this chapter would you take, and which not? At which strengths would you test?
#
# **Solutions** (run, and collapsed until you open them)

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# 1. More. Rain moves a foggy picture farther than a clear one. So the costs
# of corruptions need not add up: measure the pair.
of_fog = embed(encoder, spoilt["fog"])
again = moved_scratch(embed(encoder, wet_fog), of_fog)
print(f"1: fog {fog:.2f}, rain {rain:.2f}, both {both:.2f}")
print(f"   rain on the foggy picture {again:.2f}")
assert again > rain
assert both > fog + rain

print("2:", min(first, key=first.get))

# 3. The grey rectangle, by a hair: fog moves them hardly more.
moves = {name: moved_scratch(embed(encoder, images), z_clean)
         for name, images in spoilt.items()}  # fmt: skip
print("3:", {name: round(moves[name], 3) for name in ("occlusion", "fog")})
assert np.allclose(list(moves.values()), list(theirs.values()), atol=1e-3)
assert min(moves, key=moves.get) == min(theirs, key=theirs.get)

# 4. Not four looks: with a known heading the photograph is turned north.
# Nothing here mends darkness or motion blur. Measure both on your own
# encoder by `dphr robustness`, at all five strengths: the third says little
# about the fifth. Measure 8 bits on the drone's own computer first.

# %% [markdown]
# ## Summary
#
# * You **measured** corruptions: from 97 % R@1 the starter falls to 36 % in rain of the third strength and to 64 % in darkness; in darkness of the fifth, to 5 %. How far the vectors moved told more about the starter's loss than about ImageNet's.
# * You **compared** cures for an unknown heading: the starter, trained with turns, keeps 83 to 93 % at five angles, where ImageNet falls from 81 to as little as 11 %, and whether the turns did that is open. Four looks raised ImageNet from 47 to 78 % at 90°.
# * You **exported** the starter to one file with the same vectors. On 200 stored queries such a file had the same R@1, almost four times as fast on one thread of a server's CPU, and 8 bits showed no clear cost.
#
# ## Readings
#
# * [Hendrycks and Dietterich (2019)](references.md#hendrycks2019benchmarking), *Benchmarking Neural Network Robustness to Common Corruptions and Perturbations*, [arXiv](https://arxiv.org/abs/1903.12261): five strengths, and why means over them.
# * [Wang et al. (2024)](references.md#wang2024musenet), *Multiple-environment Self-adaptive Network for Aerial-view Geo-localization*, [arXiv](https://arxiv.org/abs/2204.08381): ten weathers for University-1652.
# * [Mitchell et al. (2019)](references.md#mitchell2019cards), *Model Cards for Model Reporting*, [arXiv](https://arxiv.org/abs/1810.03993): what a card should say.
