"""`dphr search`: find the places of images."""

from pathlib import Path

from dphr_lab.cli.flags import (
    FIGURE_SUFFIXES,
    ROTATIONS,
    WrongUsage,
    add_encoder_flags,
    add_tta_flag,
    check_encoder_flags,
    check_out,
    command,
    open_encoder,
    positive,
    print_passed_over,
)

VIEWS = ("drone", "satellite")


def add(commands) -> None:
    parser = command(commands, "search", run, "find the places of images in a folder")
    add_encoder_flags(parser)
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
        "--top", type=positive, default=10, metavar="N", help="matches of a query (default: 10)"
    )
    add_tta_flag(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"figure to write ({', '.join(FIGURE_SUFFIXES)})"
    )


def run(args) -> int:
    if args.out and args.out.suffix.lower() not in FIGURE_SUFFIXES:
        raise WrongUsage(f"--out {args.out}: expected a name in {', '.join(FIGURE_SUFFIXES)}")
    check_encoder_flags(args)
    check_out("--out", args.out)
    encoder = open_encoder(args)
    from dphr_lab.localization import search_images

    print_passed_over([args.gallery], below=True)
    found = search_images(
        encoder,
        args.query,
        args.gallery,
        top=args.top,
        query_view=args.query_view,
        image_px=args.image_px,
        rotations=ROTATIONS.get(args.tta, 1),
        progress=True,
    )
    print(found)
    if args.out:
        found.draw(args.out)
        print(f"wrote {args.out}")
    return 0
