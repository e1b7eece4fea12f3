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
# # 01 The problem
#
# **Why is the same place hard to recognise from above and from the side?**
#
# By the end you can
#
# * **compute** where a point of the ground appears in a drone picture, and how much ground the picture shows;
# * **measure** in an embedding space how far viewpoint, season and light move a place, and compare that with how far a different place is;
# * **rank** a gallery, score the ranking, and say what the score does and does not tell.
#
# You need: one course on deep learning, the [notation](notation.md) page at hand, about an hour; the cells run in under a minute on two CPU cores. Nothing is downloaded.

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

from dphr_lab import scenes
from dphr_lab.datasets import TwinTowns
from dphr_lab.models import Encoder, embed
from dphr_lab.plotting import PALETTE, picture_row, retrieval_strips, similarity_histogram
from dphr_lab.retrieval import bootstrap, evaluate, paired_bootstrap, query_outcomes, rank
from dphr_lab.teaching import compare_guess, right_and_twins

plt.rcParams.update({"figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True})

# %% [markdown]
# ## One place, two pictures
#
# Twin Towns is a rendered world. A *place* is a neighbourhood of which every road, roof and tree is known; a satellite passes over it on one day, and a drone flies around it on another. Here it may be any day of the year (`weather=1`, the default; the preset `mini`, made for training within minutes, keeps to fair summer days). One place as both saw it:

# %%
counts = {"train_places": 0, "test_places": 60, "distractor_places": 30}
settings = scenes.WorldSettings(**counts, image_px=128)
world = scenes.make_world(settings)
place = world.test[18]
pose = scenes.Pose(altitude_m=160, azimuth_deg=140, pitch_deg=50, fov_deg=45)
days = {view: place.conditions(view) for view in ("satellite", "drone")}
rng = np.random.default_rng(0)
satellite = scenes.render_satellite(place.scene, 256, days["satellite"], rng)
drone = scenes.render_drone(place.scene, pose, 256, days["drone"], rng)

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Two square pictures of one rendered neighbourhood. Left, the satellite image: roofs, roads and trees seen straight down. Right, the drone view: the same roads run obliquely, the buildings show their walls, and far things are smaller."}} cellView="form" jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 2, figsize=(5.8, 3.1))
picture_row(axes, {"satellite": satellite, "drone": drone}, frame=True)
for view, day in days.items():
    sun = f"{day.sun_azimuth_deg:.0f}°, {day.sun_elevation_deg:.0f}° high"
    print(f"{view:9s} {day.season}, sun at {sun}")
assert not np.array_equal(satellite, drone)

# %% [markdown]
# What to see: find one building in both pictures before you read on. You will have used the roads and what lies next to what. Little else helps: the drone looks from the south-east (azimuth 140°), so north is no longer up; walls appear that the satellite cannot see; what is far is small; and sun and season are those of another day, as the printed lines say. The two pictures share the *place* and almost no pixel pattern.
#
# A program that is to find the place must ignore all of this, and yet must not ignore the difference between this place and the next. The rest of the chapter puts numbers on both halves of that sentence.

# %% [markdown]
# ## Where does a point land?
#
# A drone camera at altitude $h$ looks at the centre of the place. Its optical axis points $\theta$ below the horizon (the *pitch*; 90° is straight down), and its *azimuth* says on which side it stands, clockwise from north. So it stands at the ground distance $h / \tan\theta$ from the centre. To find where a point appears, take the vector from camera to point, measure it along the camera's own three axes (right, down, forward), and divide the first two by the third, the **depth**. With field of view $f$ and a picture of $P$ pixels, the focal length is $\tfrac{P}{2} / \tan\tfrac{f}{2}$ pixels.


# %%
def project_scratch(pose, points, px):
    azimuth, pitch = np.radians([pose.azimuth_deg, pose.pitch_deg])
    back_m = pose.altitude_m / np.tan(pitch)
    camera = back_m * np.array([np.sin(azimuth), np.cos(azimuth), np.tan(pitch)])
    right = np.array([-np.cos(azimuth), np.sin(azimuth), 0])
    forward = -camera / np.linalg.norm(camera)  # to the centre
    down = np.cross(forward, right)
    x, y, depth = np.stack([right, down, forward]) @ (points - camera).T
    focal_px = px / 2 / np.tan(np.radians(pose.fov_deg) / 2)
    return np.stack([x, y], axis=1) / depth[:, None] * focal_px + px / 2


# %% [markdown]
# The package writes the same as one 3 × 4 matrix. Two checks: both routes agree on random points, and a camera that looks straight down shows a square of side $2h \tan\tfrac{f}{2}$, whose corner lands in the picture's corner. Then a question that matters: a chimney 20 m high stands 30 m east of the centre. Where do its foot and its top appear?

# %%
points = np.random.default_rng(1).uniform(-60, 60, (100, 3))
drone_matrix = scenes.drone_matrix(pose, 256)
pixels, depths = scenes.project(drone_matrix, points)
assert np.allclose(project_scratch(pose, points, 256), pixels)

above = scenes.Pose(altitude_m=200, azimuth_deg=180, pitch_deg=90, fov_deg=45)
side_m = 2 * 200 * np.tan(np.radians(45) / 2)
north_east = np.array([[side_m / 2, side_m / 2, 0]])
top_right = project_scratch(above, north_east, 256)
assert np.allclose(top_right, (256, 0))
print(f"from 200 m straight down: {side_m:.1f} m of ground")

chimney = np.array([[30, 0, 0], [30, 0, 20]])
matrices = {"satellite": scenes.satellite_matrix(256), "drone": drone_matrix}
for view, matrix in matrices.items():
    foot, top = scenes.project(matrix, chimney)[0].round(1)
    apart_px = np.linalg.norm(top - foot)
    print(f"{view:9s} foot {foot}, top {top}: {apart_px:.1f} px apart")

# %% [markdown]
# In the satellite image the chimney is a dot: an orthographic view drops the height. For the drone it is a line of about twenty pixels, and what lies behind it is hidden. So **no warp of one picture gives the other**. A flat ground could be warped (by a homography, which is how the next figure's outline was found), but what stands on it leans by an amount that depends on its height.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two diagrams. Above, from the side: a camera at 160 metres looks down at 50 degrees; its lowest ray meets the ground 84 metres before the centre of the place and its highest ray 173 metres behind it, while the satellite's rays fall straight down on the central 200 metres; a tower hides ground behind it. Below, from above: the satellite's square, and around it the drone's footprint, a trapezium that is narrow near the camera and wide far from it."}} cellView="form" jupyter={"source_hidden": true}
blue, orange = PALETTE["blue"], PALETTE["vermilion"]
figure, (side, plan) = plt.subplots(2, 1, figsize=(5.4, 7.2), height_ratios=(1, 1.35))
h, pitch, half_fov = pose.altitude_m, np.radians(pose.pitch_deg), np.radians(pose.fov_deg) / 2
eye = -h / np.tan(pitch)  # the camera's place along the viewing direction
near, far = (eye + h / np.tan(pitch + turn) for turn in (half_fov, -half_fov))
side.fill([eye, near, far], [h, 0, 0], color=PALETTE["sky"], alpha=0.3)
side.plot([eye, 0], [h, 0], "--", color=blue)
side.vlines(np.linspace(-100, 100, 9), 0, 135, color=orange, linestyle=":", linewidth=1)
side.bar(50, 35, width=14, color="0.35")
hidden_to = 57 + 35 * (57 - eye) / (h - 35)  # where the ray over the tower's top lands
side.plot([57, hidden_to], [2, 2], color="black", linewidth=4, solid_capstyle="butt")
side.text(hidden_to + 3, 5, "hidden", va="bottom")
side.plot(eye, h, "o", color=blue, markersize=9)
side.annotate("", (eye, 0), (eye, h), arrowprops={"arrowstyle": "<->"})
side.text(eye - 6, h / 2, f"altitude {h} m", rotation=90, ha="right", va="center")
side.text(eye + 12, h + 5, f"pitch {pose.pitch_deg}°, field of view {pose.fov_deg}°", color=blue)
side.text(100, 140, "satellite: parallel rays", color=orange, ha="right")
side.set(xlim=(-170, 190), ylim=(0, 190), aspect=1, xlabel="m along the viewing direction")
ground = np.linalg.inv(drone_matrix[:, [0, 1, 3]])  # picture -> ground, for points with z = 0
outline = np.array([[0, 0, 1], [256, 0, 1], [256, 256, 1], [0, 256, 1]]) @ ground.T
outline = outline[:, :2] / outline[:, 2:]
plan.imshow(satellite, extent=(-100, 100, -100, 100))
plan.fill(*outline.T, fill=False, edgecolor=blue, linewidth=2, label="seen by the drone")
camera = scenes.camera_position(pose)
plan.plot(*camera[:2], "o", color=blue, markersize=9, label="below the drone")
plan.set(xlim=(-225, 125), ylim=(-125, 230), xlabel="m east", ylabel="m north", aspect=1)
plan.legend(loc="upper left", frameon=False)
print(f"ground seen from {near:.0f} m to {far:.0f} m")

# %% [markdown]
# What to see: the drone's footprint is a trapezium, and it covers more ground *behind* the centre than before it: the top of the picture is spent on ground that the satellite image does not contain, while three of the satellite image's corners are outside the drone's view. The grey tower hides the black strip behind it from the drone and nothing from the satellite. Near and far edge are $h/\tan(\theta \pm \tfrac{f}{2})$ from the point below the camera; exercise 1 uses this.

# %% [markdown]
# ## How far apart, for a network?
#
# Pictures are compared through an **encoder**, a network that maps each to a vector $z$ of length 1. How far two pictures are is then the distance $d = \lVert z_a - z_b \rVert$, from 0 to 2. We take a network that has never seen a drone: an EfficientNet trained to name objects in ImageNet photographs, its classifier removed. It is used as it is, *zero-shot*.
#
# The experiment a real data set does not allow: change **one thing at a time**. For 20 places we take the satellite picture of a reference day, and set beside it pictures in which only the sensor noise differs, or the season, or the sun, or the camera. (Every picture but the reference has a fresh draw of the noise; what that does alone is the first of the distances.) Each is a distance of a place *from itself*. For comparison, two distances to a *different* place under the very same camera and sky: to a **twin**, which shares its layout but for a few changed objects, and to an unrelated place.
#
# Predict before you run: how far is the *same* place, seen by a drone at 45°, from its own satellite image, in percent of the distance to an unrelated place?

# %%
encoder = Encoder("tf_efficientnet_lite0", pretrained="pypi").eval()
REFERENCE = scenes.Conditions()  # a summer day


def z_of(places, day=REFERENCE, pitch_deg=None, draw=1):
    """Embeddings of satellite pictures, or of drone views from the south."""
    pictures, slant_m = [], 100 / np.tan(np.radians(22.5))
    for place in places:
        rng = np.random.default_rng([place.id, draw])  # of the sensor noise
        if pitch_deg is None:
            picture = scenes.render_satellite(place.scene, 128, day, rng)
        else:  # slant_m from the centre: straight down, it too shows 200 m
            altitude_m = slant_m * np.sin(np.radians(pitch_deg))
            pose = scenes.Pose(altitude_m, 180, pitch_deg, fov_deg=45)
            picture = scenes.render_drone(place.scene, pose, 128, day, rng)
        pictures.append(picture)
    with torch.no_grad():  # (n, px, px, 3) -> (n, 3, px, px) -> (n, D)
        images = torch.from_numpy(np.stack(pictures))
        return encoder(images.permute(0, 3, 1, 2))


# %%
firsts, seconds = world.test[:60:3], world.test[1:60:3]  # twins of each other
winter = replace(REFERENCE, season="winter")
low_sun = replace(REFERENCE, sun_azimuth_deg=240, sun_elevation_deg=30)
PITCHES = (90, 75, 60, 45, 30)
z_own, z_twin = z_of(firsts, draw=0), z_of(seconds)
z_drone = {pitch: z_of(firsts, pitch_deg=pitch) for pitch in PITCHES}
moved = {
    "other noise": z_of(firsts),
    "a twin": z_twin,
    "winter": z_of(firsts, winter),
    "low sun": z_of(firsts, low_sun),
    "drone, 90° down": z_drone[90],
    "drone, 45° down": z_drone[45],
    "unrelated place": z_own.roll(1, dims=0),
}

# %% tags=["nbval-ignore-output"]
guess = None  # your prediction, in percent

gaps = {name: (z - z_own).norm(dim=1).numpy() for name, z in moved.items()}
for name, gap in gaps.items():
    print(f"{name:15s} mean distance {gap.mean():.2f}")
gap = {name: float(values.mean()) for name, values in gaps.items()}
share = gap["drone, 45° down"] / gap["unrelated place"]
compare_guess(guess, 100 * share, " %")
assert gap["a twin"] + 0.05 < gap["winter"]
assert gap["winter"] + 0.03 < gap["low sun"]
assert gap["a twin"] + 0.04 < gap["drone, 90° down"]
assert gap["a twin"] + 0.3 < gap["drone, 45° down"] < gap["unrelated place"]

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Above, a dot plot of mean distances from a satellite image: other noise is nearest, then a twin; the same place in winter, under a low sun or seen by a drone lies further, the oblique drone by far; an unrelated place is furthest. Below, distance against the pitch of the drone camera from 90 down to 30 degrees: the curves of the place's own satellite image and of its twin's lie together and rise steeply towards the flatter curve of unrelated places."}} cellView="form" jupyter={"source_hidden": true}
figure, (dots, curves) = plt.subplots(2, 1, figsize=(5.2, 6.4))
for row, (name, values) in enumerate(gaps.items()):
    other = name in ("a twin", "unrelated place")
    colour, mark = (PALETTE["vermilion"], "s") if other else (PALETTE["blue"], "o")
    spread = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    dots.errorbar(values.mean(), row, xerr=spread, fmt=mark, color=colour, capsize=3)
dots.set(yticks=range(len(gaps)), yticklabels=list(gaps), xlim=(0, 1.05))
dots.set_xlabel("distance to its satellite image (mean, 95 %)")
dots.invert_yaxis()
dots.grid(axis="x", color="0.9")

pairs = {pitch: torch.cdist(z, z_own) for pitch, z in z_drone.items()}
apart = ~torch.eye(len(firsts), dtype=bool)
to_own = [float(d.diagonal().mean()) for d in pairs.values()]
to_twin = [float((z - z_twin).norm(dim=1).mean()) for z in z_drone.values()]
to_others = [float(d[apart].mean()) for d in pairs.values()]
curves.plot(PITCHES, to_others, ":^", color=PALETTE["sky"], label="unrelated places")
curves.plot(PITCHES, to_twin, "--s", color=PALETTE["orange"], label="its twin")
curves.plot(PITCHES, to_own, "-o", color=PALETTE["blue"], label="its own place")
curves.set(xlim=(93, 27), xticks=PITCHES, ylabel="distance to satellite image")
curves.set_xlabel("pitch of the drone camera, degrees")
curves.legend(frameon=False)
for name, values in {"own": to_own, "twin": to_twin, "unrelated": to_others}.items():
    print(f"{name:10s}", " ".join(f"{p}°: {v:.2f}" for p, v in zip(PITCHES, values, strict=True)))
room = np.subtract(to_others, to_own)
print(f"room between own and unrelated: {room[0]:.1f} at 90°, {room[-1]:.1f} at 30°")
assert room[0] > 0.5 and room[-1] < 0.15 and np.all(np.diff(room) < 0)
assert to_twin[0] - to_own[0] > 0.01 and abs(to_twin[-2] - to_own[-2]) < 0.03

# %% [markdown]
# What to see, above: on average **a twin on the same day under the same camera is nearer than the place itself** on another day or from another camera. Of all the differences shown, only the sensor noise moves a place less than changing what stands there. Two things surprised us. A low sun moves a place further than winter does; we think of the cast shadows, which redraw every outline, but this experiment does not separate them from the change of light. And even a drone that looks straight down, whose picture differs from the satellite's by perspective, sharpness and a little haze, is further off than a twin.
#
# Below: as the camera tilts, the place drifts away from its own satellite image, and the room between it and unrelated places shrinks from 0.6 to 0.1. Straight down, the twin is still a little further than the place itself; at 45° the two curves lie on each other: when *both* are sought from a tilted drone camera, twin and place tie. Seen from the side, the encoder can still tell the neighbourhood, and no longer the place.
#
# This is the problem in one figure. What must be ignored (camera, light, season) is large in this space, what must be noticed (a building or two) is small, and training has to turn that around.

# %% [markdown]
# ## Twins
#
# Places that look alike are not rare in towns, and they are what makes a **hard negative**: a wrong place near to the query. The DPHR paper is about how much weight such negatives should get in training, and when **[A]** (a [grade](notation.md#the-method-and-how-sure-we-are-of-it): where the statement comes from). To study that one needs to know which negatives are hard *because the places are alike*; photographs do not come with this label. In Twin Towns every place belongs to a family of three with one layout, and the changes of each member are on record.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Three twin places side by side, in the satellite view above and the drone view below, all on the same day. Rings mark the one or two objects of each twin that differ from the family's layout (what was moved is ringed where it now stands; the gap that it left is not); everything else is the same."}} cellView="form" jupyter={"source_hidden": true}
family = [member for member in world.test if member.family == place.family]
figure, axes = plt.subplots(2, 1, figsize=(5.8, 4.1))
ring = {"marker": "o", "markersize": 20, "fillstyle": "none"}
for axis, view in zip(axes, days, strict=True):
    pictures = []
    for column, twin in enumerate(family):
        scene, rng = twin.scene, np.random.default_rng(0)
        if view == "drone":
            pictures.append(scenes.render_drone(scene, pose, 256, REFERENCE, rng))
        else:
            pictures.append(scenes.render_satellite(scene, 256, REFERENCE, rng))
        for change in twin.changes:
            thing = change.after or change.before  # where it is now; or was, if removed
            (u, v), _ = scenes.project(matrices[view], [thing.x, thing.y, 0])
            axis.plot(u + 256 * column, v, color="white", markeredgewidth=4, **ring)
            axis.plot(u + 256 * column, v, color="black", markeredgewidth=1.5, **ring)
    axis.imshow(np.hstack(pictures))
    axis.set(xticks=[], yticks=[], ylabel=view)
for twin in family:
    print(f"place {twin.id}:", "; ".join(f"{c.kind}, {c.area_m2:.0f} m²" for c in twin.changes))
assert len(family) == 3 and all(twin.changes for twin in family)

# %% [markdown]
# What to see: compare what is inside a ring with the same spot in the other two columns (what was moved is ringed where it now stands; the gap that it left is not). All else is the same in the three, light and camera included, but for the shadows of what changed and the gaps: this is the easiest comparison there can be. In the data set each picture has a day of its own, and the drone a pose of its own.

# %% [markdown]
# ## Embed, rank, measure
#
# Now the task itself. Queries: four drone pictures of each of 60 places, 240 in all. Gallery: one satellite picture of those 60 places and of 30 more, the **distractors**, which nobody asks for. A random guess is right once in 90. How often is the nearest gallery picture the right one? Put your prediction into the next cell before you run it.

# %% tags=["nbval-ignore-output"]
guess = None  # your prediction, percent of the queries

towns = TwinTowns(settings, workers=1, progress=False)
queries, gallery = towns.test("D2S")
z_query = embed(encoder, queries, image_px=128)
z_gallery = embed(encoder, gallery, image_px=128)
print(len(queries), "queries,", len(gallery), "gallery pictures")
assert (len(queries), len(gallery)) == (240, 90)


# %% [markdown]
# Retrieval is a matrix product and an `argmax`. For unit vectors $d^2 = 2 - 2\,a^\top b$, so the largest **similarity** $a^\top b$ is the smallest distance. R@1 (recall at 1) is the share of queries whose first picture shows the right place.


# %%
def recall_at_1_scratch(z_query, query_places, z_gallery, gallery_places):
    similarity = z_query @ z_gallery.T  # (Q, D) x (D, G) -> (Q, G)
    first = similarity.argmax(dim=1).numpy()
    return 100 * np.mean(gallery_places[first] == query_places)


# %% tags=["nbval-ignore-output"]
places = (queries.places, gallery.places)
families = (queries.families, gallery.families)
full = evaluate(z_query, places[0], z_gallery, places[1], "full", *families)
scratch = recall_at_1_scratch(z_query, places[0], z_gallery, places[1])
assert np.isclose(scratch, full.r_at_1)
print(full)
compare_guess(guess, full.r_at_1, " %")
assert 9 < full.r_at_1 < 20 and 35 < full.r_at_5 < 65
assert 35 < full.family_r_at_1 < 62

# %% [markdown]
# Far better than chance, and useless as a position: more than four answers in five are wrong. Yet among the first five the right place appears for about half of the queries. What the same encoder gives on photographs, this world cannot say. Look at the answers before the averages.

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Three rows of pictures. Each begins with a drone query and continues with its first three satellite answers, framed and scored: solid green with a tick if right, dash-dotted orange if a twin, dashed red with a cross if another place. In the first row the right place comes first, in the second a twin, in the third an unrelated place."}} cellView="form" jupyter={"source_hidden": true}
order, scores = rank(z_query, z_gallery, k=3)
right, twins = right_and_twins(queries, gallery, order)  # (Q, k)
kinds = {"right first": right[:, 0], "a twin first": twins[:, 0]}
kinds["a stranger first"] = ~(right | twins)[:, 0]
rows = [int(np.flatnonzero(found)[4]) for found in kinds.values()]

figure = plt.figure(figsize=(5, 4.6), layout="none")
answers = gallery.read(order[rows].flatten().tolist(), 128).unflatten(0, (3, 3))
asked = queries.read(rows, 128)
retrieval_strips(figure, asked, answers, scores[rows], right[rows], twins[rows], titles=list(kinds))
for name, found in kinds.items():
    print(f"{name:17s}{100 * found.mean():.1f} %")
assert twins[:, 0].mean() > right[:, 0].mean()

# %% [markdown]
# What to see: where one member of a family scores high, the others do too, so families arrive together, the right one and wrong ones alike. The scores within a row lie close: a few hundredths decide. And twins come first more often than the right place, as two twins against one place would by chance.
#
# The same for all pairs of a query and a gallery picture:

# %% tags=["hide-input", "nbval-ignore-output"] mystnb={"image": {"alt": "Histogram of cosine similarities in three groups. Positives and twins cover the same range with nearly the same median; other places lie lower, with a wide overlap."}} cellView="form" jupyter={"source_hidden": true}
similarity = (z_query @ z_gallery.T).numpy()
same, twin = right_and_twins(queries, gallery)  # (Q, G)
groups = [similarity[mask] for mask in (same, ~same & ~twin, twin)]

figure, axis = plt.subplots(figsize=(5.2, 3.4))
similarity_histogram(axis, *groups)
axis.set_ylim(0, 1.45 * axis.get_ylim()[1])  # room for the legend
axis.legend(fontsize=8, framealpha=1, edgecolor="white")
positives, others, of_twins = (np.median(group) for group in groups)
print(f"medians: positives {positives:.2f}, twins {of_twins:.2f}, other places {others:.2f}")
assert abs(positives - of_twins) < 0.06 and positives > others + 0.08

# %% [markdown]
# What to see: the histograms of positives and twins lie on each other. Whatever this encoder knows about a place, it knows about its twins. Other places lie lower, but there are many more of them, and their upper tail reaches well into the positives: a query has 87 chances to meet a stranger that looks right.

# %% [markdown]
# ## R@1 mixes two skills
#
# To be right, one must find the family *and* choose the member, for which a blind guess gives 1/3:
#
# $$
# \text{R@1} = P(\text{family}) \times P(\text{place} \mid \text{family})
# $$

# %% tags=["nbval-ignore-output"]
first = query_outcomes(z_query, places[0], z_gallery, places[1]).top1.numpy()
in_family = gallery.families[first] == queries.families
member = 100 * np.mean((gallery.places[first] == queries.places)[in_family])
assert np.isclose(full.r_at_1, full.family_r_at_1 * member / 100)
print(f"family first {full.family_r_at_1:.1f} %")
print(f"then its right member {member:.1f} % (a guess 33.3 %)")
print(f"own place above a twin {full.twin_choice:.1f} % (a guess 50 %)")
assert 15 < member < 52 and 38 < full.twin_choice < 62

# %% [markdown]
# All that zero-shot retrieval achieves here lies in the first factor; the second is a guess. A model that found the family every time and guessed the member would print R@1 33.3: far above this encoder, and blind to the very differences the losses of this book are about. Report both.
#
# That is not all that the number hides. Which pictures stand in the gallery, how ties are ordered and which of two average precisions is meant each move a published result by points; [04 Measuring retrieval](04_measuring_retrieval.ipynb) takes them one by one. And a percentage of 240 queries is uncertain by itself. The report's last line says by how much, and it counts families, not pictures: four pictures of one place are not four independent tries.

# %% [markdown]
# ## Summary

# %% tags=["hide-input", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true}
Markdown(f"""
* You **computed** where a point lands: at {pose.altitude_m} m and {pose.pitch_deg}° pitch the drone saw ground from {-near:.0f} m before to {far:.0f} m behind the centre, and a 20 m chimney, a dot from above, became a line of {apart_px:.0f} pixels.
* You **measured** the gaps of an ImageNet encoder: a twin lay at {gap["a twin"]:.2f}; winter moved a place by {gap["winter"]:.2f}, a low sun by {gap["low sun"]:.2f} and the camera at 45° by {gap["drone, 45° down"]:.2f}. Seen from there, the place's own satellite image was as far away as its twin's.
* You **ranked** {len(gallery)} satellite pictures for {len(queries)} drone queries. Zero-shot R@1 was {full.r_at_1:.0f} % (chance {100 / len(gallery):.1f} %): the family was first for {full.family_r_at_1:.0f} % of the queries, and its right member was then first in {member:.0f} %, where a guess has 33 %.
""")

# %% [markdown]
# These are numbers of one small rendered world and one encoder.
#
# One thing to take along: seen from the side, the *positive* is far away as well. How hard a negative is cannot be read off its own distance; it has to be set against that of the positive. That is the *relative* difficulty of the paper's sample level **[A]**, as a ratio of the two distances **[S]**, and the subject of [07 RDA](07_rda.ipynb).

# %% [markdown]
# ## Exercises
#
# **1. Predict.** Below which pitch does the horizon enter the picture of a camera with $f = 45°$? At 200 m altitude and 60°, how far from the point below the camera are the near and the far edge of its picture? Check by projecting both.

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
# The highest ray points pitch - f/2 below the horizon: below 22.5° the horizon is seen.
low = scenes.Pose(altitude_m=200, azimuth_deg=180, pitch_deg=60, fov_deg=45)
behind_m = 200 / np.tan(np.radians(60))  # the camera stands this far south of the centre
near, far = (200 / np.tan(np.radians(60 + turn)) for turn in (22.5, -22.5))
edges = [[0, near - behind_m, 0], [0, far - behind_m, 0]]
rows = scenes.project(scenes.drone_matrix(low, 256), edges)[0][:, 1]
assert np.allclose(rows, (256, 0))
print(f"near edge {near:.1f} m, far edge {far:.1f} m")

# %% [markdown]
# **2. Predict, then break.** Replace the ImageNet weights by random ones (`Encoder("tf_efficientnet_lite0")` after `torch.manual_seed(0)`). Will R@1 fall to chance? Will R@5?

# %% tags=["hide-cell", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
torch.manual_seed(0)
untrained = Encoder("tf_efficientnet_lite0").eval()
z_random = [embed(untrained, images, image_px=128) for images in (queries, gallery)]
report = evaluate(z_random[0], places[0], z_random[1], places[1])
found = query_outcomes(z_random[0], places[0], z_random[1], places[1])
for k in (1, 5):
    i, chance = bootstrap(100 * found.hit(k).numpy(), queries.families), 100 * k / len(gallery)
    verdict = "holds" if i.low <= chance <= i.high else "does not hold"
    print(f"R@{k} {i} {verdict} chance, {chance:.1f}")
assert report.r_at_1 < full.r_at_1 - 4 and report.r_at_5 < full.r_at_5 - 15
# Both intervals hold chance: 20 families cannot tell what is left from a guess.

# %% [markdown]
# **3. Modify.** Perhaps all drone pictures are shifted in the same direction from all satellite pictures. Subtract from each embedding the mean of its own view, normalise, evaluate. Which of the two factors of R@1 moves?

# %% tags=["hide-cell", "nbval-ignore-output"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
centred = [torch.nn.functional.normalize(z - z.mean(dim=0)) for z in (z_query, z_gallery)]
report = evaluate(centred[0], places[0], centred[1], places[1], "full", *families)
for name, r in {"before": full, "centred": report}.items():
    factor = 100 * r.r_at_1 / r.family_r_at_1  # P(place | family)
    print(f"{name:8s} R@1 {r.r_at_1:.1f} = family {r.family_r_at_1:.1f} x member {factor:.1f} %")
now = query_outcomes(centred[0], places[0], centred[1], places[1]).top1.numpy()
hits = [100 * (gallery.families[top] == queries.families) for top in (now, first)]
gain = paired_bootstrap(*hits, queries.families)
print(f"family R@1, centred minus before: {gain}, {gain.share_above_0:.0%} of draws above 0")
assert np.isclose(gain.estimate, report.family_r_at_1 - full.family_r_at_1)
assert gain.low < 0 < gain.high and abs(report.twin_choice - 50) < 12
# If one moves, it is finding the family: but over 20 families the interval of that holds zero. The
# member stays a guess.

# %% [markdown]
# **4. Prove.** No warp, however clever, turns every satellite image into the drone's view of its place; yet for the ground alone there is one, and it is a 3 × 3 matrix. Show both.
#
# <details>
# <summary>Solution</summary>
#
# A warp sends each satellite pixel to one drone pixel. The foot and the top of the chimney share a satellite pixel and have different drone pixels, so no such function exists. With $z = 0$ the third column of the camera's 3 × 4 matrix meets a zero, and what remains is 3 × 3; joined with the inverse of the satellite's it maps pixel to pixel.
#
# </details>

# %% tags=["hide-cell"] cellView="form" jupyter={"source_hidden": true, "outputs_hidden": true}
foot_and_top = scenes.project(matrices["satellite"], chimney)[0]
assert np.array_equal(*foot_and_top)  # one satellite pixel, two drone pixels
flat = {view: matrix[:, [0, 1, 3]] for view, matrix in matrices.items()}
warp = flat["drone"] @ np.linalg.inv(flat["satellite"])
ground_points = np.random.default_rng(2).uniform(-60, 60, (50, 3)) * [1, 1, 0]
pixels = scenes.project(matrices["satellite"], ground_points)[0]
warped = np.column_stack([pixels, np.ones(50)]) @ warp.T
there = scenes.project(matrices["drone"], ground_points)[0]
assert np.allclose(warped[:, :2] / warped[:, 2:], there)
print("one matrix warps the ground, none the chimney")

# %% [markdown]
# **5. Open.** Which kind of change does the encoder notice best, square metre for square metre? `scenes.make_change(scene, kind, area_m2, rng)` draws one change of a given kind and size, `scenes.apply_change` replays it. Measure the distance it makes in the satellite view, and again seen by a drone at 45°. What would you compare it with, so that a small distance means something?

# %% [markdown]
# ## Readings
#
# * [Zheng et al. (2020)](references.md#zheng2020university): University-1652, the data set that made drone and satellite views of buildings a common benchmark. Its "drone" pictures are rendered along simulated flights. Read how its two tasks differ in the number of positives.
# * [Zhu et al. (2023)](references.md#zhu2023sues): SUES-200, flown by real drones at 150 to 300 m. With the geometry above, and a field of view that you assume, work out how much ground each altitude shows.
# * [Hu et al. (2018)](references.md#hu2018cvmnet): an earlier form of the problem, ground panoramas against satellite images; there the viewpoint gap is larger still.
# * [Deuser et al. (2023)](references.md#deuser2023sample4geo): a strong and common baseline. Its code ranks the query places only: keep that in mind when you compare ([two galleries](data.md#two-galleries-are-in-circulation)).
# * [Radenović et al. (2019)](references.md#radenovic2019gem): why features of a network trained to classify need fine-tuning to retrieve, and how to get it without labels by hand.
