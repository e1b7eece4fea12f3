"""The starter encoder: small, and in the package, so that a first search needs no training.

`Encoder.load("starter")` and `--run starter` take it. README.md beside this file is its card: how
it was made, what it was measured on, and what its weights may be used for.
"""

from pathlib import Path

from dphr_lab import results
from dphr_lab._files import read_json

NAME = "starter"
FOLDER = Path(__file__).parent
SETS = {
    "photos": "warps of aerial photographs of unseen classes",
    "university": "the few genuine University-1652 places at hand",
    "towns": "rendered towns of an unseen seed",
}


def measured() -> dict[str, dict]:
    """{set: its stored record}: the starter beside its ImageNet start and an untrained network."""
    folder = Path(results.__file__).parent / NAME
    return {name: read_json(folder / f"{name}.json", "a measurement") for name in SETS}


def table() -> str:
    """The card's table: R@1 with its interval, R@5 and R@10 of all three, as Markdown."""
    lines = ["| test set | direction | queries | starter | ImageNet weights | untrained |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for name, record in measured().items():
        for direction, by_how in record["table"].items():
            for how, by_encoder in by_how.items():
                cells = [_cell(by_encoder[who]) for who in ("starter", "imagenet", "untrained")]
                start = [name, direction, how.replace("_", " ")]
                lines.append("| " + " | ".join(start + cells) + " |")
    return "\n".join(lines)


def _cell(row: dict) -> str:
    rate, low, high = row["r_at_1"]
    rest = ", ".join(f"{row[name][0]:.1f}" for name in ("r_at_5", "r_at_10"))
    return f"**{rate:.1f}** ({low:.1f} to {high:.1f}), {rest}"


def note() -> str:
    """What it was measured on, drone → satellite, in a line."""
    told = []
    for name, record in measured().items():
        row = record["table"]["D2S"]["as_it_is"]
        told.append(
            f"{SETS[name]}: {row['starter']['r_at_1'][0]:.0f} % "
            f"(ImageNet weights alone {row['imagenet']['r_at_1'][0]:.0f} %)"
        )
    return f"the starter encoder's R@1 is, on {'; on '.join(told)}; elsewhere it is not known"
