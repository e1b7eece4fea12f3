"""The Bayes filter on made-up scores: it moves, forgets, resolves twins, gets lost and found."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from dphr_lab.localization.locate import Scored
from dphr_lab.localization.photo_metadata import PhotoPose
from dphr_lab.localization.to_ground import GroundView
from dphr_lab.localization.track import (
    Grid,
    Motion,
    TrackOptions,
    filter_flight,
    motions,
    moved_belief,
    ordered,
    read_odometry,
    smooth_flight,
    summary,
)

STRIDE = 20.0


class Frame:
    """Tiles a stride apart; rows shifted against one another, as real ones are."""

    stride_m = STRIDE

    def __init__(self, side=800.0):
        x, y = np.meshgrid(np.arange(0, side, STRIDE), np.arange(0, side, STRIDE))
        self.east = (x + 0.15 * y % STRIDE).ravel()
        self.north = y.ravel()


FRAME = Frame()
START = datetime(2025, 6, 1, 12)
VIEW = GroundView(np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), bool), 0.0, 0.0, 0.0)


def scored(i, scores, offset=(0.0, 0.0), seconds=3.0, taken=True):
    view = GroundView(VIEW.pixels, VIEW.known, *offset, 0.0)
    pose = PhotoPose(taken=START + timedelta(seconds=seconds * i) if taken else None)
    rows = np.arange(len(FRAME.east))
    return Scored(Path(f"f_{i:03d}.jpg"), pose, (view,), np.atleast_2d(scores), rows)


def peak(spot, height=0.5, width=25.0):
    gap = (FRAME.east - spot[0]) ** 2 + (FRAME.north - spot[1]) ** 2
    return height * np.exp(-gap / (2 * width**2))


def flight(count=15, noise=0.05, twin=None, seed=0, lost=()):
    rng = np.random.default_rng(seed)
    spots = np.stack([100 + 30.0 * np.arange(count), 300 + 10.0 * np.arange(count)], 1)
    photos = []
    for i, spot in enumerate(spots):
        scores = rng.normal(0, noise, len(FRAME.east))
        if i not in lost:
            scores += peak(spot)
        if twin is not None:
            scores += peak(spot + twin)
        photos.append(scored(i, scores))
    steps = np.diff(spots, axis=0, prepend=spots[:1])
    return photos, spots, {p.path.name: tuple(s) for p, s in zip(photos, steps, strict=True)}


def run(photos, options, temperature=0.1, share=0.1, smooth=True):
    grid = Grid(FRAME, 50.0)
    rows, seconds, _ = ordered(photos, options)
    moves = motions([s.path for s in rows], seconds, options, grid.cell_m)
    rests = [np.zeros(2)] + [m.rest for m in moves]
    seen = [
        grid.likelihood(s, rest, temperature, share) for s, rest in zip(rows, rests, strict=True)
    ]
    beliefs = list(filter_flight(grid, seen, moves))
    live = [summary(b, grid, r, 100.0) for b, r in zip(beliefs, rests, strict=True)]
    after = list(smooth_flight(grid, beliefs, seen, moves))[::-1]
    smoothed = [summary(b, grid, r, 100.0) for b, r in zip(after, rests, strict=True)]
    return live, smoothed, (grid, beliefs, after, seen, moves)


def errors(rows, spots):
    return np.array([np.hypot(*np.subtract(r[0], s)) for r, s in zip(rows, spots, strict=True)])


def test_likelihood_is_where_the_camera_stood():
    grid = Grid(FRAME, 60.0)
    spot = np.array([333.0, 417.0])
    for offset in ((0.0, 0.0), (45.0, -20.0)):
        photo = scored(
            0, peak(spot + offset, width=50.0), offset
        )  # what it shows lies beside where it stood
        for rest in (np.zeros(2), np.array([4.9, -3.0])):
            found = grid.likelihood(photo, rest, 0.03, 0.0)
            east, north = grid.centres(rest)
            middle = (found.sum(0) @ east / found.sum(), found.sum(1) @ north / found.sum())
            assert middle == pytest.approx(spot, abs=1.0)
    even = grid.likelihood(scored(0, np.zeros(len(FRAME.east))), np.zeros(2), 0.1, 0.3)
    inside = even[20:-20, 20:-20]
    assert inside == pytest.approx(np.ones_like(inside), abs=1e-6)
    assert even[0, 0] == pytest.approx(0.3)  # no tile there


def test_odometry_moves_the_belief_without_blurring_it():
    options = TrackOptions(odometry={f"f_{i:03d}.jpg": (7.3, -4.1) for i in range(40)})
    paths = [Path(f"f_{i:03d}.jpg") for i in range(40)]
    moves = motions(paths, [1.0] * 39, options, 10.0)
    total = np.sum([(m.cells[1] * 10, m.cells[0] * 10) for m in moves], axis=0) + moves[-1].rest
    assert total == pytest.approx((39 * 7.3, 39 * -4.1))
    assert max(np.abs(m.rest).max() for m in moves) <= 5.0
    belief = np.zeros((60, 60))
    belief[30, 30] = 1
    for _ in range(10):
        belief = moved_belief(belief, Motion((1, -1), np.zeros(2), 0.5, False), 10.0)
    assert np.unravel_index(belief.argmax(), belief.shape) == (40, 20)
    assert belief.sum() == pytest.approx(1) and belief.max() > 0.8


def test_back_is_the_transpose_of_forth():
    rng = np.random.default_rng(0)
    for motion in (
        Motion((2, -3), np.zeros(2), 12.0, False),
        Motion((0, 0), np.zeros(2), 25, True),
    ):
        a, b = np.zeros((2, 40, 40))
        a[15:25, 15:25], b[15:25, 15:25] = rng.random((2, 10, 10))
        a, b = a / a.sum(), b / b.sum()
        forth = (moved_belief(a, motion, 10.0) * b).sum()
        back = (a * moved_belief(b, motion, 10.0, back=True)).sum()
        assert forth == pytest.approx(back, rel=1e-6)


def test_a_speed_bound_reaches_no_farther():
    belief = np.zeros((41, 41))
    belief[20, 20] = 1
    moved = moved_belief(belief, Motion((0, 0), np.zeros(2), 80.0, True), 10.0)
    y, x = np.mgrid[-20:21, -20:21] * 10.0
    reached = moved > 2 * moved[0, 0]
    assert np.hypot(x, y)[reached].max() <= 80 and reached.sum() > 180


def test_forward_backward_is_bayes_on_a_small_grid():
    """Against the sum over all paths of a grid of few cells."""
    frame = Frame(60.0)
    grid = Grid(frame, 0.0)
    rng = np.random.default_rng(1)
    seen = rng.random((4, *grid.shape)) + 0.1
    moves = [Motion((0, 1), np.zeros(2), 9.0, False), Motion((1, 0), np.zeros(2), 14.0, False),
             Motion((0, 0), np.zeros(2), 12.0, True)]  # fmt: skip
    cells = int(np.prod(grid.shape))
    # what a step does to each cell, as a matrix; `moved_belief` is linear but for its last line
    steps = []
    for motion in moves:
        columns = [
            moved_belief(np.eye(cells)[c].reshape(grid.shape), motion, grid.cell_m).ravel()
            for c in range(cells)
        ]
        steps.append(np.stack(columns, 1))
    forward = [seen[0].ravel() / seen[0].sum()]
    for step, likelihood in zip(steps, seen[1:], strict=True):
        b = (step @ forward[-1]) * likelihood.ravel()
        forward.append(b / b.sum())
    found = list(filter_flight(grid, list(seen), moves))
    inner = np.zeros(grid.shape, bool)
    inner[2:-2, 2:-2] = True  # what leaves the grid is renormalised, not lost, by the matrices
    assert found[0].ravel() == pytest.approx(forward[0])
    for a, b in zip(found, forward, strict=True):
        assert a[inner] / a[inner].sum() == pytest.approx(
            b.reshape(grid.shape)[inner] / b.reshape(grid.shape)[inner].sum(), rel=0.35
        )
    assert all(b.sum() == pytest.approx(1) for b in smooth_flight(grid, found, list(seen), moves))


def test_a_twin_is_resolved_by_the_flight():
    photos, spots, odometry = flight(twin=(300.0, 250.0))
    twin_leaves = [p.scores for p in photos]
    for i in range(8, 15):  # from here on there is no twin
        twin_leaves[i] = np.atleast_2d(peak(spots[i]) + photos[i].scores * 0)
    photos = [scored(i, s) for i, s in enumerate(twin_leaves)]
    live, smoothed, _ = run(photos, TrackOptions(odometry=odometry))
    assert errors(live, spots)[10:].max() < 25
    assert errors(smoothed, spots).max() < 25  # what came later tells the beginning
    assert errors(live, spots)[:5].max() > 100 or live[2][3] < 0.8


def test_tracking_beats_single_photographs():
    photos, spots, odometry = flight(noise=0.13, lost=(4, 5, 9))
    live, smoothed, (grid, *_) = run(photos, TrackOptions(odometry=odometry))
    single = [
        summary(b / b.sum(), grid, np.zeros(2), 100.0)
        for b in (grid.likelihood(p, np.zeros(2), 0.1, 0.1) for p in photos)
    ]
    assert np.median(errors(live, spots)) <= np.median(errors(single, spots))
    assert errors(smoothed, spots).max() < 40 < errors(single, spots).max()
    bounded, _, _ = run(photos, TrackOptions(speed_m_s=15.0))
    assert np.median(errors(bounded, spots)) < 60


def test_lost_and_found():
    photos, spots, odometry = flight(count=24, noise=0.05)
    odometry[photos[10].path.name] = (-250.0, 200.0)  # a step that never was
    live, _, _ = run(photos, TrackOptions(odometry=odometry))
    wrong = errors(live, spots)
    assert wrong[9] < 25 and wrong[10:14].max() > 60
    assert wrong[-5:].max() < 30


def test_times_order_the_flight():
    photos, _, odometry = flight(count=6)
    rows, seconds, notes = ordered(photos[::-1], TrackOptions())
    assert [r.path for r in rows] == [p.path for p in photos] and seconds == [3.0] * 5
    assert "times count" in notes[0]
    late = scored(9, photos[5].scores, seconds=3000.0)
    with pytest.raises(ValueError, match=r"f_005\.jpg and f_009\.jpg lie 7:29:45 apart: two fl"):
        ordered([*photos, late], TrackOptions())
    timeless = [scored(i, p.scores, taken=False) for i, p in enumerate(photos)]
    with pytest.raises(ValueError, match="no time in its EXIF, though others have one"):
        ordered([*photos[:3], *timeless[3:]], TrackOptions())
    with pytest.raises(ValueError, match="give --interval-s"):
        ordered(timeless, TrackOptions())
    _, seconds, notes = ordered(timeless, TrackOptions(interval_s=2.0))
    assert seconds == [2.0] * 5 and "order of names" in notes[0]
    del odometry["f_003.jpg"]
    with pytest.raises(ValueError, match=r"no step for f_003\.jpg \(1 of 6 missing\)"):
        ordered(photos, TrackOptions(odometry=odometry))


def test_odometry_files(tmp_path):
    path = tmp_path / "odometry.csv"
    path.write_text("photo,time_s,east_m,north_m\na.jpg,0,0,0\nb.jpg,3,12.5,-3\n", "utf-8")
    assert read_odometry(path) == {"a.jpg": (0.0, 0.0), "b.jpg": (12.5, -3.0)}
    path.write_text("photo,dx\na.jpg,1\n", "utf-8")
    with pytest.raises(ValueError, match="expected columns"):
        read_odometry(path)
    path.write_text("photo,east_m,north_m\na.jpg,1,x\n", "utf-8")
    with pytest.raises(ValueError, match="line 2: a step that is no number"):
        read_odometry(path)
    path.write_text("photo,east_m,north_m\na.jpg,1,nan\n", "utf-8")
    with pytest.raises(ValueError, match="line 2: a step that is not finite"):
        read_odometry(path)
    with pytest.raises(ValueError, match="speed_m_s is 0"):
        TrackOptions(speed_m_s=0)
