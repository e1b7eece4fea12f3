"""`dphr train`: train an encoder."""

import argparse
import types
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from dphr_lab.cli.flags import (
    METAVARS,
    WrongUsage,
    add_data_flags,
    check_data_flags,
    command,
    flag,
    of_flags,
    open_data,
    pair,
    print_reports,
    stored_run,
)
from dphr_lab.settings import LOSSES, Settings


def add(commands) -> None:
    parser = command(
        commands,
        "train",
        run,
        "train an encoder and evaluate it",
        epilog="losses: " + "; ".join(f"{name} = {what}" for name, what in LOSSES.items()),
    )
    add_data_flags(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="RUN", help="run folder to make")
    where.add_argument(
        "--resume", type=Path, metavar="RUN", help="run folder to go on with, as it was started"
    )
    group = parser.add_argument_group("settings")
    hints = get_type_hints(Settings)
    for option in fields(Settings):
        if "help" in option.metadata:
            default = "none" if option.default is None else option.default
            kind = _plain_type(hints[option.name])
            if kind is bool:  # given or not
                value = {"action": "store_true", "help": option.metadata["help"]}
            else:
                text = f"{option.metadata['help']} (default: {default})"
                value = {"type": kind, "metavar": METAVARS[kind], "help": text}
            group.add_argument(flag(option.name), default=argparse.SUPPRESS, **value)
    named = {"nargs": "+", "type": pair, "metavar": "NAME=VALUE", "default": argparse.SUPPRESS}
    group.add_argument("--loss-options", help="keywords of the loss's class", **named)
    which = group.add_mutually_exclusive_group()
    which.add_argument("--augmentation", help="keywords of datasets.Augmentation", **named)
    which.add_argument(
        "--no-augmentation",
        dest="augmentation",
        action="store_const",
        const=None,
        default=argparse.SUPPRESS,
        help="the images as they are",
    )


def run(args) -> int:
    given = {f.name: getattr(args, f.name) for f in fields(Settings) if hasattr(args, f.name)}
    for name in ("loss_options", "augmentation"):
        if given.get(name) is not None:
            given[name] = dict(given[name])
    stored = None
    if args.resume:
        if given or args.data or args.world or args.height:
            raise WrongUsage("--resume takes settings and data from the run; give nothing else")
        stored = stored_run(args.resume)
        settings = Settings.from_dict(stored["settings"])
    else:
        settings = of_flags(Settings, given)
        if (args.out / "settings.json").exists():  # said by `fit`, too, after the data is there
            raise FileExistsError(
                f"--out: found another run in {args.out}; go on with it "
                f"(dphr train --resume {args.out}) or give another folder"
            )
    check_data_flags(args, stored)

    from dphr_lab.training import fit

    data = open_data(args, stored)
    print(data.summary())
    folder = args.resume or args.out
    result = fit(settings, data, folder, resume=bool(args.resume))
    if result:  # empty in all processes but the first
        print_reports(result["report"])
        print(f"\nrun folder: {folder} ({result['wall_s']:.0f} s of training)")
    return 0


def _plain_type(hint: Any) -> type:
    """int for `int | None`, and so on."""
    if get_origin(hint) is types.UnionType:
        return next(t for t in get_args(hint) if t is not types.NoneType)
    return hint
