"""The measures against a per-query loop, closed forms, and hand-made rankings."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dphr_lab.retrieval import (
    RetrievalReport,
    bootstrap,
    compare,
    evaluate,
    query_outcomes,
    rank,
    ranking,
)
from dphr_lab.settings import protocol


def points(*degrees):
    """Unit vectors in the plane, given by angle."""
    angle = np.radians(np.array(degrees, dtype=np.float64))
    return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)


def slow_evaluate(query, query_places, gallery, gallery_places, mode, query_fam, gallery_fam):
    """The protocol read aloud: one query at a time, in Python numbers."""
    similarity = (torch.from_numpy(query) @ torch.from_numpy(gallery).T).numpy()
    given = len(gallery)
    rankable = [g for g in range(given) if mode == "full" or gallery_places[g] in set(query_places)]
    sums = dict.fromkeys(("r1", "r5", "r10", "top", "ap", "text", "fam"), 0.0)
    wins = duels = mistakes = twin_mistakes = unanswerable = 0
    for q, place in enumerate(query_places):
        order = sorted(rankable, key=lambda g: (-similarity[q, g], g))
        ranks = [r for r, g in enumerate(order, 1) if gallery_places[g] == place]
        if not ranks:
            unanswerable += 1
            continue
        for name, k in (("r1", 1), ("r5", 5), ("r10", 10), ("top", round(0.01 * given) + 1)):
            sums[name] += ranks[0] <= k
        trapezoid = text = 0.0
        for i, r in enumerate(ranks, 1):
            old = 1.0 if r == 1 else (i - 1) / (r - 1)
            trapezoid += (old + i / r) / 2
            text += i / r
        sums["ap"] += trapezoid / len(ranks)
        sums["text"] += text / len(ranks)
        in_family = gallery_fam[order[0]] == query_fam[q]
        sums["fam"] += in_family
        if ranks[0] > 1:
            mistakes += 1
            twin_mistakes += in_family
        own = max(similarity[q, g] for g in rankable if gallery_places[g] == place)
        for twin in {
            gallery_places[g]
            for g in rankable
            if gallery_fam[g] == query_fam[q] and gallery_places[g] != place
        }:
            other = max(similarity[q, g] for g in rankable if gallery_places[g] == twin)
            duels += 1
            wins += 1.0 if own > other else 0.5 if own == other else 0.0
    means = {name: 100 * total / len(query_places) for name, total in sums.items()}
    return means | {
        "duel": 100 * wins / duels,
        "twin": 100 * twin_mistakes / mistakes,
        "unanswerable": unanswerable,
        "ranked": len(rankable),
    }


def noisy_world(seed, places=40, per_place=3, queries=70, levels=None):
    """Places around random centres, families of 3, some queries of places not in the gallery."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(places + 5, 8))
    gallery_places = rng.permutation(np.repeat(np.arange(places), per_place))
    query_places = rng.integers(places // 2, places + 5, queries)

    def embed(labels):
        z = centres[labels] + rng.normal(size=(len(labels), 8))
        if levels:  # few distinct values: many exactly equal similarities
            z = np.round(z * levels) / levels
            return (z / 8).astype(np.float32)
        return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)

    return (
        embed(query_places),
        query_places,
        embed(gallery_places),
        gallery_places,
        query_places // 3,
        gallery_places // 3,
    )


@pytest.mark.parametrize("mode", protocol.GALLERY_MODES)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("chunk_size", [7, 1000])
def test_equals_the_per_query_loop(mode, seed, chunk_size):
    query, q_places, gallery, g_places, q_fam, g_fam = noisy_world(seed)
    report = evaluate(query, q_places, gallery, g_places, mode, q_fam, g_fam, chunk_size)
    slow = slow_evaluate(query, q_places, gallery, g_places, mode, q_fam, g_fam)
    for name, value in {
        "r1": report.r_at_1,
        "r5": report.r_at_5,
        "r10": report.r_at_10,
        "top": report.r_at_top1_percent,
        "ap": report.ap,
        "text": report.ap_textbook,
        "fam": report.family_r_at_1,
        "duel": report.twin_choice,
        "twin": report.twin_mistakes,
    }.items():
        assert value == pytest.approx(slow[name], abs=1e-4), name
    assert 0 < report.unanswerable == slow["unanswerable"]
    assert report.gallery == slow["ranked"]
    assert (report.queries, report.gallery_given) == (70, 120)


def test_equals_the_loop_with_many_equal_scores(monkeypatch):
    # Normalising would break the ties, so it is taken out: the ranking is what is tested here.
    monkeypatch.setattr(ranking.F, "normalize", lambda z: z)
    query, q_places, gallery, g_places, q_fam, g_fam = noisy_world(3, levels=1)
    similarity = query @ gallery.T
    assert np.mean([len(set(row)) for row in similarity]) < 0.6 * len(gallery)
    report = evaluate(query, q_places, gallery, g_places, "full", q_fam, g_fam)
    slow = slow_evaluate(query, q_places, gallery, g_places, "full", q_fam, g_fam)
    assert report.ap == pytest.approx(slow["ap"], abs=1e-4)
    assert report.r_at_1 == pytest.approx(slow["r1"], abs=1e-4)
    assert report.twin_choice == pytest.approx(slow["duel"], abs=1e-4)


def test_family_r_at_1_is_r_at_1_and_the_twin_mistakes():
    report = evaluate(*noisy_world(4)[:4], "full", *noisy_world(4)[4:])
    answerable = 100 * (1 - report.unanswerable / report.queries)
    mistakes = answerable - report.r_at_1
    assert report.family_r_at_1 == pytest.approx(
        report.r_at_1 + mistakes * report.twin_mistakes / 100
    )


@pytest.mark.parametrize("r", [1, 2, 5])
def test_one_positive_closed_form(r):
    """Trapezoid AP of one positive at rank r: 1 at rank 1, else 1/(2r); textbook 1/r."""
    gallery_places = np.arange(6)
    report = evaluate(points(0), [r - 1], points(*range(1, 61, 10)), gallery_places)
    assert report.ap == pytest.approx(100 if r == 1 else 50 / r)
    assert report.ap_textbook == pytest.approx(100 / r)
    assert report.r_at_1 == 100 * (r == 1)
    assert report.r_at_5 == 100


def test_several_positives_by_hand():
    # Positives at ranks 1, 3, 4: p = 1, 2/3, 3/4 and before them 1, 1/2, 2/3.
    report = evaluate(points(0), [7], points(5, 10, 15, 20, 25), [7, 1, 7, 7, 2])
    assert report.ap == pytest.approx(100 * (1 + (1 / 2 + 2 / 3) / 2 + (2 / 3 + 3 / 4) / 2) / 3)
    assert report.ap_textbook == pytest.approx(100 * (1 + 2 / 3 + 3 / 4) / 3)


@pytest.mark.parametrize("given, k", [(951, 11), (51_355, 515), (200, 3), (40, 1)])
def test_top1_percent_counts_the_gallery_as_given(given, k):
    """round(0.01 G) + 1, with G before junk is left out: 951 images read R@11, not R@10."""
    gallery = torch.zeros(given, 2)
    gallery[:, 0] = 1
    places = torch.arange(given)
    for mode in protocol.GALLERY_MODES:
        report = evaluate(gallery[:1], [0], gallery, places, mode)
        assert report.top1_percent_rank == k
        assert report.gallery_given == given
        assert report.gallery == (given if mode == "full" else 1)


def test_query_places_mode_leaves_other_places_out():
    query, gallery = points(0), points(1, 2, 30)
    full = evaluate(query, [5], gallery, [1, 2, 5])
    easier = evaluate(query, [5], gallery, [1, 2, 5], "query_places")
    assert (full.r_at_1, easier.r_at_1) == (0, 100)
    assert (full.gallery, easier.gallery) == (3, 1)
    outcome = query_outcomes(query, [5], gallery, [1, 2, 5], "query_places")
    assert outcome.top1.tolist() == [2]  # an index into the gallery as given


def test_tie_goes_to_the_lower_gallery_index():
    same = points(0, 0, 0, 0)
    assert evaluate(same[:1], [9], same, [9, 1, 2, 3]).r_at_1 == 100
    last = evaluate(same[:1], [9], same, [1, 2, 3, 9])
    assert (last.r_at_1, last.ap_textbook) == (0, 25)
    indices, scores = rank(same[:2], same, k=3, chunk_size=1)
    assert indices.tolist() == [[0, 1, 2]] * 2
    assert torch.allclose(scores, torch.ones(2, 3))


def test_tied_twin_is_half_a_win():
    # Own place ties with the first twin, beats the second, loses to the third: (1/2 + 1 + 0) / 3.
    report = evaluate(
        points(0), [0], points(10, 10, 20, 5, 3), [0, 1, 2, 3, 50], "full", [4], [4, 4, 4, 4, 9]
    )
    assert report.twin_choice == pytest.approx(50)
    assert report.twin_mistakes == 0  # the first image, at 3 degrees, is of another family
    assert report.family_r_at_1 == 0


def test_family_rates_are_none_without_something_to_count():
    perfect = evaluate(points(0), [0], points(0, 90), [0, 1], "full", [0], [0, 1])
    assert (perfect.family_r_at_1, perfect.twin_choice, perfect.twin_mistakes) == (100, None, None)
    assert evaluate(points(0), [0], points(0, 90), [0, 1]).family_r_at_1 is None


def test_query_without_a_positive_scores_0_and_is_counted_aloud():
    report = evaluate(points(0, 0), [0, 77], points(0, 90), [0, 1])
    assert (report.r_at_1, report.r_at_10, report.ap, report.unanswerable) == (50, 50, 50, 1)
    assert "1 of 2 queries have no positive" in str(report)
    assert query_outcomes(points(0), [77], points(0), [0]).first_positive.tolist() == [0]


def test_length_and_half_precision_do_not_change_the_ranking():
    query, q_places, gallery, g_places, *_ = noisy_world(5)
    report = evaluate(query, q_places, gallery, g_places)
    assert evaluate(3 * query, q_places, 0.1 * gallery, g_places).ap == pytest.approx(report.ap)
    half = evaluate(torch.from_numpy(query).half(), q_places, gallery, g_places)
    assert half.ap == pytest.approx(report.ap, abs=1)


def test_report_prints_mode_and_sizes_and_survives_json():
    query, q_places, gallery, g_places, q_fam, g_fam = noisy_world(6)
    report = evaluate(
        query, q_places, gallery, g_places, "query_places", q_fam, g_fam, tta="horizontal flip"
    )
    text = str(report)
    for part in (
        "'query_places'",
        "70 queries",
        f"{report.gallery} gallery images",
        f"({120 - report.gallery} of other places left out)",
        "horizontal flip",
        f"R@1 {report.r_at_1:.2f}",
        "R@top1% (R@2)",
        "(trapezoid)",
        "twin choice",
    ):
        assert part in text
    assert RetrievalReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert all(math.isfinite(v) for v in report.to_dict().values() if isinstance(v, float))
    with pytest.raises(ValueError, match=r"missing.*'ap'"):
        RetrievalReport.from_dict({"r_at_1": 1.0})


@pytest.mark.parametrize(
    "change, words",
    [
        ({"query": np.zeros((2, 3), np.float32)}, "D = 3"),
        ({"query": np.zeros((0, 2), np.float32)}, "at least one image"),
        ({"gallery": np.full((2, 2), np.nan, np.float32)}, "gallery holds a value that is NaN"),
        ({"query_places": [0, 1, 2]}, "query_places"),
        ({"gallery_places": [0.0, 1.0]}, "integers"),
        ({"gallery_mode": "all"}, "'all'"),
        ({"query_families": [0, 0]}, "both or neither"),
        ({"query_families": [0, 0], "gallery_families": [0]}, "gallery_families"),
        ({"gallery_places": [8, 9], "gallery_mode": "query_places"}, "same numbering"),
        ({"chunk_size": 0}, "chunk_size"),
    ],
)
def test_wrong_input_is_named(change, words):
    right = {
        "query": points(0, 1),
        "query_places": [0, 1],
        "gallery": points(0, 1),
        "gallery_places": [0, 1],
    }
    with pytest.raises(ValueError, match=words):
        evaluate(**(right | change))


def test_a_place_of_two_families_is_named():
    with pytest.raises(ValueError, match="place 3 more than one family"):
        evaluate(points(0), [3], points(0, 1), [3, 3], "full", [0], [0, 1])


# -- intervals and comparison ----------------------------------------------------------------------


def outcomes_of(seed, mode="full", families=True):
    query, q_places, gallery, g_places, q_fam, g_fam = noisy_world(seed)
    labels = (q_fam, g_fam) if families else (None, None)
    return query_outcomes(query, q_places, gallery, g_places, mode, *labels)


@pytest.mark.parametrize("families", [False, True])
def test_report_carries_intervals_over_places_or_families(families):
    outcomes = outcomes_of(0, families=families)
    report = outcomes.report()
    groups = len(outcomes.groups.unique())
    assert report.resampled == f"{groups} {'families' if families else 'places'}"
    expected = bootstrap(100 * (outcomes.first_positive == 1).double(), outcomes.groups)
    assert report.intervals["r_at_1"] == [expected.low, expected.high]
    for name, (low, high) in report.intervals.items():
        assert low < getattr(report, name) < high
    assert ("twin_choice" in report.intervals) == families
    line = f"95 % intervals over {report.resampled}: R@1 {expected.low:.2f} to {expected.high:.2f}"
    assert line in str(report)


def test_a_single_place_has_no_interval():
    report = evaluate(points(0, 1), [0, 0], points(0, 90), [0, 1])
    assert report.intervals is None and report.resampled is None
    assert "interval" not in str(report)


def test_reports_stored_before_there_were_intervals_load():
    values = outcomes_of(1).report().to_dict()
    del values["intervals"], values["resampled"]
    old = RetrievalReport.from_dict(values)
    assert old.intervals is None and "interval" not in str(old)


def test_compare_is_the_difference_of_the_reports():
    first, second = outcomes_of(0), replace(outcomes_of(0), ap=outcomes_of(0).ap / 2)
    found = compare(first, second, resamples=500)
    assert list(found) == ["r_at_1", "ap", "family_r_at_1", "twin_choice"]
    assert found["r_at_1"].low == found["twin_choice"].high == 0
    difference = first.report().ap - second.report().ap
    assert found["ap"].estimate == pytest.approx(difference)
    assert found["ap"].low > 0 and found["ap"].resamples == 500


@pytest.mark.parametrize(
    "change, words",
    [
        ({"gallery_mode": "query_places"}, "gallery_mode: 'full' against 'query_places'"),
        ({"gallery_given": 7}, "gallery_given: 120 against 7"),
        ({"families": None}, "unit: 'families' against 'places'"),
        ({"places": torch.zeros(70, dtype=torch.int64)}, "same number of queries of every place"),
        ({"families": torch.zeros(70, dtype=torch.int64)}, "into different families"),
    ],
)
def test_outcomes_of_other_queries_are_not_compared(change, words):
    first = outcomes_of(0)
    with pytest.raises(ValueError, match=words):
        compare(first, replace(first, **change))
