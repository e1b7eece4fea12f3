"""The probe: which changes an encoder can see, as a psychometric test of any encoder.

from dphr_lab.probe import make_stimuli, probe
stimuli = make_stimuli()
print(probe(model, stimuli))  # any callable from images (B, 3, H, W) uint8 to (B, D)
"""

from dphr_lab.probe.figure import psychometric_curves
from dphr_lab.probe.photographs import photo_stimuli
from dphr_lab.probe.psychometric import Fit, Threshold, fit_curve, threshold
from dphr_lab.probe.report import (
    ALL_KINDS,
    Curve,
    ProbeReport,
    choices,
    compare,
    probe,
    probe_embeddings,
)
from dphr_lab.probe.stimuli import (
    DOSES_M2,
    Stimuli,
    StimulusSettings,
    make_stimuli,
    probe_days,
    probe_scene,
    sample_change,
)
from dphr_lab.scenes import CHANGE_KINDS

__all__ = [
    "ALL_KINDS", "CHANGE_KINDS", "DOSES_M2", "Curve", "Fit", "ProbeReport", "Stimuli",
    "StimulusSettings", "Threshold", "choices", "compare", "fit_curve",
    "make_stimuli", "photo_stimuli", "probe", "probe_days", "probe_embeddings", "probe_scene",
    "psychometric_curves", "sample_change", "threshold",
]  # fmt: skip
