"""`dphr matrix`: SUES-200, trained at each height and tested at all."""

from pathlib import Path

from dphr_lab.cli.flags import check_out, command, or_wrong_usage
from dphr_lab.cli.train import add_settings_flags, check_keywords, given_settings, recipe_settings
from dphr_lab.settings import Settings
from dphr_lab.settings.protocol import SUES200_HEIGHTS_M


def add(commands) -> None:
    parser = command(
        commands,
        "matrix",
        run,
        "SUES-200: train a model at each height and test each at all; goes on where it was cut",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="ROOT", help="SUES-200 on disk")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="runs, table and figure go here"
    )
    parser.add_argument(
        "--heights",
        type=int,
        nargs="+",
        choices=SUES200_HEIGHTS_M,
        metavar="N",
        help="these only, metres (default: all that are there)",
    )
    parser.add_argument(
        "--recipe", metavar="NAME", help="start from these settings (dphr recipes lists them)"
    )
    add_settings_flags(parser)


def run(args) -> int:
    given, origin = given_settings(args), {}
    if args.recipe:
        settings, origin = recipe_settings(args.recipe, given, height=SUES200_HEIGHTS_M[0])
    else:
        settings = or_wrong_usage(Settings, given)
    check_out("--out", args.out, folder=True)
    check_keywords(settings)

    from dphr_lab.studies.altitudes import altitude_matrix, tables

    heights_m = sorted(set(args.heights)) if args.heights else None
    matrix = altitude_matrix(
        args.data, settings, args.out, heights_m=heights_m, origin=origin, progress=True
    )
    print(f"\n{tables(matrix)}\n\nwrote {args.out / 'matrix.json'}, matrix.md and matrix.png")
    return 0
