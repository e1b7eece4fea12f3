"""`dphr track`: a flight's photographs as a track on a map."""

from pathlib import Path

from dphr_lab.cli.flags import (
    add_encoder_flags,
    add_near_flags,
    add_output_flags,
    add_pose_flags,
    check_encoder_flags,
    check_outputs,
    command,
    locate_options,
    open_encoder,
    or_wrong_usage,
    print_errors,
    print_passed_over,
    within,
    write_outputs,
)


def add(commands) -> None:
    parser = command(commands, "track", run, "follow a flight's photographs over a map")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="photographs of one flight")
    parser.add_argument(
        "--map", type=Path, required=True, metavar="FOLDER", help="that dphr map build wrote"
    )
    parser.add_argument(
        "--odometry", type=Path, metavar="CSV",
        help="photo, east_m, north_m: metres since the photograph before",
    )  # fmt: skip
    parser.add_argument(
        "--speed-m-s", type=within(0, 10_000), default=15.0, metavar="X",
        help="the drone's at most, where there is no odometry (default: 15)",
    )  # fmt: skip
    parser.add_argument(
        "--interval-s",
        type=within(0, 1e6),
        metavar="X",
        help="between photographs that say no time",
    )
    parser.add_argument(
        "--live", action="store_true", help="only what was seen so far, as in the air"
    )
    add_near_flags(parser)
    add_pose_flags(parser)
    add_output_flags(parser)
    add_encoder_flags(parser)


def run(args) -> int:
    check_encoder_flags(args)
    check_outputs(args)
    asked = locate_options(args)
    from dphr_lab.localization.gallery import Gallery
    from dphr_lab.localization.track import TrackOptions, read_odometry, track

    odometry = None
    if args.odometry is not None:
        if not args.odometry.is_file():
            raise FileNotFoundError(f"--odometry: no such file {args.odometry}")
        odometry = read_odometry(args.odometry)
    options = or_wrong_usage(TrackOptions, dict(
        odometry=odometry, speed_m_s=args.speed_m_s, interval_s=args.interval_s,
        smooth=not args.live,
    ))  # fmt: skip
    gallery = Gallery(args.map)
    print_passed_over([args.folder])
    found = track(
        gallery,
        open_encoder(args, gallery.settings.image_px),
        args.folder,
        options,
        asked,
        progress=True,
    )
    print(found)
    print_errors(found.best)
    write_outputs(args, gallery, found.best, line=True)
    return 0
