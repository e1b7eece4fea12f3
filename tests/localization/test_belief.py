"""Probability, position and radii, on made-up scores whose truth is known."""

import numpy as np
import pytest

from dphr_lab.localization.belief import (
    PRIORS_M,
    Calibration,
    Seen,
    answer,
    conformal,
    far_spots,
    fit_calibration,
    likeliest,
    radii,
    spots_of,
    under_priors,
)

STRIDE = 25.0
X, Y = (g.ravel() for g in np.meshgrid(np.arange(0, 1000, STRIDE), np.arange(0, 1000, STRIDE)))


def made_up(count, seed, noise=0.1, lost=0.15, headings=1):
    """Photographs whose scores peak near the truth, but for a share that is lost."""
    rng = np.random.default_rng(seed)
    seen = []
    for i in range(count):
        truth = rng.uniform(100, 900, 2)
        peak = rng.uniform(0, 1000, 2) if rng.random() < lost else truth
        near = np.exp(-((X - peak[0]) ** 2 + (Y - peak[1]) ** 2) / (2 * 40**2))
        scores = rng.normal(0.3, noise, (headings, len(X)))
        scores[0] += 0.5 * near
        seen.append(Seen(scores, np.zeros((headings, 2)), tuple(truth), f"f{i // 20}"))
    return seen


def test_a_softmax_over_all_headings_and_tiles():
    scores = np.random.default_rng(0).normal(0, 1, (2, 30))
    east, north = np.arange(30.0), np.zeros(30)
    offsets = np.array([[1.0, 0.0], [0.0, 5.0]])
    spots = spots_of(scores, east, north, offsets, 0.5)
    p = np.exp(scores / 0.5) / np.exp(scores / 0.5).sum()
    best = np.unravel_index(p.argmax(), p.shape)
    assert spots.weight.sum() == pytest.approx(1)
    assert spots.weight[0] == pytest.approx(p.max())
    assert (spots.heading[0], spots.tile[0]) == best
    assert spots.east[0] == east[best[1]] - offsets[best[0], 0]
    assert spots.north[0] == -offsets[best[0], 1]


def test_the_position_is_the_middle_of_the_cluster_not_the_best_tile():
    scores = np.zeros((1, 6))
    east = np.array([0.0, 100, 110, 120, 300, 400])
    scores[0] = [0.52, 0.5, 0.5, 0.5, 0, 0]  # three near each other against one a little higher
    spots = spots_of(scores, east, np.zeros(6), np.zeros((1, 2)), 0.1)
    at = likeliest(spots, 15.0)
    assert at == pytest.approx((110, 0), abs=1)


def test_radii_hold_their_share():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1, (1, len(X)))
    spots = spots_of(scores, X, Y, np.zeros((1, 2)), 0.5)
    at = (500.0, 500.0)
    half, most = radii(spots, at, 1e-6, 0.0, np.zeros(0))
    distance = np.hypot(spots.east - 500, spots.north - 500)
    assert spots.weight[distance <= half].sum() / spots.weight.sum() == pytest.approx(0.5, abs=0.02)
    assert spots.weight[distance <= most].sum() / spots.weight.sum() == pytest.approx(0.9, abs=0.02)
    wide = radii(spots, at, 1e-6, 0.5, np.full(10, 5000.0))
    assert wide[1] > 2000 > most


def test_fitted_radii_hold_their_promise_on_other_photographs():
    found = fit_calibration(made_up(160, 0), X, Y, STRIDE, 1e6)
    assert found.photographs == 160 and found.flights == 8
    inside = []
    far = far_spots(X, Y)
    for s in made_up(300, 1):
        at, within = answer(s.scores, s.offsets, X, Y, STRIDE, found, far)
        inside.append(np.hypot(at[0] - s.truth[0], at[1] - s.truth[1]) <= np.array(within))
    half, most = np.mean(inside, axis=0)
    assert 0.40 < half < 0.60 and 0.85 < most < 0.95
    guess = [answer(s.scores, s.offsets, X, Y, STRIDE, Calibration(), far) for s in made_up(9, 1)]
    assert all(np.isfinite(within).all() for _, within in guess)


def test_under_a_prior_radii_hold_their_promise_too():
    found = fit_calibration(made_up(160, 0, noise=0.15), X, Y, STRIDE, 1e6).under_prior()
    inside = []
    for s in under_priors(made_up(150, 1, noise=0.15), X, Y):
        there = np.isfinite(s.scores[0])
        x, y = X[there], Y[there]
        at, within = answer(s.scores[:, there], s.offsets, x, y, STRIDE, found, far_spots(x, y))
        inside.append(np.hypot(at[0] - s.truth[0], at[1] - s.truth[1]) <= np.array(within))
    half, most = np.mean(inside, axis=0)
    assert 0.40 < half < 0.60 and 0.85 < most < 0.95


def test_a_prior_holds_the_truth_and_what_the_photograph_looks_at():
    (s,) = made_up(1, 0)
    ahead = Seen(s.scores, np.array([[0.0, 60.0]]), s.truth, s.flight)
    for within, one in zip(PRIORS_M, under_priors([ahead], X, Y), strict=True):
        there = np.isfinite(one.scores[0])
        assert there[np.argmin(np.hypot(X - s.truth[0], Y - s.truth[1]))]
        assert there[np.argmin(np.hypot(X - s.truth[0], Y - 60 - s.truth[1]))]
        gaps = np.hypot(X[there] - s.truth[0], Y[there] - s.truth[1])
        assert gaps.max() <= 2 * within + 60


def test_tiles_too_far_apart_for_any_prior_leave_the_scales_of_the_whole_map():
    x, y = (g.ravel() for g in np.meshgrid(np.arange(0, 30e3, 5e3), np.arange(0, 30e3, 5e3)))
    rng = np.random.default_rng(0)
    truths = [(float(x[i]) + 2500, float(y[i]) + 2500) for i in rng.integers(0, len(x), 30)]
    scores = rng.normal(0.3, 0.1, (30, 1, len(x)))
    seen = [Seen(s, np.zeros((1, 2)), t, "f") for s, t in zip(scores, truths, strict=True)]
    assert under_priors(seen, x, y) == []
    found = fit_calibration(seen, x, y, 5000.0, 9e8)
    assert found.near_scales is None and found.under_prior() is found


def test_without_scales_for_priors_those_of_the_whole_map_hold():
    known = Calibration(scales={"0.5": 2.0, "0.9": 3.0})
    assert known.under_prior() is known


def test_the_likelihood_finds_how_often_scores_say_nothing():
    sharp = fit_calibration(made_up(120, 0, noise=0.03, lost=0.0), X, Y, STRIDE, 1e6)
    lost = fit_calibration(made_up(120, 0, noise=0.03, lost=0.4), X, Y, STRIDE, 1e6)
    assert sharp.share <= 0.05 < 0.2 <= lost.share
    assert lost.scales["0.9"] * 1 > 0


def test_conformal_ranks():
    ratios = np.arange(1, 11) / 10
    assert conformal(ratios, 0.5) == 0.6  # rank ceil(11 * 0.5) = 6
    assert conformal(ratios, 0.9) == 1.0


def test_off_the_map_is_below_what_on_the_map_scores():
    seen = made_up(60, 0, noise=0.03, lost=0.0)
    found = fit_calibration(seen, X, Y, STRIDE, 1e6)
    on = np.array([s.scores.max() for s in seen])
    assert (on > found.off_map_below).mean() == pytest.approx(0.95, abs=0.02)
    assert found.off_map_below > 0.4  # noise alone reaches 0.3 + 4 * 0.03
    assert found.off_map_found > 0.95


def test_too_few_photographs_are_refused():
    with pytest.raises(ValueError, match="5 photographs with a known position"):
        fit_calibration(made_up(5, 0), X, Y, STRIDE, 1e6)
