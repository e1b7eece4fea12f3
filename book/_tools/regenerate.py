"""Make anew what is generated and stored: python book/_tools/regenerate.py [PART ...]

    tables      measured tables of README and pages, and the page of contributed results (seconds)
    pictures    the pictures of README, the landing page and the page of results (a minute)
    chapters    all chapters, their outputs stored (about ten minutes); one chapter:
                python book/_tools/execute.py STEM

Without a PART all of them. Parts of pages that are made when the book is built need nothing.
Stored studies are made by `dphr study run NAME`, which skips what is there.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
PAGES = [ROOT / "README.md", *sorted(BOOK.glob("*.md")), *sorted(BOOK.glob("reference/*.md"))]
TOOLS = BOOK / "_tools"
# the package of this checkout, installed or not
OWN = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
PARTS = {  # name -> command lines
    "tables": [
        [ROOT / "tests" / "benchmarks" / "measured_tables.py", *PAGES],
        [TOOLS / "real_results.py"],
    ],
    "pictures": [[TOOLS / "landing_picture.py"], [TOOLS / "probe_picture.py"]],
    "chapters": [[TOOLS / "execute.py"]],
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    asked = parser.parse_args().parts or list(PARTS)
    if unknown := sorted(set(asked) - set(PARTS)):
        parser.error(f"PART: found {unknown[0]}; expected {', '.join(PARTS)}")
    for part in asked:
        for command in PARTS[part]:
            subprocess.run([sys.executable, *map(str, command)], check=True, cwd=ROOT, env=OWN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
