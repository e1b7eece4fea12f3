"""The table of what a training step takes, and of the cards that it fits."""

from dphr_lab.results.tables import markdown_table
from dphr_lab.settings.protocol import PUBLISHED, SUES_200, UNIVERSITY1652
from dphr_lab.settings.recipes import find_recipe
from dphr_lab.training.step_cost import CARD_SHARE

CARDS_GB = (8, 16, 24, 80)
TFLOP_PER_S = 100.0  # what a card is taken to do where its steps were not timed; nobody's claim
PAIRS = {  # of a pass over the training half of the data that a recipe's name has
    "university1652": PUBLISHED[UNIVERSITY1652]["train/drone"][1],
    "sues200": PUBLISHED[SUES_200]["train/drone"][1],
}


def cards_table(stored: dict, tflop_per_s: float = TFLOP_PER_S) -> str:
    """A Markdown table of what steps take, by row of a stored `results/memory/cards.json`.

    The last column says what each row is: "estimated" by counting, or "measured" on the GPU that
    it names. A card fits a row that takes at most `CARD_SHARE` of it. The columns "at least" are
    the counted TFLOP at `tflop_per_s`, of a step and of all the recipe's steps.
    """
    heads = ["recipe", "batch", "micro-batch", "precision", "GiB", "TFLOP a step"]
    heads += ["s a step, at least", "min in all, at least", "s a step, measured"]
    heads += [*(f"{card} GB" for card in CARDS_GB), "how"]
    rows = []
    for row in stored["rows"]:
        least_s = row["tflop"] / tflop_per_s
        cells = [row["recipe"], str(row["batch"]), str(row["micro_batch"] or "–")]
        cells += [row["mixed_precision"], f"{row['peak_gib']:,.1f}", _amount(row["tflop"])]
        cells += [_amount(least_s), _amount(least_s * steps_in_all(row) / 60)]
        cells.append(_amount(row["step_s"]) if "step_s" in row else "–")
        cells += ["yes" if row["peak_gib"] <= CARD_SHARE * card else "no" for card in CARDS_GB]
        cells.append(row["how"] if row.get("gpu") is None else f"{row['how']} on {row['gpu']}")
        rows.append(cells)
    return markdown_table(heads, rows)


def steps_in_all(row: dict) -> int:
    """The steps of a stored row's recipe at its batch, on all training places."""
    recipe = find_recipe(row["recipe"])
    n_pairs = next((n for data, n in PAIRS.items() if data in recipe.name.split("-")), None)
    return recipe.settings(n_pairs=n_pairs, batch=row["batch"]).steps


def _amount(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else "under 0.01"
