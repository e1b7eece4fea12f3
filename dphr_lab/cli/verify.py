"""`dphr verify`: check a data set."""

from pathlib import Path

from dphr_lab.cli.flags import command
from dphr_lab.settings.protocol import SUES200_HEIGHTS_M


def add(commands) -> None:
    parser = command(commands, "verify", run, "check a data set on disk")
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument("--deep", action="store_true", help="decode every image, look for copies")
    parser.add_argument(
        "--published", action="store_true", help="counts off the published ones are a fault"
    )
    parser.add_argument(
        "--height", type=int, choices=SUES200_HEIGHTS_M, help="SUES-200: this height only, metres"
    )


def run(args) -> int:
    from dphr_lab.datasets import verify

    report = verify(
        args.root,
        deep=args.deep,
        published=args.published,
        height=args.height,
        progress=args.deep,
    )
    print(report)
    return 0 if report.ok else 1
