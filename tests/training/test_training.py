"""Training: the schedule, the run folder, bit-exact resume, faults, several processes."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from dphr_lab import training
from dphr_lab._locks import only_writer
from dphr_lab.datasets import ArrayImages, PairSet, open_dataset
from dphr_lab.localization import evaluate_dataset
from dphr_lab.losses import (
    DPHRLoss,
    MetricLearningLoss,
    MinedTripletLoss,
    SymmetricInfoNCE,
    TripletLoss,
    WeightedInfoNCE,
)
from dphr_lab.models import Encoder, embed
from dphr_lab.results.run_folder import (
    described,
    newest_checkpoint,
    read_metrics,
    selected_on_test,
    stored_run,
)
from dphr_lab.retrieval import RetrievalReport
from dphr_lab.settings import LOSSES, Settings
from dphr_lab.training.run import Run
from dphr_lab.training.selection import hold_out
from tests.helpers import ROOT
from tests.helpers.training import (
    PX,
    ColouredPlaces,
    after_step,
    assert_same_run,
    begun,
    press_ctrl_c,
    settings,
    stopped_and_resumed,
    tensors_of,
    trained,
)


@pytest.fixture(scope="module")
def data():
    return ColouredPlaces()


def test_learning_rate_rises_then_falls_to_nothing():
    s = settings(steps=100, warmup=0.1, learning_rate=2.0)
    rates = [training.learning_rate(step, s) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)  # halfway down the cosine
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[99] < 0.001
    assert training.learning_rate(0, settings(steps=4, warmup=0.0, learning_rate=2.0)) == 2.0


KIND_OF = {
    "triplet": TripletLoss,
    "rda": DPHRLoss,
    "palw": DPHRLoss,
    "dphr": DPHRLoss,
    "dphr_infonce": DPHRLoss,
    "sharp_rda": DPHRLoss,
    "sharp_palw": DPHRLoss,
    "sharp": DPHRLoss,
    "sharp_infonce": DPHRLoss,
    "infonce": SymmetricInfoNCE,
    "hcl": WeightedInfoNCE,
    "hardest": MinedTripletLoss,
    "semi_hard": MinedTripletLoss,
    "multi_similarity": MetricLearningLoss,
    "circle": MetricLearningLoss,
}


def test_the_kind_of_every_loss_is_tested():
    assert set(KIND_OF) | {"none"} == set(LOSSES)


@pytest.mark.parametrize("name, kind", KIND_OF.items())
def test_make_loss_builds_what_the_name_says(name, kind):
    if kind is MetricLearningLoss:
        pytest.importorskip("pytorch_metric_learning")
    loss = training.make_loss(settings(loss=name))
    assert type(loss) is kind
    halves = {
        "rda": ("constant", "interval"),
        "palw": ("loss", None),
        "dphr": ("loss", "interval"),
        "dphr_infonce": ("loss", "interval"),
        "sharp_rda": ("constant", "exp"),
        "sharp_palw": ("recall", None),
        "sharp": ("recall", "exp"),
        "sharp_infonce": ("recall", "exp"),
    }
    if name in halves:
        assert (loss.progressive.signal, loss.settings.weight_map) == halves[name]
    if name in ("dphr_infonce", "sharp_infonce"):
        assert isinstance(loss.base, SymmetricInfoNCE) and loss.mu == 1
        assert loss.base is not training.make_loss(settings(loss=name)).base
    if kind is MinedTripletLoss:
        assert loss.mining == name
    if kind is MetricLearningLoss:
        assert type(loss.loss).__name__.lower() == name.replace("_", "") + "loss"


def test_loss_options_reach_the_loss_and_unknown_ones_are_named():
    loss = training.make_loss(settings(loss="sharp", loss_options={"beta": 4, "signal": "step"}))
    assert (loss.settings.beta, loss.progressive.total_steps) == (4, 12)
    with pytest.raises(ValueError, match=r"loss_options: found bta; DPHRLoss takes alpha.*beta"):
        training.make_loss(settings(loss_options={"bta": 4}))
    if "pytorch_metric_learning" in sys.modules:
        with pytest.raises(ValueError, match="CircleLoss takes m, gamma"):
            training.make_loss(settings(loss="circle", loss_options={"margin": 4}))


@pytest.mark.slow
@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "none"])
def test_every_loss_learns_unseen_places(data, tmp_path, loss):
    def recall(steps, name):
        run = settings(loss=loss, steps=steps, augmentation={"quarter_turns": 0})
        result = training.fit(run, data, tmp_path / name, progress=False)
        return result["report"]["D2S"]["r_at_1"]

    if loss in ("multi_similarity", "circle"):
        pytest.importorskip("pytorch_metric_learning")
    untrained, trained = recall(0, "untrained"), recall(30, "trained")
    assert trained > untrained + 10 or trained > 90


@pytest.mark.slow
def test_a_run_folder_holds_what_its_description_says(data, tmp_path):
    run = tmp_path / "run"
    result = training.fit(settings(), data, run, progress=False)
    assert json.loads((run / "result.json").read_text("utf-8")) == json.loads(json.dumps(result))
    assert {"format", "settings", "data", "versions", "hardware", "wall_s", "curves", "report"} <= (
        result.keys()
    )
    assert Settings.from_dict(result["settings"]) == settings()
    assert result["curves"]["step"] == list(range(1, 13))
    assert result["curves"]["val_step"] == [4, 9, 12]  # epochs of 4 and 5 batches
    assert all(0 <= value <= 1 for value in result["curves"]["lambda"])
    assert set(result["report"]) == {"D2S", "S2D"}
    assert (run / "curves.png").stat().st_size > 1000
    assert [p.name for p in sorted((run / "checkpoints").iterdir())] == [
        "step-000009",
        "step-000012",
    ]
    # the encoder that inference loads is the one of the best validation
    best = max(
        zip(result["curves"]["val_r_at_1"], [-4, -9, -12], strict=True)
    )  # the first of equals
    assert result["selected_step"] == -best[1]
    z = Encoder.load(run)(torch.zeros(1, 3, PX, PX))
    assert z.norm().item() == pytest.approx(1)


@pytest.mark.slow
def test_sgd_takes_steps_of_its_own_and_resumes_with_its_momentum(data, tmp_path):
    options = settings(optimizer="sgd", learning_rate=0.1)
    result = training.fit(options, data, tmp_path / "sgd", progress=False)
    adamw = training.fit(options.changed(optimizer="adamw"), data, tmp_path / "a", progress=False)
    assert result["curves"]["loss"][0] == adamw["curves"]["loss"][0]
    assert result["curves"]["loss"] != adamw["curves"]["loss"]
    moments = [name for name in tensors_of(tmp_path / "sgd") if "momentum_buffer" in name]
    assert moments and not [n for n in tensors_of(tmp_path / "sgd") if "exp_avg" in n]


def test_faults_reach_the_training_pairs_and_no_others(data):
    options = settings(wrong_pairs=0.5, split_places=0.5)
    clean, faulty = (Run(s, data) for name, s in {"clean": settings(), "faulty": options}.items())
    assert len(clean.pairs) == 20 and len(faulty.pairs) == 30
    satellites = faulty.pairs.satellite.images[
        faulty.pairs.satellite.rows[faulty.pairs.pairs[:, 1]]
    ]
    assert len(satellites) == 40
    assert faulty.held_out.place_ids.tolist() == clean.held_out.place_ids.tolist()
    assert faulty.held_out.pairs.tolist() == clean.held_out.pairs.tolist()


@pytest.mark.slow
def test_the_last_encoder_can_be_kept_instead(data, tmp_path):
    results = {
        select: training.fit(settings(select=select), data, tmp_path / select, progress=False)
        for select in ("best", "last")
    }
    assert results["last"]["selected_step"] == 12
    last = tensors_of(tmp_path / "last")
    kept = safetensors.torch.load_file(tmp_path / "last" / "encoder.safetensors")
    assert not [
        name for name in kept if not torch.equal(kept[name], last[f"encoder.safetensors:{name}"])
    ]
    assert results["best"]["curves"] == results["last"]["curves"]


def test_making_a_run_writes_and_prints_nothing(data, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    run = Run(settings(sampler="nearest", epochs=2), data)
    assert (run.step, run.plan, run.z_places) == (0, None, None)
    run.begin_epoch(0)
    run.take_step(run.reader[0, run.plan[0]])
    assert run.step == run.batch_of_epoch == 1
    assert capfd.readouterr() == ("", "") and not list(tmp_path.iterdir())


def test_no_place_of_a_batch_is_repeated_and_no_held_out_place_is_trained_on(data):
    run = Run(settings(), data)
    held = set(run.held_out.place_ids.tolist())
    assert len(held) == 4
    for epoch in range(2):
        batches = run.plan_epoch(epoch)
        for step in range(len(batches)):
            places = run.reader[epoch, batches[step]].places.tolist()
            assert len(set(places)) == 8
            assert not held & set(places)


def test_the_nearest_sampler_plans_each_epoch_by_the_encoder_of_that_moment(data, tmp_path):
    options = settings(sampler="nearest", batch=10, steps=4)  # one epoch
    run = begun(options, data)

    def embedded():
        return embed(run.encoder, run.pairs.satellite).numpy()  # one satellite image a place

    np.testing.assert_allclose(run.z_places, embedded(), atol=1e-6)
    before, plan = run.z_places, run.plan.plan
    trained(run, tmp_path / "run")
    assert run.epoch == 1
    np.testing.assert_allclose(run.z_places, embedded(), atol=1e-6)
    assert np.abs(run.z_places - before).max() > 1e-3
    assert run.plan.plan.tolist() != plan.tolist()


def test_places_with_several_satellite_images_count_by_their_mean(data):
    options = settings(sampler="nearest", split_places=0.3)
    run = begun(options, data)
    assert run.z_places.shape[0] == len(run.pairs) == 26  # a place labelled as two is two
    np.testing.assert_allclose(np.linalg.norm(run.z_places, axis=1), 1, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "nearest"])
@pytest.mark.parametrize("stop_after", [7, 4], ids=["within an epoch", "at an epoch's end"])
def test_a_stopped_run_goes_on_bit_exactly(data, tmp_path, stop_after, sampler):
    batch = 10 if sampler == "nearest" else 8  # its epochs have four batches, too
    options = settings(loss="dphr", sampler=sampler, batch=batch)
    training.fit(options, data, tmp_path / "whole", progress=False)
    stopped = stopped_and_resumed(options, data, tmp_path / "stopped", stop_after)
    assert_same_run(tmp_path / "whole", stopped)


@pytest.mark.slow
def test_layers_that_draw_go_on_with_their_random_state(data, tmp_path, monkeypatch):
    plain = Encoder.forward

    def with_dropout(self, images):
        z = torch.nn.functional.dropout(plain(self, images), 0.2, self.training)
        return torch.nn.functional.normalize(z)

    monkeypatch.setattr(Encoder, "forward", with_dropout)
    options = settings(steps=6)
    training.fit(options, data, tmp_path / "whole", progress=False)
    stopped = stopped_and_resumed(options, data, tmp_path / "stopped", 3)
    assert_same_run(tmp_path / "whole", stopped)


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_last_checkpoint(data, tmp_path, monkeypatch):
    options = settings(loss="infonce")  # has a parameter of its own to restore
    training.fit(options, data, tmp_path / "whole", progress=False)

    def die():
        raise MemoryError

    with after_step(8, die), pytest.raises(MemoryError):  # two steps after a checkpoint
        training.fit(options, data, tmp_path / "killed", progress=False)
    with open(tmp_path / "killed" / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 9, "lo')  # a line cut in half
    training.fit(options, data, tmp_path / "killed", resume=True, progress=False)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_a_start_without_a_checkpoint_blocks_nothing(data, tmp_path):
    options, run = settings(steps=4), tmp_path / "run"
    training.fit(options, data, tmp_path / "whole", progress=False)

    def die():
        raise MemoryError

    def failed(resume):
        with after_step(2, die), pytest.raises(MemoryError):
            training.fit(options, data, run, resume=resume, progress=False)
        assert not (run / "checkpoints").exists()

    failed(resume=False)
    failed(resume=True)  # from its beginning: there is no checkpoint
    (run / "notes.txt").write_text("mine", "utf-8")
    training.fit(options, data, run, progress=False)  # and the same command begins anew
    assert_same_run(tmp_path / "whole", run)
    assert (run / "notes.txt").read_text("utf-8") == "mine"


@pytest.mark.slow
def test_epochs_give_the_steps(data, tmp_path):
    def planned(epochs):
        options = settings(epochs=epochs, augmentation=None)
        return Run(options, data)

    lengths = [len(planned(1).plan_epoch(epoch)) for epoch in range(2)]
    assert lengths == [4, 5]
    steps = {epochs: planned(epochs).settings.steps for epochs in (1, 2, 1.4, 0.1)}
    assert steps == {1: 4, 2: 9, 1.4: 6, 0.1: 1}
    result = training.fit(settings(epochs=1), data, tmp_path / "run", progress=False)
    assert result["curves"]["step"] == [1, 2, 3, 4]
    assert (result["settings"]["epochs"], result["settings"]["steps"]) == (1, 4)
    training.fit(settings(epochs=1), data, tmp_path / "run", resume=True, progress=False)


@pytest.mark.slow
def test_resume_refuses_other_settings_and_empty_folders(data, tmp_path):
    run = tmp_path / "run"
    training.fit(settings(), data, run, progress=False)
    with pytest.raises(ValueError, match=r"learning_rate: stored 0.003, given 0.1"):
        training.fit(settings(learning_rate=0.1), data, run, resume=True, progress=False)
    other = ColouredPlaces()
    other.name = "other places"
    with pytest.raises(ValueError, match="name: stored 'coloured places', given 'other places'"):
        training.fit(settings(), other, run, resume=True, progress=False)
    with pytest.raises(FileExistsError, match="another run"):
        training.fit(settings(), data, run, progress=False)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        training.fit(settings(), data, tmp_path / "none", resume=True, progress=False)


@pytest.mark.slow
def test_resume_knows_what_the_run_was_started_with(data, tmp_path):
    run = tmp_path / "run"
    training.fit(settings(), data, run, progress=False)
    path = newest_checkpoint(run) / "position.json"
    position = json.loads(path.read_text("utf-8"))
    position["environment"]["versions"]["torch"] = "1.0"
    path.write_text(json.dumps(position), "utf-8")
    with pytest.warns(UserWarning, match="not end bit for bit"):
        training.fit(settings(), data, run, resume=True, progress=False)
    path.write_text(json.dumps(position | {"processes": 2}), "utf-8")
    with pytest.raises(ValueError, match="saved by 2 processes, found 1"):
        training.fit(settings(), data, run, resume=True, progress=False)


def test_a_batch_larger_than_the_places_writes_nothing(data, tmp_path):
    with pytest.raises(ValueError, match=r"64.*20|20.*64"):
        training.fit(settings(batch=64), data, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_non_finite_loss_stops_with_step_places_and_a_checkpoint(data, tmp_path, monkeypatch):
    run = tmp_path / "run"
    plain = DPHRLoss.forward

    def broken(self, *args):
        loss = plain(self, *args)
        return loss * float("nan") if int(self.progressive.steps) == 5 else loss

    with monkeypatch.context() as patch:
        patch.setattr(DPHRLoss, "forward", broken)
        with pytest.raises(training.NonFiniteLossError, match=r"step 5, places \[.*non-finite"):
            training.fit(settings(), data, run, progress=False)
    saved = json.loads((run / "checkpoints" / "non-finite" / "position.json").read_text("utf-8"))
    assert saved["step"] == 4
    state = safetensors.torch.load_file(run / "checkpoints" / "non-finite" / "state.safetensors")
    assert state["loss.progressive.steps"].item() == 4
    # a run that stopped so can go on from its last step checkpoint
    training.fit(settings(), data, run, resume=True, progress=False)
    training.fit(settings(), data, tmp_path / "whole", progress=False)
    assert_same_run(tmp_path / "whole", run)


def test_loss_parameters_are_trained_without_weight_decay(data, tmp_path):
    run = begun(settings(loss="infonce"), data)
    groups = run.optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]
    assert [p.shape for p in groups[1]["params"]] == [p.shape for p in run.loss.parameters()]
    before = [p.detach().clone() for p in run.loss.parameters()]
    trained(run, tmp_path / "run")
    assert all((a != b).all() for a, b in zip(before, run.loss.parameters(), strict=True))


@pytest.mark.slow
def test_workers_change_nothing(data, tmp_path):
    options = settings(steps=6, sampler="nearest")  # into a second epoch, planned after the first
    for workers in (0, 2):
        run = tmp_path / str(workers)
        training.fit(options.changed(workers=workers), data, run, progress=False)
    a, b = tensors_of(tmp_path / "0"), tensors_of(tmp_path / "2")
    assert not [name for name in a if not torch.equal(a[name], b[name])]


@pytest.mark.slow
def test_after_bf16_training_the_report_is_of_the_stored_encoder_in_float32(data, tmp_path):
    run = tmp_path / "run"
    result = training.fit(settings(mixed_precision="bf16", val_places=0), data, run, progress=False)
    assert np.isfinite(result["curves"]["loss"]).all()
    again = evaluate_dataset(Encoder.load(run), data)
    assert result["report"] == {name: report.to_dict() for name, report in again.items()}


@pytest.mark.slow
def test_refit_trains_on_all_places_for_the_steps_that_a_run_chose(data, tmp_path):
    origin = {"recipe": {"name": "soup", "overridden": {}}}
    first = training.fit(settings(), data, tmp_path / "run", origin=origin, progress=False)
    assert first["trained_on"] == {"places": 20, "held_out_places": 4}
    assert first["selected_on"] == "held-out training places"
    again = training.refit(tmp_path / "run", data, tmp_path / "refit", progress=False)
    assert again["trained_on"] == {"places": 24, "held_out_places": 0}
    assert again["curves"]["step"] == list(range(1, first["selected_step"] + 1))
    assert again["curves"]["val_step"] == []
    assert again["recipe"] == first["recipe"] == origin["recipe"]
    assert again["refit"] == {
        "of": "run", "steps_chosen": first["selected_step"], "steps_of_that_run": 12,
        "held_out_places": 4,
    }  # fmt: skip
    rows = [described(result) for result in (first, again)]
    assert "trained on 20 places, 4 more held out" in rows[0]
    assert "refit of run on all 24 training places" in rows[1]
    with pytest.raises(FileNotFoundError, match=r"refit: found no result\.json"):
        training.refit(tmp_path / "none", data, tmp_path / "x", progress=False)


@pytest.mark.slow
def test_selection_on_the_test_set_is_stamped_on_all_that_it_makes(data, tmp_path):
    run = tmp_path / "run"
    options = settings(select="test", val_places=None, validate_every=2, steps=6)
    result = training.fit(options, data, run, progress=False)
    assert result["trained_on"] == {"places": 24, "held_out_places": 0}
    assert result["selected_on"] == "the test set" and selected_on_test(run)
    assert "selected on the test set" in described(result)
    said = [json.loads((f / "encoder.json").read_text("utf-8")) for f in (run, run / "best")]
    assert [record["selected_on_test"] for record in said] == [True, True]
    assert not Encoder.load(newest_checkpoint(run)).selected_on_test  # nobody chose that one
    best = result["curves"]["val_r_at_1"].index(max(result["curves"]["val_r_at_1"]))
    assert result["selected_step"] == result["curves"]["val_step"][best]
    report = result["report"]["D2S"]
    assert report["selected_on_test"] and report["r_at_1"] == pytest.approx(
        max(result["curves"]["val_r_at_1"]), abs=1e-3
    )
    assert "SELECTED ON THE TEST SET" in str(RetrievalReport.from_dict(report))
    with pytest.raises(ValueError, match=r"refit: the run in .* was selected on the test set"):
        training.refit(run, data, tmp_path / "refit", progress=False)
    blind = ColouredPlaces()
    blind.has_test = False
    with pytest.raises(ValueError, match="no test half of drone queries to select on"):
        training.fit(options, blind, tmp_path / "blind", progress=False)


@pytest.mark.slow
def test_tensorboard_holds_the_lines_of_the_run(data, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options, run = settings(steps=5), tmp_path / "run"
    with after_step(4, press_ctrl_c), pytest.raises(KeyboardInterrupt):
        training.fit(options, data, run, progress=False, tensorboard=True)
    training.fit(options, data, run, progress=False, tensorboard=True, resume=True)
    events = accumulator.EventAccumulator(str(run))
    events.Reload()
    lines = read_metrics(run)
    for name in ("loss", "recall", "lambda", "learning_rate", "val_r_at_1"):
        want = [(line["step"], line[name]) for line in lines if name in line]
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert [step for step, _ in found] == [step for step, _ in want]
        np.testing.assert_allclose([v for _, v in found], [v for _, v in want], rtol=1e-6)


def test_tensorboard_that_is_not_installed_is_named_before_any_writing(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'dphr-lab\[tensorboard\]'"):
        training.fit(settings(), data, tmp_path / "run", progress=False, tensorboard=True)
    assert not (tmp_path / "run").exists()


def test_a_tenth_of_the_places_is_held_out_unless_said_otherwise(data):
    rest, held = hold_out(ColouredPlaces(60, drones=1).train, Settings(val_places=None))
    assert (len(rest), len(held)) == (54, 6)
    assert len(hold_out(data.train, Settings())[1]) == 0  # two of 24 could choose nothing
    three = PairSet(*(images.subset(images.places < 3) for images in data.train.direction("D2S")))
    assert len(hold_out(three, Settings())[1]) == 0
    families = [
        ArrayImages(i.view, i.images, i.places, i.places // 6) for i in data.train.direction("D2S")
    ]
    assert len(hold_out(PairSet(*families), Settings())[1]) == 6  # one whole family
    with pytest.raises(ValueError, match="val_places: "):
        hold_out(three, Settings(val_places=60))


def test_two_trainings_in_one_folder_do_not_mix(data, tmp_path):
    with only_writer(tmp_path / "run"), pytest.raises(BlockingIOError, match="run: in use by"):
        training.fit(settings(), data, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def on_disk(root, drones=6):
    """Six places in folders, whose pictures are noise."""
    for half, places in (("train", range(6)), ("test", (6, 7))):
        for place in places:
            for view, count in (("drone", drones), ("satellite", 1)):
                folder = root / half / view / f"place{place}"
                folder.mkdir(parents=True)
                for k in range(count):
                    pixels = np.random.default_rng([place, k, count]).integers(0, 255, (32, 32, 3))
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{k}.png")
    return root


@pytest.mark.slow
def test_a_run_goes_on_where_its_data_lie_now_and_says_what_changed(tmp_path):
    root, run, moved = on_disk(tmp_path / "data"), tmp_path / "run", tmp_path / "moved"
    options = settings(batch=4, val_places=0, steps=30, checkpoint_every=50)
    with after_step(7, press_ctrl_c), pytest.raises(KeyboardInterrupt, match="step 7"):
        training.fit(options, open_dataset(root), run, progress=False)
    shutil.copytree(run, tmp_path / "changed")
    root.rename(moved)
    training.fit(options, open_dataset(moved), run, resume=True, progress=False)
    assert stored_run(run)["data"]["root"] == str(moved)
    whole = training.fit(options, open_dataset(moved), tmp_path / "whole", progress=False)
    assert_same_run(run, tmp_path / "whole")

    for path in (moved / "train/drone").glob("*/[345].png"):
        path.unlink()
    run, data = tmp_path / "changed", open_dataset(moved)
    gone = r"18 gone \(train/drone/place0/3\.png"
    with pytest.raises(ValueError, match=f"{gone}.*--changed-data"):
        training.fit(options, data, run, resume=True, progress=False)
    result = training.fit(options, data, run, resume=True, progress=False, changed_data=True)
    assert re.match(f"from step 000007 on: {gone}", result["changed_data"][0])
    assert len(result["curves"]["step"]) == len(whole["curves"]["step"]) == 30
    shutil.rmtree(moved / "train/drone/place1")
    with pytest.raises(ValueError, match="put back what was, start another run"):
        data = open_dataset(moved)
        training.fit(options, data, run, resume=True, progress=False, changed_data=True)


@pytest.mark.slow
def test_the_steps_before_an_error_of_reading_are_kept(tmp_path, capsys):
    root, run = on_disk(tmp_path / "data"), tmp_path / "run"
    options = settings(batch=4, val_places=0, steps=30, checkpoint_every=50)

    def damage():
        for path in (root / "train/drone").glob("*/*.png"):
            path.write_bytes(b"no image")

    with after_step(5, damage), pytest.raises(ValueError, match="cannot be decoded"):
        training.fit(options, open_dataset(root), run, progress=False)
    assert newest_checkpoint(run).name == "step-000005"
    assert "the 5 steps so far are saved in" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("part", ["random.0.cpu", "exp_avg", "loss."])
@pytest.mark.parametrize("how", ["lacks", "of another shape"])
def test_every_part_of_a_checkpoint_is_needed(finished, tmp_path, part, how):
    data, run = finished[0], shutil.copytree(finished[1], tmp_path / "run")
    path = newest_checkpoint(run) / "state.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if part in name)
    if how == "lacks":
        del tensors[name]
    else:
        tensors[name] = tensors[name].new_zeros(3, 3)
    save_file(tensors, path)
    with pytest.raises(ValueError, match=f"is no whole checkpoint of this run.*{name} is of shape"):
        training.fit(settings(steps=2), data, run, resume=True, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [("step", "3"), ("epoch", None), ("batch_of_epoch", -3), ("wall_s", "x"), ("best", None),
     ("best", {"step": "x", "val_r_at_1": 1}), ("processes", "1"), ("scaler", 3),
     ("tensors", [1]), ("environment", [])],
)  # fmt: skip
def test_a_position_of_other_kinds_is_named(finished, tmp_path, name, value):
    data, run = finished[0], shutil.copytree(finished[1], tmp_path / "run")
    path = newest_checkpoint(run) / "position.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {name: value}), "utf-8")
    with pytest.raises(ValueError, match=f"position.json: found .* for {name}"):
        training.fit(settings(steps=2), data, run, resume=True, progress=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(data, run) of two steps."""
    places, run = ColouredPlaces(), tmp_path_factory.mktemp("finished") / "run"
    training.fit(settings(steps=2), places, run, progress=False)
    return places, run


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    """torchrun on the CPU (gloo): the losses and the encoder of one process, to rounding.

    Also where the encoder decides which places meet.
    """
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            from tests.helpers.training import ColouredPlaces, settings
            from dphr_lab import training

            options = settings(loss="dphr", steps=20, batch=7, sampler="nearest")  # 4 and 3 rows
            training.fit(options, ColouredPlaces(), sys.argv[1], progress=False)
            """
        ),
        "utf-8",
    )
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "ACCELERATE_USE_CPU": "true",
    }
    alone, together = tmp_path / "alone", tmp_path / "together"
    subprocess.run([sys.executable, script, alone], env=environment, check=True, timeout=600)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    subprocess.run([*launch, script, together], env=environment, check=True, timeout=600)
    results = [json.loads((run / "result.json").read_text("utf-8")) for run in (alone, together)]
    for name in ("loss", "lambda"):
        a, b = (np.array(result["curves"][name]) for result in results)
        assert len(a) == len(b) == 20
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    a, b = (Encoder.load(run).state_dict() for run in (alone, together))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("batch", 1, "batch is 1; expected at least 2"),
        ("loss", "tripel", "loss is 'tripel'; expected one of triplet"),
        ("warmup", 2.0, "warmup is 2.0; expected a share"),
        ("mixed_precision", "fp8", "mixed_precision is 'fp8'; expected one of no"),
        ("threads", 0, "threads is 0"),
    ],
)
def test_settings_name_the_value_and_the_range(name, value, message):
    with pytest.raises(ValueError, match=message):
        Settings(**{name: value})


def test_stored_settings_of_another_version_are_named():
    with pytest.raises(ValueError, match="unknown bach"):
        Settings.from_dict({"bach": 3})


@pytest.mark.slow
def test_a_run_on_an_older_world_resumes_and_one_on_another_world_does_not(tmp_path):
    from dphr_lab.settings.worlds import PRESETS

    data = ColouredPlaces()
    data.settings = PRESETS["tiny"]
    options, run = settings(steps=3), tmp_path / "run"
    training.fit(options, data, run, progress=False)
    stored = json.loads((run / "settings.json").read_text("utf-8"))
    del stored["data"]["world"]["texture"]  # a field that the world of then did not have
    (run / "settings.json").write_text(json.dumps(stored), "utf-8")
    assert training.fit(options, data, run, resume=True, progress=False)["selected_step"] == 3
    data.settings = PRESETS["mini"]
    with pytest.raises(ValueError, match="started with other settings or data; world: stored"):
        training.fit(options, data, run, resume=True, progress=False)
