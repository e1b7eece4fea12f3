"""`dphr prepare`: a copy of a data set with images of the size that training reads."""

from pathlib import Path

from dphr_lab.cli.flags import WrongUsage, check_out, command, positive


def add(commands) -> None:
    parser = command(
        commands,
        "prepare",
        run,
        "copy a data set with its images resized once, to be read faster",
    )
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="ROOT", help="the copy: a new or empty folder"
    )
    parser.add_argument(
        "--image-px",
        type=positive,
        default=384,
        metavar="N",
        help="side of the copy's images, pixels (default: 384)",
    )


def run(args) -> int:
    if args.image_px < 8:
        raise WrongUsage(f"--image-px is {args.image_px}; expected 8 or more pixels")

    check_out("--out", args.out, folder=True)
    from dphr_lab.datasets.preparation import prepare

    print(prepare(args.root, args.out, args.image_px, progress=True))
    return 0
