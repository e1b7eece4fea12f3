"""Write the contributed results into their page: `python book/_tools/real_results.py`."""

from pathlib import Path

from dphr_lab.results.real import shown

PAGE = Path(__file__).parents[1] / "real_results.md"

if __name__ == "__main__":
    PAGE.write_text(shown(PAGE.read_text("utf-8")), "utf-8")
