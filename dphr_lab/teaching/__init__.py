"""What chapters do: ask, show tables, players and sliders, find data. Needs `[book]`."""

from dphr_lab.teaching.guesses import (
    GuessBox,
    check_answer,
    compare_guess,
    guess_choice,
    guess_number,
)
from dphr_lab.teaching.players import player, slider
from dphr_lab.teaching.rankings import ranking
from dphr_lab.teaching.sets import public_data, right_and_twins
from dphr_lab.teaching.shown import Shown
from dphr_lab.teaching.tables import Table, table
from dphr_lab.teaching.twins import find_among_twins, outlines

__all__ = [
    "GuessBox",
    "Shown",
    "Table",
    "check_answer",
    "compare_guess",
    "find_among_twins",
    "guess_choice",
    "guess_number",
    "outlines",
    "player",
    "public_data",
    "ranking",
    "right_and_twins",
    "slider",
    "table",
]
