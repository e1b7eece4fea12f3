"""Measures of positions, against sums done by hand and against plain loops."""

import math

import numpy as np
import pytest

from dphr_lab.retrieval.positions import (
    accuracy_within,
    covered,
    distance_at,
    haversine_m,
    median_interval,
    position_report,
    recall_within,
    sdm_degrees,
    sdm_metres,
)


def test_haversine_of_known_distances():
    assert haversine_m(0, 0, 0, 1) == pytest.approx(6378137 * math.pi / 180)
    assert haversine_m(48, 179.9, 48, -179.9) == pytest.approx(
        haversine_m(48, 0, 48, 0.2), rel=1e-9
    )
    assert haversine_m(10, 20, 10, 20) == 0
    assert haversine_m([0, 0], [0, 0], [90, -90], [0, 0]) == pytest.approx(6378137 * math.pi / 2)


def test_sdm_in_degrees_by_hand():
    # K = 2: weights 1 and 1/2; distances 0 and 0.0002 degrees, so scores 1 and 1/e
    truth = [[48.0, 11.0]]
    answers = [[[48.0, 11.0], [48.0, 11.0002]]]
    assert sdm_degrees(truth, answers, 2) == pytest.approx([(1 + 0.5 / math.e) / 1.5])
    assert sdm_degrees(truth, answers, 1) == pytest.approx([1.0])


def test_sdm_in_metres_by_hand():
    # K = 3: weights 1, 2/3, 1/3; 0, 1000 and 2000 m
    found = sdm_metres([[0.0, 1000.0, 2000.0]], 3)
    assert found == pytest.approx([(1 + 2 / 3 * math.exp(-1) + 1 / 3 * math.exp(-2)) / 2])


def test_the_two_sdm_are_two_measures():
    truth = np.array([[48.0, 11.0]])
    answers = np.array([[[48.0005, 11.0]]])
    metres = haversine_m(48.0, 11.0, answers[..., 0], answers[..., 1])
    assert sdm_degrees(truth, answers, 1)[0] < 0.09
    assert sdm_metres(metres, 1)[0] > 0.94


def slow_sdm(distances, fall, k):
    total, weights = 0.0, 0.0
    for i in range(1, k + 1):
        weight = 1 - (i - 1) / k
        total += weight * math.exp(-fall * distances[i - 1])
        weights += weight
    return total / weights


def test_sdm_is_the_loop():
    rng = np.random.default_rng(0)
    distances = rng.uniform(0, 3000, (20, 7))
    for k in (1, 3, 7):
        slow = [slow_sdm(row, 0.001, k) for row in distances]
        assert sdm_metres(distances, k) == pytest.approx(slow)


def test_recall_dis_and_ma():
    distances = np.array([[30.0, 10.0, 5.0], [60.0, 70.0, 80.0]])
    assert recall_within(distances, 1, 25).tolist() == [False, False]
    assert recall_within(distances, 2, 25).tolist() == [True, False]
    assert distance_at(distances, 2).tolist() == [20.0, 65.0]
    # exactly the threshold is not less than it
    assert accuracy_within([3.0, 5.0], 5).tolist() == [True, False]
    assert covered([3.0, 5.0, 6.0], [5.0, 5.0, 5.0]).tolist() == [True, True, False]


def test_the_median_is_drawn_over_flights():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(8), 25)
    level = rng.normal(50, 20, 8)[groups]  # flights differ, their photographs hardly
    values = level + rng.normal(0, 1, 200)
    found = median_interval(values, groups, resamples=500)
    assert found.estimate == np.median(values) and found.groups == 8
    as_images = median_interval(values, np.arange(200), resamples=500)
    assert found.high - found.low > 1.5 * (as_images.high - as_images.low)
    assert found.low <= found.estimate <= found.high


def test_every_draw_of_the_median_is_a_median():
    rng = np.random.default_rng(2)
    values, groups = rng.normal(size=31), rng.integers(0, 5, 31)
    found = median_interval(values, groups, resamples=1, seed=3)
    times = np.bincount(np.random.default_rng(3).integers(5, size=5), minlength=5)
    again = np.median(np.repeat(values, times[groups]))
    assert found.low == pytest.approx(again)


def test_report():
    errors = [4.0, 8.0, 30.0, 200.0]
    radii = {0.5: [10.0] * 4, 0.9: [50.0, 50.0, 50.0, 250.0]}
    report = position_report(errors, ["a", "a", "b", "b"], radii, resamples=200)
    assert report.median_m == 19 and report.mean_m == 60.5
    assert report.within == {5: 25.0, 10: 50.0, 25: 50.0, 50: 75.0, 100: 75.0}
    assert report.coverage == {0.5: 50.0, 0.9: 100.0}
    text = str(report)
    assert "4 photographs of 2 flights" in text and "within   25 m      50.0 %" in text
    assert report.to_dict()["within_intervals"]["25"]["groups"] == 2
    alone = position_report(errors, ["a"] * 4)
    assert alone.median_interval is None and "nothing can be said of others" in str(alone)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="Q > 0"):
        position_report([], [])
    with pytest.raises(ValueError, match="NaN or infinite"):
        position_report([1.0, math.nan], ["a", "b"])
    with pytest.raises(ValueError, match="k is 3"):
        distance_at([[1.0, 2.0]], 3)
    with pytest.raises(ValueError, match="found 1, expected at least 2"):
        median_interval([1.0, 2.0], ["a", "a"])
    with pytest.raises(ValueError, match="expected \\(Q, 2\\)"):
        sdm_degrees([[1.0, 2.0]], [[1.0, 2.0]], 1)
    with pytest.raises(ValueError, match="radii_m"):
        covered([1.0], [1.0, 2.0])
