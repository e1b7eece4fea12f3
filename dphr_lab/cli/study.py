"""`dphr study`: arms x seeds x worlds."""

import time
from pathlib import Path

from dphr_lab.cli.flags import WrongUsage, check_out, command, positive

PRESETS = ("quick", "cpu", "gpu")  # of study.PRESETS


def add(commands) -> None:
    parser = command(commands, "study", run, "run arms x seeds x worlds, or report on them")
    parser.add_argument(
        "what",
        choices=("list", "search", "run", "report"),
        help="what is there; make the trials by which arms choose their settings; make the "
        "missing runs; tables of the stored ones",
    )
    parser.add_argument("study", nargs="?", help="its name, or a folder with a study.toml")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        help="instead of one study: several, one after the other, searched where they ask for it",
    )
    parser.add_argument("--arms", nargs="+", metavar="NAME", help="only these arms")
    group = parser.add_argument_group("search and run")
    group.add_argument(
        "--jobs", type=positive, metavar="N", default=1, help="runs at a time (default: 1)"
    )
    group.add_argument(
        "--minutes",
        type=float,
        metavar="X",
        help="begin nothing after so long; call again to go on",
    )
    group = parser.add_argument_group("run")
    group.add_argument("--seeds", type=int, nargs="+", metavar="N", help="only these seeds")
    group.add_argument("--worlds", nargs="+", metavar="NAME", help="only these worlds")
    group.add_argument("--work", type=Path, metavar="FOLDER", help="for runs under way")
    group = parser.add_argument_group("report")
    group.add_argument(
        "--reference", metavar="NAME", default="triplet", help="the arm to compare the others with"
    )
    group.add_argument(
        "--margin",
        type=float,
        metavar="POINTS",
        help="test also whether arms are equivalent: R@1 within so many points of the reference's",
    )


def run(args) -> int:
    if args.preset and (args.study or args.arms or args.seeds or args.worlds):
        raise WrongUsage("--preset runs whole studies; give no study, arms, seeds or worlds")

    from dphr_lab import study as studies

    if args.what == "list":
        for study in map(studies.read_study, studies.stored_studies()):
            asked = len(study.runs())
            done = asked - len(study.missing())
            print(f"{study.folder.name}: {done} of {asked} runs stored. {study.about}")
        return 0
    names = studies.PRESETS[args.preset] if args.preset else [args.study]
    if names == [None]:
        raise WrongUsage(f"name a study, such as {', '.join(studies.stored_studies())}")
    deadline = None if args.minutes is None else time.monotonic() + 60 * args.minutes
    for name in names:
        if args.what == "report":
            _report(studies.read_study(name), args)
        else:
            _make(studies.read_study(name), args, deadline)
    return 0


def _make(study, args, deadline: float | None) -> None:
    """Trials where they are asked for, or the runs; with a preset trials, then runs."""
    from dphr_lab import study as studies

    def left() -> float | None:
        return None if deadline is None else max(0.0, (deadline - time.monotonic()) / 60)

    if study.unsearched or study.missing():  # there is something to make, and to store in it
        check_out("study", study.folder, folder=True)
    if args.what == "search" or (args.preset and study.search):
        studies.search_study(study, arms=args.arms, jobs=args.jobs, minutes=left())
    if args.what == "run":
        study = studies.read_study(study.folder)  # with what the trials chose
        if args.preset and study.unsearched:
            return  # time is up
        chosen = {name: getattr(args, name) for name in ("seeds", "arms", "worlds", "jobs", "work")}
        studies.run_study(study, **chosen, minutes=left())


def _report(study, args) -> None:
    from dphr_lab import results, tuning
    from dphr_lab.comparisons import study_report

    print(f"## {study.folder.name}\n\n{study.about}\n")
    if study.search:
        print(f"{tuning.search_report(study.search, tuning.read_trials(study.folder))}\n")
    if len(study.missing()) == len(study.runs()) and study.folder.name not in results.studies():
        print("no run is stored yet")
    else:
        print(study_report(study.folder, args.reference, args.margin, args.arms))
