"""The bootstrap against loops, closed forms, and a population whose truth is known."""

import json
import time

import numpy as np
import pytest

from dphr_lab.retrieval import Interval, bootstrap, paired_bootstrap


def outcomes_of_places(rng, places=60, queries=20, mean=0.8, strength=3.0):
    """0/1 outcomes (places * queries,) of places that differ in difficulty, and their places."""
    rate = rng.beta(mean * strength, (1 - mean) * strength, places)
    labels = np.repeat(np.arange(places), queries)
    return (rng.random(len(labels)) < rate[labels]).astype(float), labels


def test_equals_a_loop_that_draws_whole_places():
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=50), rng.integers(0, 9, 50)  # places of unequal size
    drawn = np.random.default_rng(5).integers(9, size=(300, 9))
    means = [np.concatenate([values[groups == g] for g in row]).mean() for row in drawn]
    found = bootstrap(values, groups, resamples=300, seed=5)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert found.estimate == pytest.approx(values.mean())
    assert found.share_above_0 == np.mean(np.array(means) > 0)
    assert (found.groups, found.resamples, found.seed) == (9, 300, 5)


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    values, groups = outcomes_of_places(np.random.default_rng(1))
    whole = bootstrap(values, groups, resamples=500)
    monkeypatch.setattr("dphr_lab.retrieval.intervals._AT_A_TIME", 61)
    assert bootstrap(values, groups, resamples=500) == whole


def test_one_query_a_place_is_the_binomial():
    """Drawing n outcomes of 0 or 1 again gives a binomial count: a closed form."""
    values = np.arange(400) < 320
    found = bootstrap(values, np.arange(400))
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert found.low == pytest.approx(0.8 - half, abs=0.004)
    assert found.high == pytest.approx(0.8 + half, abs=0.004)


def test_places_that_agree_within_count_once():
    """54 equal answers of a place say no more than one does."""
    one = np.random.default_rng(2).random(300) < 0.7
    many, labels = np.repeat(one, 54), np.repeat(np.arange(300), 54)
    assert bootstrap(many, labels) == bootstrap(one, np.arange(300))
    narrow = bootstrap(many, np.arange(len(many)), resamples=200)
    wide = bootstrap(many, labels)
    assert wide.high - wide.low > 6 * (narrow.high - narrow.low)  # sqrt(54) = 7.3


def test_covers_the_truth_as_often_as_it_says_and_images_do_not():
    """200 test sets of 60 places with 20 pictures each: true mean 0.8."""
    rng = np.random.default_rng(3)
    covered = {"places": 0, "images": 0}
    for repeat in range(200):
        values, places = outcomes_of_places(rng)
        for kind, groups in (("places", places), ("images", np.arange(len(values)))):
            draws = 400 if kind == "places" else 100
            found = bootstrap(values, groups, resamples=draws, seed=repeat)
            covered[kind] += found.low <= 0.8 <= found.high
    assert 0.88 <= covered["places"] / 200 <= 0.99
    assert covered["images"] / 200 < 0.75


def test_counts_make_it_a_ratio_of_totals():
    rng = np.random.default_rng(4)
    groups, duels = np.repeat(np.arange(30), 4), rng.integers(0, 3, 120)
    wins = rng.binomial(duels, 0.7)
    found = bootstrap(wins, groups, counts=duels)
    assert found.estimate == pytest.approx(wins.sum() / duels.sum())
    assert found.low < 0.7 < found.high
    without = bootstrap(np.append(wins, 0), np.append(groups, 99), counts=np.append(duels, 0))
    assert without == found  # a place with nothing to count is not drawn


def test_a_pair_is_the_bootstrap_of_the_differences():
    rng = np.random.default_rng(6)
    (one, groups), (other, _) = outcomes_of_places(rng), outcomes_of_places(rng)
    assert paired_bootstrap(one, other, groups) == bootstrap(one - other, groups)
    back = paired_bootstrap(other, one, groups)
    assert back.share_above_0 == pytest.approx(
        1 - paired_bootstrap(one, other, groups).share_above_0
    )
    same = paired_bootstrap(one, one, groups)
    assert (same.estimate, same.low, same.high, same.share_above_0) == (0, 0, 0, 0.5)


def test_pairing_is_sharper_where_the_models_share_hard_places():
    rng = np.random.default_rng(7)
    one, groups = outcomes_of_places(rng, places=200)
    changed = rng.random(len(one)) < 0.05
    other = np.where(changed, 0, one)  # the same model, but for 5 % of the queries
    pair = paired_bootstrap(one, other, groups)
    alone = [bootstrap(values, groups) for values in (one, other)]
    unpaired = np.hypot(*[i.high - i.low for i in alone])
    assert pair.high - pair.low < unpaired / 3
    assert pair.low > 0 and pair.share_above_0 == 1


def with_exactly(hits, outcomes, rng):
    """The outcomes with as many drawn at random turned over as brings them to `hits`."""
    missing = hits - int(outcomes.sum())
    turned = rng.choice(np.flatnonzero(outcomes != (missing > 0)), abs(missing), replace=False)
    outcomes[turned] = missing > 0
    return outcomes


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("strength", [1.0, 10.0])
def test_92_32_and_92_65_at_701_places_are_no_difference(shared, strength):
    """Simulated outcomes with exactly two published rates, of 54 pictures of each of 701 places.

    `strength`: small where the pictures of a place succeed or fail together; `shared`: for what
    share of the places both models have the same difficulty.
    """
    rng = np.random.default_rng(8)
    groups = np.append(np.repeat(np.arange(701), 54), 0)  # 37,855, as published
    u, common = rng.random((3, 701)), rng.random(701) < shared
    models = []
    for model, published in ((1, 92.32), (2, 92.65)):
        mean = published / 100
        population = rng.beta(mean * strength, (1 - mean) * strength, 20_000)
        rate = np.quantile(population, np.where(common, u[0], u[model]))
        outcomes = rng.random(len(groups)) < rate[groups]
        models.append(100.0 * with_exactly(round(mean * len(groups)), outcomes, rng))
    found = paired_bootstrap(models[1], models[0], groups)
    assert found.estimate == pytest.approx(0.33, abs=0.01)
    assert found.low < 0 < found.high
    assert 0.6 < found.share_above_0 < 0.97


def test_the_same_difference_counts_where_one_model_only_gains():
    """125 pictures mended, none spoiled: 0.33 points again, and the pairs show it."""
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(701), 54)
    one = with_exactly(34_948, rng.random(len(groups)) < 0.92, rng)
    other = with_exactly(one.sum() + 125, one.copy(), rng)
    found = paired_bootstrap(100.0 * other, 100.0 * one, groups)
    assert found.estimate == pytest.approx(0.33, abs=0.01)
    assert found.low > 0.2 and found.share_above_0 == 1


def test_ten_thousand_draws_of_701_places_take_about_a_second():
    values, groups = outcomes_of_places(np.random.default_rng(9), places=701, queries=54)
    started = time.process_time()
    found = bootstrap(values, groups)
    assert time.process_time() - started < 3
    assert found.resamples == 10_000


def test_survives_json():
    found = bootstrap(*outcomes_of_places(np.random.default_rng(10)), resamples=100)
    assert Interval(**json.loads(json.dumps(found.to_dict()))) == found
    assert str(found) == f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"


@pytest.mark.parametrize(
    "arguments, options, words",
    [
        (([1.0, 0.0], [0, 1, 2]), {}, "do not fit"),
        (([[1.0], [0.0]], [0, 1]), {}, "do not fit"),
        (([1.0, np.nan], [0, 1]), {}, "finite"),
        (([1.0, 0.0], [0, 1]), {"counts": [1, -1]}, "0 or more"),
        (([1.0, 0.0], [5, 5]), {}, "found 1 with"),
        (([1.0, 0.0], [0, 1]), {"counts": [1, 0]}, "found 1 with"),
        (([1.0, 0.0], [0, 1]), {"resamples": 0}, "resamples is 0"),
        (([1.0, 0.0], [0, 1]), {"level": 95}, "level is 95"),
    ],
)
def test_wrong_input_is_named(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        bootstrap(*arguments, **options)


def test_a_pair_of_unequal_length_is_named():
    with pytest.raises(ValueError, match="same queries"):
        paired_bootstrap([1.0, 0.0], [1.0], [0, 1])
