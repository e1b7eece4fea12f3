"""A pair loss on each part of a vector, and the mean of them."""

import pytest
import torch
import torch.nn.functional as F

from dphr_lab.losses import DPHRLoss, SymmetricInfoNCE, TripletLoss
from dphr_lab.losses.parts import MeanOverParts

PARTS, ROWS, WIDTH = 3, 6, 5


def joined(seed=0):
    """(its parts, P unit vectors a row; the whole as hosts join them)."""
    generator = torch.Generator().manual_seed(seed)
    parts = F.normalize(torch.randn(ROWS, PARTS, WIDTH, generator=generator), dim=2)
    return parts, parts.flatten(1) / PARTS**0.5


@pytest.mark.parametrize("kind", [TripletLoss, SymmetricInfoNCE, DPHRLoss])
def test_it_is_the_mean_of_the_parts_losses(kind):
    (drone, z_drone), (satellite, z_satellite) = joined(0), joined(1)
    places = torch.tensor([0, 1, 2, 3, 4, 0])
    found = MeanOverParts(kind(), PARTS)(z_drone, z_satellite, places)
    by_hand = [kind()(drone[:, p], satellite[:, p], places) for p in range(PARTS)]
    assert torch.allclose(found, sum(by_hand) / PARTS, atol=1e-6)
    assert not torch.allclose(found, kind()(z_drone, z_satellite, places), atol=1e-3)


def test_each_part_has_a_progress_of_its_own():
    loss = MeanOverParts(DPHRLoss(signal="recall"), PARTS).train()
    drone, _ = joined(0)
    satellite = drone.clone()
    satellite[:, 1] = satellite[:, 1].roll(1, 0)  # a part that has learned nothing
    loss(drone.flatten(1) / PARTS**0.5, satellite.flatten(1) / PARTS**0.5)
    progress = [own.progressive.progress().item() for own in loss.losses]
    assert progress[0] == progress[2] and progress[1] < progress[0]
    again = MeanOverParts(DPHRLoss(signal="recall"), PARTS)
    again.load_state_dict(loss.state_dict())
    assert [own.progressive.progress().item() for own in again.losses] == progress


def test_it_splits_over_processes_as_its_loss_does():
    assert not MeanOverParts(TripletLoss(), 2).across_processes
    assert MeanOverParts(DPHRLoss(across_processes=True), 2).across_processes


def test_widths_that_parts_do_not_divide_are_named():
    _, z = joined()
    with pytest.raises(ValueError, match=r"z_query has shape \(6, 15\); expected \(B, 4 · d\)"):
        MeanOverParts(TripletLoss(), 4)(z, z)
    with pytest.raises(ValueError, match="parts is 0"):
        MeanOverParts(TripletLoss(), 0)
