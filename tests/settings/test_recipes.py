"""Recipes: what they hold, where it comes from, and how flags go over them."""

import json
import re
from dataclasses import replace

import pytest

from dphr_lab.settings import TWIN_TOWNS_MINI, Settings
from dphr_lab.settings.recipes import OF_THE_MACHINE, RECIPES, find_recipe, list_recipes

NAMES = list(RECIPES)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_has_a_source_and_a_grade_and_is_shown(name):
    recipe = RECIPES[name]
    shown = recipe.describe()
    assert name in list_recipes() and recipe.about in list_recipes()
    assert len({choice.name for choice in recipe.choices}) == len(recipe.choices)
    for choice in recipe.choices:
        assert choice.grade in ("[A]", "[S]", "[O]") and len(choice.source) > 3
        assert len(re.findall(rf"^  {re.escape(choice.name)} ", shown, re.MULTILINE)) == 1
    settings = recipe.settings()
    assert recipe.overridden(settings) == {}
    again = Settings.from_dict(json.loads(json.dumps(settings.to_dict())))
    assert recipe.overridden(again) == {}  # as it is read back


def test_the_baseline_is_the_protocols():
    settings = RECIPES["sample4geo-university1652"].settings(n_pairs=37_854)
    assert settings.backbone == "convnext_base.fb_in22k_ft_in1k_384"
    assert (settings.image_px, settings.batch, settings.epochs) == (384, 128, 1)
    assert settings.steps == 295
    assert (settings.learning_rate, settings.weight_decay, settings.warmup) == (1e-3, 0.01, 0.1)
    assert settings.host == "sample4geo" and settings.loss == "none"  # InfoNCE is the host's own
    assert settings.host_options["label_smoothing"] == 0.1


@pytest.mark.parametrize("data", ["university1652", "sues200"])
def test_the_hosts_recipes_are_the_protocols(data):
    rings, gates = (RECIPES[f"{host}-{data}"].settings() for host in ("lpn", "mccg"))
    assert rings.backbone == "resnet50.tv_in1k" and rings.host_options["last_stride"] == 1
    assert (rings.host_options["rings"], rings.host_options["dropout"]) == (4, 0.75)
    assert gates.backbone == "convnext_tiny.fb_in22k_ft_in1k"
    assert (gates.host_options["dropout"], gates.host_options["margin"]) == (0.5, 0.3)
    for own, rate, backbone, epochs, drops in (
        (rings, 1e-3, 1e-4, 120, (80,)),
        (gates, 0.01, 0.003, 200, (80, 120)),
    ):
        assert (own.image_px, own.batch, own.epochs) == (256, 8, epochs)
        assert (own.optimizer, own.weight_decay, own.loss) == ("nesterov", 5e-4, "none")
        assert own.learning_rate == rate
        assert own.learning_rate * own.backbone_rate == pytest.approx(backbone)
        assert [share * epochs for share in own.rate_drops] == pytest.approx(list(drops))
        assert (own.val_places, own.select, own.sampler) == (0, "last", "one_per_place")


@pytest.mark.parametrize("reading", ["dphr", "sharp"])
@pytest.mark.parametrize("data", ["university1652", "sues200"])
@pytest.mark.parametrize("host", ["sample4geo", "lpn", "mccg"])
def test_a_host_with_dphr_differs_from_the_host_alone_in_the_loss_only(host, data, reading):
    alone, joined = (RECIPES[f"{host}-{data}{end}"].settings() for end in ("", f"-{reading}"))
    as_joined = {"loss": reading, "loss_options": joined.loss_options}
    as_joined["host_options"] = joined.host_options
    assert joined.changed() == alone.changed(**as_joined)
    differing = joined.host_options.items() - alone.host_options.items()
    assert differing <= {("pair_dropout", False)}  # that class's default
    assert joined.pair_weight == 1
    assert RECIPES[f"{host}-{data}"].needs_height == (data == "sues200")


def test_sues200s_host_recipes_claim_no_source():
    for host in ("lpn", "mccg"):
        own = RECIPES[f"{host}-sues200"]
        assert {c.grade for c in own.choices if c.name != "loss"} == {"[O]"}
        assert own.settings() == RECIPES[f"{host}-university1652"].settings()


def test_dphr_differs_from_its_baseline_in_the_loss_only():
    for data in ("university1652", "sues200"):
        ours, theirs = (RECIPES[f"{kind}-{data}"].settings() for kind in ("dphr", "sample4geo"))
        host = {"host": "sample4geo", "host_options": theirs.host_options}
        assert replace(ours, loss="none", loss_options={}, **host) == theirs
        assert (ours.loss, ours.host) == ("dphr_infonce", "plain")
        sharp = RECIPES[f"dphr-{data}-sharp"].settings()
        assert replace(sharp, loss=ours.loss, loss_options=ours.loss_options) == ours
        assert (sharp.loss, sharp.loss_options["weight_map"]) == ("sharp_infonce", "exp")
        assert ours.loss_options["weight_map"] == "interval"


@pytest.mark.parametrize("data", ["university1652", "sues200"])
def test_a_recipe_says_which_reading_of_dphr_it_trains(data):
    for host in ("sample4geo", "lpn", "mccg"):
        closest, sharp = (RECIPES[f"{host}-{data}-{end}"] for end in ("dphr", "sharp"))
        assert "closest reading" in closest.about and "sharp DPHR (ours)" in sharp.about
        assert closest.settings().loss_options["weight_map"] == "interval"
        assert closest.settings().loss_options["signal"] == "loss"
        assert sharp.settings().loss_options["weight_map"] == "exp"
        (loss,) = (c for c in closest.choices if c.name == "loss")
        assert loss.grade == "[O]" and "the sum is ours" in loss.source and "[S]" in loss.source
    grades = {c.name: c.grade for c in RECIPES[f"dphr-{data}"].choices}
    for said in ("weight_map", "signal", "smooth"):  # what the summaries say
        assert grades[f"loss_options.{said}"] == "[S]"
    assert {c.grade for c in RECIPES[f"dphr-{data}-sharp"].choices if "loss" in c.name} == {"[O]"}


def test_recipes_leave_the_loss_at_its_defaults():
    """They write them down, so that a changed default changes no recipe unseen."""
    import inspect

    from dphr_lab.losses import DPHRLoss
    from dphr_lab.losses.dphr import SHARP
    from dphr_lab.models import HOSTS
    from dphr_lab.training import make_loss
    from dphr_lab.training.objectives import NoPairLoss

    for recipe in RECIPES.values():
        settings = recipe.settings()
        options = inspect.signature(HOSTS[settings.host]).parameters
        for name, value in settings.host_options.items():
            published = name == "last_stride"  # which only some backbones have
            assert options[name].default == value or published, (recipe.name, name)
        kind = NoPairLoss if settings.loss == "none" else DPHRLoss
        defaults = {n: p.default for n, p in inspect.signature(kind).parameters.items()}
        if settings.loss.startswith("sharp"):
            defaults |= SHARP
        for name, value in settings.loss_options.items():
            assert defaults[name] == value, (recipe.name, name)
        assert isinstance(make_loss(settings), kind)


def test_twin_towns_trains_as_chapter_06():
    settings = RECIPES["twin-towns"].settings()
    assert settings.changed(loss_options={}) == TWIN_TOWNS_MINI.changed(loss="sharp")


def test_given_values_go_over_the_recipe():
    recipe = RECIPES["dphr-university1652"]
    settings = recipe.settings(
        batch=16, micro_batch=4, augmentation={"blur": 0.5}, loss_options={"w_max": 8}, seed=3
    )
    assert settings.augmentation == recipe.settings().augmentation | {"blur": 0.5}
    assert settings.loss_options == recipe.settings().loss_options | {"w_max": 8}
    assert recipe.overridden(settings) == {
        "batch": {"recipe": 128, "run": 16},
        "augmentation.blur": {"recipe": 0.15, "run": 0.5},
        "loss_options.w_max": {"recipe": 1.5, "run": 8},
    }
    assert not set(OF_THE_MACHINE) & {choice.name for choice in recipe.choices}
    shown = recipe.describe(settings)
    assert "given; the recipe has 128" in shown and "micro_batch 4" in shown


def test_steps_replace_epochs_and_another_loss_brings_its_own_options():
    recipe = RECIPES["dphr-university1652"]
    settings = recipe.settings(steps=4, loss="triplet")
    assert (settings.steps, settings.epochs, settings.loss_options) == (4, None, {})
    changed = recipe.overridden(settings)
    assert changed["steps"] == {"recipe": None, "run": 4}
    assert changed["epochs"] == {"recipe": 1, "run": None}
    assert changed["loss_options.w_max"] == {"recipe": 1.5, "run": None}
    assert recipe.settings(augmentation=None).augmentation is None
    assert recipe.settings(n_pairs=1000, epochs=2, batch=64).steps == 30
    in_lpn = RECIPES["lpn-university1652-dphr"]
    fewer = in_lpn.settings(host_options={"rings": 2})
    assert fewer.host_options == in_lpn.settings().host_options | {"rings": 2}
    assert in_lpn.settings(host="mccg").host_options == {}


def test_a_value_out_of_range_and_an_unknown_recipe_are_named():
    with pytest.raises(ValueError, match="batch is 1"):
        RECIPES["twin-towns"].settings(batch=1)
    with pytest.raises(ValueError, match="found 'soup'; expected one of sample4geo-university1652"):
        find_recipe("soup")
