"""Draw the figure of the page of results:  python book/_tools/probe_picture.py

Above, one trial of the probe: a drone view, and two satellite images of which one is changed.
Below, the share of right answers against the changed area, of the stored encoders of seed 0.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dphr_lab import probe, results
from dphr_lab.plotting import save

TARGET = Path(__file__).resolve().parents[1] / "images" / "probe.jpg"
NAMES = {
    "untrained": "untrained",
    "imagenet": "ImageNet",
    "triplet": "L_tri",
    "infonce": "InfoNCE",
    "sharp_rda": "sharp RDA",
    "sharp": "sharp DPHR",
}
KIND, DOSE_M2, PLACE = "building recoloured", 160, 1


def trial():
    """The three pictures of one trial, and what was changed in which."""
    settings = probe.StimulusSettings(places=PLACE + 1, kinds=(KIND,), image_px=192)
    stimuli = probe.make_stimuli(settings, workers=1, progress=False)
    asked = (stimuli.places == PLACE) & (stimuli.doses_m2 == DOSE_M2)
    t = int(np.flatnonzero(asked)[0])
    pictures = [stimuli.drone[PLACE], *stimuli.satellite[stimuli.pairs[t]]]
    changed = "BA"[stimuli.answers[t]]
    return pictures, f"changed in {changed}: {KIND}, {stimuli.changes[t].area_m2:.0f} m²"


def main() -> None:
    pictures, said = trial()
    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(2.5, 4))
    titles = ("the drone saw this", "is it A …", "… or B?")
    for axis, picture, title in zip(above.subplots(1, 3), pictures, titles, strict=True):
        axis.imshow(picture.transpose(1, 2, 0))
        axis.set(xticks=[], yticks=[])
        axis.set_title(title, fontsize=10)
    reports = {
        name: probe.ProbeReport.from_dict(results.load("probe")["mini", stored, 0]["probe"])
        for stored, name in NAMES.items()
    }
    axis = below.subplots()
    probe.psychometric_curves(axis, reports)
    axis.set_ylim(40, 80)
    axis.set(xlabel="changed area, m² (one image pixel is about 10 m²)", ylabel="right answers, %")
    print(said)  # the answer, for the caption
    save(figure, TARGET, dpi=110, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
