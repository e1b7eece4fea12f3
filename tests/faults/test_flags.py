"""Wrong usage of every command: exit code 2, or 1 where the machine's files decide."""

import pytest

from tests.faults import check, left_behind, table
from tests.helpers import run

FLAGS = {  # fault -> command -> what is given to it; {names} are of `places`
    "unknown flag": {
        "scenes": "--out {new} --nope 3",
        "verify": "{world} --nope 3",
        "prepare": "{world} --out {new} --nope 3",
        "recipes": "--nope",
        "train": "--data {world} --out {new} --nope 3",
        "matrix": "--data {world} --out {new} --nope 3",
        "reproduce": "sues200 --data {world} --out {new}.json --nope 3",
        "evaluate": "--run {run} --nope 3",
        "search": "--run {run} --query {image} --gallery {world} --nope 3",
        "probe": "--run {run} --nope 3",
        "study": "list --nope 3",
    },
    "what is needed not given": {
        "scenes": "--preset tiny",
        "verify": "",
        "prepare": "{world}",
        "train": "--data {world}",
        "matrix": "--out {new}",
        "reproduce": "sues200 --out {new}.json",
        "evaluate": "--data {world}",
        "search": "--run {run} --gallery {world}",
        "probe": "--places 2",
        "study": "run",
    },
    "unknown name": {
        "scenes": "--out {new} --preset huge",
        "verify": "{world} --height 120",
        "recipes": "grandmother",
        "train": "--data {world} --out {new} --recipe grandmother",
        "matrix": "--data {world} --out {new} --recipe grandmother",
        "reproduce": "cvusa --data {world} --out {new}.json",
        "evaluate": "--run {run} --gallery-mode half",
        "search": "--run {run} --query {image} --gallery {world} --query-view street",
        "probe": "--run {run} --kinds painted",
        "study": "run grandmother",
    },
    "a word for a number": {
        "scenes": "--out {new} --train-places many",
        "prepare": "{world} --out {new} --image-px many",
        "train": "--data {world} --out {new} --batch many",
        "evaluate": "--run {run} --image-px many",
        "search": "--run {run} --query {image} --gallery {world} --top many",
        "probe": "--run {run} --places many",
        "study": "run main --jobs many",
        "matrix": "--data {world} --out {new} --batch many",
        "reproduce": "sues200 --data {world} --out {new}.json --batch many",
    },
    "a number out of range": {
        "scenes": "--out {new} --weather 2",
        "prepare": "{world} --out {new} --image-px 2",
        "train": "--data {world} --out {new} --batch -3",
        "evaluate": "--run {run} --data {world} --image-px 2",
        "search": "--run {run} --query {image} --gallery {world} --top -1",
        "probe": "--run {run} --doses -5",
        "study": "run main --jobs 0",
        "matrix": "--data {world} --out {new} --batch -3",
        "reproduce": "sues200 --data {world} --out {new}.json --batch -3",
    },
    "NaN or infinity": {
        "scenes": "--out {new} --preset tiny --twin-strength nan",
        "train": "--data {world} --out {new} --learning-rate inf",
        "probe": "--run {run} --weather nan",
        "matrix": "--data {world} --out {new} --learning-rate nan",
        "reproduce": "sues200 --data {world} --out {new}.json --learning-rate nan",
    },
    "keywords of wrong types": {
        "train": "--data {world} --out {new} --loss-options beta=x",
        "matrix": "--data {world} --out {new} --loss-options beta=x",
        "reproduce": "sues200 --data {world} --out {new}.json --loss-options beta=x",
    },
    "flags that contradict": {
        "scenes": "--out {new} --photos {world}",
        "train": "--resume {run} --batch 4",
        "evaluate": "--run {run} --pretrained pypi",
        "search": "--run {run} --pretrained pypi --query {image} --gallery {world}",
        "probe": "--run {run} --pretrained pypi",
        "study": "run main --preset quick",
        "matrix": "--data {world} --out {new} --steps 3 --epochs 1",
        "reproduce": "university1652 --data {world} --out {new}.json --height 150",
    },
    "out is a file": {
        "scenes": "--preset tiny --out {file}",
        "prepare": "{world} --out {file}",
        "train": "--data {world} --out {file}",
        "matrix": "--data {world} --out {file}",
    },
    "out is a folder": {
        "evaluate": "--run {run} --json {folder}",
        "search": "--run {run} --query {image} --gallery {world} --out {folder}",
        "probe": "--run {run} --out {folder}",
        "study": "report main --figure {folder}",
    },
    "out below a file": {
        "scenes": "--preset tiny --out {file}/new",
        "prepare": "{world} --out {file}/new",
        "train": "--data {world} --out {file}/new",
        "evaluate": "--run {run} --json {file}/new.json",
        "search": "--run {run} --query {image} --gallery {world} --out {file}/new.png",
        "probe": "--run {run} --figure {file}/new.png",
        "study": "report main --figure {file}/new.png",
        "matrix": "--data {world} --out {file}/new",
        "reproduce": "university1652 --data {world} --out {file}/new.json",
    },
    "out holds something else": {
        "scenes": "--preset tiny --out {world}",
        "prepare": "{world} --out {run}",
        "train": "--data {world} --out {run}",
        "reproduce": "university1652 --data {world} --out {run}/settings.json",
    },
}
TABLE = table("flags")


def test_the_table_has_every_fault():
    assert set(TABLE) == {(fault, command) for fault, given in FLAGS.items() for command in given}


@pytest.mark.parametrize(("fault", "command"), TABLE)
def test_flags(fault, command, world, trained, tmp_path, capsys):
    file, folder = tmp_path / "file.txt", tmp_path / "folder.png"
    file.write_text("mine", "utf-8")
    folder.mkdir()
    places = {
        "world": world,
        "run": trained,
        "image": world / "test/query_drone/0007/image-01.jpeg",
        "new": tmp_path / "new",
        "file": file,
        "folder": folder,
    }
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    code = run(command, *(word.format(**places) for word in FLAGS[fault][command].split()))
    check(TABLE[fault, command], code, *capsys.readouterr())
    assert sorted(tmp_path.iterdir()) == [file, folder] and file.read_text("utf-8") == "mine"
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
    assert not left_behind(world)
