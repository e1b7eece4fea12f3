"""Make the starter encoder again, and measure it:

    python book/_tools/train_starter.py train OUT TILES
    python book/_tools/train_starter.py choose OUT TILES
    python book/_tools/train_starter.py measure OUT TILES UNIVERSITY

TILES is a folder of aerial tiles of 0.3 m a pixel in folders by class, UNIVERSITY one in the layout
of University-1652. `train` fine-tunes ImageNet weights on rendered towns and on warps of the tiles
of eight classes; one that was stopped goes on. `choose` averages the weights with the ImageNet
start: the share is the best on a town of another seed and on a ninth class. Only then does
`measure` look at towns of unseen seeds, the last three classes and genuine photographs. The encoder
is written to dphr_lab/models/starter, numbers to dphr_lab/results/starter.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from dphr_lab import results
from dphr_lab._files import read_json, write_json
from dphr_lab._images import is_image_name, warped
from dphr_lab.datasets import FileImages, PhotoTowns, TwinTowns
from dphr_lab.datasets.dataset import CrossViewDataset
from dphr_lab.datasets.images import ChangedImages
from dphr_lab.datasets.rendered import Rendered
from dphr_lab.localization import score
from dphr_lab.models import Encoder, embed, save_tensors
from dphr_lab.models import encoder as encoder_file
from dphr_lab.results import environment
from dphr_lab.retrieval.intervals import bootstraps
from dphr_lab.retrieval.outcomes import query_outcomes
from dphr_lab.settings import Settings
from dphr_lab.settings.worlds import PhotoWorldSettings, WorldSettings
from dphr_lab.training import fit

RESULTS = Path(results.__file__).parent / "starter"
STARTER = Path(encoder_file.__file__).parent / "starter"
BACKBONE, IMAGE_PX, GSD_M = "tf_efficientnet_lite0", 128, 0.3
VALIDATION_CLASSES = ("parkinglot",)
TEST_CLASSES = ("buildings", "intersection", "mediumresidential")
TOWNS = {"weather": 1.0, "texture": 1.0, "image_px": IMAGE_PX, "drone_views": 8}
PHOTOS = {"weather": 1.0, "image_px": IMAGE_PX, "drone_views": 8, "family_size": 1}
SEEDS = {"train": 100, "validation": 101, "test": 102}
SETTINGS = Settings(
    backbone=BACKBONE, pretrained="pypi", image_px=IMAGE_PX, freeze_bn=True,
    loss="infonce", batch=24, steps=200, learning_rate=1e-3, backbone_rate=0.2,
    augmentation={
        "turn": 180, "jitter": 0.8, "brightness": 0.35, "contrast": 0.35, "saturation": 0.35,
        "erase": 0.1,
    },
    val_places=0, select="last", checkpoint_every=25, threads=1,
)  # fmt: skip
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the trained weights in the average


class Mixed(Rendered, CrossViewDataset):
    """Training places of several worlds, labelled anew so that no two share a label."""

    name = "rendered towns and photo-warps"
    root = None

    def __init__(self, worlds):
        train, first = {"drone": [], "satellite": []}, 0
        for world in worlds:
            pairs = world.train
            for view, kept in train.items():
                images = getattr(pairs, view)
                kept.append((images.images, images.places + first, images.families + first))
            first += 1 + int(max(pairs.place_ids.max(), pairs.families.max()))
        joined = {v: tuple(map(np.concatenate, zip(*parts, strict=True)))
                  for v, parts in train.items()}  # fmt: skip
        none = {v: tuple(column[:0] for column in columns) for v, columns in joined.items()}
        self._keep_images({"train": joined, "test": none, "distractors": none})


def towns(split: str, out: Path):
    """The rendered towns of a split."""
    places = {"train_places": 600} if split == "train" else {"test_places": 300}
    counts = {"train_places": 0, "test_places": 0, "distractor_places": 0} | places
    settings = WorldSettings(f"starter_{split}", **counts, **TOWNS, seed=SEEDS[split])
    return kept(out / f"towns_{split}.npz", lambda ready: TwinTowns(settings, rendered=ready))


def photos(split: str, tiles: Path, out: Path):
    """Photo-warps of the classes of a split: as many tiles as share no ground."""
    folder = linked(split, tiles, out)
    count = {"train": 540, "validation": 60, "test": 200}[split]
    places = {"train_places": 0, "test_places": 0, "distractor_places": 0}
    places |= {"train_places" if split == "train" else "test_places": count}
    settings = PhotoWorldSettings(folder, GSD_M, f"photos_{split}", **places, **PHOTOS,
                                  seed=SEEDS[split])  # fmt: skip
    return kept(out / f"photos_{split}.npz", lambda ready: PhotoTowns(settings, rendered=ready))


def linked(split: str, tiles: Path, out: Path) -> Path:
    """A folder with links to the tiles of a split's classes."""
    others = {"validation": VALIDATION_CLASSES, "test": TEST_CLASSES}
    held_out = sum(others.values(), ())
    wanted = others.get(split) or [
        p.name for p in sorted(tiles.iterdir()) if p.is_dir() and p.name not in held_out
    ]
    folder = out / f"tiles_{split}"
    for name in wanted:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for tile in files(tiles / name):
            if not (folder / name / tile.name).exists():
                (folder / name / tile.name).symlink_to(tile.resolve())
    return folder


def kept(path: Path, make):
    """A world whose images are kept in a file, since a stopped training needs them again."""
    columns = ("images", "places", "families")
    if path.exists():
        stored = np.load(path)
        return make({
            split: {view: tuple(stored[f"{split}/{view}/{name}"] for name in columns)
                    for view in ("drone", "satellite")}
            for split in ("train", "test", "distractors")
        })  # fmt: skip
    world = make(None)
    train = {v: getattr(world.train, v) for v in ("drone", "satellite")}
    sets = {"train": train}
    if world.has_test:
        drone, satellite = world.test("D2S")
        sets["test"] = {"drone": drone, "satellite": satellite}
    empty = {v: s.subset(np.arange(0)) for v, s in next(iter(sets.values())).items()}
    sets = {split: sets.get(split, empty) for split in ("train", "test", "distractors")}
    arrays = {}
    for split, views in sets.items():
        for view, s in views.items():
            row = (s.images[s.rows], s.places, s.families)
            arrays |= {f"{split}/{view}/{n}": a for n, a in zip(columns, row, strict=True)}
    np.savez(path, **arrays)
    return world


def train(out: Path, tiles: Path) -> None:
    """Fine-tune in OUT/run; a run that was stopped goes on."""
    worlds = [towns("train", out), photos("train", tiles, out)]
    for world in worlds:
        print(world.train)
    run = out / "run"
    fit(SETTINGS, Mixed(worlds), run, resume=(run / "checkpoints").exists(), evaluate_test=False)


def averaged(out: Path, share: float) -> Encoder:
    """(1 - share) ImageNet + share trained: of all weights and batch-norm statistics."""
    encoder, trained = imagenet(), Encoder.load(out / "run").state_dict()
    state = encoder.state_dict()
    encoder.load_state_dict({
        name: torch.lerp(value, trained[name], share) if value.is_floating_point() else value
        for name, value in state.items()
    })  # fmt: skip
    return encoder.eval()


def imagenet() -> Encoder:
    return Encoder(BACKBONE, pretrained="pypi", image_px=IMAGE_PX).eval()


def untrained() -> Encoder:
    torch.manual_seed(0)
    return Encoder(BACKBONE, image_px=IMAGE_PX).eval()


def choose(out: Path, tiles: Path) -> None:
    """Take the share that is best on validation places; write the encoder in float16."""
    worlds = {"towns": towns("validation", out), "photos": photos("validation", tiles, out)}
    sets, table = {name: world.test("D2S") for name, world in worlds.items()}, {}
    for share in SHARES:
        encoder = averaged(out, share)
        table[share] = {
            f"{name}_{how}": score_of(encoder, change(few(query, 2)), gallery)
            for name, (query, gallery) in sets.items()
            for how, change in HOW.items()
        }
        print(share, table[share])
    best = max(SHARES, key=lambda share: sum(table[share].values()))
    encoder = averaged(out, best)
    state = {n: v.half() if v.is_floating_point() else v for n, v in encoder.state_dict().items()}
    encoder.save(STARTER)
    save_tensors(state, STARTER / encoder_file.WEIGHTS_FILE)
    run = read_json(out / "run" / "result.json", "the result of a run")
    chosen = {"share": best, "validation_r_at_1": {str(s): row for s, row in table.items()}}
    recipe = {
        "towns": towns("validation", out).settings.to_dict() | {"seed": SEEDS, "train_places": 600},
        "photo_classes": {"validation": VALIDATION_CLASSES, "test": TEST_CLASSES},
        "settings": SETTINGS.to_dict(), "wall_s": run["wall_s"], "curves": run["curves"],
    }  # fmt: skip
    write_json(RESULTS / "training.json", {"recipe": recipe, "chosen": chosen}
               | environment.record())  # fmt: skip


def score_of(encoder, query, gallery) -> float:
    z = embed(encoder, query), embed(encoder, gallery)
    return round(score(z[0], query, z[1], gallery).r_at_1, 2)


def few(images, views: int):
    """`views` of the eight drone images of each place; all where a place has one image."""
    one_each = len(images) == len(np.unique(images.places))
    return images if one_each else images.subset(np.arange(0, len(images), 8 // views))


def turned(query):
    """The query images, each turned by an angle of its own, drawn from the full circle."""
    degrees = np.random.default_rng(0).uniform(0, 360, len(query))
    return ChangedImages(query, lambda pixels, index: warped(pixels, degrees[index]))


HOW = {"as_it_is": lambda query: query, "turned": turned}


def genuine(root: Path):
    """Drone images of every place that has them, and all satellite images that the folder has."""
    taken, satellite, drone = {}, [], []
    for folder in sorted(root.glob("t*/*satellite/*")):
        if folder.name not in taken:
            taken[folder.name] = len(taken)
            satellite += [(p, taken[folder.name]) for p in files(folder)[:1]]
    for folder in sorted(root.glob("train/drone/*")) + sorted(root.glob("test/query_drone/*")):
        drone += [(p, taken[folder.name]) for p in files(folder)]
    sets = [FileImages(v, *zip(*rows, strict=True))
            for v, rows in (("drone", drone), ("satellite", satellite))]  # fmt: skip
    return sets


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if is_image_name(p.name))


def measured(z_query, query, z_gallery, gallery) -> dict:
    """R@1, R@5, R@10 and AP in percent, each with its interval over places or families."""
    found = query_outcomes(z_query, query.places, z_gallery, gallery.places, "full",
                           query.families, gallery.families)  # fmt: skip
    rates = {f"r_at_{k}": 100 * found.hit(k).double() for k in (1, 5, 10)} | {"ap": 100 * found.ap}
    intervals = bootstraps(rates, found.groups)
    row = {name: [round(v, 2) for v in (i.estimate, i.low, i.high)]
           for name, i in intervals.items()}  # fmt: skip
    return row | {"queries": len(query), "gallery": len(gallery), "drawn_again":
                  f"{intervals['ap'].groups} {found.unit}"}  # fmt: skip


def measure(out: Path, tiles: Path, university: Path, *only: Path) -> None:
    """All encoders on all three test sets, both directions, turned and as they are.

    What OUT holds of an earlier call is not measured again; `only` names encoders to measure now.
    """
    sets = {
        "towns": lambda: [few(s, 4) for s in towns("test", out).test("D2S")],
        "photos": lambda: [few(s, 4) for s in photos("test", tiles, out).test("D2S")],
        "university": lambda: genuine(university),
    }
    encoders = {"starter": lambda: Encoder.load("starter"), "imagenet": imagenet,
                "untrained": untrained}  # fmt: skip
    wanted = [str(name) for name in only] or list(encoders)
    for name, open_set in sets.items():
        rows = {}
        for who in wanted:
            path = out / f"measured_{name}_{who}.json"
            if not path.exists():
                write_json(path, measured_both_ways(encoders[who](), *open_set()))
            rows[who] = read_json(path, "a measurement")
            print(name, who, rows[who])
        if only:
            continue
        table = {
            way: {how: {who: rows[who][way][how] for who in rows} for how in HOW}
            for way in ("D2S", "S2D")
        }
        record = {"set": name, "image_px": IMAGE_PX, "seeds": SEEDS, "table": table}
        write_json(RESULTS / f"{name}.json", record | environment.record())


def measured_both_ways(encoder, drone, satellite) -> dict:
    """{direction: {turned or not: rates}} of one encoder; queries have a place in the gallery."""
    plain = {s.view: embed(encoder, s, IMAGE_PX) for s in (drone, satellite)}
    table = {}
    for direction, query, gallery in (("D2S", drone, satellite), ("S2D", satellite, drone)):
        asked = np.flatnonzero(np.isin(query.places, gallery.places))
        query, table[direction] = query.subset(asked), {}
        for how, change in HOW.items():
            z = plain[query.view][asked]
            z = z if how == "as_it_is" else embed(encoder, change(query), IMAGE_PX)
            table[direction][how] = measured(z, query, plain[gallery.view], gallery)
    return table


if __name__ == "__main__":
    what, out, *folders = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    {"train": train, "choose": choose, "measure": measure}[what](Path(out), *map(Path, folders))
