"""Rename stored results of the first edition: python book/_tools/rename_first_edition.py FOLDER ...

In the first edition "DPHR" meant what is "sharp DPHR (ours)" now: the exponential map and the
recall signal. This renames, in each study's folder, losses and arms (`dphr` to `sharp`, `rda` to
`sharp_rda`, `palw` to `sharp_palw`) in settings, file names, study.toml and trials.json. No number
is touched, and nothing is renamed twice: records say by their format which edition made them.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the package of this checkout, installed or not
from dphr_lab.results.run_folder import in_this_edition  # noqa: E402
from dphr_lab.settings.run import FIRST_EDITION  # noqa: E402

ARM = re.compile(r"(dphr_infonce|dphr|rda|palw)(?=_|$)")
# arms of the first edition that were named "sharp" for a beta of 100
BETA_100 = re.compile(r"sharp(?=_(hinge|alone|noise)$|$)")
RUN = re.compile(r"(?P<world>.+)-(?P<arm>[^-]+)-s(?P<seed>\d+)\.json")


def arm_name(arm: str, study: str = "") -> str:
    """An arm's name in this edition."""
    if study == "hard_negatives":
        return BETA_100.sub("beta_100", arm)
    return ARM.sub(lambda found: FIRST_EDITION[found[1]], arm, count=1)


def grid_renamed(text: str, study: str) -> str:
    """A study.toml with its arms and losses renamed; comments stay as they are."""
    text = re.sub(
        r"^\[arms\.([\w]+)(.*)\]$",
        lambda found: f"[arms.{arm_name(found[1], study)}{found[2]}]",
        text,
        flags=re.MULTILINE,
    )
    return re.sub(
        r'^loss = "(\w+)"$',
        lambda found: f'loss = "{FIRST_EDITION.get(found[1], found[1])}"',
        text,
        flags=re.MULTILINE,
    )


def rename(folder: Path) -> int:
    """Rename what lies in a study's folder; returns how many files changed."""
    changed = 0
    made_then = []
    for path in sorted(folder.glob("*.json")):
        text = path.read_text("utf-8")
        record = json.loads(text)
        renamed = in_this_edition(record)
        name = path.name
        if renamed is not record:
            made_then.append(path)
            if found := RUN.fullmatch(path.name):
                arm = arm_name(found["arm"], folder.name)
                name = f"{found['world']}-{arm}-s{found['seed']}.json"
            path.write_text(json.dumps(renamed, indent=1) + "\n", "utf-8")
            path.rename(path.with_name(name))
            changed += 1
    grid = folder / "study.toml"
    if made_then and grid.exists():
        grid.write_text(grid_renamed(grid.read_text("utf-8"), folder.name), "utf-8")
        trials = folder / "trials.json"
        if trials.exists():
            record = json.loads(trials.read_text("utf-8"))
            for trial in record["trials"]:
                trial["arm"] = arm_name(trial["arm"], folder.name)
            trials.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return changed


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{name}: {rename(Path(name))} files renamed or marked")
