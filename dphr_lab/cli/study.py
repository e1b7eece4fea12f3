"""`dphr study`: arms x seeds x worlds."""

from pathlib import Path

from dphr_lab.cli.flags import WrongUsage, command, positive


def add(commands) -> None:
    parser = command(commands, "study", run, "run arms x seeds x worlds, or report on them")
    parser.add_argument(
        "what",
        choices=("list", "run", "report"),
        help="what is there; make the missing runs; tables of the stored ones",
    )
    parser.add_argument("study", nargs="?", help="its name, or a folder with a study.toml")
    group = parser.add_argument_group("run")
    group.add_argument("--seeds", type=int, nargs="+", metavar="N", help="only these seeds")
    group.add_argument("--arms", nargs="+", metavar="NAME", help="only these arms")
    group.add_argument("--worlds", nargs="+", metavar="NAME", help="only these worlds")
    group.add_argument(
        "--jobs", type=positive, metavar="N", default=1, help="runs at a time (default: 1)"
    )
    group.add_argument("--work", type=Path, metavar="FOLDER", help="for runs under way")
    group = parser.add_argument_group("report")
    group.add_argument(
        "--reference", metavar="NAME", default="triplet", help="the arm to compare the others with"
    )


def run(args) -> int:
    from dphr_lab import study as studies

    if args.what == "list":
        for study in map(studies.read_study, studies.stored_studies()):
            asked = len(study.runs())
            done = asked - len(study.missing())
            print(f"{study.folder.name}: {done} of {asked} runs stored. {study.about}")
        return 0
    if args.study is None:
        raise WrongUsage(f"name a study, such as {', '.join(studies.stored_studies())}")
    study = studies.read_study(args.study)
    if args.what == "report":
        from dphr_lab.comparisons import study_report

        print(study_report(study.folder, args.reference))
        return 0
    chosen = {name: getattr(args, name) for name in ("seeds", "arms", "worlds", "jobs", "work")}
    studies.run_study(study, **chosen)
    return 0
