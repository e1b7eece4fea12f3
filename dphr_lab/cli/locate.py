"""`dphr locate`: where photographs were taken, on a map that was built."""

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
    print_errors,
    print_passed_over,
    write_outputs,
)


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


def run(args) -> int:
    check_encoder_flags(args)
    check_outputs(args)
    options = locate_options(args)
    from dphr_lab.localization.gallery import Gallery
    from dphr_lab.localization.locate import locate

    gallery = Gallery(args.map)
    print_passed_over(args.photos)
    encoder = open_encoder(args, gallery.settings.image_px)
    found = locate(gallery, encoder, args.photos, options, progress=True)
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
