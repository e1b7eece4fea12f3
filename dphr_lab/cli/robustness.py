"""`dphr robustness`: what weather, cameras and flights leave of an encoder's recall."""

from pathlib import Path

from dphr_lab.cli.flags import (
    FIGURE_SUFFIXES,
    ROTATIONS,
    WrongUsage,
    add_data_flags,
    add_encoder_flags,
    add_tta_flag,
    check_data_flags,
    check_encoder_flags,
    check_out,
    command,
    open_data,
    open_encoder,
    positive,
    stored_of_run,
    whole,
    write_reports,
)

CORRUPTIONS = ("fog", "rain", "snow", "dark", "over_exposure", "motion_blur", "noise", "jpeg",
               "low_resolution", "rotation", "scale", "occlusion")  # fmt: skip
# ^ of datasets.corruptions.CORRUPTIONS


def add(commands) -> None:
    parser = command(
        commands, "robustness", run, "measure what weather, cameras and turns leave of an encoder"
    )
    add_encoder_flags(parser)
    add_data_flags(parser)
    group = parser.add_argument_group("conditions, of the drone images")
    group.add_argument(
        "--corruptions", nargs="+", metavar="NAME", help=f"of {', '.join(CORRUPTIONS)}: all levels "
        "of each (default: all)",
    )  # fmt: skip
    group.add_argument(
        "--ten-weathers", action="store_true",
        help="the ten conditions of multi-weather studies instead: normal, fog, rain, snow, their "
        "pairs, dark, light, wind; our pixels, not theirs",
    )  # fmt: skip
    add_tta_flag(group)
    group.add_argument(
        "--queries", type=positive, default=500, metavar="N",
        help="drone images at most, evenly from all (default: 500)",
    )  # fmt: skip
    group.add_argument("--seed", type=whole, default=0, metavar="N", help="of what is drawn")
    parser.add_argument("--json", "--out", type=Path, metavar="FILE", help="JSON to write")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help=f"to write ({', '.join(FIGURE_SUFFIXES)})"
    )


def run(args) -> int:
    names = list(dict.fromkeys(args.corruptions or CORRUPTIONS))
    if unknown := [name for name in names if name not in CORRUPTIONS]:
        raise WrongUsage(f"--corruptions: {unknown[0]} is none of {', '.join(CORRUPTIONS)}")
    if args.ten_weathers and args.corruptions:
        raise WrongUsage("--ten-weathers and --corruptions exclude one another")
    if args.seed < 0:
        raise WrongUsage(f"--seed is {args.seed}; expected 0 or more")
    if args.figure and args.figure.suffix.lower() not in FIGURE_SUFFIXES:
        raise WrongUsage(f"--figure {args.figure}: expected a name in {', '.join(FIGURE_SUFFIXES)}")
    check_out("--json", args.json)
    check_out("--figure", args.figure)
    stored = stored_of_run(args)
    check_encoder_flags(args)
    check_data_flags(args, stored)
    encoder = open_encoder(args)
    data = open_data(args, stored)
    from dphr_lab.localization.robustness import measure_robustness
    from dphr_lab.results import environment

    found = measure_robustness(
        encoder, data, names, ten_weathers=args.ten_weathers, most_queries=args.queries,
        rotations=ROTATIONS.get(args.tta, 1), image_px=args.image_px, seed=args.seed, progress=True,
    )  # fmt: skip
    print(found)
    if args.figure:
        found.draw(args.figure)
        print(f"wrote {args.figure}")
    write_reports(args.json, found.to_dict() | environment.record())
    return 0
