"""The losses against slow loops in float64, closed forms, and their stated invariances."""

import itertools
import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from dphr_lab.losses import (
    DPHRLoss,
    ProgressiveWeight,
    SymmetricInfoNCE,
    TripletLoss,
    batch_progress,
    hinge_triplet,
    pairwise_distance,
    rda_hardness,
    rda_weights,
    soft_margin_triplet,
)
from dphr_lab.losses.rda import NORMALISATIONS, SCALES, WEIGHT_MAPS
from tests.helpers import case
from tests.helpers.losses import PLACES, assert_same, batch, value_and_gradient


def by_angle(*degrees):
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], 1)


# ---- the oracle: one triplet at a time ------------------------------------------------------


def slow_dphr(z_query, z_gallery, places=None, lam=1.0, **settings):
    """L_tri + lam L_wtri by a double loop; reads like method: no matrix, no shared work."""
    s = dict(alpha=10.0, form="soft_margin", margin=0.3, weight_map="exp", beta=16.0)
    s |= dict(w_min=0.5, w_max=1.5, scale="none", normalise="query", detach=True, ratio="own")
    s |= settings
    rows = len(z_query)
    places = list(range(rows)) if places is None else places

    def d(a, b):
        return (2 - 2 * (a * b).sum()).clamp_min(4e-6).sqrt()

    total = 0.0
    for anchors, others in ((z_query, z_gallery), (z_gallery, z_query)):
        d_pos = [d(anchors[i], others[i]) for i in range(rows)]
        compared = d_pos if s["ratio"] == "own" else [sum(d_pos) / rows] * rows
        plain, hardness, weight = {}, {}, {}
        for i in range(rows):
            for k in range(rows):
                if places[i] == places[k]:
                    continue
                d_neg = d(anchors[i], others[k])
                if s["form"] == "soft_margin":
                    plain[i, k] = torch.log1p(torch.exp(s["alpha"] * (d_pos[i] - d_neg)))
                else:
                    plain[i, k] = (s["margin"] + d_pos[i] - d_neg).clamp_min(0)
                h = compared[i] / (compared[i] + d_neg)
                hardness[i, k] = h.detach() if s["detach"] else h
        for i, k in hardness:
            h = hardness[i, k]
            if s["scale"] == "minmax":
                own = [hardness[j] for j in hardness if j[0] == i]
                h = (h - min(own)) / (max(own) - min(own))
            weight[i, k] = {
                "interval": s["w_min"] + (s["w_max"] - s["w_min"]) * h,
                "exp": torch.exp(s["beta"] * (h - 0.5)),
                "power": (2 * h) ** s["beta"],
                "linear": h,
                None: torch.ones_like(h),
            }[s["weight_map"]]
        queries = sorted({i for i, _ in plain})
        mean = {i: [weight[j] for j in weight if j[0] == i] for i in queries}
        mean = {i: sum(w) / len(w) for i, w in mean.items()}
        if s["normalise"] == "batch":
            mean = dict.fromkeys(queries, sum(mean.values()) / len(mean))
        elif s["normalise"] == "none":
            mean = dict.fromkeys(queries, 1.0)
        for i in queries:
            mine = [j for j in plain if j[0] == i]
            pieces = [plain[j] * (1 + lam * weight[j] / mean[i]) for j in mine]
            total = total + sum(pieces) / len(mine) / len(queries)
    return total / 2


CLOSEST = dict(weight_map="interval", normalise="none")
VARIANTS = [
    dict(),
    dict(weight_map=None),
    dict(weight_map="power", beta=3.0),
    dict(weight_map="linear"),
    dict(weight_map="linear", normalise="none"),
    dict(normalise="batch"),
    dict(normalise="none"),
    dict(form="hinge"),
    dict(form="hinge", margin=0.7, normalise="batch"),
    dict(ratio="batch_mean"),
    dict(beta=32.0, alpha=25.0),
    dict(alpha=80.0),
    dict(detach=False),
    dict(detach=False, normalise="batch", weight_map="power", beta=2.0),
    dict(detach=False, ratio="batch_mean"),
    CLOSEST,
    dict(weight_map="interval", w_min=0.0, w_max=2.0),
    CLOSEST | dict(scale="minmax"),
    CLOSEST | dict(scale="minmax", form="hinge"),
    CLOSEST | dict(scale="minmax", w_min=1.0, w_max=4.0, normalise="batch", ratio="batch_mean"),
    dict(scale="minmax", beta=8.0),
    CLOSEST | dict(detach=False),
    CLOSEST | dict(detach=False, scale="minmax"),
]


@pytest.mark.parametrize("places", [None, PLACES])
@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_dphr_is_the_double_loop(settings, places):
    z = batch()
    labels = None if places is None else torch.tensor(places)
    loss = DPHRLoss.sharp(**settings, signal="constant", lambda_max=0.75)
    assert_same(
        value_and_gradient(lambda q, g: loss(q, g, labels), *z),
        value_and_gradient(lambda q, g: slow_dphr(q, g, places, 0.75, **settings), *z),
    )


@pytest.mark.parametrize("places", [None, PLACES])
@pytest.mark.parametrize(
    "settings",
    [dict(), dict(weight_map=None), dict(normalise="batch"), dict(detach=False)],
    ids=str,
)
def test_rescaled_dphr_is_the_double_loop_over_one_plus_lambda(settings, places):
    z = batch()
    labels = None if places is None else torch.tensor(places)
    loss = DPHRLoss.sharp(**settings, rescale=True, signal="constant", lambda_max=0.75)
    want = value_and_gradient(lambda q, g: slow_dphr(q, g, places, 0.75, **settings) / 1.75, *z)
    assert_same(value_and_gradient(lambda q, g: loss(q, g, labels), *z), want)
    torch.testing.assert_close(loss.terms(*z, labels)["loss"], want[0])


def test_rescaled_palw_alone_is_the_triplet_term():
    z = batch()
    loss = DPHRLoss.sharp(weight_map=None, rescale=True)
    assert_same(value_and_gradient(loss, *z), value_and_gradient(TripletLoss(), *z))
    assert loss.progressive.value() > 0


@pytest.mark.parametrize("places", [None, PLACES])
@pytest.mark.parametrize("form", ["soft_margin", "hinge"])
def test_triplet_is_the_double_loop(form, places):
    z = batch()
    labels = None if places is None else torch.tensor(places)
    assert_same(
        value_and_gradient(lambda q, g: TripletLoss(form=form)(q, g, labels), *z),
        value_and_gradient(lambda q, g: slow_dphr(q, g, places, 0.0, form=form), *z),
    )


@pytest.mark.parametrize("name", ["triplet", "frozen", "attached", "attached batch"])
def test_gradcheck(name):
    z = [each.requires_grad_() for each in batch(5, 3)]
    if name == "triplet":
        loss = TripletLoss()
    elif name == "frozen":
        loss = DPHRLoss.sharp(
            weight_map=None, signal="constant"
        )  # constant weights: an exact gradient
    else:
        normalise = "batch" if "batch" in name else "query"
        loss = DPHRLoss.sharp(detach=False, normalise=normalise, signal="constant")
    assert gradcheck(loss, z)


def frozen_form(weights, lam):
    """DPHR with given weights (2, B, B): the function that the detached loss differentiates."""

    def loss(z_query, z_gallery):
        total = 0.0
        distance = pairwise_distance(z_query, z_gallery)
        rows = len(distance)
        off = ~torch.eye(rows, dtype=torch.bool)
        for w, d in zip(weights, (distance, distance.T), strict=True):
            pieces = (1 + lam * w) * soft_margin_triplet(d.diagonal(), d)
            total = total + pieces[off].sum() / (rows * (rows - 1)) / 2
        return total

    return loss


@pytest.mark.parametrize("options", [dict(), CLOSEST, CLOSEST | dict(scale="minmax")], ids=str)
def test_detached_gradient_is_the_frozen_forms_and_that_passes_gradcheck(options):
    z = batch()
    options = dict(signal="constant", lambda_max=0.625) | options
    loss = DPHRLoss.sharp(**options)
    frozen = frozen_form(loss.terms(*z)["weights"], 0.625)
    assert_same(value_and_gradient(loss, *z), value_and_gradient(frozen, *z))
    assert gradcheck(frozen, [each.requires_grad_() for each in z])
    attached = value_and_gradient(DPHRLoss.sharp(**options | dict(detach=False)), *z)
    assert (attached[1] - value_and_gradient(loss, *z)[1]).abs().max() > 1e-3


# ---- distances, hardness, weights -----------------------------------------------------------


def test_distance_of_points_given_by_angle():
    d = pairwise_distance(by_angle(0, 90, 30), by_angle(0, 60, 180))
    chord = [
        [2 * math.sin(math.radians(abs(a - b)) / 2) for b in (0, 60, 180)] for a in (0, 90, 30)
    ]
    chord[0][0] = 0.002  # the floor
    torch.testing.assert_close(d, torch.tensor(chord, dtype=torch.float64))


def test_distance_has_zero_gradient_at_the_floor():
    a = by_angle(10).requires_grad_()
    pairwise_distance(a, by_angle(10)).sum().backward()
    assert torch.equal(a.grad, torch.zeros_like(a))


def test_closed_forms():
    d_pos, d_neg = torch.tensor([0.5]), torch.tensor([[0.5, 1.5]])
    expected = torch.tensor([[math.log(2), math.log1p(math.exp(-10))]])
    torch.testing.assert_close(soft_margin_triplet(d_pos, d_neg), expected)
    torch.testing.assert_close(hinge_triplet(d_pos, d_neg), torch.tensor([[0.3, 0.0]]))
    torch.testing.assert_close(rda_hardness(d_pos, d_neg), torch.tensor([[0.5, 0.25]]))
    assert rda_hardness(torch.zeros(1), torch.zeros(1, 1)).item() == 0.5


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 2), st.floats(0.01, 2), st.floats(1e-3, 1e3))
def test_hardness_is_logistic_in_the_log_ratio_and_free_of_scale(d_pos, d_neg, scale):
    d_pos, d_neg = torch.tensor([d_pos]).double(), torch.tensor([[d_neg]]).double()
    h = rda_hardness(d_pos, d_neg)
    torch.testing.assert_close(h, torch.sigmoid(d_pos.log() - d_neg.log()), rtol=0, atol=1e-12)
    torch.testing.assert_close(h, rda_hardness(scale * d_pos, scale * d_neg), rtol=0, atol=1e-12)


def test_weights_grow_with_hardness_and_have_the_stated_mean():
    h = torch.rand(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor(PLACES)
    negatives = labels[:, None] != labels
    for weight_map, normalise, scale in itertools.product(WEIGHT_MAPS, NORMALISATIONS, SCALES):
        with case(weight_map, normalise, scale):
            w = rda_weights(h, negatives, weight_map, 4.0, normalise, scale=scale)
            assert (w[~negatives] == 0).all() and (w[negatives] >= 0).all()
            # scaled to its range, the least h is 0, and so may its weight be
            assert scale == "minmax" or (w[negatives] > 0).all()
            row_means = w.sum(1) / negatives.sum(1)
            if normalise == "query":
                torch.testing.assert_close(row_means, torch.ones_like(row_means))
            elif normalise == "batch":
                assert row_means.mean().item() == pytest.approx(1)
            for row, weights, mask in zip(h, w, negatives, strict=True):
                order = row[mask].argsort()
                assert (weights[mask][order].diff() > 0).all()


def test_equal_hardness_gives_equal_weights_whatever_it_is():
    for h in (0.1, 0.9):
        torch.testing.assert_close(
            rda_weights(torch.full((3, 4), h), weight_map="exp", normalise="query"),
            torch.ones(3, 4),
        )


# ---- algebra of the loss --------------------------------------------------------------------


def test_beta_zero_with_lambda_one_is_twice_the_triplet_term():
    z = batch()
    twice = value_and_gradient(lambda *z: 2 * TripletLoss()(*z), *z)
    for weight_map, normalise in itertools.product(("exp", "power", None), NORMALISATIONS):
        with case(weight_map, normalise):
            options = dict(weight_map=weight_map, normalise=normalise)
            loss = DPHRLoss.sharp(beta=0.0, signal="constant", **options)
            assert_same(value_and_gradient(loss, *z), twice)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.floats(0, 64))
def test_weighted_term_is_never_below_the_plain_one(seed, rows, beta):
    terms = DPHRLoss.sharp(beta=beta).terms(*batch(rows, 3, seed))
    assert terms["weighted"] >= terms["triplet"] - 1e-12


@pytest.mark.parametrize(
    "loss", [TripletLoss(), DPHRLoss.sharp(signal="constant"), SymmetricInfoNCE()]
)
def test_order_of_places_and_rotation_do_not_matter(loss):
    z_query, z_gallery = batch()
    labels = torch.tensor(PLACES)
    order = torch.tensor([4, 0, 5, 1, 3, 2])
    turn = torch.linalg.qr(batch(4, seed=5)[0])[0]
    value = loss(z_query, z_gallery, labels)
    for other in (
        loss(z_query[order], z_gallery[order], labels[order]),
        loss(z_query @ turn, z_gallery @ turn, labels),
        loss(z_gallery, z_query, labels),
    ):
        torch.testing.assert_close(other, value)


@pytest.mark.parametrize(
    "loss", [TripletLoss(), DPHRLoss.sharp(signal="constant"), DPHRLoss.sharp()]
)
def test_rows_of_the_same_place_are_not_negatives(loss):
    """Showing every place twice changes no mean, unless a place's own rows were its negatives."""
    z_query, z_gallery = batch(4)
    once = loss(z_query, z_gallery, torch.arange(4))
    torch.testing.assert_close(once, loss(z_query, z_gallery))
    twice = [each.repeat_interleave(2, 0) for each in (z_query, z_gallery)]
    torch.testing.assert_close(loss(*twice, torch.arange(4).repeat_interleave(2)), once)
    assert (loss(*twice) - once).abs() > 1e-3
    terms = loss.terms(*twice, torch.arange(4).repeat_interleave(2))
    assert not terms["negatives"][0, 1] and terms["negatives"][0, 2]
    assert (terms["pair_loss"][:, 0, :2] == 0).all()


def test_base_loss_is_joined_by_mu():
    z = batch()
    base = SymmetricInfoNCE()
    joined = DPHRLoss.sharp(signal="constant", base=base, mu=0.25)
    expected = base(*z) + 0.25 * DPHRLoss.sharp(signal="constant")(*z)
    torch.testing.assert_close(joined(*z), expected)
    assert [name for name, _ in joined.named_parameters()] == ["base.logit_scale"]
    torch.testing.assert_close(joined.terms(*z)["loss"], expected)


def test_terms_add_up_and_name_what_happened():
    z = by_angle(0, 90), by_angle(60, 80)  # row 0: positive at 60 deg, negative at 80 deg
    terms = DPHRLoss.sharp(signal="constant", lambda_max=0.5).terms(*z)
    torch.testing.assert_close(terms["loss"], terms["triplet"] + 0.5 * terms["weighted"])
    assert terms["violations"].item() == pytest.approx(0.25)  # gallery 0 is nearer to query 1
    assert terms["recall"].item() == pytest.approx(0.5)  # 3 of 4 right, chance one half
    d_pos, d_neg = 2 * math.sin(math.radians(30)), 2 * math.sin(math.radians(40))
    assert terms["hardness"][0, 0, 1].item() == pytest.approx(d_pos / (d_pos + d_neg))
    assert terms["hardness"][0, 0, 0] == 0


# ---- progress -------------------------------------------------------------------------------


def test_progress_signals_by_hand():
    d = torch.tensor([[0.5, 1.0, 0.4], [0.9, 0.3, 1.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    off = ~torch.eye(3, dtype=torch.bool)
    # rows answered: 1 only (row 2 ties, and a tie is not a success); columns: 0 and 1
    recall = ((1 / 3 + 2 / 3) / 2 - 1 / 3) / (2 / 3)
    assert batch_progress(d, off, "recall").item() == pytest.approx(recall)
    # row triplets 1 + 2 + 0 of 6, column triplets 2 + 2 + 0 of 6
    assert batch_progress(d, off, "triplet").item() == pytest.approx((7 / 12 - 0.5) / 0.5)
    cosine = 1 - d**2 / 2
    gap = cosine.diagonal().mean() - cosine[off].mean()
    assert batch_progress(d, off, "similarity").item() == pytest.approx(gap.item())


@pytest.mark.parametrize("signal", ["recall", "triplet", "similarity"])
def test_progress_is_zero_for_a_collapsed_encoder_and_high_for_a_perfect_one(signal):
    off = ~torch.eye(5, dtype=torch.bool)
    assert batch_progress(torch.full((5, 5), 0.002), off, signal) == 0
    perfect = torch.full((5, 5), math.sqrt(2)).fill_diagonal_(0.002)
    assert batch_progress(perfect, off, signal).item() == pytest.approx(1, abs=1e-4)


def test_average_is_bias_corrected_and_used_after_the_update():
    weight = ProgressiveWeight("recall", 2.0, 2.0, 0.9, smooth="signal", bias_correction=True)
    assert weight.value() == 0
    raw = 0.0
    for t, progress in enumerate([0.3, 0.8, 0.1], start=1):
        weight.update(progress, rows=8)
        raw = 0.9 * raw + 0.1 * progress
        assert weight.steps.item() == t
        assert weight.progress().item() == pytest.approx(raw / (1 - 0.9**t), abs=1e-6)
        assert weight.value().item() == pytest.approx(2 * (raw / (1 - 0.9**t)) ** 2, abs=1e-6)


def test_open_loop_signals():
    loss = DPHRLoss.sharp(signal="step", total_steps=4, lambda_max=0.8)
    z = batch()
    seen = []
    for _ in range(6):
        loss(*z)
        seen.append(loss.progressive.value().item())
    assert seen == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])
    assert DPHRLoss.sharp(
        signal="constant", lambda_max=0.8
    ).progressive.value().item() == pytest.approx(0.8)


def test_state_moves_only_in_training_with_gradients():
    z = batch(dtype=torch.float32)
    loss = DPHRLoss.sharp()
    loss.terms(*z)
    with torch.no_grad():
        loss(*z)
    loss.eval()
    loss(*z)
    assert loss.progressive.steps == 0 and loss.progressive.average == 0
    loss.train()
    loss(*z)
    assert loss.progressive.steps == 1
    recall = loss.terms(*z)["recall"].item()
    assert recall > 0 and loss.progressive.value().item() == pytest.approx(recall, abs=1e-5)


@pytest.mark.parametrize("signal", ["recall", "triplet", "similarity"])
def test_a_diverged_batch_shows_in_the_loss_and_spares_the_state(signal):
    z_query, z_gallery = batch()
    z_query[2] = torch.nan
    for detach in (True, False):
        loss = DPHRLoss.sharp(signal=signal, detach=detach)
        value = loss(z_query, z_gallery)
        assert value.isnan() and 0 <= loss.progressive.value() <= 1


def test_state_is_saved_and_restored():
    loss = DPHRLoss.sharp(momentum=0.5)
    for seed in range(3):
        loss(*batch(seed=seed))
    restored = DPHRLoss.sharp(momentum=0.5)
    restored.load_state_dict(loss.state_dict())
    z = batch(seed=9)
    assert torch.equal(loss(*z), restored(*z))
    assert set(loss.state_dict()) == {"progressive.average", "progressive.steps"}


ONE_RANK = """
import sys, torch, torch.distributed as dist
from dphr_lab.losses import ProgressiveWeight
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
weight = ProgressiveWeight("recall", momentum=0.0)
weight.update([0.2, 0.8][rank], rows=[1, 3][rank])
print(weight.value().item())
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_progress_is_averaged_by_row_count_over_processes(tmp_path):
    command = [sys.executable, "-c", ONE_RANK]
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE)
        for rank in range(2)
    ]
    printed = [float(rank.communicate(timeout=600)[0]) for rank in ranks]
    assert printed[0] == printed[1] == pytest.approx((1 * 0.2 + 3 * 0.8) / 4)


# ---- InfoNCE --------------------------------------------------------------------------------


def slow_info_nce(z_query, z_gallery, places, smoothing, temperature):
    total = 0.0
    rows = len(z_query)
    for anchors, others in ((z_query, z_gallery), (z_gallery, z_query)):
        for i in range(rows):
            kept = [k for k in range(rows) if k == i or places[k] != places[i]]
            logits = {k: (anchors[i] * others[k]).sum() / temperature for k in kept}
            normaliser = torch.log(sum(torch.exp(x) for x in logits.values()))
            own = normaliser - logits[i]
            spread = sum(normaliser - x for x in logits.values()) / len(kept)
            total = total + ((1 - smoothing) * own + smoothing * spread) / rows
    return total / 2


@pytest.mark.parametrize("places", [list(range(6)), PLACES])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_info_nce_is_the_double_loop(places, smoothing):
    z = batch()
    loss = SymmetricInfoNCE(label_smoothing=smoothing).double()
    assert_same(
        value_and_gradient(lambda q, g: loss(q, g, torch.tensor(places)), *z),
        value_and_gradient(lambda q, g: slow_info_nce(q, g, places, smoothing, 0.07), *z),
        tolerance=1e-6,  # the temperature was stored in float32
    )


def test_info_nce_is_torch_cross_entropy():
    z_query, z_gallery = batch()
    loss = SymmetricInfoNCE(label_smoothing=0.1)
    logits = loss.logit_scale.exp() * z_query @ z_gallery.T
    own = torch.arange(6)
    expected = F.cross_entropy(logits, own, label_smoothing=0.1)
    expected = (expected + F.cross_entropy(logits.T, own, label_smoothing=0.1)) / 2
    torch.testing.assert_close(loss(z_query, z_gallery), expected, rtol=1e-6, atol=0)


def test_temperature_is_learned_or_fixed_and_capped():
    loss = SymmetricInfoNCE()
    loss(*batch()).backward()
    assert loss.logit_scale.grad.abs() > 0
    assert loss.terms(*batch())["temperature"].item() == pytest.approx(0.07)
    fixed = SymmetricInfoNCE(learn_temperature=False)
    assert not list(fixed.parameters()) and "logit_scale" in fixed.state_dict()
    with torch.no_grad():
        loss.logit_scale.fill_(10.0)
    assert loss.terms(*batch())["temperature"].item() == pytest.approx(0.01)


# ---- degenerate batches, precision, errors --------------------------------------------------

LOSSES = {
    "triplet": lambda: TripletLoss(),
    "hinge": lambda: TripletLoss(form="hinge"),
    "dphr": lambda: DPHRLoss.sharp(lambda_max=1.0),
    "dphr constant": lambda: DPHRLoss.sharp(signal="constant", beta=100.0),
    "dphr power": lambda: DPHRLoss.sharp(
        signal="similarity", weight_map="power", normalise="batch"
    ),
    "dphr attached": lambda: DPHRLoss.sharp(signal="constant", detach=False),
    "dphr rescaled": lambda: DPHRLoss.sharp(rescale=True),
    "closest": lambda: DPHRLoss(progress_map="exp"),
    "closest minmax": lambda: DPHRLoss(scale="minmax", signal="constant"),
    "closest hinge": lambda: DPHRLoss(form="hinge", progress_map="exp", momentum=0.0),
    "closest attached": lambda: DPHRLoss(signal="constant", detach=False),
    "minmax attached": lambda: DPHRLoss(scale="minmax", signal="constant", detach=False),
    "dphr base": lambda: DPHRLoss.sharp(signal="triplet", base=SymmetricInfoNCE()),
    "infonce": lambda: SymmetricInfoNCE(),
}
HALF = (torch.float16, torch.bfloat16)
DEGENERATE = {
    "all identical": lambda: (by_angle(0, 0, 0), by_angle(0, 0, 0)),
    "B = 2": lambda: (by_angle(0, 90), by_angle(10, 80)),
    "zero distance": lambda: (by_angle(0, 120, 240), by_angle(0, 120, 240)),
    "opposite": lambda: (by_angle(0, 90), by_angle(180, 270)),
    "positive far, negative identical": lambda: (by_angle(0, 180), by_angle(180, 0)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_degenerate_batches_stay_finite(name):
    for kind, dtype in itertools.product(DEGENERATE, (*HALF, torch.float32, torch.float64)):
        with case(kind, dtype):
            z = [each.to(dtype) for each in DEGENERATE[kind]()]
            value, *gradients = value_and_gradient(LOSSES[name](), *z)
            assert value.isfinite() and value.dtype not in HALF
            assert all(g.isfinite().all() and g.dtype == dtype for g in gradients)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_and_autocast_agree_with_float32_on_the_same_vectors(name):
    for dtype in HALF:
        with case(dtype):
            half = [each.to(dtype) for each in batch(16, 8)]
            exact = [F.normalize(each.float(), dim=1) for each in half]
            expected = LOSSES[name]()(*exact)
            torch.testing.assert_close(LOSSES[name]()(*half), expected)
            expected = value_and_gradient(LOSSES[name](), *exact)
            leaves = [each.clone().requires_grad_() for each in exact]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = LOSSES[name]()(*leaves)  # backward is for outside of autocast, says torch
            assert_same((value.detach(), *torch.autograd.grad(value, leaves)), expected, 1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(LOSSES)),
    st.integers(2, 9),
    st.integers(1, 5),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_any_batch_is_finite(name, rows, dim, seed, labelled):
    z = batch(rows, dim, seed, torch.float32)
    places = torch.arange(rows) // 2 if labelled and rows > 2 else None
    value, *gradients = value_and_gradient(LOSSES[name](), *z, places=places)
    assert value.isfinite() and all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("name", LOSSES)
def test_errors_say_what_was_found_and_what_to_do(name):
    loss = LOSSES[name]()
    z_query, z_gallery = batch()
    with pytest.raises(ValueError, match=r"z_query is \(6, 4\) and z_gallery \(5, 4\)"):
        loss(z_query, z_gallery[:5])
    with pytest.raises(ValueError, match="1 row"):
        loss(z_query[:1], z_gallery[:1])
    with pytest.raises(ValueError, match=r"places has shape \(5,\); expected \(6,\)"):
        loss(z_query, z_gallery, torch.arange(5))
    with pytest.raises(ValueError, match="same place"):
        loss(z_query, z_gallery, torch.zeros(6))
    with pytest.raises(ValueError, match=r"norm 2; expected unit vectors"):
        loss(2 * z_query, z_gallery)
    with pytest.raises(ValueError, match=r"z_query is torch.int64 of shape \(6,\)"):
        loss(torch.arange(6), z_gallery)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DPHRLoss.sharp(weight_map="cubic"), "weight_map is 'cubic'"),
        (lambda: DPHRLoss.sharp(normalise="rows"), "normalise is 'rows'"),
        (lambda: DPHRLoss.sharp(beta=-1), "beta is -1"),
        (lambda: DPHRLoss.sharp(form="soft"), "form is 'soft'"),
        (lambda: DPHRLoss.sharp(alpha=0), "alpha is 0"),
        (lambda: DPHRLoss.sharp(ratio="none"), "ratio is 'none'"),
        (lambda: DPHRLoss.sharp(signal="losses"), "signal is 'losses'"),
        (lambda: DPHRLoss.sharp(signal="step"), "total_steps is None"),
        (lambda: DPHRLoss.sharp(lambda_max=-1), "lambda_max is -1"),
        (lambda: DPHRLoss.sharp(momentum=1.0), "momentum is 1.0"),
        (lambda: SymmetricInfoNCE(temperature=0), "temperature is 0"),
        (lambda: SymmetricInfoNCE(label_smoothing=1.0), "label_smoothing is 1.0"),
    ],
)
def test_settings_out_of_range(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.slow
def test_import_is_light():
    code = (
        "import sys, dphr_lab.losses; "
        "print([m for m in ('timm', 'accelerate', 'matplotlib', 'torchvision', "
        "'pytorch_metric_learning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
