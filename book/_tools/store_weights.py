"""Store by how much weights differ within a batch: python book/_tools/store_weights.py [SEED ...]

An encoder is trained with the closest reading on the world `mini` (800 steps, the settings of
chapter 09). Untrained, after 100 steps and after 800 it embeds 20 fresh batches of 64 training
pairs, and so does an ImageNet encoder that never saw the world. For each map of hardness to weight
the file holds, over anchors and batches: the ratio of the 95th to the 5th percentile of an anchor's
weights, the share of its negatives that are effective, (sum w)^2 / (K sum w^2), and the cosine
between the gradients of L_wtri and L_tri. Beside them the course of both signals, loss and recall,
and of lambda over the same run. Numbers only, a file a seed, into dphr_lab/results/weights; what is
stored is skipped.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dphr_lab import results
from dphr_lab._files import write_json
from dphr_lab.datasets import PairBatches, TwinTowns
from dphr_lab.datasets.batches import BatchReader
from dphr_lab.losses import DPHRLoss, ProgressiveWeight, effective_negatives
from dphr_lab.models import Encoder
from dphr_lab.results import environment
from dphr_lab.settings import TWIN_TOWNS_MINI
from dphr_lab.settings.worlds import PRESETS
from dphr_lab.training import learning_rate, make_augmentation
from dphr_lab.training.selection import hold_out

FOLDER = Path(results.__file__).parent / "weights"
LOOKS = (0, 100, 800)  # steps after which the encoder is looked at
BATCHES = 20
MAPS = {
    "interval [0.5, 1.5]": {},
    "interval [0, 1]": {"w_min": 0.0, "w_max": 1.0},
    "interval [0, 2]": {"w_min": 0.0, "w_max": 2.0},
    "interval [1, 2]": {"w_min": 1.0, "w_max": 2.0},
    "interval [1, 4]": {"w_min": 1.0, "w_max": 4.0},
    "min-max [0.5, 1.5]": {"scale": "minmax"},
    "sharp": {"weight_map": "exp", "normalise": "query"},
}


def look(encoder: torch.nn.Module, batches: list) -> dict:
    """The measures of every map, and the spread of h, on some batches."""
    encoder.eval()
    found = {name: {"p95_to_p5": [], "effective_share": [], "cosine": []} for name in MAPS}
    hardness = []
    for batch in batches:
        with torch.no_grad():
            z = encoder(torch.cat([batch.drone, batch.satellite]))
        rows = len(batch.places)
        off = ~torch.eye(rows, dtype=torch.bool)
        for name, options in MAPS.items():
            loss = DPHRLoss(signal="constant", **options)
            terms = loss.terms(z[:rows], z[rows:])
            weights = terms["weights"][:, off].reshape(2 * rows, rows - 1)
            low, high = np.percentile(weights.numpy(), [5, 95], axis=1)
            found[name]["p95_to_p5"].append(float(np.median(high / np.maximum(low, 1e-12))))
            share = effective_negatives(weights) / (rows - 1)
            found[name]["effective_share"].append(share.mean().item())
            found[name]["cosine"].append(cosine_of_gradients(loss, z))
        h = terms["hardness"][:, off].reshape(2 * rows, rows - 1)
        hardness.append(h.std(1).mean().item())
    means = {
        name: {measure: round(float(np.mean(values)), 5) for measure, values in measures.items()}
        for name, measures in found.items()
    }
    return {"sd_of_hardness": round(float(np.mean(hardness)), 5), "maps": means}


def cosine_of_gradients(loss: DPHRLoss, z: torch.Tensor) -> float:
    """Between the gradients of L_wtri and of L_tri with respect to the embeddings (2 B, D)."""
    rows = len(z) // 2
    plain = DPHRLoss(weight_map=None, signal="constant", lambda_max=0.0)
    both, one = (
        torch.autograd.grad(each(leaf[:rows], leaf[rows:]), leaf)[0].flatten()
        for each, leaf in ((loss, z.clone().requires_grad_()), (plain, z.clone().requires_grad_()))
    )
    return torch.cosine_similarity(both - one, one, dim=0).item()


def measure(seed: int) -> dict:
    """Train with the closest reading, and look at 0, 100 and 800 steps."""
    settings = TWIN_TOWNS_MINI.changed(seed=seed, threads=1)
    data = TwinTowns(replace(PRESETS["mini"], seed=seed), progress=False)
    pairs, _ = hold_out(data.train, settings)
    augmentation = make_augmentation(settings)
    reader = BatchReader(pairs, settings.image_px, augmentation, settings.seed)

    def planned():
        for epoch in range(10**6):
            for rows in PairBatches(pairs, settings.batch, settings.seed, epoch):
                yield reader[epoch, rows]

    fresh = PairBatches(pairs, settings.batch, settings.seed + 1000, 0)
    batches = [reader[0, fresh[i]] for i in range(BATCHES)]
    torch.manual_seed(seed)
    imagenet = Encoder("tf_efficientnet_lite0", pretrained="pypi", image_px=96)
    looks = {"ImageNet": look(imagenet, batches)}
    torch.manual_seed(seed)
    encoder, loss = Encoder(settings.backbone, image_px=settings.image_px), DPHRLoss()
    recall = ProgressiveWeight("recall", smooth="signal", bias_correction=True)
    optimizer = torch.optim.AdamW(encoder.parameters(), weight_decay=settings.weight_decay)
    course = {name: [] for name in ("triplet", "loss_signal", "lambda", "recall", "recall_signal")}
    for step, batch in enumerate(planned()):
        if step in LOOKS:
            looks[f"{step} steps"] = look(encoder, batches)
        if step == settings.steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        encoder.train()
        z_drone, z_satellite = encoder(torch.cat([batch.drone, batch.satellite])).chunk(2)
        value = loss(z_drone, z_satellite)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        terms = loss.terms(z_drone.detach(), z_satellite.detach())
        recall.update(terms["recall"], rows=None)
        window = loss.progressive.losses
        mean = window.sum() / min(step + 1, len(window))
        signal = (1 - mean / loss.progressive.first_mean).clamp(0, 1)
        now = (terms["triplet"], signal, terms["lambda"], terms["recall"], recall.value())
        for name, each in zip(course, now, strict=True):
            course[name].append(round(float(each), 5))
    thinned = {name: values[9::10] for name, values in course.items()}
    return {
        "about": "weights within a batch, by map and by how far training is; both signals",
        "settings": settings.to_dict() | {"loss": "dphr"},
        "format": 2,
        "batches": BATCHES,
        "looks": looks,
        "course": {"step": list(range(10, settings.steps + 1, 10)), **thinned},
        "versions": environment.versions(),
        "hardware": environment.hardware(),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    for seed in map(int, sys.argv[1:] or ["0"]):
        path = FOLDER / f"s{seed}.json"
        if not path.exists():
            write_json(path, measure(seed))
            print("stored", path.name, flush=True)
