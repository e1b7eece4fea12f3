"""DPHR Lab: cross-view geo-localization with hardness-aware reweighting, tested.

Import the part you need: `dphr_lab.losses`, `dphr_lab.retrieval`, `dphr_lab.datasets`,
`dphr_lab.models`, `dphr_lab.training`, `dphr_lab.scenes`, `dphr_lab.plotting`.
"""

__version__ = "0.1.0"
