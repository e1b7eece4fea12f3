"""`dphr export`, and the commands that take what it wrote."""

import json
import shutil

import pytest
import torch
from PIL import Image

from dphr_lab.models import Encoder
from tests.faults import words
from tests.helpers import run

pytest.importorskip("onnxscript")
pytestmark = pytest.mark.slow

TINY = ("--world", "tiny", "--world-image-px", 32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(folder of an encoder, its ONNX file)."""
    folder = tmp_path_factory.mktemp("export")
    torch.manual_seed(0)
    Encoder("test_resnet", image_px=32).save(folder / "run", selected_on_test=True)
    assert run("export", "--run", folder / "run", "--onnx", folder / "m.onnx", *TINY) == 0
    return folder / "run", folder / "m.onnx"


def test_evaluate_reads_it_and_gives_the_same_report(exported, tmp_path, capsys):
    reports = []
    for name, which in zip(("run", "onnx"), exported, strict=True):
        out = tmp_path / f"{name}.json"
        assert run("evaluate", "--run", which, *TINY, "--json", out) == 0
        reports.append(json.loads(out.read_text("utf-8")))
    assert reports[0] == reports[1]
    assert reports[1]["full"]["D2S"]["selected_on_test"]
    assert "selected on the test set" in capsys.readouterr().out


def test_eight_bits_say_what_they_cost(exported, tmp_path, capsys):
    out = tmp_path / "int8.onnx"
    assert run("export", "--run", exported[0], "--onnx", out, "--int8", *TINY) == 0
    said = capsys.readouterr().out
    assert "on 48 images of the training places" in said
    assert "PyTorch  drone → satellite R@1" in said and "8 bits   drone → satellite R@1" in said
    assert "largest difference to PyTorch on 18 images" in said


def test_wrong_use_is_one_line(exported, tmp_path, capsys):
    folder, file = exported
    image = tmp_path / "one.png"
    Image.new("RGB", (40, 40)).save(image)
    search = ("--query", image, "--gallery", tmp_path)
    faults = [
        (("export", "--run", folder, "--onnx", "m.bin", *TINY), 2, "ends in .onnx"),
        (("export", "--run", file, "--onnx", "m.onnx", *TINY), 2, "exported already"),
        (("export", "--run", folder, "--onnx", tmp_path, *TINY), 2, "ends in .onnx"),
        (("evaluate", "--run", file), 2, "--data ROOT or --world PRESET is needed"),
        (("search", "--run", file, *search, "--image-px", 64), 1, "leave --image-px out"),
        (("probe", "--run", file), 2, "no untrained self"),
    ]
    for arguments, code, text in faults:
        assert run(*arguments) == code, arguments
        said = capsys.readouterr().err
        lines = [line for line in said.splitlines() if line.startswith("dphr: ")]
        assert len(lines) == 1 and text in lines[0], (arguments, said)


def test_a_file_in_the_runs_folder_is_used_on_a_cpu(exported, tmp_path, capsys):
    """It is said, it can be left aside, and it must be of the run's weights, size and precision."""
    folder = tmp_path / "run"
    shutil.copytree(exported[0], folder)
    shutil.copy(exported[1], folder / "m.onnx")
    used, own = f"computed by ONNX Runtime from {folder / 'm.onnx'}; --no-onnx", "is not used: "
    evaluate = (
        "evaluate",
        "--run",
        folder,
        *TINY,
        "--device",
        "cpu",
        "--json",
        tmp_path / "r.json",
    )

    def said(*more):
        assert run(*evaluate, *more) == 0
        report = json.loads((tmp_path / "r.json").read_text("utf-8"))
        return capsys.readouterr().out, report["full"]["D2S"]

    (by_onnx, report), (by_torch, same) = said(), said("--no-onnx")
    assert used in by_onnx and "ONNX" not in by_torch and report == same
    assert report["selected_on_test"]
    found, _ = said("--image-px", 64)
    assert used not in found and f"{own}it takes images of 32 px, asked for are 64 px" in found
    data = bytearray((folder / "m.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "m.onnx").write_bytes(data)
    found, _ = said()
    assert used not in found and "m.onnx is damaged: its bytes are not those" in found
    shutil.copy(exported[1], folder / "m.onnx")
    torch.manual_seed(1)
    Encoder("test_resnet", image_px=32).save(folder, selected_on_test=True)
    found, _ = said()
    assert used not in found and f"{own}it was exported from other weights" in found
    assert "not used" not in said("--no-onnx")[0]


def test_eight_bits_are_used_by_name_alone(exported, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(exported[0], folder)
    assert run("export", "--run", folder, "--onnx", folder / "i.onnx", "--int8", *TINY) == 0
    capsys.readouterr()
    assert run("evaluate", "--run", folder, *TINY, "--device", "cpu") == 0
    assert "i.onnx is not used: it computes in 8 bits" in capsys.readouterr().out


def test_a_map_of_another_size_is_asked_by_the_run_itself(exported, tmp_path):
    from dphr_lab.models.onnx_encoder import exported_beside

    folder = tmp_path / "run"
    shutil.copytree(exported[0], folder)
    shutil.copy(exported[1], folder / "m.onnx")
    encoder = Encoder.load(folder)
    assert exported_beside(folder, encoder)[0].path == folder / "m.onnx"
    assert exported_beside(folder, encoder, 48)[0] is None
    assert exported_beside(exported[0], encoder) == (None, [])


def test_an_older_file_stays_where_the_new_one_is_refused(exported, tmp_path, capsys, monkeypatch):
    from dphr_lab.models import onnx_export

    out = tmp_path / "m.onnx"
    out.write_text("of an earlier run", "utf-8")
    monkeypatch.setattr(onnx_export, "difference", lambda *_: 0.5)
    assert run("export", "--run", exported[0], "--onnx", out, *TINY) == 1
    assert "m.onnx: not written, its embeddings differ" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    assert out.read_text("utf-8") == "of an earlier run"


def test_a_test_half_for_one_direction_is_enough(exported, tmp_path, capsys):
    world = tmp_path / "world"
    few = words("--preset tiny --image-px 32 --train-places 4 --test-places 3 --drone-views 2")
    assert run("scenes", *few, "--out", world, "--workers", 1) == 0
    shutil.rmtree(world / "test" / "query_drone")
    out = tmp_path / "m.onnx"
    assert run("export", "--run", exported[0], "--onnx", out, "--data", world, "--int8") == 0
    assert "satellite → drone R@1" in capsys.readouterr().out and out.is_file()
