"""Twins of a photograph: recorded edits that a glance may miss.

An edit pastes patches of the same tile with soft borders, or recolours what one patch shows. It is
plain data: `apply_edit` replays it. Every twin of a tile is edited, none is the tile itself, and an
edit of dose 0 goes through the same steps and changes nothing. So a seam can show that there is an
edit, but never which twin is the right one.
"""

from dataclasses import asdict, dataclass

import cv2
import numpy as np

from dphr_lab.scenes.seeds import generator

EDIT_KINDS = ("patch copied", "patch moved", "patch recoloured")
EDIT_ZONE = 0.2  # radius of the disc around the centre that holds all edits, share of the side
EDITED_M2 = 60.0  # mean edited area of a twin at strength 1
_TRIES = 30  # patches that are looked at for one edit
_CLEAR = 12.0  # grey levels by which an edit must change its patch on average

Box = tuple[int, int, int, int]  # left, top, width, height; pixels of the tile


@dataclass(frozen=True)
class Edit:
    """One recorded difference from the tile."""

    kind: str  # one of EDIT_KINDS
    boxes: tuple[Box, ...]  # where the picture changes
    sources: tuple[Box, ...]  # where each box's new content comes from, in the tile as it was
    gain: tuple[float, float, float]  # on red, green and blue of what the box mostly shows
    area_m2: float  # ground whose appearance changes, soft borders in part

    def to_dict(self) -> dict:
        """The record as JSON-ready values."""
        return asdict(self)


def apply_edit(image: np.ndarray, edit: Edit) -> np.ndarray:
    """A tile's image (side, side, 3) with a recorded edit replayed, uint8.

    Raises ValueError when a box does not lie inside the image.
    """
    before, result = image.astype(np.float32), image.astype(np.float32)
    for box, source in zip(edit.boxes, edit.sources, strict=True):
        feather = _feather(box)
        share = feather * _mask(before, source, edit.gain)
        content = np.minimum(before[_around(image, source)] * np.float32(edit.gain), 255)
        where = _around(image, box)
        result[where] += share[..., None] * (content - result[where])
    return np.rint(result).astype(np.uint8)


def _border(box: Box) -> int:
    """Half the width of a box's soft border, pixels."""
    return max(1, min(box[2:]) // 6)


def _around(image: np.ndarray, box: Box) -> tuple[slice, slice]:
    """The rows and columns of a box with its soft border."""
    left, top, width, height = box
    b, side = _border(box), image.shape[0]
    if left < b or top < b or max(left + width, top + height) + b > side:
        raise ValueError(f"box {box} with a border of {b} px is not inside a tile of {side} px")
    return slice(top - b, top + height + b), slice(left - b, left + width + b)


def _feather(box: Box) -> np.ndarray:
    """Opacity of a box with its soft border: its sum is about the box's area."""
    b = _border(box)

    def ramp(length):
        steps = (np.arange(length + 2 * b) + 0.5) / (2 * b)
        return np.minimum(np.minimum(steps, steps[::-1]), 1)

    return np.outer(ramp(box[3]), ramp(box[2])).astype(np.float32)


def _mask(image: np.ndarray, box: Box, gain) -> np.ndarray | float:
    """Where a box shows what it mostly shows; everywhere when nothing is recoloured."""
    if tuple(gain) == (1.0, 1.0, 1.0):
        return 1.0
    content = cv2.GaussianBlur(image[_around(image, box)], (0, 0), 1.0)
    b = _border(box)
    middle = np.median(content[b:-b, b:-b].reshape(-1, 3), 0)
    apart = np.linalg.norm(content - middle, axis=-1)
    return np.clip(2 - apart / 30, 0, 1).astype(np.float32)  # grey levels: 30 alike, 60 another


def make_edit(
    image: np.ndarray,
    kind: str,
    area_m2: float,
    gsd_m: float,
    rng: np.random.Generator,
    taken: tuple[Box, ...] = (),
) -> Edit | None:
    """Draw one edit of a kind of about `area_m2` in the middle of a tile (side, side, 3).

    0 gives an edit that changes nothing. Boxes keep off those in `taken` where there is room. Of
    some patches drawn at random, the one is used that changes most and whose surroundings fit
    best. `Edit.area_m2` records what was met. Returns None when nothing fits.

    Raises ValueError for an unknown kind, a negative area or a `gsd_m` (metres a pixel) not
    above 0.
    """
    if kind not in EDIT_KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(EDIT_KINDS)}")
    if area_m2 < 0:
        raise ValueError(f"area_m2 is {area_m2}; expected 0 or more (square metres)")
    if gsd_m <= 0:
        raise ValueError(f"gsd_m is {gsd_m}; expected above 0 (metres a pixel)")
    side = image.shape[0]
    if area_m2 == 0:
        box = (side // 2 - 8, side // 2 - 8, 16, 16)
        return Edit(kind, (box,), (box,), (1.0, 1.0, 1.0), 0.0)
    area_px = area_m2 / gsd_m**2
    blurred = cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.float32)
    drawn = [_DRAW[kind](blurred, area_px, rng) for _ in range(_TRIES)]
    drawn = [candidate for candidate in drawn if candidate is not None]
    free = [c for c in drawn if not any(_touch(a, b) for a in c[1] for b in taken)]
    found = max(free or drawn, key=lambda c: c[0], default=None)
    if found is None:
        return None
    _, boxes, sources, gain = found
    shares = (_feather(b) * _mask(blurred, s, gain) for b, s in zip(boxes, sources, strict=True))
    area = sum(float(share.sum()) for share in shares) * gsd_m**2
    return Edit(kind, boxes, sources, gain, round(area, 1))


def _shape(area_px: float, rng) -> tuple[int, int]:
    aspect = rng.uniform(0.6, 1.6)
    return max(3, round((area_px * aspect) ** 0.5)), max(3, round((area_px / aspect) ** 0.5))


def _box_in_zone(side: int, shape: tuple[int, int], rng) -> Box | None:
    """A box of a shape inside the disc that every view shows, with its border."""
    border = _border((0, 0, *shape))
    half = np.array(shape) / 2 + border
    reach = EDIT_ZONE * side
    if np.hypot(*half) > reach:
        return None
    for _ in range(50):
        middle = rng.uniform(-reach, reach, 2)
        if np.hypot(*(np.abs(middle) + half)) <= reach:
            left, top = np.rint(side / 2 + middle - np.array(shape) / 2).astype(int).tolist()
            return left, top, *shape
    return None


def _box_anywhere(side: int, shape: tuple[int, int], rng) -> Box | None:
    border = _border((0, 0, *shape))
    room = side - np.array(shape) - 2 * border
    if room.min() < 1:
        return None
    left, top = (border + rng.integers(0, room)).tolist()
    return left, top, *shape


def _touch(a: Box, b: Box) -> bool:
    """Whether two boxes meet, borders included."""
    gap = _border(a) + _border(b)
    return all(abs(2 * a[i] + a[i + 2] - 2 * b[i] - b[i + 2]) < a[i + 2] + b[i + 2] + 2 * gap
               for i in (0, 1))  # fmt: skip


def _fit(image: np.ndarray, box: Box, source: Box) -> float:
    """How well a paste hides: the change inside over the mismatch of the surroundings."""
    change = np.abs(image[_around(image, box)] - image[_around(image, source)]).mean(-1)
    b = _border(box)
    inside = change[b:-b, b:-b]
    ring = (change.sum() - inside.sum()) / (change.size - inside.size)
    return -1.0 if inside.mean() < _CLEAR else float(inside.mean() / (ring + 8))


def _copied(image: np.ndarray, area_px: float, rng):
    shape, side = _shape(area_px, rng), image.shape[0]
    box, source = _box_in_zone(side, shape, rng), _box_anywhere(side, shape, rng)
    if box is None or source is None or (score := _fit(image, box, source)) < 0:
        return None
    return score, (box,), (source,), (1.0, 1.0, 1.0)


def _moved(image: np.ndarray, area_px: float, rng):
    shape, side = _shape(area_px / 2, rng), image.shape[0]
    old, new = _box_in_zone(side, shape, rng), _box_in_zone(side, shape, rng)
    filling = _box_anywhere(side, shape, rng)
    if old is None or new is None or filling is None or _touch(old, new):
        return None
    scores = _fit(image, new, old), _fit(image, old, filling)
    return None if min(scores) < 0 else (min(scores), (new, old), (old, filling), (1.0, 1.0, 1.0))


def _recoloured(image: np.ndarray, area_px: float, rng):
    side = image.shape[0]
    box = _box_in_zone(side, _shape(1.4 * area_px, rng), rng)  # not all of it is of one colour
    if box is None:
        return None
    # The colour of another spot of the tile: what is seen there may be a roof, a tree, a road.
    colour = image[tuple(rng.integers(0, side, 2))]
    middle = np.median(image[_around(image, box)].reshape(-1, 3), 0)
    gain = np.clip((colour + 8) / (middle + 8), 0.4, 2.5)
    gain = tuple(round(float(g), 3) for g in gain)
    share = _feather(box) * _mask(image, box, gain)
    content = image[_around(image, box)]
    change = np.abs(np.minimum(content * np.float32(gain), 255) - content).mean(-1)
    off = abs(np.log(max(share.sum(), 1e-6) / area_px))
    if off > 0.35 or (change * share).sum() < _CLEAR * share.sum():
        return None
    return -off, (box,), (box,), gain


_DRAW = dict(zip(EDIT_KINDS, (_copied, _moved, _recoloured), strict=True))


def make_twins(
    image: np.ndarray, gsd_m: float, seed: int, family: int, family_size: int, strength: float
) -> tuple[tuple[Edit, ...], ...]:
    """The edits of each member of a family, to be applied in turn to the tile's image.

    A member has one or two edits, off those of the members before it where there is room, so any
    two members differ in two to four edits. A family of one has none. `strength` scales the edited
    area; 1 is about 60 m2 a member (`EDITED_M2`). Raises ValueError when edits of that size find
    no room.
    """
    if family_size == 1 or strength == 0:
        return ((),) * family_size
    members, taken = [], ()
    for member in range(family_size):
        rng = generator(seed, "changes", family, member)
        edited, edits = image, []
        wanted = 1 + int(rng.integers(2))
        total = EDITED_M2 * strength * rng.uniform(0.8, 1.2)
        for _ in range(wanted):
            edit = _first_that_fits(edited, total / wanted, gsd_m, rng, taken)
            if edit is None:
                raise ValueError(
                    f"twin_strength is {strength}: an edit of {total / wanted:.0f} m2 finds no "
                    f"room, or nothing to change, in a tile of {image.shape[0] * gsd_m:.0f} m; "
                    "give a smaller strength, larger tiles, or check gsd_m"
                )
            edits.append(edit)
            taken += edit.boxes
            edited = apply_edit(edited, edit)
        members.append(tuple(edits))
    return tuple(members)


def _first_that_fits(image, area_m2, gsd_m, rng, taken) -> Edit | None:
    for kind in rng.permutation(EDIT_KINDS):
        edit = make_edit(image, str(kind), area_m2, gsd_m, rng, taken)
        if edit is not None:
            return edit
    return None
