"""`dphr reproduce`: a data set's published protocol, from training to a record of it."""

from pathlib import Path

from dphr_lab.cli.flags import WrongUsage, check_out, command
from dphr_lab.cli.train import add_settings_flags, check_keywords, given_settings, recipe_settings
from dphr_lab.settings.protocol import SUES200_HEIGHTS_M

RECIPE = {"university1652": "dphr-university1652", "sues200": "dphr-sues200"}  # of a protocol


def add(commands) -> None:
    parser = command(
        commands,
        "reproduce",
        run,
        "run a published protocol: train, refit on all places, evaluate in full; goes on if cut",
    )
    parser.add_argument("protocol", choices=tuple(RECIPE), help="the data set's")
    parser.add_argument("--data", type=Path, required=True, metavar="ROOT", help="the data on disk")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the record to write (.json)"
    )
    parser.add_argument(
        "--height",
        type=int,
        nargs="+",
        choices=SUES200_HEIGHTS_M,
        metavar="N",
        help="sues200: these only, a model each (default: all that are there)",
    )
    names = ", ".join(f"{recipe} for {name}" for name, recipe in RECIPE.items())
    parser.add_argument(
        "--recipe", metavar="NAME", help=f"another one (default: {names}; dphr recipes lists them)"
    )
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="for the runs (default: FILE's name + .runs)"
    )
    add_settings_flags(parser)


def run(args) -> int:
    if args.height and args.protocol != "sues200":
        raise WrongUsage("--height goes with sues200")
    if args.out.suffix != ".json":
        raise WrongUsage(f"--out {args.out}: expected a name in .json")
    heights_m = sorted(set(args.height)) if args.height else None
    recipe = args.recipe or RECIPE[args.protocol]
    settings, origin = recipe_settings(recipe, given_settings(args), height=SUES200_HEIGHTS_M[0])
    check_out("--out", args.out)
    check_out("--work", args.work or args.out.with_suffix(".runs"), folder=True)
    check_keywords(settings)

    from dphr_lab.results.real import table
    from dphr_lab.studies.reproduction import reproduce

    record = reproduce(
        args.protocol,
        args.data,
        settings,
        args.out,
        heights_m=heights_m,
        origin=origin,
        work=args.work,
    )
    if record:  # empty in all processes but the first
        print(f"\n{table([record])}\n\nwrote {args.out}")
    return 0
