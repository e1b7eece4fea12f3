"""Run and store chapter 06's evidence:  python book/_tools/store_runs.py [SEED ...]

Three seeds; a seed changes the world, the initialisation and the sampler. Four runs a seed on the
`mini` preset: the untrained encoder and three losses under equal settings. What is stored already
is skipped. About five minutes a seed on two cores.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from dphr_lab import results
from dphr_lab._files import write_json
from dphr_lab.datasets import TwinTowns
from dphr_lab.scenes import PRESETS
from dphr_lab.settings import TWIN_TOWNS_MINI
from dphr_lab.training import fit

FOLDER = Path(results.__file__).parent / "chapter06"
RUNS = {"untrained": {"steps": 0}} | {
    loss: {"loss": loss} for loss in ("triplet", "infonce", "dphr")
}


def main(seeds: list[int]) -> None:
    for seed in seeds:
        missing = {
            path: changes
            for name, changes in RUNS.items()
            if not (path := FOLDER / results.run_name("mini", name, seed)).exists()
        }
        if not missing:
            continue
        data = TwinTowns(replace(PRESETS["mini"], seed=seed))
        for path, changes in missing.items():
            settings = TWIN_TOWNS_MINI.changed(seed=seed, threads=2, **changes)
            with tempfile.TemporaryDirectory() as folder:
                write_json(path, fit(settings, data, Path(folder) / "run"))
            print("stored", path.name, flush=True)


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [0, 1, 2])
