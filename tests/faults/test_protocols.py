"""`dphr matrix` and `dphr reproduce`: their data, the runs they go on with, what they write."""

import json
import shutil

import pytest

from tests.faults import check, left_behind, table, words
from tests.faults.machine import SIGNALS, sent_when
from tests.faults.test_stored import cut, edited, faults_of, text
from tests.helpers import run

pytestmark = pytest.mark.slow

SMALL_RUN = words(
    "--backbone test_convnext --pretrained none --mixed-precision no --image-px 32 --batch 3 "
    "--val-places 0 --steps 1 --threads 1 --no-augmentation"
)
FILES = {"matrix": {"matrix.json", "matrix.md", "matrix.png"}, "reproduce": {"record.json"}}


def arguments_of(surface, data, out, *flags):
    where = {
        "matrix": ["matrix", "--data", data, "--out", out],
        "reproduce": ["reproduce", "sues200", "--data", data, "--out", out / "record.json"],
    }[surface]
    return [*where, *SMALL_RUN, *flags]


def run_of(surface, out, height_m):
    """The folder of the training run at a height."""
    return {
        "matrix": out / str(height_m),
        "reproduce": out / "record.runs" / str(height_m) / "held-out",
    }[surface]


def written(out):
    """Which of the final files are there."""
    return {path.name for path in out.glob("*")} & set.union(*FILES.values())


@pytest.fixture(scope="module")
def made(two_heights, folder):
    """{surface: the folder that it filled}."""
    for surface in FILES:
        assert run(*arguments_of(surface, two_heights, folder / f"made {surface}")) == 0
    return {surface: folder / f"made {surface}" for surface in FILES}


# -- data ---------------------------------------------------------------------------------------


def drone(root, height_m=150):
    return sorted((root / "drone_view_512").glob(f"*/{height_m}"))


def without(places):
    def drop(root):
        split = {path.parent.name for path in drone(root)[:6]}  # the train places come first
        for place in root.glob("*/*"):
            if (place.name in split) == (places == "train"):
                shutil.rmtree(place)

    return drop


def drop_heights(root):
    for place in (root / "drone_view_512").glob("*/*"):
        shutil.rmtree(place)


def another_layout(root):
    shutil.rmtree(root)
    for view in ("drone", "satellite"):
        (root / "train" / view / "0001").mkdir(parents=True)


def damaged(place, as_what):
    def damage(root):
        as_what(next(drone(root)[place].iterdir()))

    return damage


DATA = {  # fault -> what it does to the copy of a world
    "nothing wrong": lambda root: None,
    "no such folder": shutil.rmtree,
    "root empty": lambda root: [shutil.rmtree(path) for path in root.iterdir() if path.is_dir()],
    "another layout": another_layout,
    "height not there": lambda root: None,  # 250 m is asked for
    "no height there": drop_heights,
    "a height empty": lambda root: [path.unlink() for f in drone(root) for path in f.iterdir()],
    "a height missing at one place": lambda root: shutil.rmtree(drone(root)[0]),
    "satellite view missing": lambda root: shutil.rmtree(root / "satellite-view"),
    "no training place": without("train"),
    "no test place": without("test"),
    "truncated image in train": damaged(0, cut),
    "truncated image in test": damaged(-1, cut),
    "text named .jpg": damaged(0, text("this is no image")),
    "metadata.json no JSON": lambda root: (root / "metadata.json").write_text("{", "utf-8"),
    "metadata.json without settings": lambda root: edited(settings=[1])(root / "metadata.json"),
}
OF_DATA = table("SUES-200 at two heights")


def test_the_table_has_every_fault_of_data():
    assert faults_of(OF_DATA) == list(DATA)


@pytest.mark.parametrize(("fault", "surface"), OF_DATA)
def test_data(fault, surface, two_heights, tmp_path, capsys):
    root, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(two_heights, root)
    DATA[fault](root)
    flag = {"matrix": "--heights", "reproduce": "--height"}[surface]
    asked = {"height not there": [flag, 150, 250]}.get(fault, [])
    code = run(*arguments_of(surface, root, out, *asked))
    check(OF_DATA[fault, surface], code, *capsys.readouterr())
    assert written(out) == (set() if code else FILES[surface])
    assert not left_behind(tmp_path)


# -- what is there of an earlier call -----------------------------------------------------------


def of_another_height(surface, out):
    first, second = (run_of(surface, out, height_m) for height_m in (150, 200))
    shutil.rmtree(second)
    shutil.copytree(first, second)


def in_run(*names, damage):
    """Damage the files of these names in the run at 150 m, its checkpoint included."""

    def of_run(surface, out):
        found = [p for name in names for p in run_of(surface, out, 150).rglob(name)]
        assert found
        for path in found:
            damage(path)

    return of_run


def both(*damages):
    def of_both(surface, out):
        for damage in damages:
            damage(surface, out)

    return of_both


def gone(*names):
    return in_run(*names, damage=lambda p: shutil.rmtree(p) if p.is_dir() else p.unlink())


def lacks_a_direction(path):
    stored = json.loads(path.read_text("utf-8"))
    del stored["200"]["S2D"]
    path.write_text(json.dumps(stored), "utf-8")


WEIGHTS = "encoder.safetensors"
RUNS = {  # fault -> what it does to the folder that the surface has filled
    "nothing wrong": lambda surface, out: None,
    "of another backbone": lambda surface, out: None,  # test_resnet is asked for
    "of another height": of_another_height,
    "cut before its result": gone("result.json"),
    "settings.json truncated": both(
        gone("result.json"), in_run("settings.json", damage=text('{"settings": {'))
    ),
    "settings.json missing": gone("result.json", "settings.json"),
    "result.json truncated": in_run("result.json", damage=cut),
    "result.json lacks the reports": in_run("result.json", damage=edited(report={})),
    "result.json lacks a part": in_run("result.json", damage=text("{}")),
    "tested.json truncated": in_run("tested.json", damage=cut),
    "tested.json lacks a direction": in_run("tested.json", damage=lacks_a_direction),
    "tested.json holds numbers": in_run("tested.json", damage=text('{"200": 3}')),
    "weights truncated": both(
        lambda surface, out: surface == "matrix" and gone("tested.json")(surface, out),
        in_run(WEIGHTS, damage=cut),
    ),
    "weights of another backbone": both(
        lambda surface, out: surface == "matrix" and gone("tested.json")(surface, out),
        in_run("encoder.json", damage=edited(backbone="test_resnet")),
    ),
    "checkpoints removed": gone("checkpoints"),
    "final file truncated": lambda surface, out: [cut(out / name) for name in FILES[surface]],
    "final file is something else": lambda surface, out: [
        (out / name).write_text("[1]", "utf-8") for name in FILES[surface]
    ],
    "final file is a folder": lambda surface, out: [
        ((out / name).unlink(), (out / name).mkdir())
        for name in FILES[surface] & {"matrix.json", "record.json"}
    ],
}
OF_RUNS = table("runs of an earlier call")


def test_the_table_has_every_fault_of_runs():
    assert faults_of(OF_RUNS) == list(RUNS)


@pytest.mark.parametrize(("fault", "surface"), OF_RUNS)
def test_runs(fault, surface, made, two_heights, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(made[surface], out)
    before = {name: (out / name).read_bytes() for name in FILES[surface]}
    RUNS[fault](surface, out)
    asked = ["--backbone", "test_resnet"] if fault == "of another backbone" else []
    code = run(*arguments_of(surface, two_heights, out, *asked))
    check(OF_RUNS[fault, surface], code, *capsys.readouterr())
    assert not left_behind(tmp_path)
    if code == 0:
        assert written(out) == FILES[surface]
        final = "matrix.json" if surface == "matrix" else "record.json"
        again, first = (
            json.loads(content) for content in ((out / final).read_bytes(), before[final])
        )
        part = "reports" if surface == "matrix" else "rows"
        assert again[part] == first[part]  # bit for bit, from what was kept
    elif not fault.startswith("final file"):
        assert {name: (out / name).read_bytes() for name in before} == before


def test_a_folder_where_the_runs_are_to_be_is_a_file(two_heights, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "record.runs").write_text("mine", "utf-8")
    assert run(*arguments_of("reproduce", two_heights, out)) == 1
    assert "a folder is needed there; give another path" in capsys.readouterr().err
    assert (out / "record.runs").read_text("utf-8") == "mine" and not written(out)


# -- stopped ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("surface", FILES)
def test_stopped_it_goes_on(surface, name, two_heights, tmp_path, capsys):
    out = tmp_path / "out"
    metrics = run_of(surface, out, 150) / "metrics.jsonl"
    with sent_when(SIGNALS[name], metrics.exists):
        assert run(*arguments_of(surface, two_heights, out, "--steps", 4000)) == 130
    said = capsys.readouterr().err
    assert "dphr: stopped after step" in said and "Traceback" not in said
    assert not written(out) and not left_behind(out)
    (checkpoint,) = (metrics.parent / "checkpoints").iterdir()
    assert (checkpoint / "position.json").exists()
    # the same command goes on with it: another length is another run, and is refused
    assert run(*arguments_of(surface, two_heights, out)) == 1
    assert "steps: stored 4000, given 1" in capsys.readouterr().err
