"""Memory: what is counted by shape is what autograd keeps, and what a step then takes."""

import ast
import json
import mmap
import re
import sys
from dataclasses import replace
from importlib.resources import files

import pytest
import torch

from dphr_lab.models import Encoder
from dphr_lab.settings import Settings
from dphr_lab.settings.recipes import RECIPES
from dphr_lab.training.dry_run import dry_run
from dphr_lab.training.peak_memory import peak_memory
from dphr_lab.training.step_cost import (
    CARD_SHARE,
    GIB,
    MIB,
    can_count,
    count_activations,
    kept_for_backward,
    step_cost,
)
from tests.helpers import ROOT
from tests.helpers.training import ColouredPlaces, settings

sys.path += [str(ROOT / "book" / "_ext"), str(ROOT / "book" / "_tools")]
from cards import CARDS_GB, TFLOP_PER_S, cards_table
from store_memory import measure_steps

of_a_gpu = pytest.mark.skipif(not can_count("cuda"), reason="this torch needs a GPU to count one's")


def kept_in_truth(encoder, images, half):
    """Bytes that autograd keeps in a real forward pass."""
    held = {}
    own = {p.untyped_storage()._cdata for p in [*encoder.parameters(), *encoder.buffers()]}
    with kept_for_backward(held), torch.autocast("cpu", dtype=half, enabled=half is not None):
        encoder(images)
    return sum(t.untyped_storage().nbytes() for key, t in held.items() if key not in own)


@pytest.mark.parametrize("backbone", ["test_convnext", "test_efficientnet", "test_vit"])
@pytest.mark.parametrize("half", [None, torch.bfloat16])
def test_counted_activations_are_those_that_autograd_keeps(backbone, half):
    px = 160 if backbone == "test_vit" else 64
    encoder = Encoder(backbone, image_px=px).train()
    images = torch.randint(0, 256, (3, 3, px, px), dtype=torch.uint8)
    counted, largest, flops = count_activations(encoder, 3, px, half, "cpu")
    truth = kept_in_truth(encoder, images, half)
    assert counted == pytest.approx(truth, rel=0.0 if half is None else 0.02)
    assert 0 < largest < counted and flops > 0


@of_a_gpu
def test_counting_leaves_the_encoder_and_torch_as_they_were():
    encoder = Encoder("test_convnext", image_px=64).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    state = torch.get_rng_state()
    count_activations(encoder, 2, 64, torch.float16, "cuda")
    assert all(torch.equal(before[n], v) for n, v in encoder.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.is_autocast_enabled("cuda")
    assert encoder(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).device.type == "cpu"


def test_a_torch_that_asks_for_a_gpu_it_lacks_is_told(monkeypatch):
    monkeypatch.delattr(torch._C, "_ensureCUDADeviceGuardSet", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="found none: count with device='cpu', or install a newer"):
        step_cost(Settings(image_px=64), Encoder("test_convnext", image_px=64))
    assert can_count("cpu")


@of_a_gpu
def test_the_parts_of_a_step_follow_the_settings():
    plain = Settings(image_px=64, batch=32)
    encoder = Encoder("test_convnext", image_px=64)
    whole = step_cost(plain, encoder)
    cut = step_cost(plain.changed(micro_batch=8), encoder)
    half = step_cost(plain.changed(mixed_precision="fp16"), encoder)
    sgd = step_cost(plain.changed(optimizer="sgd"), encoder)
    parameters = sum(p.numel() for p in encoder.parameters())
    assert whole.gradients == 4 * parameters and whole.moments == 8 * parameters
    assert sgd.moments == 4 * parameters
    assert cut.activations == pytest.approx(whole.activations / 4, rel=1e-3)
    assert half.activations < whole.activations
    assert cut.flops == pytest.approx(whole.flops * 4 / 3)  # one more forward pass
    assert whole.peak > whole.activations + whole.weights + whole.gradients + whole.moments
    assert whole.fits(whole.peak / 0.84 / 2**30) and not whole.fits(whole.peak / 0.86 / 2**30)


def test_a_real_step_stays_near_the_estimate():
    """All allocations of one step, as torch's profiler records them, against the count."""
    from torch.profiler import ProfilerActivity, profile

    encoder = Encoder("test_convnext", image_px=96).train()
    optimizer = torch.optim.AdamW(encoder.parameters())
    images = torch.randint(0, 256, (32, 3, 96, 96), dtype=torch.uint8)

    def step():
        z = encoder(images)
        (z[:16] * z[16:]).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()  # makes the moments
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    held = peak = 0
    events = record.profiler.kineto_results.events()
    for event in sorted(
        (e for e in events if e.name() == "[memory]"), key=lambda event: event.start_ns()
    ):
        held += event.nbytes()
        peak = max(peak, held)
    cost = step_cost(Settings(image_px=96, batch=16), encoder, device="cpu")
    counted = cost.gradients + cost.activations + cost.working  # the rest was there before
    assert 0.8 < counted / peak < 1.25, f"counted {counted / MIB:.1f}, found {peak / MIB:.1f} MiB"


def test_peak_memory_sees_what_is_held():
    with peak_memory(torch.device("cpu")) as peak:
        # a mapping of its own: malloc may hold memory of other tests, which is no growth
        torch.frombuffer(mmap.mmap(-1, 64 * MIB), dtype=torch.uint8).fill_(1)
    if peak.growth is None:
        pytest.skip(peak.how)
    assert 60 * MIB < peak.growth < 90 * MIB < peak.total


@pytest.mark.slow
def test_a_dry_run_does_one_step_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = dry_run(settings(epochs=2, micro_batch=4), ColouredPlaces())
    assert (found.places, found.held_out_places, found.pairs) == (20, 4, 40)
    assert (found.batches, found.left_out, found.settings.steps) == (4, 8, 9)
    assert found.step_s > 0 and found.loss > 0
    shown = str(found)
    assert "20 places, 40 pairs; 4 places held out" in shown
    assert "4 an epoch of 8 pairs in micro-batches of 4" in shown
    assert (
        "estimated: " in shown and "measured on cpu: " in shown and "nothing was written" in shown
    )
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_when_a_step_waits_for_its_images():
    found = dry_run(settings(steps=600), ColouredPlaces())

    def said(read_s, workers):
        own = found.settings.changed(workers=workers)
        return str(replace(found, settings=own, read_s=read_s, step_s=0.5, device="cuda"))

    assert "too slow: a step waits 1.20 s" in said(1.2, 0) and "--workers 0; 3, each" in said(
        1.2, 0
    )
    assert "waits 0.10 s" in said(1.2, 2) and "all steps    6.0 min" in said(1.2, 2)
    for read_s, workers in ((1.2, 3), (1.05, 2), (0.04, 0)):  # the second waits 0.025 s of 0.5
        assert "too slow" not in said(read_s, workers)
    assert "set up once" in str(found) and "set up once" not in said(1.2, 3)


def test_steps_on_noise_are_measured():
    peak, seconds = measure_steps(settings(steps=1, micro_batch=4), steps=1)
    assert seconds > 0 and (peak.total is None or peak.total > 10 * MIB)


def test_the_stored_cards_say_of_each_row_how_it_came_about():
    stored = json.loads((files("dphr_lab.results") / "memory" / "cards.json").read_text("utf-8"))
    lines = cards_table(stored).splitlines()[2:]
    assert len(lines) == len(stored["rows"])
    for row, line in zip(stored["rows"], lines, strict=True):
        assert row["how"] in ("estimated", "measured")
        assert line.endswith(f"{row['how']} |") or f"measured on {row['gpu']}" in line
        assert (row["how"] == "measured") == ("step_s" in row)
        fits = [row["peak_gib"] <= CARD_SHARE * card for card in CARDS_GB]
        assert [cell.strip() == "yes" for cell in line.split("|")[-6:-2]] == fits
        assert row["how"] == "measured" or line.split("|")[-7].strip() == "–"


def test_the_least_time_is_the_counted_work_at_the_given_rate():
    row = {"batch": 128, "micro_batch": 8, "mixed_precision": "fp16", "peak_gib": 7.0}
    row |= {"recipe": "dphr-university1652", "tflop": 90.0, "how": "estimated"}

    def shown(**options):
        (line,) = cards_table({"rows": [row]}, **options).splitlines()[2:]
        return [cell.strip() for cell in line.split("|")][7:10]

    assert shown(tflop_per_s=30.0) == ["3.00", "14.75", "–"]  # 295 steps
    assert shown() == ["0.90", f"{90 / TFLOP_PER_S * 295 / 60:.2f}", "–"]
    row |= {"recipe": "dphr-sues200", "batch": 16}
    assert shown(tflop_per_s=30.0)[1] == f"{6000 // 16 * 3 / 60:.2f}"
    row |= {"recipe": "twin-towns", "tflop": 0.003, "how": "measured", "gpu": "H", "step_s": 0.2}
    assert shown() == ["under 0.01", "under 0.01", "0.20"]  # 800 steps


@of_a_gpu
def test_a_stored_estimate_is_counted_again():
    stored = json.loads((files("dphr_lab.results") / "memory" / "cards.json").read_text("utf-8"))
    (row,) = [r for r in stored["rows"] if r["recipe"] == "twin-towns" and r["how"] == "estimated"]
    cost = step_cost(RECIPES["twin-towns"].settings(batch=row["batch"]))
    assert cost.peak / GIB == pytest.approx(row["peak_gib"], rel=0.05)
    assert cost.flops / 1e12 == pytest.approx(row["tflop"], rel=0.05)


@pytest.mark.parametrize("chapter", ["10_university1652", "11_sues200"])
def test_a_chapters_larger_setting_fits_the_card_that_it_names(chapter):
    """By the stored count of the recipe at the micro-batch that the chapter's switch sets."""
    text = (ROOT / "book" / f"{chapter}.py").read_text("utf-8")
    (given,) = re.findall(r"^ *in_full = ({.*})$", text, re.M)
    assert (
        len(re.findall(r"recipe\.settings\(\*\*(?:in_full|\(in_full if FULL else small\))\)", text))
        == 1
    )
    (card,) = re.findall(r"by our count, fit a card of (\d+) GB", text)
    recipe = f"dphr-{chapter.partition('_')[2]}"
    assert f'RECIPES["{recipe}"' in text
    settings = RECIPES[recipe].settings(**ast.literal_eval(given))
    assert not RECIPES[recipe].overridden(settings)  # the recipe as it stands
    stored = json.loads((files("dphr_lab.results") / "memory" / "cards.json").read_text("utf-8"))
    asked = (recipe, settings.batch, settings.micro_batch)
    (peak_gib,) = {
        row["peak_gib"]
        for row in stored["rows"]
        if (row["recipe"], row["batch"], row["micro_batch"]) == asked and row["how"] == "estimated"
    }
    assert peak_gib <= CARD_SHARE * int(card)
