"""Every number and keyword that a flag takes: what no command can use is one line, at once."""

import argparse
import inspect
from operator import attrgetter

import pytest
import torch

from dphr_lab import losses
from dphr_lab.cli import EXTRAS, _how_to_install, build_parser
from dphr_lab.cli.flags import whole, within
from dphr_lab.losses import DPHRLoss
from dphr_lab.settings import LOSSES, Settings
from dphr_lab.training import make_augmentation, make_loss
from dphr_lab.training.objectives import check_backbone
from tests.helpers import ROOT, case, run
from tests.pages.test_repository import PROJECT

HUGE = {float: ("1e308", "nan", "-inf"), int: ("1180591620717411303424",)}
GIVEN = {  # command -> what it needs besides; no file of these is there
    "evaluate": "--backbone test_convnext --data no",
    "export": "--backbone test_convnext --onnx no.onnx",
    "robustness": "--backbone test_convnext --data no",
    "map build": "no.tif --out no --backbone test_convnext",
    "map calibrate": "no --flights no --backbone test_convnext",
    "map pairs": "no.tif no.jpg --out no",
    "map check": "no.tif no.jpg",
    "locate": "no.jpg --map no --backbone test_convnext",
    "track": "no --map no --backbone test_convnext",
    "matrix": "--data no --out no",
    "prepare": "no --out no",
    "probe": "--backbone test_convnext",
    "reproduce": "sues200 --data no --out no.json",
    "scenes": "--out no",
    "search": "--backbone test_convnext --query no --gallery no",
    "study": "run main",
    "train": "--data no --out no",
    "convert": "no.pth --to no --host lpn",
    "verify": "no",
}


def numeric_flags():
    """(command, flag, type of its number) of every flag that takes one."""
    (commands,) = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    for name, parser in commands.choices.items():
        inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        for step, of in inner[0].choices.items() if inner else [("", parser)]:
            for action in of._actions:
                if not action.option_strings or action.choices:
                    continue
                try:
                    kind = type(action.type("8")) if action.type else None
                except (TypeError, ValueError, argparse.ArgumentTypeError):
                    kind = float  # 8 is out of its range
                if kind in HUGE:
                    yield f"{name} {step}".strip(), action.option_strings[-1], kind


@pytest.mark.slow
def test_no_flag_takes_a_number_that_nothing_can_use(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = list(numeric_flags())
    assert len(found) > 100 and {command for command, _, _ in found} <= set(GIVEN)
    for command, flag, kind in found:
        for value in HUGE[kind]:
            with case(command, flag, value):
                code = run(*command.split(), *GIVEN[command].split(), f"{flag}={value}")
                said = capsys.readouterr().err
                assert code == 2 and "Traceback" not in said
                assert len(said.strip().splitlines()[-1]) < 400


def test_what_reads_numbers_takes_those_within():
    assert within(-1, 1e6)("1e6") == 1e6 and whole("-7") == -7
    for read, text in ((within(0, 1), "1.1"), (within(0, 1), "nan"), (whole, "9" * 30)):
        with pytest.raises(argparse.ArgumentTypeError, match="found"):
            read(text)


WRONG = ({}, [], "x", None, True, 1.5, -1, 0, float("nan"), 1e308, 2**70, ["x"], {"a": 1}, [1, [2]])


@pytest.mark.slow
@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "none"])
def test_a_keyword_of_a_loss_is_right_or_said(loss):
    """Whatever JSON gives to whatever keyword: a `ValueError`, or a loss that can be computed."""
    if LOSSES[loss].of_metric_learning:
        kind = getattr(pytest.importorskip("pytorch_metric_learning.losses"), LOSSES[loss].kind)
    else:
        kind = attrgetter(LOSSES[loss].kind)(losses)
        kind = getattr(kind, "__self__", kind)
    z = torch.nn.functional.normalize(torch.rand(8, 4), dim=1)
    for name in inspect.signature(kind).parameters:
        for value in WRONG:
            with case(name, value):
                try:
                    made = make_loss(Settings(loss=loss, loss_options={name: value}))
                except ValueError as error:
                    assert str(error)
                else:
                    made(z[:4], z[4:])


def test_a_keyword_of_another_type_is_named():
    for option, value in (("base", {}), ("chunk_size", 1.5), ("detach", 1), ("course", ["x"])):
        with pytest.raises(ValueError, match=f"^loss_options: found .*{option} is "):
            make_loss(Settings(loss="dphr", loss_options={option: value}))
    with pytest.raises(ValueError, match=r"^augmentation: found .*erase_area is 'x', expected"):
        make_augmentation(Settings(augmentation={"erase_area": "x"}))
    assert DPHRLoss(alpha=5)  # a whole number is a number


def test_a_backbone_is_looked_at_before_data_are_read(capsys, tmp_path):
    with pytest.raises(ValueError, match="image_px is 16"):
        check_backbone(Settings(image_px=16))
    with pytest.raises(FileNotFoundError, match=r"no file nowhere\.pth"):
        check_backbone(Settings(pretrained="nowhere.pth"))
    missing = tmp_path / "no data"
    code = run("train", "--data", missing, "--out", tmp_path / "run", "--image-px", "16")
    assert code == 1 and "image_px is 16" in capsys.readouterr().err


def test_a_missing_module_is_said_with_the_extra_that_brings_it():
    extras = PROJECT["optional-dependencies"]
    names = {"faiss": "faiss-cpu", "milvus_lite": "milvus-lite", "IPython": "ipython"}
    for module, extra in EXTRAS.items():
        name = names.get(module, module.replace("_", "-"))
        assert any(requirement.startswith(name) for requirement in extras[extra]), module
    assert "dphr-lab[metric-learning]" in _how_to_install("pytorch_metric_learning.losses", "train")
    assert "dphr-lab[train]" in _how_to_install("timm", "train")
    assert "dphr-lab[train,map]" in _how_to_install("timm", "map")
    assert "dphr-lab[map]" in _how_to_install("rasterio", "locate")
    assert (ROOT / "pyproject.toml").is_file()


def test_memory_that_runs_out_is_one_line(capsys, monkeypatch):
    from dphr_lab.cli import verify

    for said in (
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
        "CUDA out of memory. Tried to allocate 20.00 GiB",
    ):

        def run_out(args, said=said):
            raise RuntimeError(f"{said}\nand more lines")

        monkeypatch.setattr(verify, "run", run_out)
        assert run("verify", "no") == 1
        err = capsys.readouterr().err
        assert err.startswith(f"dphr: {said}; take fewer") and len(err.splitlines()) == 1


def test_the_line_for_several_gpus_is_on_its_page_and_in_help(capsys):
    from dphr_lab.cli.train import ON_SEVERAL_GPUS

    start = ON_SEVERAL_GPUS.removesuffix(" ...")
    assert run("train", "--help") == 0
    assert start in " ".join(capsys.readouterr().out.split()).replace("- ", "-")
    for page in ("README.md", "book/data.md"):
        assert start in (ROOT / page).read_text("utf-8")
