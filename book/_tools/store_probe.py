"""Train encoders and probe them:

    python book/_tools/store_probe.py [--steps N] [--tiles FOLDER] [SEED ...]

For each seed (0 and 1 when none is given): the untrained encoder, ImageNet's EfficientNet-Lite0
and four losses under equal settings on the `mini` preset, all asked the same trials, on places
that no world has. With --tiles they are trained and probed on PhotoTowns of those tiles instead,
and stored in results/probe_photo. Each run is stored with its probe's report; what is stored
already is skipped. One thread a run, so that two seeds may be run side by side.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from dphr_lab import results
from dphr_lab._files import write_json
from dphr_lab.datasets import PhotoTowns, TwinTowns
from dphr_lab.models import Encoder
from dphr_lab.probe import StimulusSettings, make_stimuli, photo_stimuli, probe
from dphr_lab.settings import TWIN_TOWNS_MINI
from dphr_lab.settings.worlds import PRESETS, PhotoWorldSettings
from dphr_lab.training import fit

FOLDER, PHOTO_FOLDER = (Path(results.__file__).parent / n for n in ("probe", "probe_photo"))
RUNS = {
    "untrained": {"steps": 0},
    "imagenet": {"steps": 0, "backbone": "tf_efficientnet_lite0", "pretrained": "pypi"},
} | {loss: {"loss": loss} for loss in ("triplet", "infonce", "sharp_rda", "sharp")}
STIMULI = StimulusSettings()  # 200 places, seven doses, all kinds, seed 0


def main(seeds: list[int], steps: int, tiles: Path | None) -> None:
    folder, world = (FOLDER, "mini") if tiles is None else (PHOTO_FOLDER, "photo")
    stimuli = None
    for seed in seeds:
        missing = {
            path: {"steps": steps} | changes
            for name, changes in RUNS.items()
            if not (path := folder / results.run_name(world, name, seed)).exists()
        }
        if not missing:
            continue
        if tiles is None:
            stimuli = stimuli or make_stimuli(STIMULI)
            data = TwinTowns(replace(PRESETS["mini"], seed=seed))
        else:  # what no training place shows depends on the seed
            data = PhotoTowns(PhotoWorldSettings(str(tiles), gsd_m=0.3, seed=seed))
            stimuli = photo_stimuli(data.world)
        for path, changes in missing.items():
            settings = TWIN_TOWNS_MINI.changed(seed=seed, threads=1, **changes)
            with tempfile.TemporaryDirectory() as run_folder:
                run = fit(settings, data, Path(run_folder) / "run")
                encoder = Encoder.load(Path(run_folder) / "run")
            report = probe(encoder, stimuli, name=path.stem)
            write_json(path, run | {"probe": report.to_dict()})
            print(f"stored {path.name}\n{report}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", metavar="SEED")
    parser.add_argument("--steps", type=int, default=800, metavar="N", help="(default: 800)")
    parser.add_argument(
        "--tiles", type=Path, metavar="FOLDER", help="of aerial tiles, 0.3 m a pixel"
    )
    asked = parser.parse_args()
    main(asked.seeds or [0, 1], asked.steps, asked.tiles)
