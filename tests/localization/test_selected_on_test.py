"""An encoder that was selected on the test set says so by every route to a number."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from dphr_lab import cli
from dphr_lab.datasets import open_dataset
from dphr_lab.localization import (
    evaluate_dataset,
    evaluate_images,
    evaluate_modes,
    search_images,
)
from dphr_lab.models import Encoder
from dphr_lab.probe import StimulusSettings, make_stimuli, probe
from dphr_lab.retrieval import SELECTED_ON_TEST
from dphr_lab.settings.protocol import GALLERY_MODES

PX = 32


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """Four places on disk, two drone images each."""
    root, rng = tmp_path_factory.mktemp("towns"), np.random.default_rng(0)
    for part, images in {
        "train/drone": 2,
        "train/satellite": 1,
        "test/query_drone": 2,
        "test/gallery_satellite": 1,
        "test/query_satellite": 1,
        "test/gallery_drone": 2,
    }.items():
        for place in range(4):
            folder = root / part / f"{place:04d}"
            folder.mkdir(parents=True)
            for number in range(images):
                pixels = rng.integers(0, 256, (PX, PX, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module", params=[True, False], ids=["stamped", "fair"])
def run(request, tmp_path_factory):
    """(folder of an encoder, whether it was selected on the test set)."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    Encoder("test_convnext", image_px=PX).save(folder, selected_on_test=request.param)
    return folder, request.param


@pytest.fixture(scope="module")
def stimuli():
    settings = StimulusSettings(3, doses_m2=(10, 320), kinds=("building moved",), image_px=PX)
    return make_stimuli(settings, workers=1)


def test_functions(run, towns, stimuli):
    folder, stamped = run
    encoder, data = Encoder.load(folder), open_dataset(towns)
    query, gallery = data.test("D2S")
    found = [
        evaluate_images(encoder, query, gallery),
        *evaluate_modes(encoder, query, gallery, GALLERY_MODES, flip_tta=True).values(),
        *evaluate_dataset(encoder, data).values(),
        search_images(encoder, query.paths[:1], towns / "test" / "gallery_satellite"),
        probe(encoder, stimuli),
    ]
    assert len(found) == 7
    assert [f.selected_on_test for f in found] == [stamped] * len(found)
    assert [SELECTED_ON_TEST in str(f) for f in found] == [stamped] * len(found)


def test_commands(run, towns, tmp_path, capsys):
    folder, stamped = run

    def shown(command: str, *arguments) -> str:
        arguments = [str(argument) for argument in arguments]
        assert cli.main([command, "--run", str(folder), *arguments]) == 0
        return capsys.readouterr().out

    image = towns / "test" / "query_drone" / "0001" / "0.png"
    gallery = towns / "test" / "gallery_satellite"
    report, probed = tmp_path / "report.json", tmp_path / "probe.json"
    few = ["--places", 3, "--doses", 10, 320, "--kinds", "moved", "--workers", 1]
    printed = [
        shown("evaluate", "--data", towns, "--json", report),
        shown("search", "--query", image, "--gallery", gallery),
        shown("probe", *few, "--out", probed),
    ]
    assert [SELECTED_ON_TEST in text for text in printed] == [stamped] * 3
    assert all(("note: this encoder was selected" in text) == stamped for text in printed)
    stored = json.loads(report.read_text("utf-8"))
    reports = [r for mode in stored.values() for r in mode.values() if isinstance(r, dict)]
    assert reports and all(r["selected_on_test"] == stamped for r in reports)
    by_name = json.loads(probed.read_text("utf-8"))
    assert by_name[folder.name]["selected_on_test"] == stamped
    assert not by_name["untrained test_convnext"]["selected_on_test"]


def test_a_file_that_does_not_say_is_read_as_its_run_was(run, tmp_path):
    """Encoders of before they said it themselves, in a run's folder and in its best/."""
    data = {"name": "x", "root": None, "height_m": None, "world": None}
    for select, expected in (("test", True), ("best", False)):
        folder = tmp_path / select
        for place in (folder, folder / "best", folder / "checkpoints" / "step-000003"):
            Encoder("test_convnext", image_px=PX).save(place)
            settings = json.loads((place / "encoder.json").read_text("utf-8"))
            assert settings.pop("selected_on_test") is False
            (place / "encoder.json").write_text(json.dumps(settings), "utf-8")
        stored = {"settings": {"select": select}, "data": data}
        (folder / "settings.json").write_text(json.dumps(stored), "utf-8")
        for place in (folder, folder / "best"):
            assert Encoder.load(place).selected_on_test is expected
        assert not Encoder.load(folder / "checkpoints" / "step-000003").selected_on_test


def test_what_an_encoder_says_stays_when_it_is_saved_again(run, tmp_path):
    folder, stamped = run
    Encoder.load(folder).save(tmp_path / "again")
    assert Encoder.load(tmp_path / "again").selected_on_test == stamped
    record = json.loads((tmp_path / "again" / "encoder.json").read_text("utf-8"))
    (tmp_path / "again" / "encoder.json").write_text(
        json.dumps(record | {"selected_on_test": "yes"}), "utf-8"
    )
    with pytest.raises(
        ValueError, match=r"encoder\.json: selected_on_test is 'yes'; expected true"
    ):
        Encoder.load(tmp_path / "again")
