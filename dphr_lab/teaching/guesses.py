"""Questions that a reader answers before the answer shows: boxes that reveal and grade.

A box is HTML with a few lines of JavaScript, which a built page, Jupyter and Colab run without a
kernel or a network. Where no script runs the answer is behind "Show the answer".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

import numpy as np

from dphr_lab.teaching.shown import FIELD, as_script, name_of


def compare_guess(guess: float | None, truth: float, unit: str = "") -> None:
    """Print the value found and how far from it the reader's guess was.

    `guess` None prints the value alone. `unit` follows the numbers, such as "%" or " m".
    """
    print(f"found: {truth:.1f}{unit}")
    if guess is not None:
        print(f"your guess: {guess:.1f}{unit}, off by {abs(guess - truth):.1f}{unit}")


def check_answer(answer: object, right: object, within: float = 0.0, hint: str = "") -> None:
    """Print "right" or "not yet" for the answer to an exercise; while it is empty, nothing.

    Empty is None, or a tuple of nothing but None. A number, or several of the same shape, is right
    where each is at most `within` from `right`; a word where it is the same but for its case. An
    answer of another kind is "not yet". `hint` follows "not yet".
    """
    if all(x is None for x in (answer if isinstance(answer, tuple) and answer else (answer,))):
        return
    if isinstance(right, str):
        ok = isinstance(answer, str) and answer.strip().lower() == right.lower()
    else:
        try:
            given, wanted = (np.squeeze(np.asarray(x, float)) for x in (answer, right))
            ok = given.shape == wanted.shape and bool(np.all(abs(given - wanted) <= within))
        except (TypeError, ValueError, RuntimeError):  # not a number, or with a gradient
            ok = False
    print("right" if ok else f"not yet: {hint}" if hint else "not yet")


class GuessBox:
    """A question with its answer, as HTML that grades and as text; `display` shows it."""

    def __init__(self, question: str, fields: str, answer: str, grading: dict, options: str = ""):
        self._question, self._fields, self._answer = question, fields, answer
        self._grading, self._options = grading, options

    def __repr__(self) -> str:
        return f"Your guess? {self._question}{self._options}"

    def _repr_html_(self) -> str:
        content = self._question, self._fields, self._answer, json.dumps(self._grading)
        name = name_of("guess", *content)
        return _BOX.format(
            name=name,
            question=escape(self._question),
            fields=self._fields.replace("NAME", name),
            answer=escape(self._answer),
            grading=as_script(self._grading),
            grade=_GRADE,
        )


def guess_number(
    question: str,
    truth: float,
    *,
    within: float,
    unit: str = "",
    digits: int = 0,
    explain: str = "",
) -> GuessBox:
    """A box that asks for a number and says how far off it was.

    A guess at most `within` from `truth` counts as right. `unit` follows the numbers, such as " %";
    `digits` are the decimals shown; `explain` stands behind the answer. Raises ValueError for an
    empty `question` or a negative `within`.
    """
    _has_text(question)
    if within < 0:
        raise ValueError(f"within is {within}; expected 0 or more")
    answer = f"Found: {truth:.{digits}f}{unit}. {explain}".strip()
    return GuessBox(
        question,
        f'<label>Your guess <input type="number" step="any" required style="{FIELD}">'
        f"{escape(unit)}</label>",
        answer,
        {"truth": round(float(truth), digits), "within": within, "unit": unit},
    )


def guess_choice(question: str, options: Mapping[str, str], right: str) -> GuessBox:
    """A box that asks to choose, and says of the chosen option why it is right or wrong.

    `options` maps each option to its comment; `right` is one of them. Raises ValueError for an
    empty `question`, fewer than two options or a `right` that is none of them.
    """
    _has_text(question)
    if len(options) < 2 or right not in options:
        raise ValueError(f"right is {right!r}; expected one of two or more options: {[*options]}")
    rows = "".join(
        f'<label style="display:block"><input type="radio" name="NAME" value="{i}" required> '
        f"{escape(option)}</label>"
        for i, option in enumerate(options)
    )
    number = list(options).index(right)
    return GuessBox(
        question,
        rows,
        f"{right}. {options[right]}",
        {"right": number, "comments": list(options.values())},
        "".join(f"\n  ( ) {option}" for option in options),
    )


def _has_text(question: str) -> None:
    if not question.strip():
        raise ValueError("question is empty; say in a sentence what is to be guessed")


_BOX = """\
<div id="{name}" style="border-left:4px solid #0072b2;padding:.5em 1em;margin:.5em 0">
<p id="{name}-q" style="margin:0 0 .5em"><strong>Your guess?</strong> {question}</p>
<form hidden aria-labelledby="{name}-q">
<div style="margin-bottom:.5em">{fields}</div>
<button type="submit" style="{{field}}">Check my guess</button>
</form>
<p role="status" style="margin:.5em 0"></p>
<details><summary>Show the answer</summary><p>{answer}</p></details>
</div>
<script>({grade})(document.getElementById("{name}"), {grading});</script>""".replace(
    "{{field}}", FIELD
)
# The form shows where scripts run. What it says goes to a live region, which screen readers read.
_GRADE = """\
function (box, truth) {
  const form = box.querySelector("form"), said = box.querySelector("[role=status]");
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if ("comments" in truth) {
      const chosen = Number(form.querySelector("input:checked").value);
      said.textContent = (chosen === truth.right ? "Right. " : "No. ") + truth.comments[chosen];
    } else {
      const guess = Number(form.querySelector("input").value);
      const off = Math.abs(guess - truth.truth);
      said.textContent = (off <= truth.within ? "Right" : "Not near enough") +
        ": you said " + guess + truth.unit + ", found " + truth.truth + truth.unit + ".";
    }
    box.querySelector("details").open = true;
  });
}"""
