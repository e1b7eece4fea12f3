"""Hosts in training: they learn, their loss is joined to a pair loss, runs go on bit for bit."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
import torch

from dphr_lab import training
from dphr_lab.datasets import TwinTowns
from dphr_lab.losses import DPHRLoss, SymmetricInfoNCE
from dphr_lab.losses.parts import MeanOverParts
from dphr_lab.models import Encoder
from dphr_lab.results.run_folder import newest_checkpoint, read_metrics
from dphr_lab.settings import Settings
from dphr_lab.settings.worlds import PRESETS
from dphr_lab.training.objectives import make_encoder, make_loss
from dphr_lab.training.optimiser import parameter_groups
from dphr_lab.training.run import Run
from tests.helpers import ROOT
from tests.helpers.training import after_step, assert_same_run, begun, trained

pytestmark = pytest.mark.slow

RINGS = {"rings": 2, "last_stride": 1, "dropout": 0.2}
HOSTS = {
    "sample4geo": {"host": "sample4geo", "sampler": "random"},
    "lpn": {"host": "lpn", "backbone": "test_resnet", "host_options": RINGS},
    "mccg": {"host": "mccg"},
}
PLAIN_IMAGES = {"jitter": 0, "jpeg": 0, "blur": 0, "erase": 0, "quarter_turns": 0}


@pytest.fixture(scope="module")
def towns():
    """Twin Towns without twins, on fair days: 24 places to train on, 16 others to find."""
    few = {"train_places": 24, "test_places": 16, "distractor_places": 0, "family_size": 1}
    world = replace(PRESETS["tiny"], image_px=64, drone_views=3, weather=0.0, **few)
    return TwinTowns(world, workers=1, progress=False)


def settings(host: str, **values) -> Settings:
    small = {
        "image_px": 64,
        "batch": 8,
        "val_places": 0,
        "select": "last",
        "steps": 5,
        "checkpoint_every": 2,
        "threads": 1,
        "augmentation": PLAIN_IMAGES,
        "loss": "none",
        "sampler": "one_per_place",
    }
    return Settings(**small | HOSTS[host] | values)


ARMS = {
    "alone": {},
    "L_tri": {"loss": "triplet"},
    "weighted": {"loss": "rda"},  # at a constant lambda
    "DPHR": {"loss": "dphr"},
    "sharp": {"loss": "sharp"},
}
LEARNING = [(host, arm, {}) for host in HOSTS for arm in ("alone", "DPHR")]
LEARNING += [
    ("mccg", "L_tri", {}),
    ("lpn", "sharp", {}),
    ("lpn", "weighted", {}),
    ("lpn", "alone", {"sampler": "unpaired"}),
]
LEARNING += [("mccg", "DPHR", {"pair_on": "parts"})]


@pytest.mark.parametrize(("host", "arm", "more"), LEARNING)
def test_every_host_finds_more_unseen_places_than_untrained(host, arm, more, towns, tmp_path):
    def recall(steps, name):
        run = settings(host, steps=steps, **ARMS[arm] | more)
        found = training.fit(run, towns, tmp_path / name, progress=False)
        return [found["report"][way]["ap"] for way in ("D2S", "S2D")]

    untrained, trained = recall(0, "untrained"), recall(60, "trained")
    assert all(after > before + 5 for before, after in zip(untrained, trained, strict=True))


def test_sgd_with_two_rates_and_steps_trains_a_host(towns, tmp_path):
    options = settings(
        "mccg",
        optimizer="nesterov",
        learning_rate=0.01,
        backbone_rate=0.3,
        rate_drops=[0.4, 0.6],
        warmup=0.0,
    )
    run = trained(begun(options, towns), tmp_path / "run")
    lines = [line for line in read_metrics(tmp_path / "run") if "loss" in line]
    expected = [0.01, 0.01, 1e-3, 1e-4, 1e-4]  # drops at 0.4 and 0.6 of five steps
    assert [line["learning_rate"] for line in lines] == pytest.approx(expected)
    rates = [group["lr"] for group in run.optimizer.param_groups]
    assert rates == pytest.approx([0.3e-4, 1e-4, 1e-4])
    assert all(group["nesterov"] for group in run.optimizer.param_groups)


def test_groups_hold_every_parameter_once():
    for host in HOSTS:
        options = settings(host, loss="infonce", backbone_rate=0.1)
        encoder, loss = make_encoder(options, range(5)), make_loss(options)
        for options_of_rate, count in ((options, 3), (options.changed(backbone_rate=1.0), 2)):
            groups = parameter_groups(encoder, loss, options_of_rate)
            held = [id(p) for group in groups for p in group["params"]]
            assert len(groups) == count and len(held) == len(set(held))
            assert set(held) == {id(p) for m in (encoder, loss) for p in m.parameters()}
            assert groups[-1]["weight_decay"] == 0
            temperatures = {id(loss.logit_scale), id(getattr(encoder, "logit_scale", None))}
            assert {id(p) for p in groups[-1]["params"]} == temperatures - {id(None)}
        backbone = {id(p) for p in encoder.backbone.parameters()}
        first = parameter_groups(encoder, loss, options)[0]
        assert {id(p) for p in first["params"]} == backbone and first["rate"] == 0.1


def step_of(host, towns, tmp_path, **values):
    """(the run before its first step, its metrics of that step)."""
    torch.manual_seed(0)
    run = begun(settings(host, **values), towns)
    return run, run.take_step(run.reader[0, run.plan[0]])


def test_the_losses_add_up(towns, tmp_path):
    no_dropout = {"host_options": RINGS | {"dropout": 0.0}}
    _, alone = step_of("lpn", towns, tmp_path, **no_dropout)
    _, joined = step_of("lpn", towns, tmp_path, loss="triplet", pair_weight=0.5, **no_dropout)
    _, twice = step_of("lpn", towns, tmp_path, loss="triplet", pair_weight=1.0, **no_dropout)
    assert alone["loss"] == alone["host_loss"] == joined["host_loss"] == twice["host_loss"]
    pair = twice["loss"] - twice["host_loss"]
    assert pair > 0.01  # batch norm spreads an untrained vector wide
    assert joined["loss"] - joined["host_loss"] == pytest.approx(pair / 2, rel=1e-3)


def test_a_pair_loss_takes_mccgs_own_triplets_place_or_stands_beside(towns, tmp_path):
    def host_loss(**values):
        options = {"dropout": 0.0} | values.pop("host_options", {})
        return step_of("mccg", towns, tmp_path, host_options=options, **values)[1]["host_loss"]

    alone, instead = host_loss(), host_loss(loss="triplet")
    beside = host_loss(loss="triplet", host_options={"own_triplet": "beside"})
    assert beside == pytest.approx(alone) and instead < alone - 0.05


def test_dphr_on_parts_has_a_lambda_for_each(towns, tmp_path):
    run, line = step_of("mccg", towns, tmp_path, loss="dphr", pair_on="parts")
    assert isinstance(run.loss, MeanOverParts) and len(run.loss.losses) == 3
    assert all(isinstance(loss, DPHRLoss) for loss in run.loss.losses)
    lambdas = [loss.progressive.value().item() for loss in run.loss.losses]
    assert line["lambda"] == pytest.approx(sum(lambdas) / 3)


def test_sample4geo_trains_as_the_plain_encoder_with_its_loss(towns, tmp_path):
    """The same recipe by the host's interface and by a pair loss with a base."""
    by_host = settings("sample4geo", loss="dphr")
    by_base = by_host.changed(host="plain", loss="dphr_infonce")
    runs = [training.fit(s, towns, tmp_path / s.host, progress=False) for s in (by_host, by_base)]
    first, second = (run["curves"]["loss"] for run in runs)
    assert first == pytest.approx(second, rel=1e-4)
    host = Encoder.load(tmp_path / "sample4geo")
    plain = Encoder.load(tmp_path / "plain")
    temperature = newest_checkpoint(tmp_path / "plain") / "state.safetensors"
    from safetensors.torch import load_file

    assert torch.allclose(host.logit_scale, load_file(temperature)["loss.base.logit_scale"])
    z = [encoder(torch.full((1, 3, 64, 64), 0.5)) for encoder in (host, plain)]
    assert torch.allclose(*z, atol=1e-4)


CUT = [
    ("sample4geo", {"loss": "dphr"}),
    ("lpn", {"sampler": "unpaired"}),
    ("lpn", {"loss": "dphr", "optimizer": "nesterov", "learning_rate": 1e-3, "backbone_rate": 0.1}),
    ("mccg", {"loss": "dphr", "pair_on": "parts", "rate_drops": [0.5]}),
    ("mccg", {"micro_batch": 3}),
]


@pytest.mark.parametrize(("host", "values"), CUT)
def test_a_host_goes_on_bit_exactly(host, values, towns, tmp_path):
    options = settings(host, steps=7, **values)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    training.fit(options, towns, whole, progress=False)

    def break_off():
        raise KeyboardInterrupt("in a step that no checkpoint holds yet")

    with after_step(5, break_off), pytest.raises(KeyboardInterrupt):
        training.fit(options, towns, cut, progress=False)
    training.fit(options, towns, cut, resume=True, progress=False)
    assert_same_run(whole, cut)
    stored = json.loads((cut / "encoder.json").read_text("utf-8"))
    assert stored["kind"] == host
    assert "host_loss" in json.loads((cut / "result.json").read_text("utf-8"))["curves"]


def test_micro_batches_give_the_whole_batchs_gradient_where_norms_are_frozen(towns, tmp_path):
    """And warn where they are not: the heads of LPN and MCCG have batch norm."""
    for host in HOSTS:
        options = settings(host, loss="triplet", freeze_bn=True, steps=3)
        if host != "sample4geo":
            own = HOSTS[host].get("host_options", {}) | {"dropout": 0.0}
            options = options.changed(host_options=own)
        curves = [
            training.fit(
                options.changed(micro_batch=size), towns, tmp_path / f"{host}{size}", progress=False
            )["curves"]
            for size in (None, 3)
        ]
        for name in ("loss", "host_loss"):
            assert curves[0][name] == pytest.approx(curves[1][name], rel=1e-3), host
    with pytest.warns(UserWarning, match="has batch norm, and each micro-batch normalises itself"):
        Run(settings("mccg", micro_batch=3), towns)


def test_a_micro_batch_of_one_pair_is_refused_where_batch_norm_needs_two(towns):
    with pytest.warns(UserWarning, match="has batch norm"):
        run = begun(settings("mccg", micro_batch=1), towns)
    with pytest.raises(ValueError, match="take a micro_batch of 2 pairs or more"):
        run.take_step(run.reader[0, run.plan[0]])


@pytest.mark.parametrize("places", [20, 23])
def test_a_checkpoint_that_knows_other_places_is_refused(towns, tmp_path, places):
    folder = tmp_path / "run"
    training.fit(settings("lpn", steps=2), towns, folder, progress=False)
    state = folder / "settings.json"
    fewer = settings("lpn", steps=2, val_places=24 - places)
    stored = json.loads(state.read_text("utf-8"))
    state.write_text(json.dumps(stored | {"settings": fewer.to_dict()}), "utf-8")
    words = (
        f"classifiers of the checkpoint know 24 training places, and the run has {places}; resume"
    )
    with pytest.raises(ValueError, match=words) as error:
        training.fit(fewer, towns, folder, resume=True, progress=False)
    assert "\n" not in str(error.value)


def test_other_places_of_the_same_number_are_refused_too(towns, tmp_path):
    folder = tmp_path / "run"
    options = settings("lpn", steps=2, val_places=4)
    training.fit(options, towns, folder, progress=False)
    stored = json.loads((folder / "settings.json").read_text("utf-8"))
    other = options.changed(seed=5)  # holds out other places
    (folder / "settings.json").write_text(
        json.dumps(stored | {"settings": other.to_dict()}), "utf-8"
    )
    with pytest.raises(ValueError, match="know 20 training places, and the run has 20, other ones"):
        training.fit(other, towns, folder, resume=True, progress=False)


def test_host_options_that_a_host_does_not_know_are_named(towns):
    with pytest.raises(ValueError, match=r"host_options: found ring; the host 'lpn' takes .*rings"):
        make_encoder(settings("lpn", host_options={"ring": 3}))
    with pytest.raises(ValueError, match="the host 'plain' takes none"):
        make_encoder(Settings(host_options={"ring": 3}))


def test_make_loss_has_no_pair_loss_for_a_host_alone():
    loss = make_loss(settings("lpn"))
    z = torch.eye(2)
    assert loss(z, z, torch.arange(2)) == 0 and not list(loss.parameters())
    assert isinstance(make_loss(settings("lpn", loss="infonce")), SymmetricInfoNCE)


def test_two_processes_train_hosts_as_one(tmp_path):
    """torchrun on the CPU (gloo), batch norm frozen: the losses of one process, to rounding."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            from tests.helpers.training import ColouredPlaces, settings
            from dphr_lab import training

            alike = {"steps": 8, "batch": 7, "freeze_bn": True, "select": "last", "val_places": 0}
            hosts = {  # without dropout, which draws otherwise in each process
                "sample4geo": {"loss": "dphr"},
                "mccg": {"loss": "dphr", "pair_on": "parts", "host_options": {"dropout": 0.0}},
                "lpn": {"loss": "none", "sampler": "unpaired", "backbone": "test_resnet",
                        "host_options": {"dropout": 0.0, "rings": 1, "last_stride": 1}},
            }
            for host, own in hosts.items():
                options = settings(host=host, **alike | own)
                folder = f"{sys.argv[1]}/{host}"
                training.fit(options, ColouredPlaces(), folder, progress=False)
            """
        ),
        "utf-8",
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}
    alone, together = tmp_path / "alone", tmp_path / "together"
    subprocess.run([sys.executable, script, alone], env=environment, check=True, timeout=600)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    subprocess.run([*launch, script, together], env=environment, check=True, timeout=600)
    for host in HOSTS:
        results = [
            json.loads((run / host / "result.json").read_text("utf-8")) for run in (alone, together)
        ]
        for name in ("loss", "host_loss"):
            one, two = (result["curves"][name] for result in results)
            assert len(one) == 8 and one == pytest.approx(two, rel=1e-3), (host, name)
        one, two = (Encoder.load(run / host).state_dict() for run in (alone, together))
        for name in one:
            torch.testing.assert_close(one[name], two[name], rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_trains_in_half_precision(host, towns, tmp_path):
    options = settings(host, loss="dphr", steps=3)
    half, full = (
        training.fit(options.changed(mixed_precision=p), towns, tmp_path / p, progress=False)
        for p in ("bf16", "no")
    )
    assert half["curves"]["loss"][0] == pytest.approx(full["curves"]["loss"][0], rel=0.05)
    assert half["curves"]["loss"] != full["curves"]["loss"]
