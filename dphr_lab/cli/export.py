"""`dphr export`: an encoder as one ONNX file, checked against itself."""

from pathlib import Path

from dphr_lab._files import replace_when_done
from dphr_lab.cli.flags import (
    WrongUsage,
    add_data_flags,
    add_encoder_flags,
    check_data_flags,
    check_encoder_flags,
    check_out,
    command,
    open_data,
    open_encoder,
    stored_of_run,
)

CHECKED = 128  # images that both encoders embed
FITTED = 128  # images of each view that 8-bit scales are fitted on
LARGEST = 1e-3  # difference of a number of an embedding, in full precision


def add(commands) -> None:
    parser = command(
        commands, "export", run, "write an encoder as ONNX, which the other commands read"
    )
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help=".onnx to write")
    parser.add_argument(
        "--int8", action="store_true", help="8-bit weights and activations, fitted on the data"
    )
    add_encoder_flags(parser, by_onnx=False)
    add_data_flags(parser)


def run(args) -> int:
    if args.onnx.suffix != ".onnx":
        raise WrongUsage(f"--onnx {args.onnx}: expected a name that ends in .onnx")
    if args.run_folder and args.run_folder.suffix == ".onnx":
        raise WrongUsage(f"--run {args.run_folder} is exported already; give the run itself")
    check_out("--onnx", args.onnx)
    check_encoder_flags(args)
    stored = stored_of_run(args)
    check_data_flags(args, stored)
    encoder = open_encoder(args)
    data = open_data(args, stored)
    query, gallery = data.test(data.directions[0] if data.directions else "D2S")
    fitted = None
    if args.int8:
        fitted, whose = _fitted_on(data, (query, gallery))
        print(f"fitting 8-bit scales on {len(fitted)} images of the {whose}")
    with replace_when_done(args.onnx) as aside:  # an older file stays where this one is refused
        exported = _checked(args, encoder, aside, fitted, query)
        if args.int8:
            _print_recall({"PyTorch": encoder, "8 bits": exported}, query, gallery, args.image_px)
    size = args.onnx.stat().st_size / 1e6
    print(f"wrote {args.onnx} ({size:.1f} MB, {exported.image_px} px, {exported.width} numbers)")
    return 0


def _checked(args, encoder, path: Path, fitted, query):
    """The encoder as written to `path`; raises ValueError where it differs from itself."""
    from dphr_lab.models import export
    from dphr_lab.models.onnx_export import difference

    exported = export(encoder, path, args.image_px, fitted)
    rows = range(0, len(query), max(1, len(query) // CHECKED))
    largest = difference(encoder, exported, query.subset(list(rows)))
    print(f"largest difference to PyTorch on {len(rows)} images: {largest:.1e}")
    if not args.int8 and largest > LARGEST:
        raise ValueError(
            f"{args.onnx}: not written, its embeddings differ from PyTorch's by {largest:.1e}; "
            f"expected at most {LARGEST:.0e}; do the versions of torch and onnxruntime go together?"
        )
    return exported


def _fitted_on(data, test):
    """(images of both views, which half): of the training places where there are any."""
    from dphr_lab.datasets.images import JoinedImages

    half = "training places" if data.has_train else "test places, which the recall below then knows"
    sets = (data.train.drone, data.train.satellite) if data.has_train else test
    few = [s.subset(list(range(0, len(s), max(1, len(s) // FITTED)))[:FITTED]) for s in sets]
    return JoinedImages(few), half


def _print_recall(encoders, query, gallery, image_px) -> None:
    from dphr_lab.localization import evaluate_images

    way = f"{query.view} → {gallery.view}"
    for name, encoder in encoders.items():
        report = evaluate_images(encoder, query, gallery, image_px=image_px, progress=True)
        low, high = (report.intervals or {}).get("r_at_1", (float("nan"),) * 2)
        print(f"  {name:8s} {way} R@1 {report.r_at_1:.2f} ({low:.2f} to {high:.2f})")
