"""The closed form against the plain form under autograd: blocks, chunks, precision, compiler."""

import pytest
import torch

from dphr_lab.losses import (
    DPHRLoss,
    SymmetricInfoNCE,
    TripletLoss,
    closed_form,
    pairwise_distance,
    rda_hardness,
    rda_weights,
    soft_margin_triplet,
)
from tests.helpers import losses
from tests.helpers.losses import value_and_gradient


def batch(rows, dim=16, dtype=torch.float64):
    """As far from its positive as wide embeddings are: noise of the query's own length."""
    return losses.batch(rows, dim, dtype=dtype, noise=dim**-0.5)


def labels(rows):
    return torch.arange(rows) * 7 % (rows // 2 + 1)  # most places once or twice, unsorted


def plain_dphr(z_query, z_gallery, negatives, lam, normalise="query"):
    """The definition, composed of the public functions and left to autograd."""
    total = 0.0
    distance = pairwise_distance(z_query, z_gallery)
    for d in (distance, distance.T):
        weights = rda_weights(
            rda_hardness(d.diagonal(), d), negatives, weight_map="exp", normalise=normalise
        )
        pieces = (1 + lam * weights) * soft_margin_triplet(d.diagonal(), d)
        total = total + ((pieces * negatives).sum(1) / negatives.sum(1)).mean() / 2
    return total


def assert_close(one, other, tolerance):
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * b.abs().max().item())


@pytest.mark.parametrize("normalise", ["query", "batch", "none"])
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("elements", [1, 700, 2**18])  # blocks of 1, 14 and all 50 rows
def test_blocks_do_not_change_the_result(monkeypatch, elements, labelled, normalise):
    monkeypatch.setattr(closed_form, "_BLOCK_ELEMENTS", elements)
    z, places = batch(50), labels(50) if labelled else None
    loss = DPHRLoss.sharp(signal="triplet", normalise=normalise)
    got = value_and_gradient(loss, *z, places=places)
    negatives = loss.terms(*z, places)["negatives"]
    lam = loss.progressive.value().item()
    assert 0.1 < lam < 1
    want = value_and_gradient(lambda *z: plain_dphr(*z, negatives, lam, normalise), *z)
    assert_close(got, want, 1e-11)


@pytest.mark.parametrize("signal", ["recall", "triplet", "similarity", "step", "constant"])
@pytest.mark.parametrize("labelled", [False, True])
def test_chunks_do_not_change_loss_gradient_or_state(signal, labelled):
    z, places = batch(33), labels(33) if labelled else None
    whole = DPHRLoss.sharp(signal=signal, total_steps=9)
    want = value_and_gradient(whole, *z, places=places)
    for chunk_size in (1, 8, 33, 100):
        chunked = DPHRLoss.sharp(signal=signal, total_steps=9, chunk_size=chunk_size)
        assert_close(value_and_gradient(chunked, *z, places=places), want, 1e-11)
        torch.testing.assert_close(chunked.progressive.value(), whole.progressive.value())


@pytest.mark.parametrize("signal", ["recall", "triplet", "similarity"])
@pytest.mark.parametrize("labelled", [False, True])
def test_the_sweep_reads_the_progress_that_the_plain_form_reads(signal, labelled):
    z, places = batch(33, 8), labels(33) if labelled else None
    fast, slow = DPHRLoss.sharp(signal=signal), DPHRLoss.sharp(signal=signal, detach=False)
    fast(*z, places), slow(*z, places)
    assert 0.05 < fast.progressive.value() < 0.95
    torch.testing.assert_close(fast.progressive.value(), slow.progressive.value())


def test_chunks_at_full_size_in_float32():
    z = batch(2048, 32, torch.float32)
    want = value_and_gradient(DPHRLoss.sharp(), *z)
    assert_close(value_and_gradient(DPHRLoss.sharp(chunk_size=300), *z), want, 1e-5)
    exact = value_and_gradient(DPHRLoss.sharp(), *(each.double() for each in z))
    assert_close([each.double() for each in want], exact, 1e-5)


def test_triplet_in_chunks():
    z = batch(20)
    for form in ("soft_margin", "hinge"):
        want = value_and_gradient(TripletLoss(form=form), *z)
        assert_close(value_and_gradient(TripletLoss(form=form, chunk_size=6), *z), want, 1e-11)


def test_chunk_size_is_checked():
    with pytest.raises(ValueError, match="chunk_size is 0"):
        DPHRLoss.sharp(chunk_size=0)
    with pytest.raises(ValueError, match="need detach=True"):
        DPHRLoss.sharp(chunk_size=8, detach=False)


def test_gradient_flows_to_one_side_alone_scales_and_accumulates():
    z_query, z_gallery = batch(8)
    _, grad_query, _ = value_and_gradient(DPHRLoss.sharp(signal="constant"), z_query, z_gallery)
    leaf = z_query.clone().requires_grad_()
    loss = 3 * DPHRLoss.sharp(signal="constant")(leaf, z_gallery)
    loss.backward(retain_graph=True)
    loss.backward()
    torch.testing.assert_close(leaf.grad, 6 * grad_query)


def test_inputs_are_left_alone():
    z = batch(8)
    before = [each.clone() for each in z]
    value_and_gradient(DPHRLoss.sharp(chunk_size=3), *z)
    with torch.no_grad():
        assert not DPHRLoss.sharp()(*z).requires_grad
    assert all(torch.equal(a, b) for a, b in zip(z, before, strict=True))


LOSSES = {
    "closest": lambda: DPHRLoss(progress_map="reciprocal", momentum=0.5),
    "closest, the range of h": lambda: DPHRLoss(scale="minmax", window=1, momentum=0.5),
    "sharp": lambda: DPHRLoss.sharp(),
    "triplet": lambda: TripletLoss(),
    "infonce": lambda: SymmetricInfoNCE(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_compiled_without_a_graph_break(name):
    """Traced whole (`fullgraph`); the eager backend needs no C++ compiler."""
    torch.compiler.reset()
    z = batch(12, dtype=torch.float32)
    eager, traced = LOSSES[name](), LOSSES[name]()
    compiled = torch.compile(traced, backend="aot_eager", fullgraph=True)
    for places in (None, torch.arange(12) // 2):
        want = value_and_gradient(eager, *z, places=places)
        assert_close(value_and_gradient(compiled, *z, places=places), want, 1e-5)
    for key, value in eager.state_dict().items():
        torch.testing.assert_close(traced.state_dict()[key], value)
