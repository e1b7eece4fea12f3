"""What chapters do: ask for a guess, show tables, players, sliders, find data. Needs `[book]`."""

from dphr_lab.teaching.guesses import GuessBox, compare_guess, guess_choice, guess_number
from dphr_lab.teaching.players import player, slider
from dphr_lab.teaching.sets import public_data, right_and_twins
from dphr_lab.teaching.tables import Table, table

__all__ = [
    "GuessBox",
    "Table",
    "compare_guess",
    "guess_choice",
    "guess_number",
    "player",
    "public_data",
    "right_and_twins",
    "slider",
    "table",
]
