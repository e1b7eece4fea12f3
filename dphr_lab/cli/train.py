"""`dphr train`: train an encoder."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from dphr_lab.cli.flags import (
    METAVARS,
    WrongUsage,
    add_data_flags,
    check_data_flags,
    check_out,
    command,
    flag,
    name_and_value,
    open_data,
    or_wrong_usage,
    plain_type,
    print_reports,
)
from dphr_lab.results.run_folder import check_free, described, holds_run, stored_run
from dphr_lab.settings import LOSSES, Settings
from dphr_lab.settings.recipes import find_recipe
from dphr_lab.settings.run import renamed_since_first_edition

ON_SEVERAL_GPUS = "torchrun --standalone --nproc-per-node N -m dphr_lab.cli train ..."


def add(commands) -> None:
    parser = command(
        commands,
        "train",
        run,
        "train an encoder and evaluate it",
        epilog=f"several GPUs: {ON_SEVERAL_GPUS} (the batch is shared by all N). losses: "
        + "; ".join(f"{name} = {loss.what}" for name, loss in LOSSES.items()),
    )
    add_data_flags(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="RUN", help="run folder to make")
    where.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="run folder to go on with, as it was started; with --data where its data lie now",
    )
    where.add_argument(
        "--dry-run",
        action="store_true",
        help="show counts, a memory estimate and one step's time, write nothing",
    )
    parser.add_argument(
        "--changed-data",
        action="store_true",
        help="with --resume: go on although images came, went or changed; the result says so",
    )
    parser.add_argument(
        "--refit",
        type=Path,
        metavar="RUN",
        help="with --out: train anew on all places, as long as that finished run chose",
    )
    parser.add_argument(
        "--select-on-test",
        action="store_true",
        help="keep the encoder that is best on the test set; all results are stamped so. "
        "For reproducing numbers that were made in this way",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="write events for TensorBoard into the run, too"
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
            default = "none" if option.default in (None, ()) else option.default
            kind, optional = plain_type(hints[option.name])
            text = f"{option.metadata['help']} (default: {default})"
            if kind is bool:
                value = {"action": argparse.BooleanOptionalAction, "help": option.metadata["help"]}
            elif get_origin(kind) is tuple:
                value = {"type": float, "nargs": "*", "metavar": "X", "help": text}
            else:
                read = _or_none(kind) if optional else kind
                value = {"type": read, "metavar": METAVARS[kind], "help": text}
            group.add_argument(flag(option.name), default=argparse.SUPPRESS, **value)
    named = {
        "nargs": "+",
        "type": name_and_value,
        "metavar": "NAME=VALUE",
        "default": argparse.SUPPRESS,
    }
    group.add_argument("--host-options", help="keywords of the host's class", **named)
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
    for name in ("host_options", "loss_options", "augmentation"):
        if given.get(name) is not None:
            given[name] = dict(given[name])
    if "steps" in given and given.get("epochs") is not None:
        raise WrongUsage("--steps and --epochs exclude one another")
    return given


def check_keywords(settings: Settings) -> None:
    """Raise `WrongUsage` for keywords of host, loss or augmentation that these do not take.

    And `ValueError` or `FileNotFoundError` for a backbone that cannot be had as asked.
    """
    from dphr_lab.training import check_host_options, make_augmentation, make_loss
    from dphr_lab.training.objectives import check_backbone

    for make in (check_host_options, make_loss, make_augmentation):  # before data is waited for
        or_wrong_usage(make, {"settings": settings})
    check_backbone(settings)


def recipe_settings(name: str, given: dict[str, Any], height: int | None) -> tuple[Settings, dict]:
    """The recipe with what was given over it, and the origin to store; prints it in full."""
    recipe = or_wrong_usage(find_recipe, {"name": name})
    if recipe.needs_height and height is None:
        raise WrongUsage(f"--recipe {name} is one model a height: --height is needed")
    settings = or_wrong_usage(recipe.settings, given)
    print(recipe.describe(settings))
    return settings, {"recipe": {"name": name, "overridden": recipe.overridden(settings)}}


def run(args) -> int:
    given, origin = given_settings(args), {}
    _check(args, given)
    if said := renamed_since_first_edition(given.get("loss", "")):
        print(f"dphr: --loss {said}", file=sys.stderr)
    stored = None
    if args.resume or args.refit:
        stored = stored_run(args.resume or args.refit)
        try:
            settings = Settings.from_dict(stored["settings"])
        except ValueError as error:
            raise ValueError(f"{(args.resume or args.refit) / 'settings.json'}: {error}") from None
    elif not args.recipe:
        settings = or_wrong_usage(Settings, given)
    check_out("--out", args.out, folder=True)
    if args.out and holds_run(args.out):  # said by `fit`, too, after the data is there
        raise FileExistsError(
            f"--out: found another run in {args.out}; go on with it "
            f"(dphr train --resume {args.out}) or give another folder"
        )
    if args.out:
        check_free(args.out)
    check_data_flags(args, stored)
    if args.recipe:
        settings, origin = recipe_settings(args.recipe, given, args.height)

    check_out("--out", args.out, folder=True)
    from dphr_lab.training import fit, refit

    check_keywords(settings)
    data = open_data(args, stored)
    if os.environ.get("RANK", "0") == "0":  # of several processes, the first
        print(data.summary())
    if args.dry_run:
        from dphr_lab.training.dry_run import dry_run

        print(dry_run(settings, data))
        return 0
    folder, options = args.resume or args.out, {"tensorboard": args.tensorboard}
    if args.refit:
        result = refit(args.refit, data, folder, **options)
    else:
        options |= {"resume": bool(args.resume), "origin": origin}
        options["changed_data"] = args.changed_data
        result = fit(settings, data, folder, **options)
    if result:  # empty in all processes but the first
        print_reports(result["report"])
        print(f"\n{described(result)}")
        print(f"run folder: {folder} ({result['wall_s']:.0f} s of training)")
    return 0


def _check(args, given: dict[str, Any]) -> None:
    """Raise `WrongUsage` for flags that do not go together; follow `--select-on-test`."""
    if not (args.out or args.resume or args.dry_run):
        raise WrongUsage("--out RUN, --resume RUN or --dry-run is needed")
    own = given or args.recipe or args.select_on_test
    if args.resume and (own or args.refit or args.world or args.height):
        raise WrongUsage(
            "--resume takes settings and data from the run; give nothing else, "
            "but --data ROOT for data that were moved"
        )
    if args.changed_data and not args.resume:
        raise WrongUsage("--changed-data goes with --resume")
    if args.refit and not args.out:
        raise WrongUsage("--refit RUN goes with --out")
    if args.refit and own:
        raise WrongUsage("--refit takes its settings from the run; give none")
    if args.select_on_test:
        if given.get("select", "test") != "test":
            raise WrongUsage("--select-on-test and --select exclude one another")
        given["select"] = "test"


def _or_none(kind: type) -> Callable[[str], Any]:
    """`kind`, or None for the word "none"."""

    def read(text: str) -> Any:
        return None if text.lower() == "none" else kind(text)

    read.__name__ = kind.__name__  # argparse names it in its messages
    return read
