"""Store positions on continuous towns that the encoder was never trained on:

    python book/_tools/store_towns.py WORK [SEED ...]

One file a seed in dphr_lab/results/towns, of a town of that seed, 1 km wide, with 16 flights to
calibrate on and 8 to locate; what is stored is skipped. The encoder is trained once, as the README
does it, on pairs of the town of seed 1000. Pairs, run, towns and maps lie in WORK, where a call
that was cut goes on. About three minutes of one core for the encoder, two a seed.
"""

import sys
import time
from pathlib import Path

from dphr_lab import results
from dphr_lab._files import write_json
from dphr_lab.cli import main as dphr
from dphr_lab.localization.gallery import MAP_FILE, Gallery, build_gallery
from dphr_lab.localization.geomap import open_map
from dphr_lab.models import Encoder
from dphr_lab.results import environment
from dphr_lab.results.run_folder import stored_run
from dphr_lab.scenes.continuous import TownSettings, write_town
from dphr_lab.studies.towns import evaluate_town

FOLDER = Path(results.__file__).parent / "towns"
RECIPE = "continuous-town"
SIDE_M, STRIDE_M = 120.0, 30.0


def town_of(seed: int) -> TownSettings:
    """The town of a seed, as it is located on."""
    sizes = {"photos": 16, "step_m": 40.0, "photo_px": 160}
    return TownSettings(km=1.0, seed=seed, calibration_flights=16, test_flights=8, **sizes)


def make_encoder(work: Path) -> Path:
    """The run's folder, trained if it is not there."""
    pairs, run = work / "pairs-0", work / "run-0"
    if not pairs.exists():
        command = ["scenes", "--town", str(work / "other"), "--km", "0.4", "--pairs", str(pairs)]
        if dphr([*command, "--flights", "1", "--photos-a-flight", "2"]):
            sys.exit(1)
    train = ["train", "--recipe", RECIPE, "--data", str(pairs), "--out", str(run)]
    if not (run / "result.json").exists() and dphr(train):
        sys.exit(1)
    return run


def evaluated(seed: int, work: Path, run: Path) -> dict:
    """The record of a seed."""
    settings, town = town_of(seed), work / f"town-{seed}"
    if not town.exists():
        write_town(settings, town, workers=None, progress=False)
    encoder, map_path = Encoder.load(run).eval(), town / f"map_{settings.map_year}.tif"
    folder, start = work / f"map-{seed}", time.perf_counter()
    if (folder / MAP_FILE).exists():
        gallery = Gallery(folder)
    else:
        gallery = build_gallery(
            open_map(map_path), encoder, folder, source=str(map_path), side_m=SIDE_M,
            stride_m=STRIDE_M,
        )  # fmt: skip
    found = evaluate_town(gallery, encoder, town / "flights")
    stored = stored_run(run)
    return {
        "seed": seed,
        "town": settings.to_dict(),
        "map": {"side_m": SIDE_M, "stride_m": STRIDE_M, "tiles": len(gallery),
                "image_px": gallery.settings.image_px},
        "encoder": {"recipe": RECIPE, "settings": stored["settings"],
                    "trained_on": TownSettings().for_training().to_dict(),
                    "fingerprint": gallery.record["encoder"]["sha256"]},
        **found,
        "wall_s": round(time.perf_counter() - start, 1),
        **environment.describe(),
    }  # fmt: skip


def main(work: Path, seeds: list[int]) -> None:
    run = make_encoder(work)
    for seed in seeds:
        path = FOLDER / f"s{seed}.json"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write_json(path, evaluated(seed, work, run))
            print(f"stored {path.name}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]] or [0, 1, 2, 3, 4])
