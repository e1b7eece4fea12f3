"""Damaged and foreign files that the package itself wrote, at everything that reads them."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dphr_lab import results
from dphr_lab.cli import FORESEEN
from dphr_lab.models import Encoder
from tests.faults import check, left_behind, table, words
from tests.faults.conftest import SHORT
from tests.helpers import run

pytestmark = pytest.mark.slow


class Touch:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def text(content):
    return lambda path: path.write_text(content, "utf-8")


def edited(**changes):
    """Change keys of a JSON object; "part.key" is a key of a part of it."""

    def edit(path):
        value = json.loads(path.read_text("utf-8"))
        for name, change in changes.items():
            part, _, key = name.rpartition("__")
            (value[part] if part else value)[key] = change
        path.write_text(json.dumps(value), "utf-8")

    return edit


def cut(path):
    path.write_bytes(path.read_bytes()[:200])


def not_finite(path):
    weights = load_file(path)
    weights["backbone.head.norm.weight"][0] = float("nan")
    save_file(weights, path)


def as_command(call, *arguments):
    """(code, message) of a Python call, told as a command would."""
    try:
        call(*arguments)
    except FORESEEN as error:
        return 1, f"dphr: {error}"
    return 0, ""


def faults_of(cells):
    return list(dict.fromkeys(fault for fault, _ in cells))


# -- checkpoints --------------------------------------------------------------------------------

WEIGHTS, SETTINGS = "encoder.safetensors", "encoder.json"
CHECKPOINTS = {  # fault -> file of a checkpoint, what to do with it
    "weights truncated": (WEIGHTS, cut),
    "weights are a pickle": (WEIGHTS, lambda path: path.write_bytes(pickle.dumps(Touch(path)))),
    "weights not finite": (WEIGHTS, not_finite),
    "weights missing": (WEIGHTS, Path.unlink),
    "another backbone": (SETTINGS, edited(backbone="test_resnet")),
    "unknown backbone": (SETTINGS, edited(backbone="nonet9")),
    "another version's settings": (SETTINGS, edited(dphr_lab="99.0", head_norm=True)),
    "settings no JSON": (SETTINGS, text('{"backbone"')),
    "settings a list": (SETTINGS, text("[1]")),
    "settings of wrong types": (SETTINGS, edited(backbone=3)),
    "state truncated": ("state.safetensors", cut),
    "state missing": ("state.safetensors", Path.unlink),
    "position no JSON": ("position.json", text('{"st')),
    "position lacks a part": ("position.json", text("{}")),
}
OF_CHECKPOINTS = table("checkpoint")


def test_the_table_has_every_fault_of_checkpoints():
    assert faults_of(OF_CHECKPOINTS) == list(CHECKPOINTS)


@pytest.mark.parametrize(("fault", "surface"), OF_CHECKPOINTS)
def test_checkpoints(fault, surface, trained, world, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    name, damage = CHECKPOINTS[fault]
    (newest,) = (folder / "checkpoints").iterdir()
    for path in (folder / name, newest / name):
        if path.exists():
            damage(path)
    query = world / "test/query_drone/0007/image-01.jpeg"
    arguments = {
        "train --resume": ["train", "--resume", folder],
        "evaluate --run": ["evaluate", "--run", folder, "--json", tmp_path / "out.json"],
        "search --run": [
            *("search", "--run", folder, "--query", query, "--gallery", world / "test"),
            *("--out", tmp_path / "out.png"),
        ],
        "probe --run": ["probe", "--run", folder, "--places", 2, "--out", tmp_path / "out.json"],
    }
    if surface in arguments:
        code, (out, err) = run(*arguments[surface]), capsys.readouterr()
    else:
        (code, err), out = as_command(Encoder.load, folder), ""
    check(OF_CHECKPOINTS[fault, surface], code, out, err)
    assert not left_behind(tmp_path) and not list(tmp_path.glob("out*"))


WEIGHTS_FILES = {
    "pickle that runs code": lambda path: torch.save({"a": Touch(path.with_name("ran"))}, path),
    "truncated": lambda path: (torch.save({"a": torch.zeros(99)}, path), cut(path)),
    "0 bytes": Path.touch,
    "text": text("these are no weights"),
    "a list": lambda path: torch.save([1], path),
    "of another backbone": lambda path: torch.save({"a": torch.zeros(1)}, path),
    "missing": lambda path: None,
}
OF_WEIGHTS = table("weights file")


def test_the_table_has_every_fault_of_weights_files():
    assert faults_of(OF_WEIGHTS) == list(WEIGHTS_FILES)


@pytest.mark.parametrize(("fault", "surface"), OF_WEIGHTS)
def test_weights_files(fault, surface, world, tmp_path, capsys):
    path, given = tmp_path / "weights.pth", ["--data", world, "--pretrained"]
    WEIGHTS_FILES[fault](path)
    if surface == "train":
        code = run("train", *given, path, "--out", tmp_path / "out", *SHORT)
    elif surface == "evaluate":
        code = run("evaluate", "--backbone", "test_convnext", "--image-px", 32, *given, path)
    if surface == "Encoder":
        (code, err), out = as_command(Encoder, "test_convnext", None, path), ""
    else:
        out, err = capsys.readouterr()
    check(OF_WEIGHTS[fault, surface], code, out, err)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


# -- what a run says of itself ------------------------------------------------------------------

RUN_FILES = {
    "settings.json: no JSON": ("settings.json", text("{")),
    "settings.json: no text": ("settings.json", lambda path: path.write_bytes(b"\xff\xfe\x00")),
    "settings.json: a list": ("settings.json", text("[]")),
    "settings.json: lacks a part": ("settings.json", text("{}")),
    "settings.json: unknown key": ("settings.json", edited(settings__magic=1)),
    "settings.json: text for a number": ("settings.json", edited(settings__batch="three")),
    "settings.json: null for a number": ("settings.json", edited(settings__steps=None)),
    "settings.json: NaN": ("settings.json", edited(settings__learning_rate=float("nan"))),
    "settings.json: a list for keywords": ("settings.json", edited(settings__augmentation=[1])),
    "settings.json: data gone": ("settings.json", edited(data__root="/nowhere")),
    "settings.json: data of a wrong type": ("settings.json", edited(data__root=7)),
    "settings.json: another version's world": (
        "settings.json",
        edited(data__world={"seed": 0, "magic": 1}),
    ),
    "settings.json: missing": ("settings.json", Path.unlink),
    "metrics.jsonl: no JSON": ("metrics.jsonl", text('{"step": 1\n{"step": 2}\n')),
    "metrics.jsonl: last line cut": (
        "metrics.jsonl",
        lambda path: path.write_text(path.read_text("utf-8") + '{"step": 2, "lo', "utf-8"),
    ),
    "result.json: no JSON": ("result.json", text("{")),
    "result.json: lacks a part": ("result.json", text("{}")),
    "result.json: NaN for a part": ("result.json", edited(report=float("nan"))),
}
OF_RUNS = table("file of a run")


def test_the_table_has_every_fault_of_runs():
    assert faults_of(OF_RUNS) == list(RUN_FILES)


@pytest.mark.parametrize(("fault", "surface"), OF_RUNS)
def test_files_of_runs(fault, surface, trained, tmp_path, capsys):
    folder, study = tmp_path / "run", tmp_path / "study"
    shutil.copytree(trained, folder)
    name, damage = RUN_FILES[fault]
    damage(folder / name)
    study.mkdir()
    (study / "study.toml").write_text(STUDY, "utf-8")
    shutil.copy(folder / "result.json", study / results.run_name("w", "triplet", 0))
    arguments = {
        "train --resume": ["train", "--resume", folder],
        "train --refit": ["train", "--refit", folder, "--out", tmp_path / "out"],
        "evaluate --run": ["evaluate", "--run", folder, "--direction", "D2S"],
        "study report": ["study", "report", study],
    }
    if surface in arguments:
        code, (out, err) = run(*arguments[surface]), capsys.readouterr()
    else:
        (code, err), out = as_command(results.load, study), ""
    check(OF_RUNS[fault, surface], code, out, err)
    assert not left_behind(tmp_path)


# -- studies ------------------------------------------------------------------------------------

STUDY = """
about = "x"
seeds = [0]
[worlds.w]
preset = "tiny"
[settings]
steps = 1
[arms.triplet]
loss = "triplet"
"""
STUDIES = {  # fault -> what stands in the study.toml in place of what
    "no TOML": ("seeds = [0]", "seeds = "),
    "no text": ('"x"', "\udcff"),
    "lacks a part": ("seeds = [0]", ""),
    "unknown part": ("[settings]", "[magic]\nx = 1\n[settings]"),
    "seeds below 0": ("[0]", "[-1]"),
    "no seed": ("[0]", "[]"),
    "an arm is text": ('[arms.triplet]\nloss = "triplet"', '[arms]\ntriplet = "triplet"'),
    "unknown setting": ("steps = 1", "magic = 1"),
    "NaN": ("steps = 1", "learning_rate = nan"),
    "unknown loss": ('loss = "triplet"', 'loss = "l2"'),
    "unknown preset": ('"tiny"', '"huge"'),
    "unknown change of a world": ('"tiny"', '"tiny"\nmagic = 3'),
    "missing": None,
}
OF_STUDIES = table("study.toml")


def test_the_table_has_every_fault_of_studies():
    assert faults_of(OF_STUDIES) == list(STUDIES)


@pytest.mark.parametrize(("fault", "surface"), OF_STUDIES)
def test_studies(fault, surface, tmp_path, capsys):
    if STUDIES[fault]:
        changed = STUDY.replace(*STUDIES[fault])
        assert changed != STUDY
        (tmp_path / "study.toml").write_bytes(changed.encode("utf-8", "surrogateescape"))
    code = run(*surface.split(), tmp_path)
    check(OF_STUDIES[fault, surface], code, *capsys.readouterr())
    assert [path.name for path in tmp_path.iterdir()] == (["study.toml"] if STUDIES[fault] else [])


# -- descriptions of data, and features ---------------------------------------------------------

METADATA = {
    "no JSON": "{",
    "a family that is a word": '{"places": {"0001": {"family": "x"}}}',
    "lacks places of the data": '{"places": {"0001": {"family": 1}}}',
}
OF_METADATA = table("metadata.json")


def test_the_table_has_every_fault_of_metadata():
    assert faults_of(OF_METADATA) == list(METADATA)


@pytest.mark.parametrize(("fault", "surface"), OF_METADATA)
def test_metadata(fault, surface, world, trained, tmp_path, capsys):
    root = tmp_path / "data"
    shutil.copytree(world, root)
    (root / "metadata.json").write_text(METADATA[fault], "utf-8")
    arguments = {
        "verify": ["verify", root],
        "train": ["train", "--data", root, "--out", tmp_path / "out", *SHORT],
        "evaluate": ["evaluate", "--run", trained, "--data", root],
    }
    check(OF_METADATA[fault, surface], run(*arguments[surface]), *capsys.readouterr())


PREPARED = {
    "no JSON": text("{"),
    "a list": text("[]"),
    "of another size": edited(image_px=64),
}
OF_PREPARED = table("prepared.json")


def test_the_table_has_every_fault_of_prepared_data():
    assert faults_of(OF_PREPARED) == list(PREPARED)


@pytest.mark.parametrize(("fault", "surface"), OF_PREPARED)
def test_prepared_data(fault, surface, world, tmp_path, capsys):
    again = [*words("prepare --image-px 32 --out"), tmp_path / "small", world]
    assert run(*again) == 0
    capsys.readouterr()
    PREPARED[fault](tmp_path / "small" / "prepared.json")
    check(OF_PREPARED[fault, surface], run(*again), *capsys.readouterr())
