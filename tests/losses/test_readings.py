"""The two readings of DPHR, closest and sharp: each against a second route."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from dphr_lab.losses import DPHRLoss, ProgressiveWeight, TripletLoss, rda_weights
from dphr_lab.losses.distances import check_pairs

# value, sum of |gradient| and lambda of the first edition's default over four batches
FIRST_EDITION = [
    (1.570043701721592, 14.221367018870879, 0.1875),
    (0.5786597908534493, 11.493096598279884, 0.3759422302246094),
    (0.27155322812477206, 8.767129974102753, 0.5018833875656128),
    (0.372590569918186, 10.173447251693366, 0.580712080001831),
]
FORMS = [
    {},
    {"w_min": 0.0, "w_max": 2.0},
    {"scale": "minmax"},
    {"scale": "minmax", "w_min": 1.0, "w_max": 4.0, "form": "hinge"},
    {"scale": "minmax", "weight_map": "exp", "normalise": "query"},
    {"scale": "minmax", "weight_map": "power", "beta": 3.0, "normalise": "batch"},
    {"normalise": "query"},
    {"ratio": "batch_mean"},
    {"weight_map": None},
    {"rescale": True, "progress_map": "exp"},
    {"progress_map": "reciprocal", "bias_correction": True, "gamma": 2.0},
    {"smooth": "signal", "gamma": 2.0, "window": 1},
]


def batches(count=4, rows=9, dim=5, seed=3):
    draw = torch.Generator().manual_seed(seed)
    for step in range(count):
        z = torch.randn(2, rows, dim, generator=draw, dtype=torch.float64)
        z[1] = z[0] * (1 + step) / 2 + z[1]
        yield F.normalize(z, dim=-1)


def stepped(loss, z, places=None, form=None):
    """(value, gradient) of a batch, the loss's state updated."""
    z = z.clone().requires_grad_()
    value = loss(*z, places) if form is None else form(check_pairs(*z, places))
    return value.detach(), torch.autograd.grad(value, z)[0]


def slow_interval_weights(d_pos, d_neg, w_min, w_max, scale):
    """Weights of one anchor's negatives, by a loop over plain numbers."""
    h = [d_pos / (d_pos + d) for d in d_neg]
    if scale == "minmax":
        span = max(h) - min(h)
        h = [(each - min(h)) / span if span > 0 else 0.5 for each in h]
    return [w_min + (w_max - w_min) * each for each in h]


def slow_closest(z, lam, w_min=0.5, w_max=1.5, scale="none"):
    """L_tri + lambda L_wtri of distinct places, soft margin, by loops; and L_tri."""
    plain, weighted = [], []
    for anchors, others in ((z[0], z[1]), (z[1], z[0])):
        for i, anchor in enumerate(anchors):
            d = [math.dist(anchor, other) for other in others.tolist()]
            d_neg = [each for k, each in enumerate(d) if k != i]
            omega = slow_interval_weights(d[i], d_neg, w_min, w_max, scale)
            pair = [math.log1p(math.exp(10 * (d[i] - each))) for each in d_neg]
            plain.append(sum(pair) / len(pair))
            weighted.append(sum(w * p for w, p in zip(omega, pair, strict=True)) / len(pair))
    plain, weighted = sum(plain) / len(plain), sum(weighted) / len(weighted)
    return plain + lam * weighted, plain


def test_sharp_is_the_first_edition_s_default_number_for_number():
    loss = DPHRLoss.sharp()
    for z, expected in zip(batches(), FIRST_EDITION, strict=True):
        value, gradient = stepped(loss, z)
        got = value.item(), gradient.abs().sum().item(), loss.progressive.value().item()
        assert got == pytest.approx(expected, rel=1e-6)


def test_changes_go_over_sharp():
    loss = DPHRLoss.sharp(beta=4.0, signal="constant", lambda_max=0.25)
    assert loss.settings.beta == 4 and loss.settings.weight_map == "exp"
    assert loss.progressive.value() == 0.25


@pytest.mark.parametrize("scale", ["none", "minmax"])
@pytest.mark.parametrize("bounds", [(0.5, 1.5), (0.0, 1.0), (1.0, 4.0), (2.0, 2.0)])
def test_closest_is_the_loop(bounds, scale):
    options = {"w_min": bounds[0], "w_max": bounds[1], "scale": scale}
    loss = DPHRLoss(signal="constant", lambda_max=0.75, **options)
    for z in batches(2):
        expected, _ = slow_closest(z, 0.75, *bounds, scale)
        assert loss(*z).item() == pytest.approx(expected, rel=1e-9)


def test_equal_bounds_are_a_scaled_triplet_term():
    z = next(batches())
    two = DPHRLoss(signal="constant", w_min=2.0, w_max=2.0)
    torch.testing.assert_close(two(*z), 3 * TripletLoss()(*z))


@pytest.mark.parametrize("chunk_size", [None, 1, 4])
@pytest.mark.parametrize("options", FORMS, ids=str)
@pytest.mark.parametrize("labels", [None, [0, 1, 1, 2, 3, 3, 3, 4, 5]])
def test_the_closed_form_is_the_plain_form(options, labels, chunk_size):
    """Value, gradient and lambda, over several updates."""
    places = None if labels is None else torch.tensor(labels)
    options = {"window": 2} | options
    closed, plain = DPHRLoss(chunk_size=chunk_size, **options), DPHRLoss(**options)
    for z in batches():
        got, want = stepped(closed, z, places), stepped(plain, z, places, plain.plain_form)
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(closed.progressive.value(), plain.progressive.value())


def test_the_course_of_lambda_by_hand():
    """Window 2: m_ref is the mean of the first two losses, m_t of the last two."""
    losses = [4.0, 2.0, 2.0, 1.0, 0.5, 3.5, 9.0]
    weight = ProgressiveWeight(window=2, momentum=0.5, lambda_max=2.0)
    seen, lam = [], 0.0
    for loss in losses:
        weight.update(loss, rows=None)
        seen.append(weight.value().item())
    expected = []
    for t, _ in enumerate(losses):
        last = losses[max(0, t - 1) : t + 1]
        progress = 0.0 if t < 2 else min(1, max(0, 1 - sum(last) / len(last) / 3.0))
        lam = 0.5 * lam + 0.5 * 2.0 * progress
        expected.append(lam)
    assert seen == pytest.approx(expected)
    assert expected[1] == 0 and expected[4] > 0.6 and seen[-1] < seen[-2]


@pytest.mark.parametrize(
    ("progress_map", "expected"), [("exp", math.exp(-1.5)), ("reciprocal", 1 / 2.5)]
)
def test_maps_that_need_no_reference(progress_map, expected):
    weight = ProgressiveWeight(progress_map=progress_map, momentum=0.0, window=2)
    for loss in (7.0, 2.0, 1.0):
        weight.update(loss, rows=None)
    assert weight.value().item() == pytest.approx(expected)


def test_where_the_bend_applies():
    """An average of squares is not the square of an average."""
    values = {}
    for smooth in ("coefficient", "signal"):
        weight = ProgressiveWeight("recall", gamma=2.0, momentum=0.5, smooth=smooth)
        for progress in (0.2, 0.8):
            weight.update(progress, rows=None)
        values[smooth] = weight.value().item()
    first = 0.5 * 0.5 * 0.2**2 + 0.5 * 0.8**2
    assert values == pytest.approx({"coefficient": first, "signal": (0.05 + 0.4) ** 2})


def test_bias_correction_gives_a_constant_progress_at_once():
    corrected, not_yet = (
        ProgressiveWeight("recall", bias_correction=correct) for correct in (True, False)
    )
    for weight in (corrected, not_yet):
        weight.update(0.5, rows=None)
    assert corrected.value().item() == pytest.approx(0.5)
    assert not_yet.value().item() == pytest.approx(0.005)


def test_a_recorded_course_is_replayed():
    course = [0.0, 0.25, 1.5]
    loss = DPHRLoss(weight_map=None, signal="course", course=course, lambda_max=2.0)
    assert loss.progressive.value() == 0
    seen = []
    for z in batches(5):
        value, _ = stepped(loss, z)
        seen.append(loss.progressive.value().item())
        torch.testing.assert_close(value, (1 + seen[-1]) * TripletLoss()(*z))
    assert seen == pytest.approx([0.0, 0.5, 3.0, 3.0, 3.0])
    assert "progressive.course" not in loss.state_dict()  # a setting, not a state


def test_the_lambda_that_a_run_used_replays_its_loss():
    """What a study's control rests on: the same weights at a replayed lambda give the same loss."""
    own, course, values = DPHRLoss(window=2, momentum=0.5), [], []
    for z in batches(6):
        values.append(stepped(own, z)[0].item())
        course.append(own.progressive.value().item())
    again = DPHRLoss(signal="course", course=course)
    assert [stepped(again, z)[0].item() for z in batches(6)] == pytest.approx(values, rel=1e-6)
    assert len(set(course)) > 3


def test_a_saved_state_goes_on_bit_for_bit():
    whole, first = (DPHRLoss(window=3) for _ in range(2))
    drawn = list(batches(8))
    expected = [stepped(whole, z)[0] for z in drawn]
    for z in drawn[:5]:
        stepped(first, z)
    second = DPHRLoss(window=3)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert torch.equal(torch.stack([stepped(second, z)[0] for z in drawn[5:]]),
                       torch.stack(expected[5:]))  # fmt: skip


def test_what_does_not_train_leaves_the_window_alone():
    loss = DPHRLoss(window=2)
    stepped(loss, next(batches()))
    before = copy.deepcopy(loss.state_dict())
    z = next(batches(seed=9))
    loss.terms(*z)
    with torch.no_grad():
        loss(*z)
    loss.eval()
    stepped(loss, z)
    after = loss.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_loss_that_is_not_finite_does_not_enter_the_window():
    weight = ProgressiveWeight(window=2, momentum=0.0)
    for loss in (4.0, 4.0, 2.0, math.nan, math.inf, 2.0):
        weight.update(loss, rows=None)
        assert weight.value().isfinite()
    assert weight.losses.isfinite().all()


def test_a_loss_that_is_not_finite_counts_as_the_mean_before_it():
    """Also while the window is filling."""
    weight = ProgressiveWeight(window=100, momentum=0.0, progress_map="exp")
    for loss, mean in ((3.0, 3.0), (1.0, 2.0), (math.nan, 2.0), (math.inf, 2.0), (7.0, 3.0)):
        weight.update(loss, rows=None)
        assert weight.loss_average().item() == pytest.approx(mean)
        assert weight.value().item() == pytest.approx(math.exp(-mean))


def test_a_loss_of_zero_from_the_start_is_no_progress():
    for losses in ((0.0, 0.0, 0.0, 0.0), (math.nan, math.nan, 1.0, 2.0)):
        weight = ProgressiveWeight(window=2, momentum=0.0)
        for loss in losses:
            weight.update(loss, rows=None)
            assert weight.value() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", ["none", "minmax"])
def test_no_nan_where_distances_are_equal(dtype, scale):
    """Identical rows, a pair of rows, half precision: finite value and gradient."""
    for rows in (2, 5):
        z = F.normalize(torch.ones(2, rows, 4), dim=-1).to(dtype)
        for loss in (DPHRLoss(scale=scale), DPHRLoss(scale=scale, signal="constant")):
            value, gradient = stepped(loss, z)
            assert value.isfinite() and gradient.isfinite().all()
            weights = loss.terms(*z)["weights"]
            off = ~torch.eye(rows, dtype=torch.bool)
            torch.testing.assert_close(weights[:, off], torch.ones(2, rows * (rows - 1)))


def test_the_range_of_hardness_spans_the_interval():
    h = torch.tensor([[0.4, 0.5, 0.6], [0.3, 0.3, 0.3]])
    got = rda_weights(h, bounds=(1.0, 3.0), scale="minmax")
    torch.testing.assert_close(got, torch.tensor([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]]))
    negatives = torch.tensor([[True, True, False], [False, False, False]])
    masked = rda_weights(h, negatives, bounds=(1.0, 3.0), scale="minmax")
    torch.testing.assert_close(masked[0], torch.tensor([1.0, 3.0, 0.0]))
    assert not masked[1].any()


@pytest.mark.parametrize(
    "make",
    [
        DPHRLoss,
        DPHRLoss.sharp,
        TripletLoss,
        lambda: DPHRLoss(scale="minmax", w_max=4.0, rescale=True),
        lambda: DPHRLoss.sharp(form="hinge", normalise="batch", ratio="batch_mean"),
    ],
)
def test_a_gradient_of_the_gradient(make):
    """Of a gradient penalty, against finite differences."""
    draw = torch.Generator().manual_seed(0)
    w, x, y, direction = (
        torch.randn(*shape, generator=draw, dtype=torch.float64)
        for shape in ((4, 6), (5, 6), (5, 6), (4, 6))
    )
    loss = make().eval()
    if hasattr(loss, "progressive"):
        loss.progressive.average.fill_(0.5)

    def penalised(weights):
        z, q = F.normalize(x @ weights.T, dim=1), F.normalize(y @ weights.T, dim=1)
        (gradient,) = torch.autograd.grad(loss(z, q), z, create_graph=True)
        return gradient.square().sum()

    w.requires_grad_()
    (gradient,) = torch.autograd.grad(penalised(w), w)
    assert gradient.isfinite().all()
    step = 1e-6 * direction
    ahead, behind = (penalised((w.detach() + s).requires_grad_()) for s in (step, -step))
    slope = (ahead - behind).item() / 2e-6
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"w_min": 2.0}, "w_min is 2.0, w_max 1.5; expected"),
        ({"w_min": -0.5}, "w_min is -0.5"),
        ({"w_max": math.inf}, "w_max inf"),
        ({"w_max": math.nan}, "w_max nan"),
        ({"w_min": 0.0, "w_max": 0.0}, "both 0"),
        ({"scale": "max"}, "scale is 'max'"),
        ({"window": 0}, "window is 0"),
        ({"window": 2.5}, "window is 2.5"),
        ({"progress_map": "linear"}, "progress_map is 'linear'"),
        ({"smooth": "loss"}, "smooth is 'loss'"),
        ({"signal": "course"}, "course has 0 values"),
        ({"signal": "course", "course": [1.0, -1.0]}, "course has 2 values"),
    ],
)
def test_wrong_settings_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        DPHRLoss(**options)
