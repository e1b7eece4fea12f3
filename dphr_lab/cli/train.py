"""`dphr train`: train an encoder."""

import argparse
import types
from collections.abc import Callable
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
)
from dphr_lab.recipes import find_recipe
from dphr_lab.run_folder import holds_run, stored_run
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
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="start from these settings, which the flags below go over (dphr recipes lists them)",
    )
    add_settings_flags(parser)


def add_settings_flags(parser) -> None:
    """Add a flag for every field of `Settings`."""
    group = parser.add_argument_group("settings")
    hints = get_type_hints(Settings)
    for option in fields(Settings):
        if "help" in option.metadata:
            default = "none" if option.default is None else option.default
            kind, optional = _plain_type(hints[option.name])
            text = f"{option.metadata['help']} (default: {default})"
            if kind is bool:
                value = {"action": argparse.BooleanOptionalAction, "help": option.metadata["help"]}
            else:
                read = _or_none(kind) if optional else kind
                value = {"type": read, "metavar": METAVARS[kind], "help": text}
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


def given_settings(args) -> dict[str, Any]:
    """The fields of `Settings` whose flags were given; raises `WrongUsage` for a contradiction."""
    given = {f.name: getattr(args, f.name) for f in fields(Settings) if hasattr(args, f.name)}
    for name in ("loss_options", "augmentation"):
        if given.get(name) is not None:
            given[name] = dict(given[name])
    if "steps" in given and given.get("epochs") is not None:
        raise WrongUsage("--steps and --epochs exclude one another")
    return given


def recipe_settings(name: str, given: dict[str, Any], height: int | None) -> tuple[Settings, dict]:
    """The recipe with what was given over it, and the origin to store; prints it in full."""
    recipe = of_flags(find_recipe, {"name": name})
    if recipe.needs_height and height is None:
        raise WrongUsage(f"--recipe {name} is one model a height: --height is needed")
    settings = of_flags(recipe.settings, given)
    print(recipe.describe(settings))
    return settings, {"recipe": {"name": name, "overridden": recipe.overridden(settings)}}


def run(args) -> int:
    given, origin = given_settings(args), {}
    stored = None
    if args.resume:
        if given or args.recipe or args.data or args.world or args.height:
            raise WrongUsage("--resume takes settings and data from the run; give nothing else")
        stored = stored_run(args.resume)
        settings = Settings.from_dict(stored["settings"])
    else:
        if not args.recipe:
            settings = of_flags(Settings, given)
        if holds_run(args.out):  # said by `fit`, too, after the data is there
            raise FileExistsError(
                f"--out: found another run in {args.out}; go on with it "
                f"(dphr train --resume {args.out}) or give another folder"
            )
    check_data_flags(args, stored)
    if args.recipe:
        settings, origin = recipe_settings(args.recipe, given, args.height)

    from dphr_lab.training import fit

    data = open_data(args, stored)
    print(data.summary())
    folder = args.resume or args.out
    result = fit(settings, data, folder, resume=bool(args.resume), origin=origin)
    if result:  # empty in all processes but the first
        print_reports(result["report"])
        print(f"\nrun folder: {folder} ({result['wall_s']:.0f} s of training)")
    return 0


def _plain_type(hint: Any) -> tuple[type, bool]:
    """(int, True) for `int | None`, (int, False) for `int`, and so on."""
    if get_origin(hint) is types.UnionType:
        return next(t for t in get_args(hint) if t is not types.NoneType), True
    return hint, False


def _or_none(kind: type) -> Callable[[str], Any]:
    """`kind`, or None for the word "none"."""

    def read(text: str) -> Any:
        return None if text.lower() == "none" else kind(text)

    read.__name__ = kind.__name__  # argparse names it in its messages
    return read
