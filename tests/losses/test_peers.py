"""The losses DPHR is compared with: slow loops, closed forms, pytorch-metric-learning."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from dphr_lab.losses import (
    AsMetricLearning,
    DPHRLoss,
    HERLikeLoss,
    MetricLearningLoss,
    MinedTripletLoss,
    SymmetricInfoNCE,
    TripletLoss,
    WeightedInfoNCE,
    effective_negatives,
    info_nce_sharpness,
    rda_hardness,
    rda_sharpness,
    rda_weights,
    soft_margin_sharpness,
    soft_margin_triplet,
)
from dphr_lab.losses.rda import SCALES, WEIGHT_MAPS
from tests.helpers import case
from tests.helpers.losses import PLACES, assert_same, batch, value_and_gradient

# ---- slow loops -----------------------------------------------------------------------------


def d(a, b):
    return (2 - 2 * (a * b).sum()).clamp_min(4e-6).sqrt()


def each_query(z_query, z_gallery, places):
    """(anchor, its positive, its negatives) of every query in both directions."""
    for anchors, others in ((z_query, z_gallery), (z_gallery, z_query)):
        for i in range(len(places)):
            yield (
                anchors[i],
                others[i],
                [others[k] for k in range(len(places)) if places[k] != places[i]],
            )


def slow_mined(mining):
    def one(anchor, positive, negatives):
        d_pos, d_neg = d(anchor, positive), [d(anchor, n) for n in negatives]
        mined = min(d_neg)
        if mining == "semi_hard":
            farther = [x for x in d_neg if x > d_pos]
            mined = min(farther) if farther else max(d_neg)
        return (0.3 + d_pos - mined).clamp_min(0)

    return one


def slow_weighted_info_nce(weighting, detach, beta=3.0, smoothing=0.1):
    def one(anchor, positive, negatives):
        s_pos, s_neg = (anchor * positive).sum(), [(anchor * n).sum() for n in negatives]
        if weighting == "hcl":
            weights = [torch.exp(beta * s) for s in s_neg]
        else:
            d_pos, d_neg = d(anchor, positive), [d(anchor, n) for n in negatives]
            weights = [torch.exp(beta * (d_pos / (d_pos + x) - 0.5)) for x in d_neg]
        weights = [w.detach() for w in weights] if detach else weights
        mean = sum(weights) / len(weights)
        terms = [w / mean * torch.exp(s / 0.1) for w, s in zip(weights, s_neg, strict=True)]
        total = torch.exp(s_pos / 0.1) + sum(terms)
        nll = [-torch.log(x / total) for x in [torch.exp(s_pos / 0.1), *terms]]
        return (1 - smoothing) * nll[0] + smoothing * sum(nll) / len(nll)

    return one


def slow_her_like(anchor, positive, negatives):
    total = 0.0
    for n in negatives:
        gap = d(anchor, positive) - d(anchor, n)
        weight = (torch.sigmoid(10 * gap.detach()).clamp(0.05, 0.95) - 0.05) / 0.9
        total = total + weight * torch.log1p(torch.exp(10 * gap)) / len(negatives)
    return total


def weighted_info_nce(weighting="hcl", detach=False):
    return WeightedInfoNCE(
        weighting, 3.0, detach, label_smoothing=0.1, temperature=0.1, learn_temperature=False
    )


CASES = {
    "hardest": (MinedTripletLoss, slow_mined("hardest")),
    "semi_hard": (lambda: MinedTripletLoss("semi_hard"), slow_mined("semi_hard")),
    "hcl": (weighted_info_nce, slow_weighted_info_nce("hcl", False)),
    "hcl detached": (
        lambda: weighted_info_nce(detach=True),
        slow_weighted_info_nce("hcl", True),
    ),
    "rda": (lambda: weighted_info_nce("rda"), slow_weighted_info_nce("rda", False)),
    "her": (HERLikeLoss, slow_her_like),
}


@pytest.mark.parametrize("places", [list(range(6)), PLACES])
@pytest.mark.parametrize("name", CASES)
def test_loss_is_the_slow_loop(name, places):
    make, one = CASES[name]

    def slow(z_query, z_gallery):
        values = [one(*query) for query in each_query(z_query, z_gallery, places)]
        return sum(values) / len(values)

    for seed in range(3):
        z = batch(seed=seed)
        got = value_and_gradient(make(), *z, places=torch.tensor(places))
        # the temperature was stored in float32
        assert_same(
            got, value_and_gradient(slow, *z), 1e-5 if "rda" in name or "hcl" in name else 1e-11
        )


@pytest.mark.parametrize("name", ["hardest", "semi_hard", "hcl", "rda"])
def test_gradcheck(name):
    assert gradcheck(CASES[name][0]().double(), [z.requires_grad_() for z in batch(5, 3)])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(CASES)), st.integers(2, 8), st.integers(1, 4), st.integers(0, 10**6))
def test_any_batch_is_finite_and_order_and_rotation_do_not_matter(name, rows, dim, seed):
    loss = CASES[name][0]()
    z = batch(rows, dim, seed)
    value, *gradients = value_and_gradient(loss, *z)
    assert value.isfinite() and all(g.isfinite().all() for g in gradients)
    turn = torch.linalg.qr(batch(dim, dim, seed + 1)[0])[0]
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(loss(*(x[order] @ turn for x in z)), value)


@pytest.mark.parametrize("name", CASES)
def test_degenerate_batches_stay_finite(name):
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        with case(dtype):
            same = F.normalize(torch.ones(3, 2), dim=1).to(dtype)
            for z in ((same, same), (same, -same), (same[:2], same[:2])):
                value, *gradients = value_and_gradient(CASES[name][0](), *z)
                assert value.isfinite() and all(g.isfinite().all() for g in gradients)
            with pytest.raises(ValueError, match="same place"):
                CASES[name][0]()(same, same, torch.zeros(3))


# ---- algebra --------------------------------------------------------------------------------


def test_weighted_info_nce_without_sharpness_is_info_nce():
    z, places = batch(), torch.tensor(PLACES)
    plain = SymmetricInfoNCE(label_smoothing=0.0)
    for weighting in ("hcl", "rda"):
        loss = WeightedInfoNCE(weighting, beta=0.0)
        for labels in (None, places):
            torch.testing.assert_close(loss(*z, labels), plain(*z, labels))
        weights = WeightedInfoNCE(weighting, beta=4.0).terms(*z, places)["weights"]
        negatives = places[:, None] != places
        torch.testing.assert_close(
            weights.sum(2) / negatives.sum(1), torch.ones(2, 6, dtype=torch.float64)
        )


def test_her_like_drops_easy_triplets_and_caps_the_hardest():
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    off = ~torch.eye(2, dtype=torch.bool)
    assert (HERLikeLoss().terms(z, z)["weights"] == 0).all() and HERLikeLoss()(z, z) == 0
    hardest = HERLikeLoss().terms(z, -z)
    assert (hardest["weights"][:, off] == 1).all()
    assert hardest["loss"].item() == pytest.approx(10 * (2 - 0.002), rel=1e-5)


def test_settings_out_of_range():
    for make, words in (
        (lambda: MinedTripletLoss("easy"), "mining is 'easy'"),
        (lambda: WeightedInfoNCE("focal"), "weighting is 'focal'"),
        (lambda: WeightedInfoNCE(beta=-1.0), "beta is -1"),
        (lambda: HERLikeLoss(low=0.9, high=0.1), "low is 0.9, high 0.1"),
    ):
        with pytest.raises(ValueError, match=words):
            make()


# ---- sharpness ------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 1.9), st.floats(0.05, 1.9), st.floats(0.5, 40))
def test_sharpness_is_the_log_derivative_of_the_weight(d_pos, d_neg, steepness):
    d_pos = torch.tensor([d_pos]).double()
    d_neg = torch.tensor([[d_neg]]).double().requires_grad_()

    def fall(log_weight):
        return -torch.autograd.grad(log_weight.sum(), d_neg)[0]

    slope = torch.autograd.grad(
        soft_margin_triplet(d_pos, d_neg, steepness).sum(), d_neg, create_graph=True
    )[0]
    pulled = fall((-slope).log()) if slope.abs() > 1e-12 else torch.tensor([[steepness]]).double()
    near = dict(rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(soft_margin_sharpness(d_pos, d_neg, steepness), pulled, **near)
    log_rda = steepness * (rda_hardness(d_pos, d_neg) - 0.5)
    torch.testing.assert_close(rda_sharpness(d_pos, d_neg, steepness), fall(log_rda), **near)
    log_info_nce = (1 - d_neg**2 / 2) / (1 / steepness)
    torch.testing.assert_close(info_nce_sharpness(d_neg, 1 / steepness), fall(log_info_nce), **near)


def test_sharpness_of_every_map_is_the_log_derivative_of_its_weight():
    """Of one negative among five that stay; finite differences of `rda_weights`."""
    draw = torch.Generator().manual_seed(0)
    d_pos = torch.rand(4, generator=draw, dtype=torch.float64) + 0.2
    d_neg = torch.rand(4, 6, generator=draw, dtype=torch.float64) + 0.4
    inner = d_neg.argsort(1)[:, 2:3]  # neither the nearest nor the farthest: the range stays
    step = torch.zeros_like(d_neg).scatter_(1, inner, 1e-6)
    for weight_map, scale in itertools.product(WEIGHT_MAPS, SCALES):
        with case(weight_map, scale):
            options = dict(bounds=(0.25, 2.0), scale=scale)
            ahead, behind = (
                rda_weights(rda_hardness(d_pos, d), None, weight_map, 3.0, **options).log()
                for d in (d_neg + step, d_neg - step)
            )
            expected = ((behind - ahead) / 2e-6).gather(1, inner)
            got = rda_sharpness(d_pos, d_neg, 3.0, weight_map, **options).gather(1, inner)
            torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-8)
            assert (got > 0).all()
    equal = rda_sharpness(d_pos, torch.ones(4, 3).double(), 3.0, "interval", scale="minmax")
    assert (equal == 0).all()


def test_effective_number_of_negatives():
    weights = torch.tensor([[1.0, 1, 1, 1], [0, 5, 0, 0], [0, 0, 0, 0], [1e-30, 2e-30, 1e-30, 0]])
    expected = torch.tensor([4.0, 1.0, 0.0, 16 / 6])
    torch.testing.assert_close(effective_negatives(weights), expected)
    negatives = torch.tensor([[True, True, False, False]]).expand(4, 4)
    assert effective_negatives(weights, negatives)[0] == 2


# ---- pytorch-metric-learning ----------------------------------------------------------------


def metric_learning():
    pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning import distances, losses, miners, reducers

    return distances, losses, miners, reducers


def on_the_sphere(loss):
    """Two losses that agree on unit vectors have the same gradient along the sphere alone."""
    return lambda *z: loss(*(F.normalize(each, dim=1) for each in z))


def test_equal_to_pytorch_metric_learning_where_it_has_the_same_loss():
    distances, losses, miners, reducers = metric_learning()
    z = batch()
    plain = dict(distance=distances.LpDistance(), reducer=reducers.MeanReducer())
    hinge = losses.TripletMarginLoss(margin=0.3, **plain)
    soft = losses.TripletMarginLoss(margin=0.0, smooth_loss=True, **plain)
    for ours, theirs in (
        (TripletLoss(form="hinge", margin=0.3), MetricLearningLoss(hinge)),
        (TripletLoss(alpha=1.0), MetricLearningLoss(soft)),
        (MinedTripletLoss(margin=0.3), MetricLearningLoss(hinge, miners.BatchHardMiner())),
        (
            SymmetricInfoNCE(0.0, 0.07, learn_temperature=False),
            MetricLearningLoss(losses.NTXentLoss(temperature=0.07)),
        ),
    ):
        want = value_and_gradient(on_the_sphere(theirs), *z)
        assert_same(value_and_gradient(on_the_sphere(ours), *z), want, 1e-5)


@pytest.mark.parametrize("name", ["MultiSimilarityLoss", "CircleLoss", "NTXentLoss"])
def test_adapted_losses_learn(name):
    _, losses, _, _ = metric_learning()
    loss = MetricLearningLoss(getattr(losses, name)())
    z = batch(8, 8, dtype=torch.float32)
    value, grad_query, _ = value_and_gradient(loss, *z)
    stepped = F.normalize(z[0] - 0.01 * F.normalize(grad_query, dim=1), dim=1)
    assert loss(stepped, z[1]) < value
    assert loss(*z, torch.arange(8) // 2).isfinite()
    assert set(loss.terms(*z)) == {"loss", "query_to_gallery", "gallery_to_query"}


ALL = {
    "dphr": lambda: DPHRLoss.sharp(signal="constant"),
    "triplet": TripletLoss,
    "infonce": SymmetricInfoNCE,
    **{name: make for name, (make, _) in CASES.items()},
}


@pytest.mark.parametrize("name", ALL)
def test_pytorch_metric_learnings_call(name):
    z_query, z_gallery = batch()
    loss = ALL[name]()
    called = AsMetricLearning(loss)
    labels = torch.tensor([30, 7, 12, 1, 9, 8])
    expected = loss(z_query, z_gallery, labels)
    assert torch.equal(called(z_query, labels, ref_emb=z_gallery, ref_labels=labels), expected)
    order = torch.tensor([5, 2, 0, 1, 4, 3])
    shuffled = called(z_query, labels, ref_emb=z_gallery[order], ref_labels=labels[order])
    torch.testing.assert_close(shuffled, expected)
    with pytest.raises(ValueError, match=r"labels .* differ"):
        called(z_query, labels, ref_emb=z_gallery, ref_labels=labels + 1)
    with pytest.raises(ValueError, match="ref_labels is None"):
        called(z_query, labels, ref_emb=z_gallery)
    with pytest.raises(ValueError, match="ref_emb is None"):
        called(z_query, labels)
    with pytest.raises(ValueError, match="mined tuples are not taken"):
        called(z_query, labels, (labels,) * 3, ref_emb=z_gallery, ref_labels=labels)


def test_the_broken_ratio_compares_with_the_batch_mean():
    angles = torch.tensor([[0.0, 90.0, 200.0], [20.0, 150.0, 210.0]]).deg2rad().double()
    z_query, z_gallery = (torch.stack([a.cos(), a.sin()], 1) for a in angles)
    terms = DPHRLoss.sharp(ratio="batch_mean").terms(z_query, z_gallery)
    d_pos = sum(2 * math.sin(math.radians(x / 2)) for x in (20, 60, 10)) / 3
    d_neg = 2 * math.sin(math.radians(150 / 2))
    assert terms["hardness"][0, 0, 1].item() == pytest.approx(d_pos / (d_pos + d_neg))
