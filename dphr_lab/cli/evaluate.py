"""`dphr evaluate`: score an encoder or features."""

from pathlib import Path

from dphr_lab.cli.flags import (
    ROTATIONS,
    WORLD_FLAGS,
    WrongUsage,
    add_data_flags,
    add_encoder_flags,
    add_tta_flag,
    check_data_flags,
    check_encoder_flags,
    check_out,
    command,
    flag,
    open_data,
    open_encoder,
    print_reports,
    stored_of_run,
    write_reports,
)


def add(commands) -> None:
    parser = command(
        commands, "evaluate", run, "score an encoder, or anyone's features, on a test set"
    )
    which = add_encoder_flags(parser)
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
    add_data_flags(parser)
    parser.add_argument(
        "--direction",
        choices=("D2S", "S2D", "both"),
        help="drone → satellite (localisation), satellite → drone (navigation) (default: "
        "those that the test half is for)",
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
    add_tta_flag(parser)
    parser.add_argument(
        "--json", "--out", type=Path, metavar="FILE", help="write the reports here, too"
    )


def run(args) -> int:
    if args.features:
        return _evaluate_features(args)
    check_out("--json", args.json)
    if args.compare:
        raise WrongUsage("--compare goes with --features")
    stored = stored_of_run(args)
    check_encoder_flags(args)
    check_data_flags(args, stored)
    encoder = open_encoder(args)
    from dphr_lab.localization import evaluate_modes

    data = open_data(args, stored)
    print(data.summary())
    modes = _gallery_modes(args.gallery_mode or "full")
    reports = {mode: {} for mode in modes}
    for direction in _directions(args.direction, data):
        query, gallery = data.test(direction)
        found = evaluate_modes(
            encoder,
            query,
            gallery,
            modes,
            image_px=args.image_px,
            flip_tta=args.flip_tta,
            rotations=ROTATIONS.get(args.tta, 1),
            progress=True,
        )
        for mode, report in found.items():
            reports[mode][direction] = report.to_dict()
            print_reports({direction: report.to_dict()})
    write_reports(args.json, reports)
    return 0


def _directions(asked: str | None, data) -> tuple[str, ...]:
    """The directions to measure: without a wish those that the test half is for."""
    from dphr_lab.settings.protocol import DIRECTIONS

    if asked in DIRECTIONS:
        return (asked,)
    there = data.directions
    if asked == "both" or not there:  # what is missing is said where it is read
        return tuple(DIRECTIONS)
    for direction in sorted(DIRECTIONS.keys() - set(there)):
        print(f"note: no {direction}: the test half has no queries or no gallery for it")
    return there


def _evaluate_features(args) -> int:
    others = ("data", "world", "height", "direction", "pretrained", "image_px", "device", "tta")
    for name in (*others, *(f"world_{n}" for n in WORLD_FLAGS)):
        if getattr(args, name) is not None:
            raise WrongUsage(f"{flag(name)} does not go with --features")
    if args.flip_tta:
        raise WrongUsage("--flip-tta does not go with --features, which are made already")

    check_out("--json", args.json)
    from dphr_lab.retrieval import evaluate_files

    modes = _gallery_modes(args.gallery_mode or "both")
    scores = evaluate_files(args.features, args.compare, modes, lambda line: print(f"note: {line}"))
    print(scores)
    write_reports(args.json, scores.to_dict())
    return 0


def _gallery_modes(mode: str) -> tuple[str, ...]:
    return ("full", "query_places") if mode == "both" else (mode,)
