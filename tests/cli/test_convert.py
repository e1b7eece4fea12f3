"""`dphr convert`, and the commands that read what it wrote."""

import json

import pytest
import torch

from dphr_lab.datasets import open_dataset
from dphr_lab.localization import evaluate_dataset
from dphr_lab.models import Encoder
from tests.helpers import run
from tests.models.test_peers import peer_mccg

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town") / "u1652"
    few = "--train-places 2 --test-places 4 --distractor-places 1 --family-size 1 --drone-views 2"
    assert run("scenes", *few.split(), "--image-px", 64, "--workers", 1, "--layout",
               "university1652", "--out", folder) == 0  # fmt: skip
    return folder


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    state, *_ = peer_mccg()
    torch.save(
        {"model_state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "m.pth"
    )
    return tmp_path / "m.pth"


def test_a_peers_weights_are_converted_evaluated_and_searched(file, town, tmp_path, capsys):
    out = tmp_path / "mccg"
    options = ["--host", "mccg", "--backbone", "test_convnext", "--image-px", 64]
    assert run("convert", file, "--to", out, *options) == 0
    said = capsys.readouterr().out
    assert "mccg on test_convnext at 64 px" in said and "model_1.convnext.head" in said
    assert f"dphr evaluate --checkpoint {out} --data ROOT" in said

    report = tmp_path / "report.json"
    flags = ["--data", town, "--device", "cpu", "--json", report]
    assert run("evaluate", "--checkpoint", out, *flags) == 0
    stored = json.loads(report.read_text("utf-8"))["full"]
    direct = evaluate_dataset(Encoder.load(out), open_dataset(town))
    for direction in ("D2S", "S2D"):
        assert stored[direction]["ap"] == pytest.approx(direct[direction].ap)
    query = next((town / "test" / "query_drone").rglob("*.jpeg"))
    gallery = town / "test" / "gallery_satellite"
    assert (
        run("search", "--run", out, "--query", query, "--gallery", gallery, "--device", "cpu") == 0
    )
    assert run("evaluate", "--checkpoint", out) == 1  # it has no data of its own
    assert "settings.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ("--host lpn", 1, "is not of the public lpn code: expected names that begin with"),
        ("--host mccg --backbone convnext_atto", 1, "of another shape, such as"),
        ("--host plain", 2, "invalid choice: 'plain'"),
        ("", 2, "--host"),
        (
            "--host mccg --host-options ring=3 --backbone test_convnext",
            1,
            "host_options: found ring",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(file, tmp_path, capsys, flags, code, words):
    assert run("convert", file, "--to", tmp_path / "out", *flags.split()) == code
    said = capsys.readouterr().err
    assert words in said and (code == 2 or said.count("\n") == 1)
    assert not (tmp_path / "out").exists()
