"""Search: order, places known by their folders, the printed list and the figure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import rc_context
from matplotlib.image import imread
from PIL import Image
from torch import nn

from dphr_lab.localization.search import DRAWN, search_images
from dphr_lab.retrieval import SELECTED_ON_TEST, STAMP

RED, ORANGE, GREEN, BLUE = (255, 0, 0), (255, 128, 0), (0, 255, 0), (0, 0, 255)


class MeanColour(nn.Module):
    """Embeds an image by its mean colour."""

    image_px = 8

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        mean = images.float().mean((2, 3)) - 127.5
        return nn.functional.normalize(mean * self.weight, dim=1)


def paint(path: Path, colour) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


@pytest.fixture
def gallery(tmp_path):
    """Satellite images in a folder a place."""
    for place, colour in (("0001", RED), ("0002", ORANGE), ("0003", GREEN), ("0004", BLUE)):
        paint(tmp_path / "satellite" / place / f"{place}.png", colour)
    return tmp_path / "satellite"


def names(found) -> list[list[str]]:
    return [[match.parent.name for match in row] for row in found.matches]


def test_best_first_with_cosine_scores(gallery, tmp_path):
    query = paint(tmp_path / "drone" / "0001" / "a.png", RED)
    found = search_images(MeanColour(), [query], gallery, top=4)
    assert names(found)[0][:2] == ["0001", "0002"]
    assert found.scores[0, 0] == pytest.approx(1)
    assert (np.diff(found.scores[0]) <= 0).all()
    vectors = [np.array(colour) - 127.5 for colour in (RED, ORANGE)]
    cosine = vectors[0] @ vectors[1] / np.prod([np.linalg.norm(v) for v in vectors])
    assert found.scores[0, 1] == pytest.approx(cosine, abs=1e-6)
    assert found.right == ((True, False, False, False),)


def test_several_queries_each_have_a_row(gallery, tmp_path):
    queries = [
        paint(tmp_path / "drone" / "0003" / "a.png", GREEN),
        paint(tmp_path / "drone" / "0004" / "b.png", BLUE),
        paint(tmp_path / "photo.png", ORANGE),
    ]
    found = search_images(MeanColour(), queries, gallery, top=1)
    assert names(found) == [["0003"], ["0004"], ["0002"]]
    assert found.right == ((True,), (True,), None)  # the folder of photo.png names no place
    assert found.queries == tuple(queries)


def test_more_than_the_gallery_gives_the_gallery(gallery, tmp_path):
    query = paint(tmp_path / "photo.png", RED)
    found = search_images(MeanColour(), [query], gallery, top=50)
    assert len(found.matches[0]) == found.gallery_size == 4


def test_linked_places_are_searched(gallery, tmp_path):
    store = (tmp_path / "satellite").rename(tmp_path / "store")
    gallery.mkdir()
    for place in store.iterdir():
        (gallery / place.name).symlink_to(place)
    query = paint(tmp_path / "drone" / "0003" / "a.png", GREEN)
    found = search_images(MeanColour(), [query], gallery, top=1)
    assert found.gallery_size == 4 and found.right == ((True,),)


def test_a_flat_folder_knows_no_places(tmp_path):
    for name, colour in (("a.png", RED), ("b.png", BLUE)):
        paint(tmp_path / "tiles" / name, colour)
    (tmp_path / "tiles" / "notes.txt").write_text("no image", "utf-8")
    found = search_images(
        MeanColour(), [paint(tmp_path / "tiles" / "q" / "q.png", BLUE)], tmp_path / "tiles"
    )
    # The query lies in the gallery's own folder q, so that its place is known, and found twice.
    assert [match.name for match in found.matches[0]] == ["b.png", "q.png", "a.png"]
    query = paint(tmp_path / "0001" / "photo.png", RED)
    found = search_images(MeanColour(), [query], tmp_path / "tiles")
    assert found.right == (None,)
    assert "place not known" in str(found)


def test_folders_of_heights_name_no_place(tmp_path):
    """SUES-200: drone/<place>/<height>/*, satellite/<place>/*, in both directions."""
    drone = {}
    for place, colour in (("0001", RED), ("0002", BLUE)):
        paint(tmp_path / "satellite" / place / "0.png", colour)
        for height in (150, 300):
            drone[place, height] = paint(tmp_path / "drone" / place / str(height) / "0.png", colour)
    found = search_images(MeanColour(), [drone["0002", 300]], tmp_path / "satellite")
    assert found.right == ((True, False),)
    query = tmp_path / "satellite" / "0001" / "0.png"
    found = search_images(MeanColour(), [query], tmp_path / "drone", query_view="satellite")
    assert found.right == ((True, True, False, False),)


def test_a_place_may_be_named_like_a_height(tmp_path):
    for place, colour in (("150", RED), ("151", BLUE)):
        paint(tmp_path / "satellite" / place / "0.png", colour)
    query = paint(tmp_path / "drone" / "150" / "0.png", RED)
    assert search_images(MeanColour(), [query], tmp_path / "satellite").right == ((True, False),)


def test_a_query_named_from_its_own_folder_is_known(gallery, tmp_path, monkeypatch):
    paint(tmp_path / "drone" / "0003" / "a.png", GREEN)
    monkeypatch.chdir(tmp_path / "drone" / "0003")
    assert search_images(MeanColour(), ["a.png"], gallery, top=1).right == ((True,),)


def test_the_list_says_rank_score_file_and_the_right_one(gallery, tmp_path):
    query = paint(tmp_path / "drone" / "0002" / "a.png", RED)
    lines = str(search_images(MeanColour(), [query], gallery, top=2)).splitlines()
    assert str(query) in lines[0] and "gallery of 4" in lines[0]
    assert lines[1].split() == ["1", "1.000", str(gallery / "0001" / "0001.png")]
    assert lines[2].split()[:2] == ["*", "2"]
    assert lines[2].endswith(str(gallery / "0002" / "0002.png"))
    assert "marked *" in lines[0]
    assert "not among these" in str(search_images(MeanColour(), [query], gallery, top=1))


@pytest.mark.parametrize("known", [True, False])
def test_the_figure_shows_every_query(gallery, tmp_path, known):
    folder = tmp_path / "drone" / ("0001" if known else "somewhere")
    queries = [paint(folder / f"{k}.png", RED) for k in range(2)]
    figure = tmp_path / "figures" / "top.png"
    search_images(MeanColour(), queries, gallery, top=3).draw(figure)
    pixels = imread(figure)[..., :3]
    green = (np.abs(pixels - np.array([0, 158, 115]) / 255) < 0.02).all(-1)  # the right one's frame
    assert bool(green.sum() > 100) == known
    for half in np.array_split(pixels, 2):  # each row shows the red query and the red satellite
        red = (np.abs(half - np.array([1.0, 0, 0])) < 0.02).all(-1)
        assert red.sum() > 2 * 90**2


def test_the_figure_of_a_long_list_stops(tmp_path):
    for k in range(DRAWN + 5):
        paint(tmp_path / "tiles" / f"{k:02d}.png", (k, 0, 0))
    query = paint(tmp_path / "photo.png", RED)
    found = search_images(MeanColour(), [query], tmp_path / "tiles", top=1000)
    assert len(found.matches[0]) == DRAWN + 5
    found.draw(tmp_path / "top.png")
    assert imread(tmp_path / "top.png").shape[1] == round(1.2 * 120 * (DRAWN + 1))


def test_what_is_missing_or_broken_is_named(gallery, tmp_path):
    query = paint(tmp_path / "photo.png", RED)
    with pytest.raises(FileNotFoundError, match=r"query: found no file .*nothing\.png"):
        search_images(MeanColour(), [query, tmp_path / "nothing.png"], gallery)
    with pytest.raises(FileNotFoundError, match=r"query: found no file .*satellite"):
        search_images(MeanColour(), [gallery], gallery)  # a folder
    with pytest.raises(FileNotFoundError, match=r"gallery: found no image in .*empty"):
        search_images(MeanColour(), [query], tmp_path / "empty")
    broken = gallery / "0002" / "0002.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"0002\.png: cannot be decoded"):
        search_images(MeanColour(), [query], gallery)


def test_another_view_is_named(gallery, tmp_path):
    query = paint(tmp_path / "a.png", RED)
    with pytest.raises(
        ValueError, match="query_view is 'street'; expected one of drone, satellite"
    ):
        search_images(MeanColour(), [query], gallery, query_view="street")


def test_what_was_selected_on_the_test_set_is_stamped(gallery, tmp_path):
    query = paint(tmp_path / "drone" / "0001" / "a.png", RED)
    fair = search_images(MeanColour(), [query], gallery, top=1)
    stamped = replace(fair, selected_on_test=True)
    assert str(stamped) == f"{SELECTED_ON_TEST}\n{fair}"
    for name, found in (("fair.svg", fair), ("stamped.svg", stamped)):
        with rc_context({"svg.fonttype": "none"}):  # text stays text
            found.draw(tmp_path / name)
    assert STAMP in (tmp_path / "stamped.svg").read_text("utf-8")
    assert STAMP not in (tmp_path / "fair.svg").read_text("utf-8")
    fair.draw(tmp_path / "fair.png")
    stamped.draw(tmp_path / "stamped.png")
    before, after = (imread(tmp_path / name) for name in ("fair.png", "stamped.png"))
    assert after.shape[1] == before.shape[1] and len(after) == len(before) + 36  # 0.3 inches
    assert abs(after[36:] - before).mean() < 0.01  # the pictures are as they were
