"""Store chapter 11's matrix: Twin Towns as SUES-200, trained at each height, tested at all:

    python book/_tools/store_altitudes.py WORK [SEED ...]

And the scale test: each model asked again with the images of every greater height cut to the ground
that its own height sees, at full resolution and with no more pixels than the whole image had. One
file a seed in dphr_lab/results/altitudes; what is stored is skipped. The world (27 MB) and the runs
lie in WORK, where a call that was cut goes on. About four minutes of one core a seed.
"""

import sys
from dataclasses import replace
from pathlib import Path

from dphr_lab import results, scenes
from dphr_lab._files import write_json
from dphr_lab.datasets.preparation import prepare
from dphr_lab.settings.recipes import RECIPES
from dphr_lab.studies.altitudes import altitude_matrix, same_ground

FOLDER = Path(results.__file__).parent / "altitudes"
# No twins: places differ as they like, so that altitude is what is varied. Rendered at twice the
# size that is trained on, so that the middle half of an image is still at full resolution.
WORLD = replace(scenes.PRESETS["sues200"], image_px=128, drone_views=3, weather=0.0, family_size=1)
TRAINED_PX = 64
RECIPE, CHANGES = "twin-towns-sues200", {"steps": 200, "threads": 1}


def trained(work: Path, seed: int) -> tuple[Path, Path, dict]:
    """(the world's folder, that of the runs, the matrix) of a seed; what `work` has is kept."""
    root = work / f"towns-{seed}"
    if not root.exists():
        world = scenes.make_world(replace(WORLD, seed=seed))
        scenes.write_sues200(world, root, workers=1, progress=False)
    small = prepare(root, work / f"small-{seed}", TRAINED_PX).root
    recipe = RECIPES[RECIPE]
    settings = recipe.settings(seed=seed, **CHANGES)
    origin = {"recipe": {"name": RECIPE, "overridden": recipe.overridden(settings)}}
    out = work / f"matrix-{seed}"
    return root, out, altitude_matrix(small, settings, out, origin=origin)


def main(work: Path, seeds: list[int]) -> None:
    for seed in seeds:
        path = FOLDER / f"s{seed}.json"
        if path.exists():
            continue
        root, out, matrix = trained(work, seed)
        matrix["data"] |= {"world": replace(WORLD, seed=seed).to_dict()}
        matrix["same_ground"] = same_ground(root, out, matrix["heights_m"], sharp=True)
        matrix["same_ground_coarse"] = same_ground(root, out, matrix["heights_m"], sharp=False)
        write_json(path, matrix)
        print(f"stored {path.name}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]] or [0])
