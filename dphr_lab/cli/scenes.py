"""`dphr scenes`: render a world to disk."""

from functools import partial
from pathlib import Path

from dphr_lab._files import is_empty
from dphr_lab.cli.flags import (
    WORLD_FLAGS,
    WrongUsage,
    add_world_flags,
    check_out,
    command,
    flag,
    or_wrong_usage,
    positive,
    within,
    world_settings,
)
from dphr_lab.settings.protocol import SUES200_HEIGHTS_M
from dphr_lab.settings.worlds import PRESETS

PRESET_OF_LAYOUT = {"university1652": "mini", "sues200": "sues200"}  # what `scenes` starts from
# fields that a world of photographs takes from the preset, and flags that it does not have
SIZES = (
    "train_places",
    "test_places",
    "distractor_places",
    "family_size",
    "image_px",
    "drone_views",
)
OF_TOWNS = {"km": "km", "flights": "test_flights", "photos_a_flight": "photos"}
SIDE_M, TILE_PX = 120.0, 128  # of the tiles of --pairs, as dphr map build and pairs have them
TOWN_FLAGS = ("seed", "image_px", "weather", "texture")  # that towns share with worlds
NOT_OF_PHOTOS = ("twin_share", "twin_share_test", "texture")


def add(commands) -> None:
    parser = command(commands, "scenes", run, "render a Twin Towns world to disk")
    parser.add_argument("--out", type=Path, metavar="ROOT", help="folder to write, new or empty")
    parser.add_argument(
        "--layout",
        choices=tuple(PRESET_OF_LAYOUT),
        default="university1652",
        help="folders as in this data set (default: university1652)",
    )
    starts = ", ".join(f"{preset} for {layout}" for layout, preset in PRESET_OF_LAYOUT.items())
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), help=f"sizes to start from (default: {starts})"
    )
    parser.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="instead: a world of these aerial tiles"
    )
    parser.add_argument(
        "--gsd-m",
        type=within(0.001, 1000),
        metavar="X",
        help="with --photos: metres a pixel of the tiles",
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="processes; none: all cores")
    parser.add_argument(
        "--town", type=Path, metavar="ROOT", help="instead: one continuous town, a map and flights"
    )
    parser.add_argument(
        "--pairs", type=Path, metavar="ROOT",
        help="with --town: training pairs, too, cut from a second town of another seed",
    )  # fmt: skip
    parser.add_argument(
        "--km", type=within(0, 1e6), metavar="X", help="with --town: side of its map"
    )
    parser.add_argument(
        "--flights", type=positive, metavar="N", help="with --town: flights to locate (default: 6)"
    )
    parser.add_argument(
        "--photos-a-flight", type=positive, metavar="N", help="with --town (default: 40)"
    )
    parser.add_argument(
        "--estimate", action="store_true", help="print time and size, write nothing"
    )
    add_world_flags(parser.add_argument_group("changes to the preset"), prefix="")


def run(args) -> int:
    if args.town is not None:
        return _town(args)
    for name in (*OF_TOWNS, "pairs"):
        if getattr(args, name) is not None:
            raise WrongUsage(f"{flag(name)} goes with --town")
    if args.out is None and not args.estimate:
        raise WrongUsage("--out ROOT is needed, or --estimate")

    check_out("--out", args.out, folder=True)
    from dphr_lab import scenes

    sues200 = args.layout == "sues200"
    if sues200 and args.distractor_places is None:
        args.distractor_places = 0  # that layout has no place for them
    preset = args.preset or PRESET_OF_LAYOUT[args.layout]
    if (args.photos is None) != (args.gsd_m is None):
        raise WrongUsage("--photos FOLDER and --gsd-m X go together")
    if args.photos is None:
        world = scenes.make_world(world_settings(args, prefix="", preset=preset))
    else:
        world = _photo_world(args, preset)
        print(world.screening)
    flights = len(SUES200_HEIGHTS_M) if sues200 else 1
    print(scenes.estimate_world(world, workers=args.workers, flights=flights))
    if args.estimate:
        return 0
    write = scenes.write_sues200 if sues200 else scenes.write_university1652
    write(world, args.out, workers=args.workers)
    print(f"wrote {args.out}")
    return 0


def _town(args) -> int:
    """Write one continuous town."""
    from dphr_lab.settings.towns import TownSettings

    other = [n for n in ("out", "preset", "photos", "gsd_m") if getattr(args, n) is not None]
    other += [n for n in WORLD_FLAGS if getattr(args, n) is not None and n not in TOWN_FLAGS]
    if other or args.estimate:
        raise WrongUsage(f"{flag((other or ['estimate'])[0])} does not go with --town")
    names = OF_TOWNS | {n: n for n in TOWN_FLAGS} | {"image_px": "photo_px"}
    given = {
        field: getattr(args, name)
        for name, field in names.items()
        if getattr(args, name) is not None
    }
    settings = or_wrong_usage(TownSettings, given)
    check_out("--town", args.town, folder=True)
    check_out("--pairs", args.pairs, folder=True)
    if args.pairs and (not is_empty(args.pairs) or args.pairs.resolve() == args.town.resolve()):
        raise FileExistsError(f"--pairs: {args.pairs} holds something; give another, empty folder")
    from dphr_lab.scenes.continuous import write_town

    write_town(settings, args.town, workers=args.workers)
    print(
        f"wrote {args.town}: map_{settings.map_year}.tif, map_{settings.flight_year}.tif, flights"
    )
    if args.pairs:
        print(f"{_write_pairs(settings.for_training(), args)}\nwrote {args.pairs}")
    return 0


def _write_pairs(settings, args):
    """Training pairs of a town that is not kept; returns the report."""
    import tempfile

    from dphr_lab.localization.geomap import open_map
    from dphr_lab.localization.locate import photos_in
    from dphr_lab.localization.pairs import cut_pairs
    from dphr_lab.scenes.continuous import write_town

    with tempfile.TemporaryDirectory(prefix="dphr-town-") as folder:
        town = Path(folder) / "town"
        write_town(settings, town, workers=args.workers)
        photos = photos_in(sorted((town / "flights" / "test").iterdir()))
        geomap = open_map(town / f"map_{settings.map_year}.tif")
        return cut_pairs(geomap, photos, args.pairs, SIDE_M, TILE_PX)


def _photo_world(args, preset: str):
    """The world of photographs that the flags ask for."""
    from dphr_lab.scenes import photos

    given = {name: getattr(args, name) for name in WORLD_FLAGS if getattr(args, name) is not None}
    if useless := [name for name in NOT_OF_PHOTOS if name in given]:
        raise WrongUsage(f"{flag(useless[0])} does not go with --photos")
    sizes = {name: getattr(PRESETS[preset], name) for name in SIZES}
    make = partial(photos.PhotoWorldSettings, str(args.photos), args.gsd_m)
    return photos.make_photo_world(or_wrong_usage(make, sizes | given))
