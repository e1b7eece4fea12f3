"""The encoder in the package: small, whole, and described by what was measured."""

import pytest
from safetensors import safe_open

from dphr_lab.models import Encoder, starter
from dphr_lab.models.encoder import WEIGHTS_FILE
from tests.helpers import run

MOST_BYTES = 8_000_000
CARD = starter.FOLDER / "README.md"


def test_it_is_small_and_half_precision():
    path = starter.FOLDER / WEIGHTS_FILE
    assert path.stat().st_size <= MOST_BYTES
    with safe_open(path, "pt") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert kinds <= {"F16", "I64"}


def test_the_card_says_what_was_measured_and_under_which_licence():
    card = CARD.read_text("utf-8")
    assert starter.table() in card
    for word in ("## Recipe", "## Data", "## Limits", "Apache", "seed"):
        assert word in card
    assert "Apache License" in (starter.FOLDER / "LICENSE").read_text("utf-8")


def test_the_note_has_the_stored_numbers():
    for record in starter.measured().values():
        rate = record["table"]["D2S"]["as_it_is"]["starter"]["r_at_1"][0]
        assert f"{rate:.0f} %" in starter.note()


@pytest.mark.slow
def test_it_loads_by_name_and_a_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    encoder = Encoder.load("starter")
    assert encoder.image_px == 128 and not encoder.selected_on_test
    assert {p.dtype.itemsize for p in encoder.parameters()} == {4}
    monkeypatch.chdir(tmp_path)
    Encoder("test_resnet", image_px=32).save("starter")
    assert Encoder.load("starter").backbone_name == "test_resnet"


@pytest.mark.slow
def test_commands_take_it_and_say_what_it_was_measured_on(capsys):
    world = ("--world", "tiny", "--world-image-px", 64)
    assert run("evaluate", "--run", "starter", *world, "--direction", "D2S") == 0
    assert starter.note() in capsys.readouterr().out
    assert run("evaluate", "--run", "starter") == 2
    assert "--data ROOT or --world PRESET is needed" in capsys.readouterr().err
