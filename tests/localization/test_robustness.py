"""Robustness is the plain evaluation, again and again, on changed queries; turns are a maximum."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dphr_lab.datasets import ArrayImages, PairSet
from dphr_lab.datasets.corruptions import CORRUPTIONS, TEN_WEATHERS, corrupted
from dphr_lab.localization import evaluate_images
from dphr_lab.localization.evaluation import embed_turned
from dphr_lab.localization.robustness import measure_robustness
from dphr_lab.models import embed
from tests.helpers import run

PX, PLACES = 16, 12


class Pixels(torch.nn.Module):
    """The centred pixels themselves, at a quarter of the size: it knows no rotation."""

    image_px = PX

    def __init__(self):
        super().__init__()
        self.here = torch.nn.Parameter(torch.empty(0))

    def forward(self, images):
        z = F.avg_pool2d(images.float(), 4).flatten(1)
        return F.normalize(z - z.mean(1, keepdim=True))


class Places:
    """Places of random blocks; the drone sees each with noise, turned by quarters if asked."""

    def __init__(self, turned: bool = False):
        rng = np.random.default_rng(0)
        blocks = rng.integers(0, 256, (PLACES, 4, 4, 3), dtype=np.uint8)
        tiles = blocks.repeat(4, 1).repeat(4, 2)
        drone = tiles.repeat(2, 0) + rng.normal(0, 20, (2 * PLACES, PX, PX, 3))
        drone = drone.clip(0, 255).astype(np.uint8)
        if turned:
            drone = np.stack([np.rot90(one, k % 4) for k, one in enumerate(drone)])
        pairs = PairSet(
            ArrayImages("drone", drone, np.repeat(np.arange(PLACES), 2)),
            ArrayImages("satellite", tiles, np.arange(PLACES)),
        )
        self.test = pairs.direction


def test_each_condition_is_a_plain_evaluation():
    data, encoder = Places(), Pixels()
    query, gallery = data.test("D2S")
    found = measure_robustness(encoder, data, ["noise", "motion_blur"], seed=3)
    clean = evaluate_images(encoder, query, gallery)
    assert found.unchanged.r_at_1 == clean.r_at_1 and found.unchanged.shift < 1e-6
    for name in ("noise", "motion_blur"):
        assert len(found.conditions[name]) == 5
        for level, row in zip(CORRUPTIONS[name].levels, found.conditions[name], strict=True):
            images = corrupted(query, name, level, seed=3)
            report = evaluate_images(encoder, images, gallery)
            assert (row.level, row.r_at_1, row.ap) == (level, report.r_at_1, report.ap)
            assert list(row.r_at_1_interval) == report.intervals["r_at_1"]
            assert row.drop == pytest.approx(1 - report.r_at_1 / clean.r_at_1)
            own = (embed(encoder, images) * embed(encoder, query)).sum(1)
            assert row.shift == pytest.approx(float((1 - own).mean()), abs=1e-5)
    drops = [np.mean([row.drop for row in rows]) for rows in found.conditions.values()]
    assert found.mean_drop() == pytest.approx(np.mean(drops))
    worst = found.conditions["motion_blur"][-1]
    assert worst.shift > found.conditions["motion_blur"][0].shift


def test_ten_weathers_have_their_names_and_fair_days_cost_nothing():
    found = measure_robustness(Pixels(), Places(), ten_weathers=True, most_queries=10)
    assert list(found.conditions) == list(TEN_WEATHERS) and found.queries == 10
    assert found.conditions["normal"][0].drop == 0
    assert "normal" in str(found) and json.loads(json.dumps(found.to_dict()))["mean_drop"] >= 0


def test_turned_queries_are_found_by_turning_them():
    data, encoder = Places(turned=True), Pixels()
    query, gallery = data.test("D2S")
    as_they_are, turned = (evaluate_images(encoder, query, gallery, rotations=r) for r in (1, 4))
    assert as_they_are.r_at_1 < 60 and turned.r_at_1 == 100
    assert (as_they_are.tta, turned.tta) == ("none", "best of 4 rotations")
    assert found_rotation(encoder, data) > 30


def found_rotation(encoder, data) -> float:
    """The relative drop under rotation falls by turning at query time, in points."""
    plain, best = (
        measure_robustness(encoder, data, ["rotation"], rotations=r).conditions["rotation"][2]
        for r in (1, 4)
    )
    return best.r_at_1 - plain.r_at_1


def test_the_turn_kept_is_the_nearest_by_a_slow_loop():
    data, encoder = Places(turned=True), Pixels()
    query, gallery = data.test("D2S")
    z_gallery = embed(encoder, gallery)
    z = embed_turned(encoder, query, z_gallery, 4)
    images = query.read(range(len(query)), PX)
    for row in range(len(query)):
        turns = torch.cat([encoder(images[row : row + 1].rot90(k, (-2, -1))) for k in range(4)])
        nearest = (turns @ z_gallery.T).amax(1)
        assert torch.allclose(z[row], turns[nearest.argmax()].detach(), atol=1e-6)
    assert torch.equal(embed_turned(encoder, query, z_gallery, 1), embed(encoder, query))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"corruptions: found hail; expected some of fog"):
        measure_robustness(Pixels(), Places(), ["hail"])
    with pytest.raises(ValueError, match="rotations is 0"):
        embed_turned(Pixels(), Places().test("D2S")[0], torch.eye(4), 0)


@pytest.mark.slow
def test_the_command_writes_all_and_refuses_in_one_line(tmp_path, capsys):
    encoder = ("--backbone", "test_resnet", "--image-px", 32)
    world = ("--world", "tiny", "--world-image-px", 32)
    out, figure = tmp_path / "r.json", tmp_path / "r.png"
    asked = ("--corruptions", "fog", "rotation", "--tta", "rotations", "--queries", 6)
    code = run("robustness", *encoder, *world, *asked, "--json", out, "--figure", figure)
    assert code == 0 and figure.stat().st_size > 5000
    stored = json.loads(out.read_text("utf-8"))
    assert stored["rotations"] == 4 and stored["queries"] == 6 and stored["versions"]
    assert {n: len(rows) for n, rows in stored["conditions"].items()} == {"fog": 5, "rotation": 5}
    assert "fog 0.85" in capsys.readouterr().out
    for wrong, text in (
        (("--corruptions", "hail"), "--corruptions: hail is none of fog, rain"),
        (("--ten-weathers", "--corruptions", "fog"), "exclude one another"),
        (("--figure", "r.txt"), "expected a name in .png"),
    ):
        assert run("robustness", *encoder, *world, *wrong) == 2
        said = capsys.readouterr().err
        assert text in said and said.count("\n") == 1


@pytest.mark.slow
def test_search_and_evaluate_take_the_turns(tmp_path, capsys):
    encoder = ("--backbone", "test_resnet", "--image-px", 32)
    world = ("--world", "tiny", "--world-image-px", 32)
    assert run("evaluate", *encoder, *world, "--tta", "rotations8", "--direction", "D2S") == 0
    assert "best of 8 rotations" in capsys.readouterr().out
    assert run("evaluate", "--features", "a.npz", "b.npz", "--tta", "rotations") == 2
    assert "--tta does not go with --features" in capsys.readouterr().err
