"""From an encoder and image sets to reports."""

import numpy as np
import pytest
import torch
from torch import nn

from dphr_lab.datasets import ArrayImages
from dphr_lab.localization import evaluate_dataset, evaluate_images, evaluate_modes, place_distances
from dphr_lab.settings.protocol import DIRECTIONS

PX = 8


class Halves(nn.Module):
    """Embeds an image by the mean colours of its left and right half; counts what it embeds."""

    image_px = PX

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.seen = 0
        self.sizes = set()

    def forward(self, images):
        self.seen += len(images)
        self.sizes.add(tuple(images.shape[-2:]))
        halves = images.float().unflatten(-1, (2, -1)).mean((2, 4)).flatten(1)  # (B, 6)
        return nn.functional.normalize(halves - 127.5, dim=1) * self.weight


def colours(view, places, values, families=None):
    """One image a place, its left and right half of one colour each; `values` (N, 2, 3)."""
    blocks = np.asarray(values, dtype=np.uint8)[:, None, :, :]
    return ArrayImages(view, blocks.repeat(PX, 1).repeat(PX // 2, 2), places, families)


@pytest.fixture
def sets():
    """Three queries and four satellites; the query of place 3 looks like place 9, a distractor."""
    values = np.random.default_rng(0).integers(0, 256, (4, 2, 3))
    drone = colours("drone", [1, 2, 3], values[[0, 1, 3]], [0, 0, 1])
    satellite = colours("satellite", [1, 2, 3, 9], values, [0, 0, 1, 1])
    return drone, satellite


def test_both_gallery_modes_by_hand(sets):
    found = evaluate_modes(Halves(), *sets, ("full", "query_places"))
    assert list(found) == ["full", "query_places"]
    assert found["full"].r_at_1 == pytest.approx(100 * 2 / 3)
    assert (found["full"].queries, found["full"].gallery) == (3, 4)
    assert found["full"].twin_mistakes == 100  # place 9 is the twin of place 3
    assert found["query_places"].gallery == 3


def test_distances_to_positive_twin_and_stranger_by_hand():
    angles = {"drone": [0, 30, 90], "satellite": [10, 40, 100, 170]}
    sets = {}
    for view, degrees in angles.items():
        places, families = [1, 2, 3, 4][: len(degrees)], [0, 0, 1, 1][: len(degrees)]
        sets[view] = colours(view, places, np.zeros((len(degrees), 2, 3)), families)
    z = {
        view: torch.stack([torch.deg2rad(torch.tensor(d, dtype=torch.float64)).cos(),
                           torch.deg2rad(torch.tensor(d, dtype=torch.float64)).sin()], dim=1)
        for view, d in angles.items()
    }  # fmt: skip
    found = place_distances(z["drone"], sets["drone"], z["satellite"], sets["satellite"])

    def chord(*degrees):
        return np.mean([2 * np.sin(np.deg2rad(d) / 2) for d in degrees])

    assert found["d_pos"] == pytest.approx(chord(10, 10, 10))
    assert found["d_twin"] == pytest.approx(chord(40, 20, 80))
    assert found["d_stranger"] == pytest.approx(chord(100, 70, 50))
    sets["drone"].families = None
    found = place_distances(z["drone"], sets["drone"], z["satellite"], sets["satellite"])
    assert set(found) == {"d_pos", "d_stranger"}
    assert found["d_stranger"] == pytest.approx(chord(40, 20, 50))


def test_images_are_embedded_once_for_all_modes(sets):
    encoder = Halves()
    evaluate_modes(encoder, *sets, ("full", "query_places"))
    assert encoder.seen == 3 + 4


def test_one_mode_is_the_same_report(sets):
    report = evaluate_images(Halves(), *sets, gallery_mode="query_places")
    assert report == evaluate_modes(Halves(), *sets, ["query_places"])["query_places"]
    assert evaluate_images(Halves(), *sets).gallery_mode == "full"


def test_size_and_mirror_are_passed_on(sets):
    encoder = Halves()
    report = evaluate_images(encoder, *sets, image_px=4, flip_tta=True)
    assert encoder.sizes == {(4, 4)}
    assert encoder.seen == 2 * (3 + 4)
    assert report.tta == "horizontal flip"
    assert evaluate_images(encoder, *sets).tta == "none"


def test_the_mirror_makes_mirrored_images_equal():
    values = np.array([[[255, 0, 0], [0, 0, 255]], [[0, 0, 255], [255, 0, 0]]])
    query, gallery = colours("drone", [1], values[:1]), colours("satellite", [2, 1], values[::-1])
    plain = evaluate_images(Halves(), query, gallery)
    assert (plain.r_at_1, plain.ap) == (100, 100)
    # Mirrored sums are equal, and of equal scores the first in the gallery is first.
    assert evaluate_images(Halves(), query, gallery, flip_tta=True).r_at_1 == 0


def test_a_data_set_is_scored_in_the_directions_asked_for(sets):
    class Data:
        def test(self, direction):
            return sets if direction == "D2S" else sets[::-1]

    both = evaluate_dataset(Halves(), Data())
    assert list(both) == list(DIRECTIONS) == ["D2S", "S2D"]
    assert (both["S2D"].queries, both["S2D"].gallery) == (4, 3)
    assert both["S2D"].unanswerable == 1  # place 9 has no drone image
    one = evaluate_dataset(Halves(), Data(), directions=("S2D",), gallery_mode="query_places")
    assert list(one) == ["S2D"] and one["S2D"].gallery_mode == "query_places"


def test_an_unknown_mode_is_named(sets):
    with pytest.raises(ValueError, match="gallery_mode is 'some'"):
        evaluate_images(Halves(), *sets, gallery_mode="some")
