"""`dphr recipes`: named settings of a training run."""

from dphr_lab.cli.flags import command, or_wrong_usage
from dphr_lab.settings.recipes import find_recipe, list_recipes


def add(commands) -> None:
    parser = command(commands, "recipes", run, "list the recipes of dphr train, or show one")
    parser.add_argument("name", nargs="?", help="show this one in full: values, grades, sources")


def run(args) -> int:
    print(
        or_wrong_usage(find_recipe, {"name": args.name}).describe() if args.name else list_recipes()
    )
    return 0
