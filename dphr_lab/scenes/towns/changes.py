"""Changes to a scene, and twins that differ by them."""

import math
from dataclasses import replace

import numpy as np

from dphr_lab.scenes.seeds import generator
from dphr_lab.scenes.towns.description import (
    CHANGE_KINDS,
    Building,
    Change,
    Scene,
    corners,
    inside,
    is_central,
    overlap,
    rotate,
)
from dphr_lab.scenes.towns.districts import DISTRICTS, METAL, SWAPPABLE, TILE
from dphr_lab.scenes.towns.layouts import changeable, is_bare, make_layout


def apply_change(scene: Scene, change: Change) -> Scene:
    """The scene with a recorded change replayed.

    Raises ValueError when the scene does not hold `change.before`.
    """
    field = "buildings" if isinstance(change.before, Building) else "patches"
    things = getattr(scene, field)
    if change.before not in things:
        raise ValueError(f"the scene has no {change.object!r} as recorded: {change.before}")
    swapped = [change.after if thing == change.before else thing for thing in things]
    return replace(scene, **{field: tuple(t for t in swapped if t is not None)})


def make_change(
    scene: Scene,
    kind: str,
    area_m2: float,
    rng: np.random.Generator,
    objects: tuple[str, ...] | None = None,
) -> Change | None:
    """Draw one change of a kind whose changed ground area is about `area_m2`.

    `area_m2` 0 gives a change that changes nothing. `objects` restricts the choice to these
    names. "building moved" and "building resized" meet the area by how far they go; the other
    kinds choose, among the central objects, one of about that size. `Change.area_m2` records
    what was met. Returns None when the scene has nothing to change in this way.

    Raises ValueError for an unknown kind or a negative area.
    """
    if kind not in CHANGE_KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(CHANGE_KINDS)}")
    if area_m2 < 0:
        raise ValueError(f"area_m2 is {area_m2}; expected 0 or more (square metres)")
    pool = scene.patches if kind == "field swapped" else scene.buildings
    pool = [t for t in pool if is_central(t) and (objects is None or t.name in objects)]
    if kind == "field swapped":
        pool = [p for p in pool if p.kind in SWAPPABLE and is_bare(scene, p)]
    if kind in ("building moved", "building resized"):
        order = rng.permutation(len(pool))
    else:  # nearest in size first; the tiny random part breaks ties
        order = np.argsort([abs(t.area_m2 - area_m2) + rng.random() for t in pool])
    for index in order:
        before = pool[index]
        if area_m2 == 0:
            return Change(kind, before.name, 0.0, before, before)
        found = _CHANGERS[kind](scene, before, area_m2, rng)
        if found is not None:
            after, area = found
            return Change(kind, before.name, round(float(area), 1), before, after)
    return None


def _is_free(scene: Scene, building: Building, old: Building) -> bool:
    """Whether a building may stand here: off streets, water, trees and other buildings."""
    if not is_central(building):
        return False
    box = corners(building, 1.0)
    for other in scene.buildings:
        if other != old and overlap(other, building, 1.5):
            return False
    near = [(t.x, t.y) for t in scene.trees if abs(t.x - building.x) + abs(t.y - building.y) < 60]
    trees = np.array(near).reshape(-1, 2)
    if inside(trees, building, 2.0).any():
        return False
    for road in scene.roads:
        points = np.array(road.points)
        steps = np.linspace(0, 1, max(2, 200 // len(points)))[:, None, None]
        dense = (points[:-1] + steps * np.diff(points, axis=0)).reshape(-1, 2)
        if inside(dense, building, road.width_m / 2 + 1).any():
            return False
    for lake in scene.water:
        outline = np.array(lake.outline)
        middle = outline.mean(0)
        reach = np.hypot(*(outline - middle).T).max()
        if (np.hypot(*(box - middle).T) < reach).any():
            return False
    return True


def _removed(scene, building, area_m2, rng):
    return None, building.area_m2


def _recoloured(scene, building, area_m2, rng):
    palette = DISTRICTS[scene.style].roof_palette + METAL + TILE[:2]
    apart = np.abs(np.array(palette) - building.roof_colour).sum(1)
    clear = np.flatnonzero(apart > 130)
    if not len(clear):
        clear = np.array([int(apart.argmax())])
    colour = palette[int(clear[rng.integers(len(clear))])]
    return replace(building, roof_colour=tuple(colour)), building.area_m2


def _moved(scene, building, area_m2, rng):
    # A shift by (a, b) along its axes uncovers and covers 2 (LW - (L-a)(W-b)) of a rectangle.
    length, width = building.length_m, building.width_m
    wanted = min(area_m2, 2 * building.area_m2)
    for _ in range(24):
        angle = rng.uniform(0, 2 * np.pi)
        step = np.array([np.cos(angle), np.sin(angle)])
        low, high = 0.0, length + width
        for _ in range(24):  # bisection on the distance
            middle = (low + high) / 2
            a, b = np.minimum(np.abs(middle * step), (length, width))
            if 2 * (length * width - (length - a) * (width - b)) < 0.995 * wanted:
                low = middle
            else:
                high = middle
        shift = rotate(high * step, building.heading_deg)
        moved = replace(
            building,
            x=round(building.x + float(shift[0]), 2),
            y=round(building.y + float(shift[1]), 2),
        )
        if _is_free(scene, moved, building):
            a, b = np.minimum(np.abs(high * step), (length, width))
            share = building.area_m2 / (length * width)
            return moved, 2 * share * (length * width - (length - a) * (width - b))
    return None


def _resized(scene, building, area_m2, rng):
    for grow in rng.permutation([True, False]):
        wanted = building.area_m2 + area_m2 * (1 if grow else -1)
        if not 0.35 < wanted / building.area_m2 < 2.6:
            continue
        # Along one axis only: a changed aspect is easier to see than a changed scale.
        for side in rng.permutation(["length_m", "width_m"]):
            low, high = 0.2 * getattr(building, side), 4 * getattr(building, side)
            for _ in range(24):  # bisection on the side
                middle = (low + high) / 2
                if replace(building, **{side: middle}).area_m2 < wanted:
                    low = middle
                else:
                    high = middle
            resized = replace(building, **{side: round(high, 2)})
            if not grow or _is_free(scene, resized, building):
                return resized, abs(resized.area_m2 - building.area_m2)
    return None


def _swapped(scene, patch, area_m2, rng):
    side_m = min(patch.length_m, patch.width_m)
    kinds = [k for k in ("football", "car_park", "plaza", "bare") if k != patch.kind]
    if 12 < side_m < 40 and patch.kind != "tennis":
        kinds.append("tennis")
    return replace(patch, kind=kinds[int(rng.integers(len(kinds)))]), patch.area_m2


_CHANGERS = dict(
    zip(CHANGE_KINDS, (_removed, _moved, _recoloured, _resized, _swapped), strict=True)
)


def make_twin(
    seed: int, family: int, twin: int, family_size: int, strength: float
) -> tuple[Scene, tuple[Change, ...]]:
    """A family member's scene and its changes from the family's layout.

    A member has one or two changes, and in families of up to six no two members change the same
    object. So two members differ in two to four changes, whatever the order in which they are made.
    A family of one has no changes. `strength` scales the changed area; 1 is about 420 m2 a member.
    """
    scene = make_layout(seed, family)
    if family_size == 1 or strength == 0:
        return scene, ()
    deal = generator(seed, "share", family)
    things = [name for names in changeable(scene) for name in deal.permutation(names).tolist()]
    own = tuple(things[twin::family_size]) or tuple(things)
    rng = generator(seed, "changes", family, twin)
    wanted = 1 + int(rng.integers(2))
    total = 420.0 * strength * rng.uniform(0.8, 1.2)
    changes: list[Change] = []
    while len(changes) < wanted and own:
        dose_m2 = total / wanted
        drawn: list[tuple[float, Change]] = []
        for kind in rng.permutation(CHANGE_KINDS):
            change = make_change(scene, str(kind), dose_m2, rng, own)
            if change is not None and change.area_m2 > 0:
                drawn.append((abs(math.log(change.area_m2 / dose_m2)), change))
                if drawn[-1][0] < 0.5:
                    break
        if not drawn:
            break
        # The first kind whose dose is about right; else the one that comes nearest.
        best = min(drawn, key=lambda pair: pair[0])[1]
        changes.append(best)
        scene = apply_change(scene, best)
        own = tuple(name for name in own if name != best.object)
    return scene, tuple(changes)
