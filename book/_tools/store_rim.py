"""Store chapter 11's control: is it the scale or the rim that a cut to the same ground mends?

    python book/_tools/store_rim.py WORK [SEED ...]

The models of `store_altitudes.py`, trained again where WORK lacks them, are asked with drone images
of every greater height in four ways: whole; cut (coarse); *enlarged*, so that the scale is that of
the model's own height and the rim is kept; and with the rim *covered* by grey, at the scale of the
whole image. And each model is asked with images of its own height, whole and covered. One file a
seed in dphr_lab/results/rim. About four minutes of one core a seed.
"""

import sys
from pathlib import Path

from store_altitudes import TRAINED_PX, trained

from dphr_lab import results
from dphr_lab._files import write_json
from dphr_lab.datasets import SUES200
from dphr_lab.datasets.same_ground import RimCovered, SameGround
from dphr_lab.models import Encoder, embed
from dphr_lab.results import environment
from dphr_lab.retrieval import evaluate

FOLDER = Path(results.__file__).parent / "rim"


def asked(encoder, images, z_gallery, gallery, image_px: int | None = None) -> dict:
    """R@1 of drone images, in percent, with its 95 % interval over places."""
    z = embed(encoder, images, image_px)
    report = evaluate(z, images.places, z_gallery, gallery.places)
    return {"r_at_1": report.r_at_1, "interval": list(report.intervals["r_at_1"])}


def measure(root: Path, out: Path, heights_m: list[int]) -> dict:
    """{trained at: {"own" or tested at: {way: R@1}}}; "own" has the share of a lower height."""
    found = {}
    for own_m in heights_m:
        encoder, row = Encoder.load(out / str(own_m)), {}
        for height_m in (h for h in heights_m if h >= own_m):
            query, gallery = SUES200(root, height_m).test("D2S")
            of = embed(encoder, gallery), gallery
            ways = {"whole": asked(encoder, query, *of)}
            if height_m == own_m:
                for lower_m in (h for h in heights_m if h < own_m):
                    covered = RimCovered(query, lower_m / own_m)
                    ways[f"covered as for {lower_m}"] = asked(encoder, covered, *of)
            else:
                share = own_m / height_m
                cut = SameGround(query, height_m, own_m, sharp=False)
                ways["cut"] = asked(encoder, cut, *of)
                ways["enlarged"] = asked(encoder, query, *of, round(TRAINED_PX / share))
                ways["covered"] = asked(encoder, RimCovered(query, share), *of)
            row["own" if height_m == own_m else str(height_m)] = ways
        found[str(own_m)] = row
    return found


def main(work: Path, seeds: list[int]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for seed in seeds:
        path = FOLDER / f"s{seed}.json"
        if path.exists():
            continue
        root, out, matrix = trained(work, seed)
        found = measure(root, out, matrix["heights_m"])
        write_json(path, {
            "command": "python book/_tools/store_rim.py", "seed": seed, "trained_at": found,
            **environment.describe(),
        })  # fmt: skip
        print(f"stored {path.name}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]] or [0])
