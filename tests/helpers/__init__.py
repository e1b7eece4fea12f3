"""What tests of several folders share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# genuine images, where they lie beside this checkout
GENUINE = ROOT.parent / "shared" / "data" / "university1652_sample"
