"""`dphr locate`: where photographs were taken, on a map that was built."""

from pathlib import Path

from dphr_lab.cli.flags import (
    FIGURE_SUFFIXES,
    WrongUsage,
    add_encoder_flags,
    check_encoder_flags,
    check_out,
    command,
    open_encoder,
)
from dphr_lab.cli.map import add_near_flags, add_pose_flags, locate_options


def add(commands) -> None:
    parser = command(commands, "locate", run, "find where photographs were taken on a map")
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO", help="files or folders")
    parser.add_argument(
        "--map", type=Path, required=True, metavar="FOLDER", help="that dphr map build wrote"
    )
    add_near_flags(parser)
    parser.add_argument(
        "--refine", action="store_true", help="match local features with the best ten candidates"
    )
    add_pose_flags(parser)
    add_output_flags(parser)
    add_encoder_flags(parser)


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


def run(args) -> int:
    check_encoder_flags(args)
    check_outputs(args)
    if (args.near is None) != (args.within is None):
        raise WrongUsage("--near LAT,LON and --within M go together")
    options = locate_options(args)
    from dphr_lab.localization.gallery import Gallery
    from dphr_lab.localization.locate import locate

    gallery = Gallery(args.map)
    found = locate(gallery, open_encoder(args), args.photos, options, progress=True)
    said = set()
    for answer in found:
        print(answer)
        for note in answer.notes:
            if note not in said:
                print(f"  note: {note}")
                said.add(note)
    print_errors(found)
    write_outputs(args, gallery, found, line=False)
    return 0


def print_errors(found) -> None:
    """Print the errors of all photographs, where several have a GPS position."""
    from dphr_lab.retrieval.positions import position_report

    known = [a for a in found if a.error_m is not None]
    if len(known) < 2:
        return
    radii = {0.5: [a.radius_50_m for a in known], 0.9: [a.radius_90_m for a in known]}
    flights = [a.path.parent.name for a in known]
    print(position_report([a.error_m for a in known], flights, radii, resamples=2000))
