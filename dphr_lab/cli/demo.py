"""`dphr demo`: a photograph, a few tiles, a ranked list; nothing is downloaded."""

from pathlib import Path

from dphr_lab.cli.flags import FIGURE_SUFFIXES, WrongUsage, check_out, command


def add(commands) -> None:
    parser = command(
        commands, "demo", run, "rank the tiles of a small rendered town for a photograph"
    )
    parser.add_argument(
        "--photo", type=Path, metavar="FILE", help="yours (default: a rendered one)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("dphr_demo.png"), metavar="FILE",
        help=f"strip picture to write ({', '.join(FIGURE_SUFFIXES)}) (default: dphr_demo.png)",
    )  # fmt: skip
    parser.add_argument("--page", type=Path, metavar="OUT.html", help="write one offline page, too")


def run(args) -> int:
    if args.out.suffix.lower() not in FIGURE_SUFFIXES:
        raise WrongUsage(f"--out {args.out}: expected a name in {', '.join(FIGURE_SUFFIXES)}")
    if args.page and args.page.suffix.lower() not in (".html", ".htm"):
        raise WrongUsage(f"--page {args.page}: expected a name that ends in .html")
    if args.photo and not args.photo.is_file():
        raise FileNotFoundError(f"--photo: found no file {args.photo}; expected an image file")
    check_out("--out", args.out)
    check_out("--page", args.page)
    print("loading the starter encoder …", flush=True)
    from dphr_lab.localization.demo import run_demo, write_page
    from dphr_lab.models.starter import note

    found = run_demo(args.photo, progress=True)
    print(found)
    print(f"note: {note()}")
    found.draw(args.out)
    print(f"wrote {args.out}")
    if args.page:
        write_page(found, args.page, note())
        print(f"wrote {args.page}")
    return 0
