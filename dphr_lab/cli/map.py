"""`dphr map`: a georeferenced map becomes a gallery that photographs are located on."""

from pathlib import Path

from dphr_lab.cli.flags import (
    WrongUsage,
    add_encoder_flags,
    add_pose_flags,
    check_encoder_flags,
    check_out,
    command,
    locate_options,
    open_encoder,
    positive,
    print_passed_over,
    within,
)

INDEX_KINDS = ("auto", "exact", "ivfpq")


def add(commands) -> None:
    parser = command(commands, "map", run, "build, calibrate or check a map to locate on")
    steps = parser.add_subparsers(metavar="STEP", dest="step", required=True)
    _add_build(steps)
    _add_calibrate(steps)
    _add_pairs(steps)
    _add_check(steps)


def run(args) -> int:
    return {"build": _build, "calibrate": _calibrate, "pairs": _pairs, "check": _check}[args.step](
        args
    )


def add_map_flags(parser) -> None:
    """Add what says which map, and how its files are to be read."""
    parser.add_argument(
        "map", type=Path, metavar="MAP", help="GeoTIFF, VRT, image with world file, CSV of corners "
        "or a folder of GeoTIFFs or of z/x/y tiles",
    )  # fmt: skip
    parser.add_argument("--crs", metavar="EPSG:N", help="of a map that does not say its own")
    parser.add_argument(
        "--tms", action="store_true", default=None, help="z/x/y tiles whose rows count from south"
    )


def _open_map(args):
    from dphr_lab.localization.geomap import open_map, sheets_passed_over

    for path in (others := sheets_passed_over(args.map))[:1]:
        print(f"note: {len(others)} images in {args.map} are no sheets of the map, such as "
              f"{path.name}: a folder's sheets are GeoTIFFs and VRTs")  # fmt: skip
    return open_map(args.map, args.crs, args.tms)


def _add_build(steps) -> None:
    parser = steps.add_parser("build", help="embed all tiles of a map; a stopped build goes on")
    add_map_flags(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="to write")
    parser.add_argument(
        "--side-m",
        type=within(0, 1e6),
        default=120.0,
        metavar="X",
        help="side of a tile (default: 120)",
    )
    parser.add_argument(
        "--stride-m",
        type=within(0, 1e6),
        default=30.0,
        metavar="X",
        help="between tiles (default: 30)",
    )
    parser.add_argument(
        "--min-known", type=within(0, 1), default=0.5, metavar="X",
        help="share of a tile that must not be nodata (default: 0.5)",
    )  # fmt: skip
    parser.add_argument(
        "--index", default="auto", metavar="KIND",
        help="auto, exact, ivfpq, or milvus://HOST:PORT or milvus://FILE.db (default: auto)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=("threads", "ray"), default="threads", help="(default: threads)"
    )
    parser.add_argument(
        "--flights", type=Path, nargs="+", metavar="FOLDER",
        help="calibrate on these held-out flights at once, as dphr map calibrate does",
    )  # fmt: skip
    add_encoder_flags(parser)


def _build(args) -> int:
    check_encoder_flags(args)
    check_out("--out", args.out, folder=True)
    if not (args.side_m > 0 and args.stride_m > 0 and 0 < args.min_known <= 1):
        raise WrongUsage("--side-m and --stride-m must be above 0, --min-known above 0, at most 1")
    if args.index not in INDEX_KINDS and not args.index.startswith("milvus://"):
        kinds = ", ".join(INDEX_KINDS)
        raise WrongUsage(f"--index {args.index}: expected {kinds} or milvus://…")
    geomap = _open_map(args)
    print(geomap)
    if args.engine == "ray":  # whose machines need not have ONNX Runtime, nor see the file
        args.no_onnx = True
    encoder = open_encoder(args)
    px = args.image_px or encoder.image_px
    if args.side_m / px < geomap.gsd_m / 2:
        print(
            f"note: a tile's pixel shows {args.side_m / px:.2f} m, the map's {geomap.gsd_m:.2f} m"
        )
    from dphr_lab.localization.gallery import build_gallery

    gallery = build_gallery(
        geomap, encoder, args.out, source=str(args.map), crs=args.crs, tms=args.tms,
        side_m=args.side_m, stride_m=args.stride_m, image_px=args.image_px,
        min_known=args.min_known, index=args.index, engine=args.engine, progress=True,
    )  # fmt: skip
    index = gallery.record["index"]
    recall = "" if index["kind"] == "exact" else f", recall@10 {100 * index['recall_at_10']:.1f} %"
    print(f"{len(gallery):,} tiles, {index['kind']} index{recall}\nwrote {args.out}")
    if args.flights:
        from dphr_lab.localization.locate import AS_FILES_SAY

        _calibrate_on(gallery, encoder, args.flights, AS_FILES_SAY)
    return 0


def _add_calibrate(steps) -> None:
    parser = steps.add_parser(
        "calibrate", help="fit error radii on held-out flights with known positions"
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="that dphr map build wrote")
    parser.add_argument(
        "--flights", type=Path, nargs="+", required=True, metavar="FOLDER",
        help="a folder a flight; its odometry.csv is used where there is one",
    )  # fmt: skip
    parser.add_argument("--refine", action="store_true", help="fit radii of refined positions, too")
    add_pose_flags(parser)
    add_encoder_flags(parser)


def _calibrate(args) -> int:
    check_encoder_flags(args)
    options = locate_options(args)
    from dphr_lab.localization.gallery import Gallery

    gallery = Gallery(args.folder)
    encoder = open_encoder(args, gallery.settings.image_px)
    _calibrate_on(gallery, encoder, args.flights, options)
    return 0


def _calibrate_on(gallery, encoder, flights, options) -> None:
    """Fit, store and print what scores mean on a map."""
    from dphr_lab._locks import only_writer
    from dphr_lab.localization.track import calibrate_flights

    print_passed_over(flights)
    with only_writer(gallery.folder):
        fitted = calibrate_flights(gallery, encoder, flights, options, True)
    for name, found in fitted.items():
        print(
            f"heading {name}: {found.photographs} photographs of {found.flights} flights; "
            f"temperature {found.temperature:.4f}, scores say nothing in {100 * found.share:.0f} %"
        )
    print(f"wrote {gallery.folder / 'calibration.json'}")


def _add_pairs(steps) -> None:
    parser = steps.add_parser("pairs", help="cut training pairs from a map and flights over it")
    add_map_flags(parser)
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTOS", help="files or folders")
    parser.add_argument("--out", type=Path, required=True, metavar="ROOT", help="to write")
    parser.add_argument(
        "--side-m", type=within(0, 1e6), default=120.0, metavar="X", help="(default: 120)"
    )
    parser.add_argument(
        "--image-px", type=positive, default=128, metavar="N", help="(default: 128)"
    )
    parser.add_argument(
        "--ground-m", type=within(-1000, 10_000), metavar="X", help="of the ground above the sea"
    )
    parser.add_argument(
        "--turned", type=positive, default=1, metavar="N",
        help="write each photograph N times, turned by even steps (default: 1, north up)",
    )  # fmt: skip
    parser.add_argument(
        "--test-share",
        type=within(0, 1),
        default=0.2,
        metavar="X",
        help="of the places (default: 0.2)",
    )


def _pairs(args) -> int:
    check_out("--out", args.out, folder=True)
    if not (args.side_m > 0 and 0 <= args.test_share < 1):
        raise WrongUsage("--side-m must be above 0, --test-share 0 or more and below 1")
    from dphr_lab.localization.locate import photos_in
    from dphr_lab.localization.pairs import cut_pairs

    print_passed_over(args.photos)
    report = cut_pairs(
        _open_map(args), photos_in(args.photos), args.out, args.side_m, args.image_px,
        args.test_share, args.ground_m, args.turned,
    )  # fmt: skip
    print(f"{report}\nwrote {args.out}")
    return 0


def _add_check(steps) -> None:
    parser = steps.add_parser("check", help="say what a map and photographs have and lack")
    add_map_flags(parser)
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTOS", help="files or folders")
    parser.add_argument(
        "--ground-m", type=within(-1000, 10_000), metavar="X", help="of the ground above the sea"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="picture of both to write")


def _check(args) -> int:
    check_out("--out", args.out)
    from dphr_lab.localization.locate import photos_in
    from dphr_lab.localization.pairs import check_map, draw_check

    geomap = _open_map(args)
    found = check_map(geomap, photos_in(args.photos), args.ground_m)
    print(found)
    print_passed_over(args.photos)
    if args.out:
        draw_check(geomap, found, args.out)
        print(f"wrote {args.out}")
    return 1 if found.faults else 0
