"""`dphr study`: arms x seeds x worlds."""

import time
from pathlib import Path

from dphr_lab.cli.flags import (
    FIGURE_SUFFIXES,
    WrongUsage,
    check_out,
    command,
    flag,
    positive,
    whole,
    within,
)

PRESETS = {  # name -> studies, in the order to run them
    "quick": ("quick",),  # the whole chain in minutes, nothing to conclude from
    "cpu": ("main", "budget", "twins", "axes", "rda", "palw", "short", "long"),
    "controls": ("sampling", "lambda", "rda", "palw", "noise", "noise_more", "noise_warm"),
    "gpu": ("gpu",),
}
GOES_WITH = {  # flag -> what it is for
    "preset": ("search", "run", "report"),
    "arms": ("search", "run", "report"),
    "jobs": ("search", "run"),
    "minutes": ("search", "run"),
    "seeds": ("run",),
    "worlds": ("run",),
    "work": ("run",),
    "reference": ("report",),
    "margin": ("report",),
    "figure": ("report",),
}


def add(commands) -> None:
    parser = command(commands, "study", run, "run arms x seeds x worlds, or report on them")
    parser.add_argument(
        "what",
        choices=("list", "search", "run", "report"),
        help="what is there, of all studies or of one; make the trials by which arms choose their "
        "settings; make the missing runs; tables of the stored ones",
    )
    parser.add_argument("study", nargs="?", help="its name, or a folder with a study.toml")
    parser.set_defaults(may_stand_late="study")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        help="instead of one study: several, one after the other, searched where they ask for it, "
        "and reported on when they are complete ("
        + "; ".join(f"{name}: {', '.join(studies)}" for name, studies in PRESETS.items())
        + ")",
    )
    parser.add_argument("--arms", nargs="+", metavar="NAME", help="only these arms")
    group = parser.add_argument_group("search and run")
    group.add_argument("--jobs", type=positive, metavar="N", help="runs at a time (default: 1)")
    group.add_argument(
        "--minutes",
        type=within(0, 1e9),
        metavar="X",
        help="begin no run after so long, so that a call lasts that and the runs under way; call "
        "again to go on",
    )
    group = parser.add_argument_group("run")
    group.add_argument("--seeds", type=whole, nargs="+", metavar="N", help="only these seeds")
    group.add_argument("--worlds", nargs="+", metavar="NAME", help="only these worlds")
    group.add_argument("--work", type=Path, metavar="FOLDER", help="for runs under way")
    group = parser.add_argument_group("report")
    group.add_argument(
        "--reference", metavar="NAME", help="the arm to compare the others with (default: triplet)"
    )
    group.add_argument(
        "--margin",
        type=within(-100, 100),
        metavar="POINTS",
        help="test also whether arms are equivalent, in both directions: R@1 within so many points "
        "of the reference's",
    )
    group.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="draw R@1 of every arm, drone → satellite, a panel a world "
        f"({', '.join(FIGURE_SUFFIXES)})",
    )


def run(args) -> int:
    for name, actions in GOES_WITH.items():
        if getattr(args, name) is not None and args.what not in actions:
            raise WrongUsage(f"{flag(name)} goes with {', '.join(actions)}, not with {args.what}")
    if args.preset and (args.study or args.arms or args.seeds or args.worlds or args.figure):
        raise WrongUsage("--preset takes whole studies; give no study, arms, seeds, worlds, figure")
    if args.figure and args.figure.suffix.lower() not in FIGURE_SUFFIXES:
        raise WrongUsage(f"--figure {args.figure}: expected a name in {', '.join(FIGURE_SUFFIXES)}")
    check_out("--figure", args.figure)

    from dphr_lab.studies.study import read_study, stored_studies

    if args.what == "list":
        _list(args.study)
        return 0
    names = PRESETS[args.preset] if args.preset else [args.study]
    if names == [None]:
        raise WrongUsage(f"name a study, such as {', '.join(stored_studies())}")
    deadline = None if args.minutes is None else time.monotonic() + 60 * args.minutes
    for name in names:
        if args.what == "report":
            _report(read_study(name), args)
        else:
            _make(read_study(name), args, deadline)
    if args.what == "run" and args.preset:
        for study in map(read_study, names):
            if not study.missing():
                print()
                _report(study, args)
    return 0


def _list(name: str | None) -> None:
    """Print a line for every study, or for one study also what is stored and what is missing."""
    from dphr_lab.studies.study import progress, read_study, stored_studies

    for study in map(read_study, [name] if name else stored_studies()):
        asked = len(study.runs())
        done = asked - len(study.missing())
        print(f"{study.folder.name}: {done} of {asked} runs stored. {study.about}")
        if name:
            print(f"\n{progress(study)}\n\nA number is a seed that is stored, a dot one "
                  "that is missing.")  # fmt: skip
            if study.unsearched:
                print(f"Trials are missing of {', '.join(sorted(study.unsearched))}.")


def _make(study, args, deadline: float | None) -> None:
    """Make trials or runs, as asked; of a preset the trials first, then the runs."""
    from dphr_lab.studies.running import run_study, search_study
    from dphr_lab.studies.study import read_study

    def left() -> float | None:
        return None if deadline is None else max(0.0, (deadline - time.monotonic()) / 60)

    jobs = args.jobs or 1
    if study.unsearched or study.missing():  # there is something to make, and to store in it
        check_out("study", study.folder, folder=True)
    if args.what == "search" or (args.preset and study.search):
        search_study(study, arms=args.arms, jobs=jobs, minutes=left())
    if args.what == "run":
        study = read_study(study.folder)  # with what the trials chose
        if args.preset and study.unsearched:
            return  # time is up
        chosen = {name: getattr(args, name) for name in ("seeds", "arms", "worlds", "work")}
        run_study(study, **chosen, jobs=jobs, minutes=left())


def _report(study, args) -> None:
    from dphr_lab.studies import tuning
    from dphr_lab.studies.comparisons import draw_levels, study_report

    print(f"## {study.folder.name}\n\n{study.about}\n")
    if study.search:
        print(f"{tuning.search_report(study.search, tuning.read_trials(study.folder))}\n")
    if len(study.missing()) == len(study.runs()):
        if args.figure:
            raise FileNotFoundError(f"--figure: no run of {study.folder.name} is stored to draw")
        print("no run is stored yet")
        return
    print(study_report(study.folder, args.reference or "triplet", args.margin, args.arms))
    if args.figure:
        draw_levels(study.folder, args.figure)
        print(f"wrote {args.figure}")
