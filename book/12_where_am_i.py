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
# # 12 Where am I?
#
# **A photograph and a map: at which position was it taken, in metres, and how sure is that?**
#
# By the end you can
#
# * **turn** the scores of overlapping tiles into a position and a probability;
# * **check** whether an error radius holds what it promises;
# * **follow** a flight through ambiguous photographs with a Bayes filter.
#
# You need: [chapter 04](04_measuring_retrieval.ipynb), half an hour; the cells run in about two minutes on two CPU cores, with the extra `map`. The table at the end is of stored runs. Nothing is downloaded: the ImageNet weights come with a Python package.

# %% tags=["remove-cell"]
import subprocess
import sys

if "google.colab" in sys.modules:  # on Colab only: fetch this book's package
    package = "dphr-lab[train,book] @ git+https://github.com/dphr-lab/dphr-lab@main"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["remove-cell"]
if "google.colab" in sys.modules:  # and what reads maps
    package = package.replace("train,book", "map")
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", package])

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
import json
import tempfile
from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.ndimage import gaussian_filter, shift

from dphr_lab.localization.belief import far_spots, likeliest, radii, spots_of
from dphr_lab.localization.gallery import build_gallery
from dphr_lab.localization.geomap import open_map
from dphr_lab.localization.locate import (
    LocalFrame,
    LocateOptions,
    located,
    photos_in,
    score_photos,
)
from dphr_lab.localization.track import (
    Grid,
    TrackOptions,
    calibrate_flights,
    filter_flight,
    motions,
    ordered,
    read_odometry,
    track_scored,
)
from dphr_lab.models import Encoder
from dphr_lab.plotting import PALETTE
from dphr_lab.results.tables import markdown_table
from dphr_lab.scenes.continuous import TownSettings, write_town
from dphr_lab.studies.towns import table
from dphr_lab.teaching import compare_guess, guess_choice

plt.rcParams.update({"figure.dpi": 110, "font.size": 10})
plt.rcParams["figure.constrained_layout.use"] = True
ORANGE, BLUE = PALETTE["orange"], PALETTE["blue"]

# %% [markdown]
# ## A town, a map, a flight
#
# All chapters so far asked *which of these places is it?* A drone asks for a coordinate. So we leave separate places behind and take one continuous town of one square kilometre. Its map was made in 2022. The flights are of 2025: one building in eight was built, pulled down or painted anew in between. Four flights have known positions and serve to learn what scores mean. Two more are to be located.

# %%
settings = TownSettings(
    km=1.0, seed=3, photos=20, photo_px=192,
    calibration_flights=4, test_flights=2,
)  # fmt: skip
town = Path(tempfile.mkdtemp()) / "town"
write_town(settings, town, workers=None, progress=False)

# %% [markdown]
# The map becomes a gallery of tiles. Each tile shows 120 m of ground, and the next one begins 30 m further on, so neighbours overlap by three quarters. The encoder is an ImageNet network that has never seen a map or a town.

# %%
encoder = Encoder("tf_efficientnet_lite0", pretrained="pypi", image_px=128)
encoder = encoder.eval()


def gallery_of(year):
    path = town / f"map_{year}.tif"
    return build_gallery(
        open_map(path), encoder, town / f"gallery_{year}",
        source=str(path), side_m=120, stride_m=30,
    )  # fmt: skip


gallery = gallery_of(2022)
frame = LocalFrame(gallery)
print(f"{len(gallery)} tiles of {gallery.embeddings.shape[1]} numbers")

# %% [markdown]
# A photograph is brought to the ground before it is compared: height, pitch and heading from its metadata say how to cut out a north-up square of 120 m. Then it is one query, and each tile has a cosine similarity.

# %%
flights = sorted((town / "flights/test").iterdir())
seen = {f.name: list(score_photos(gallery, encoder, photos_in([f])))
        for f in flights}  # fmt: skip
flight = seen[flights[0].name]
photo = flight[5]
truth = np.array(frame.metres(photo.pose.lat, photo.pose.lon))

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Three pictures. Left, a drone photograph. Middle, the same turned north and cut to a square of 120 metres. Right, the map of the town with the likeliest tiles as coloured spots, in several groups far from one another, and a white cross at the true position."}, "figure": {"caption": "One photograph, what it shows of the ground with north up, and the 200 tiles that are most similar to it. The cross is the truth."}} cellView="form" jupyter={"source_hidden": true}
half = np.array(gallery.bounds.size_m) / 2
extent = (-half[0], half[0], -half[1], half[1])
picture = gallery.geomap.read_box(gallery.bounds, 500)
figure, axes = plt.subplots(1, 3, figsize=(7.8, 2.9))
axes[0].imshow(plt.imread(photo.path))
axes[0].set_title("photograph")
axes[1].imshow(photo.views[0].pixels)
axes[1].set_title("north up, 120 m")
best = np.argsort(-photo.scores[0])[:200][::-1]
axes[2].imshow(picture, extent=extent, alpha=0.6)
axes[2].scatter(
    frame.east[best], frame.north[best], c=photo.scores[0, best], s=9,
    cmap="inferno",
)  # fmt: skip
axes[2].plot(*truth, "x", color="white", markersize=10, markeredgewidth=3)
axes[2].set_title("most similar tiles")
for axis in axes:
    axis.set(xticks=[], yticks=[])

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Four square pictures from above: the photograph turned north and cut, and three tiles of the map, A, B and C, of similar buildings and car parks. B shows the same buildings as the photograph."}, "figure": {"caption": "The photograph with north up, and three tiles of the map. Which tile shows the same ground?"}} cellView="form" jupyter={"source_hidden": true}
east, north = photo.offsets[0] + truth  # of the ground in the picture
away = np.hypot(frame.east - east, frame.north - north)
ranked = np.argsort(-photo.scores[0])
false = ranked[away[ranked] > 300][0]
apart = np.hypot(frame.east - frame.east[false],
                 frame.north - frame.north[false])  # fmt: skip
other = ranked[(away[ranked] > 300) & (apart[ranked] > 300)][0]
right = int(away.argmin())
figure, axes = plt.subplots(1, 4, figsize=(7.8, 2.2))
axes[0].imshow(photo.views[0].pixels)
for axis, tile in zip(axes[1:], (false, right, other), strict=True):
    at = gallery.tiles.lat[tile], gallery.tiles.lon[tile]
    axis.imshow(gallery.geomap.read(at, 120, 256)[0])
for axis, name in zip(axes, ("photograph", *"ABC"), strict=True):
    axis.set(xticks=[], yticks=[])
    axis.set_title(name, fontsize=10)

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
place_of = {int(tile): i for i, tile in enumerate(ranked, 1)}
guess_choice(
    "Which tile shows the ground of the photograph?",
    {
        "A": f"It lies {away[false]:.0f} m away, and yet is number "
             f"{place_of[int(false)]} of the encoder.",
        "B": f"The encoder has it as number {place_of[right]} of "
             f"{len(gallery)}.",
        "C": f"It lies {away[other]:.0f} m away.",
    },
    "B",
)  # fmt: skip

# %% [markdown]
# ## The nearest tile is not the position
#
# Three things stand between the most similar tile and a position. The **stride**: even a perfect encoder can only name a tile, and tiles stand 30 m apart. The **pitch**: a camera that looks ahead shows ground that lies before it, so the offset to its own foot is subtracted. And **look-alikes**: estates repeat their blocks, and the best tile may lie in the wrong one.
#
# **Predict, then run.** By how many metres is the most similar tile off, in the median over both flights?

# %% tags=["nbval-ignore-output"]
guess = None  # in metres


def off_m(s, tile):
    at = np.array([frame.east[tile], frame.north[tile]]) - s.offsets[0]
    return np.hypot(*(at - frame.metres(s.pose.lat, s.pose.lon)))


photos = [s for name in seen for s in seen[name]]
first = [off_m(s, s.scores[0].argmax()) for s in photos]
perfect = [min(off_m(s, t) for t in range(len(gallery))) for s in photos]
compare_guess(guess, np.median(first), " m")
print(f"the nearest tile there is: {np.median(perfect):.1f} m off")
astray = np.mean(np.array(first) > 100)
print(f"most similar tile over 100 m off: {100 * astray:.0f} %")
assert np.median(perfect) < 15 < np.median(first)

# %% [markdown]
# The stride alone costs 10.4 metres in the median. The rest is the encoder's: its best tile is often a neighbour of the right one, and sometimes lies in another part of town.
#
# ## From scores to a probability
#
# Two scores that differ by a hundredth say little by themselves. How much likelier is the better tile? A **temperature** $T$ answers: the probability of a tile is $p_i \propto \exp(s_i / T)$. A low temperature believes the best tile, a high one believes nobody.


# %%
def probability_scratch(scores, temperature):
    weight = np.exp((scores - scores.max()) / temperature)
    return weight / weight.sum()


p = probability_scratch(photo.scores[0], 0.02)
spots = spots_of(photo.scores, frame.east, frame.north, photo.offsets, 0.02)
assert np.allclose(p[spots.tile], spots.weight)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Three maps of probability over the town for one photograph. At the lowest temperature one or two tiles hold it all; at the middle one some groups of tiles share it; at the highest it is spread over the whole town."}, "figure": {"caption": "The same scores at three temperatures; bright is likely. Cross: the truth; circle: the position chosen, the middle of the likeliest group."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 3, figsize=(7.8, 2.9))
place = photo.offsets
for axis, t in zip(axes, (0.004, 0.02, 0.1), strict=True):
    p = probability_scratch(photo.scores[0], t)
    axis.set_facecolor("black")
    heat = np.sqrt(p / p.max())
    axis.scatter(frame.east, frame.north, c=heat, s=14, cmap="inferno")
    spots = spots_of(photo.scores, frame.east, frame.north, place, t)
    axis.plot(*truth, "x", color="white", markersize=10, markeredgewidth=3)
    axis.plot(
        *likeliest(spots, 30), "o", markersize=11, markerfacecolor="none",
        markeredgecolor=PALETTE["sky"], markeredgewidth=2.5,
    )  # fmt: skip
    axis.set(title=f"T = {t}", xticks=[], yticks=[], aspect=1)

# %% [markdown]
# Which temperature is right? The one that gives the truths of flights with known positions the highest probability. `calibrate_flights` tries 21 temperatures. It also fits the share of photographs whose scores say nothing at all, and how far a truth scatters around its tile. Then it stores all of that with the map.

# %% tags=["nbval-ignore-output"]
known = sorted((town / "flights/calibration").iterdir())
fits = calibrate_flights(gallery, encoder, known)
fit = fits["known"]
print(f"temperature {fit.temperature:.3f}, of {fit.photographs} photographs")
assert 0.004 < fit.temperature < 0.1

# %% [markdown]
# ## Does the radius hold what it promises?
#
# A probability over the map gives radii: the circle around the position that holds 50 % of it, and the one that holds 90 %. A promise of 90 % is kept when nine truths in ten lie inside. Two things can go wrong.
#
# * The fit itself may be wrong. So the radii are *scaled*: made longer or shorter until the promises held on the calibration flights. (This is the idea of conformal prediction. Its strict form would use some flights for the fit and others for the scale.)
# * The calibration flights may not be like others. So the promise is *checked* on flights that took no part.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
far = far_spots(frame.east, frame.north)
levels, hot = np.linspace(0.1, 0.9, 9), fit.temperature


def ratios(s):
    """Error over radius, at each level, before scaling."""
    spots = spots_of(s.scores, frame.east, frame.north, s.offsets, hot)
    at = np.array(likeliest(spots, 30))
    far_m = np.hypot(far[0] - at[0], far[1] - at[1])
    circle = radii(spots, at, fit.spread_m, fit.share, far_m, levels)
    off = np.hypot(*(at - frame.metres(s.pose.lat, s.pose.lon)))
    return off / np.array(circle)


# %%
learnt = score_photos(gallery, encoder, photos_in(known))
learnt = np.array([ratios(s) for s in learnt])
tested = np.array([ratios(s) for s in photos])
scale = [np.quantile(learnt[:, i], level) for i, level in enumerate(levels)]

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Share of truths inside the radius against the promised share, for the test flights, before scaling and after, beside the diagonal."}, "figure": {"caption": "Promised and kept: test flights before and after scaling. On the diagonal a promise is kept exactly; above it the radius is too wide, below it too narrow."}} cellView="form" jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(4.2, 3.4))
axis.plot([0, 100], [0, 100], color="0.7")
before = 100 * (tested <= 1).mean(0)
after = 100 * (tested <= scale).mean(0)
axis.plot(100 * levels, before, "s--", color=ORANGE, label="as fitted")
axis.plot(100 * levels, after, "o-", color=BLUE, label="scaled")
axis.set(xlabel="promised, %", ylabel="truths inside, %")
axis.legend(frameon=False)
print(f"promised 50 %: {after[4]:.0f} %; promised 90 %: {after[8]:.0f} %")

# %% [markdown]
# Here the circle of 50 % held 70 %: it was too wide on these two flights. Forty photographs of two flights say little about 90 %, too. Photographs of one flight succeed and fail together, so what counts is the number of flights. The stored study below has more.
#
# ## A filter turns guesses into a track
#
# A flight is more than its photographs. The drone knows roughly how it moved, by **odometry**: a displacement since the last photograph, with a wrong scale and a heading that drifts. Added up alone, from a known start, it is **dead reckoning**, and its error grows without end. A **Bayes filter** joins the two. It holds a probability for every cell of the map, the *belief*. Between two photographs the belief moves with the odometry and widens by its error. Each photograph multiplies it by what its scores say. A hundredth is spread anew at each step, so that a filter that is lost can find its way back.


# %%
def filter_scratch(belief, likelihoods, moves, cell_m):
    for i, likelihood in enumerate(likelihoods):
        if i:
            move = moves[i - 1]
            belief = shift(belief, move.cells, order=0)
            wider = move.error_m / cell_m
            belief = gaussian_filter(belief, wider, mode="constant")
            belief = 0.99 * belief / belief.sum() + 0.01 / belief.size
        belief = belief * likelihood
        belief = belief / belief.sum()
        yield belief


# %%
steps = read_odometry(flights[0] / "odometry.csv")
options = TrackOptions(odometry=steps)
flight, seconds, _ = ordered(flight, options)
grid = Grid(frame, margin_m=150)
paths = [s.path for s in flight]
moves = motions(paths, seconds, options, grid.cell_m)
rests = [np.zeros(2), *(move.rest for move in moves)]
temper = fit.temperature * fit.track["odometry"]["temper"]
says = [grid.likelihood(s, rest, temper, fit.share)
        for s, rest in zip(flight, rests, strict=True)]  # fmt: skip
start = np.ones(grid.shape)
ours = list(filter_scratch(start, says, moves, grid.cell_m))
assert np.allclose(ours, list(filter_flight(grid, says, moves)))

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Three maps. What the sixth photograph says alone has spots in several parts of the town; the belief after six photographs and after twenty has one, in the ring at the truth. Beside them the flight on the map: the true line, dead reckoning that leaves it, and the filtered track that stays on it."}, "figure": {"caption": "What the sixth photograph says alone, and the belief after six and after twenty; the truth is in the ring. Right, the whole flight: truth, dead reckoning from the true start, and the smoothed track."}} cellView="form" jupyter={"source_hidden": true}
path = np.array([frame.metres(s.pose.lat, s.pose.lon) for s in flight])
moved = np.array([(0, 0)] + [steps[p.name] for p in paths[1:]])
reckoned = path[0] + np.cumsum(moved, 0)
found = track_scored(gallery, flight, options)
smooth = np.array([frame.metres(q.lat, q.lon) for q in found.smoothed])
figure, axes = plt.subplots(1, 4, figsize=(7.8, 2.4))
shown = {
    "the sixth alone": (says[5], 5),
    "belief after six": (ours[5], 5),
    "after twenty": (ours[19], 19),
}
for axis, (title, (values, i)) in zip(axes, shown.items(), strict=False):
    east, north = grid.centres(rests[i])
    box = (east[0], east[-1], north[0], north[-1])
    heat = (values / values.max()) ** 0.3
    axis.imshow(heat, origin="lower", extent=box, cmap="inferno")
    axis.plot(*path[i], "o", color="white", markersize=14, fillstyle="none")
    axis.set_title(title, fontsize=9)
axes[3].imshow(picture, extent=extent, alpha=0.5)
axes[3].plot(*path.T, color="black", linewidth=3, label="truth")
axes[3].plot(*reckoned.T, "--", color=PALETTE["vermilion"], label="reckoned")
axes[3].plot(*smooth.T, "o-", color=BLUE, markersize=3, label="track")
low, high = path.min(0) - 80, path.max(0) + 80
axes[3].set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
axes[3].legend(fontsize=6, frameon=True)
for axis in axes:
    axis.set(xticks=[], yticks=[])

# %% [markdown]
# *Live*, the belief uses what was seen so far, as in the air. *Smoothed*, it uses the whole flight, as afterwards. Here are both beside single photographs and dead reckoning, over both flights.

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
rows = {"single": [], "live": [], "smoothed": [], "dead reckoning": []}
for folder in flights:
    scored, steps = seen[folder.name], read_odometry(folder / "odometry.csv")
    found = track_scored(gallery, scored, TrackOptions(odometry=steps))
    rows["live"] += [q.error_m for q in found.live]
    rows["smoothed"] += [q.error_m for q in found.smoothed]
    rows["single"] += [located(gallery, frame, s, fit).error_m for s in scored]
    path = np.array([frame.metres(s.pose.lat, s.pose.lon) for s in scored])
    moved = [(0, 0)] + [steps[s.path.name] for s in scored[1:]]
    gap = path[0] + np.cumsum(moved, 0) - path
    rows["dead reckoning"] += np.hypot(*gap.T).tolist()
medians = {name: np.median(values) for name, values in rows.items()}
print(", ".join(f"{name} {m:.0f} m" for name, m in medians.items()))
assert medians["smoothed"] < 0.8 * medians["single"]

# %% [markdown]
# ## What the drone knows, and how old the map is
#
# Three things that no loss can mend: an unknown heading, a wrong height, an old map. With the heading unknown, the photograph is turned in eight steps of 45°, and all eight compete. A height that is 25 % too large makes the cut-out show too little ground. And the map of 2025 shows the town as it was flown over.


# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
def median_m(gallery, known=True, taller=1.0):
    there, fit = LocalFrame(gallery), fits["known" if known else "unknown"]
    errors = []
    for before in photos:
        height = taller * before.pose.height_m
        asked = LocateOptions(use_heading=known, height_m=height)
        (s,) = score_photos(gallery, encoder, [before.path], asked)
        errors.append(located(gallery, there, s, fit).error_m)
    return np.median(errors)


# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
cost = {
    "as flown, map of 2022": median_m(gallery),
    "heading unknown": median_m(gallery, known=False),
    "height 25 % too large": median_m(gallery, taller=1.25),
    "map of 2025": median_m(gallery_of(2025)),
}
assert cost["heading unknown"] > 1.5 * cost["as flown, map of 2022"]
Markdown(
    markdown_table(
        ("single photographs", "median error, m"),
        [(name, f"{m:.0f}") for name, m in cost.items()],
    )
)

# %% [markdown]
# In these two flights the heading matters most: without it the error is several times as large. With a wrong height it is twice as large. The age of the map makes no difference that forty photographs could show. Two flights give no interval worth printing; the next table has intervals.
#
# ## Five towns, a trained encoder
#
# Two flights are an illustration. The stored study has five towns, each of another seed, with 16 flights for calibration and eight to locate, of 16 photographs 40 m apart. One encoder is trained for a minute on pairs of *another* town (`dphr scenes --pairs`, recipe `continuous-town`), so it has seen none of the five. Radii come from the calibration flights over the same map. The intervals are over flights. Flights over one town are not independent, so the intervals are too short.
#
# In the table, *speed bound* means no odometry, only a top speed of 15 m/s. *Local features* are small details (SIFT) matched between photograph and map. *The map's middle* is an answer that looks at nothing. The last two columns have the share of truths inside the circles that promise 50 % and 90 %.

# %% tags=["hide-input"] cellView="form" jupyter={"source_hidden": true}
folder = files("dphr_lab.results") / "towns"
stored = sorted(folder.iterdir(), key=lambda f: f.name)
records = [json.loads(f.read_text("utf-8")) for f in stored]
lines = {(line["heading"], line["way"]): line for line in table(records)}


def cells(line):
    covered = [line["inside_50"], line["inside_90"]]
    covered = ["" if c is None else f"{c:.0f}" for c in covered]
    span = f"{line['median_m']:.1f} ({line['from']:.1f} to {line['to']:.1f})"
    near = f"{line['within_25']:.0f}"
    return line["heading"], line["way"], span, near, *covered


heads = "heading", "way", "median error, m", "within 25 m, %"
heads += "in the 50 % circle, %", "in the 90 % circle, %"
flown = sum(record["town"]["test_flights"] for record in records)
print(f"{len(records)} towns, {flown} flights; intervals of 95 % over flights")
missed = [
    abs(line[f"inside_{level}"] - level)
    for line in lines.values() for level in (50, 90)
    if line["inside_50"] is not None
]  # fmt: skip
held = sum(points <= 5 for points in missed)
print(f"{len(missed)} promises, {held} held within 5 points; "
      f"the worst is missed by {max(missed):.1f}")  # fmt: skip
Markdown(markdown_table(heads, [cells(line) for line in lines.values()]))

# %% [markdown]
# With the heading known, a single photograph is 16.6 m off in the median and dead reckoning 22.9 m. The smoothed track, which has both, is 8.5 m off. With the heading unknown, a single photograph fails (78.8 m), and the track still comes to 9.8 m. So with this encoder the heading and the order of the flight decide more than anything else in the table. Losses were not compared here.
#
# Local features reach 0.3 m. Do not expect that of real photographs: here one renderer drew map and flight, so corners match far too well.
#
# Of the 28 promises, 26 hold within five points, and the other two miss that by half a point or less (the table rounds it away): the 50 % radii of tracks with odometry and known heading. Where a prior restricts the search, radii have a fit of their own, on the same calibration flights.
#
# ## Exercises
#
# **1. Predict.** A perfect encoder always names the tile whose centre is nearest. Truths lie evenly over the map, the stride is 30 m. What is the mean error, and what is it at a stride of 15 m?

# %%
rng = np.random.default_rng(0)
stride_m = 30
spots = rng.uniform(-stride_m / 2, stride_m / 2, (100_000, 2))
answers = None  # your mean errors at 30 m and at 15 m
mean_m = np.hypot(*spots.T).mean()
ok = answers and np.allclose(answers, (mean_m, mean_m / 2), atol=0.5)
print("right" if ok else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The mean distance to the middle of a unit square is 0.3826: 11.5 m, and
# half of that at 15 m.
assert abs(np.hypot(*spots.T).mean() / stride_m - 0.3826) < 0.002

# %% [markdown]
# **2. Break.** Tell the filter that the odometry has no error (`error_m=0` in every move). What becomes of the belief, and why is a wrong scale then hardly ever forgiven? Here the belief starts in one cell, the drone rests, and the photographs say nothing.

# %%
start_at = np.zeros((9, 9))
start_at[4, 4] = 1
still = None  # your code: one move like moves[0], without motion and error
if still is None:
    print("not yet")  # type(moves[0]) takes cells, rest, error_m, is_bound
else:
    dull = [np.ones((9, 9))] * 2
    *_, belief = filter_scratch(start_at, dull, [still], 15)
    print(f"left in the first cell: {100 * belief[4, 4]:.0f} %")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The belief no longer widens: a cell beside the truth stays beside it until
# what is spread anew, a hundredth of all, has grown larger than it.
one = np.zeros((9, 9))
one[4, 4] = 1
flat = [np.ones((9, 9))] * 2
stiff = [type(moves[0])((0, 0), np.zeros(2), 0.0, False)]
*_, last = filter_scratch(one, flat, stiff, 15)
assert np.isclose(last[4, 4], 0.99 + 0.01 / 81)

# %% [markdown]
# **3. Modify.** A prior of 300 m (`LocateOptions(near=…, within_m=300)`) hides look-alikes that lie farther away. Which two of the three reasons of the second section does it leave?

# %%
left = set()  # two of "stride", "pitch", "look-alikes"
print("right" if left == {"stride", "pitch"} else "not yet")

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The stride and the pitch: a prior says nothing about the metres around the
# right tile.
north = frame.position(*truth)
near = LocateOptions(near=(float(north[0]), float(north[1])), within_m=300)
(kept,) = score_photos(gallery, encoder, [photo.path], near)
assert len(kept.rows) < len(gallery) / 2

# %% [markdown]
# **4. Open.** The flights over one town share its map, its look-alikes and its weather. Design a calibration that would hold on a map on which nobody has flown yet, and say how you would show that it does.
#
# ## Summary
#
# * You **turned** scores into a probability and a position. The most similar tile was 28 m off in the median; the middle of the likeliest group was 22 m off, and 10 m is what the stride leaves.
# * You **checked** a radius on flights that took no part in its fit, and saw why the number of flights counts and not that of photographs.
# * You **followed** a flight by a Bayes filter: 13 m live and 11 m smoothed, where single photographs gave 22 m and dead reckoning from a known start 20 m.
#
# ## Readings
#
# * [Thrun, Burgard and Fox (2005)](references.md#thrun2005probabilistic), *Probabilistic Robotics*, MIT Press: chapter 8 is our filter, with its cells, its motion and its measurement.
# * [Guo et al. (2017)](references.md#guo2017calibration), *On Calibration of Modern Neural Networks*, [arXiv](https://arxiv.org/abs/1706.04599): why networks are too sure of themselves, and what one temperature mends.
# * [Angelopoulos and Bates (2023)](references.md#angelopoulos2023conformal), *Conformal Prediction: A Gentle Introduction*, [DOI](https://doi.org/10.1561/2200000101): radii that hold a share of the truths, what they assume, and what breaks them.
# * [Dai et al. (2024)](references.md#dai2024denseuav), *Vision-Based UAV Self-Positioning in Low-Altitude Urban Environments*, [DOI](https://doi.org/10.1109/TIP.2023.3346279): positions by overlapping tiles on real flights, and measures in metres.
