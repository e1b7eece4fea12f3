"""`dphr demo` works at once, from what is in the package."""

import re
import socket

import pytest
from PIL import Image

from dphr_lab.localization import demo
from tests.helpers import run


def test_what_is_bundled():
    tiles = list((demo.FOLDER / demo.GALLERY).glob("*/*.jpg"))
    queries = list((demo.FOLDER / demo.QUERIES).glob("*/*.jpg"))
    assert (len(tiles), len(queries)) == (24, 1)
    assert queries[0].parent.name in {tile.parent.name for tile in tiles}
    assert sum(path.stat().st_size for path in tiles + queries) < 600_000


@pytest.mark.slow
def test_it_ranks_draws_and_writes_a_page_without_a_network(tmp_path, capsys, monkeypatch):
    def no_network(*_, **__):
        raise AssertionError("the demo opened a socket")

    monkeypatch.setattr(socket, "create_connection", no_network)
    picture, page = tmp_path / "strip.png", tmp_path / "page.html"
    assert run("demo", "--out", picture, "--page", page) == 0
    said = capsys.readouterr().out
    assert "gallery of 24; right place" in said and "starter encoder's R@1" in said
    with Image.open(picture) as image:
        assert image.size[0] > 500
    text = page.read_text("utf-8")
    assert text.count("<li ") == 6 and "://" not in text
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert text.count("right place") == said.count("  *  ")


@pytest.mark.slow
def test_a_photograph_of_ones_own(tmp_path, capsys):
    photo = tmp_path / "mine.png"
    Image.new("RGB", (300, 200), (90, 120, 60)).save(photo)
    assert run("demo", "--photo", photo, "--out", tmp_path / "strip.png") == 0
    assert "mine.png  (gallery of 24; place not known)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--photo", "none.jpg"), 1, "--photo: found no file none.jpg"),
        (("--out", "strip.txt"), 2, "expected a name in .png"),
        (("--page", "page.pdf"), 2, "expected a name that ends in .html"),
    ],
)
def test_wrong_use_is_one_line(arguments, code, text, capsys):
    assert run("demo", *arguments) == code
    said = capsys.readouterr().err
    assert text in said and said.count("\n") == 1
