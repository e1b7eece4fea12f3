"""The probe: its stimuli give nothing away, and it finds the thresholds of known observers."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib import rc_context

from dphr_lab import cli, results
from dphr_lab.probe import (
    ALL_KINDS,
    Fit,
    ProbeReport,
    StimulusSettings,
    choices,
    compare,
    fit_curve,
    make_stimuli,
    probe,
    probe_days,
    probe_embeddings,
    probe_scene,
    psychometric_curves,
    threshold,
)
from dphr_lab.probe.psychometric import bootstrap_thresholds, threshold_m2
from dphr_lab.retrieval import SELECTED_ON_TEST
from dphr_lab.scenes import CHANGE_KINDS, Flight, apply_change, make_layout, make_world
from dphr_lab.settings.worlds import PRESETS

SMALL = StimulusSettings(places=6, doses_m2=(10, 320), image_px=32)
DOSES = np.array([5.0, 10, 20, 40, 80, 160, 320])


@pytest.fixture(scope="module")
def stimuli():
    return make_stimuli(SMALL, workers=1, progress=False)


def colour_grid(images):
    """An encoder that is not constant: mean colours of 8 x 8 tiles, centred."""
    tiles = torch.nn.functional.avg_pool2d(images.float(), images.shape[-1] // 8).flatten(1)
    return tiles - tiles.mean(1, keepdim=True)


# -- stimuli ----------------------------------------------------------------------------------


def test_the_alternatives_of_dose_0_are_the_same_picture_bit_for_bit(stimuli):
    first, second = stimuli.satellite[stimuli.pairs[stimuli.doses_m2 == 0]].swapaxes(0, 1)
    assert len(first) == 30
    assert np.array_equal(first, second)


def test_a_change_shows_and_leaves_the_rest_of_the_picture_alone():
    """Same noise, same JPEG: what lies far from the change and its shadow is equal bit for bit."""
    settings = StimulusSettings(
        places=3, doses_m2=(160,), kinds=("building recoloured",), image_px=256
    )
    stimuli = make_stimuli(settings, workers=1, progress=False)
    metres = (np.arange(256) + 0.5) / 256 * 200 - 100
    shown = 0
    for t in np.flatnonzero(stimuli.doses_m2 == 160):
        change = stimuli.changes[t]
        first, second = stimuli.satellite[stimuli.pairs[t]]
        differ = (first != second).any(0)
        far = np.maximum(
            abs(metres - change.before.x)[None], abs(-metres - change.before.y)[:, None]
        )
        reach_m = np.hypot(change.before.length_m, change.before.width_m) / 2
        assert differ.any() and not differ[far > reach_m + 15].any()  # 15 m: blocks of the JPEG
        shown += 1
    assert shown >= 2


def test_every_trial_has_its_dose_and_the_missing_ones_are_counted(stimuli):
    asked = stimuli.doses_m2 > 0
    ratio = stimuli.areas_m2[asked] / stimuli.doses_m2[asked]
    assert ((ratio > 1 / 1.26) & (ratio < 1.26)).all()
    assert (stimuli.areas_m2[~asked] == 0).all()
    kinds = [CHANGE_KINDS[k] for k in stimuli.kinds]
    assert kinds == [change.kind for change in stimuli.changes]
    assert stimuli.counts.shape == stimuli.missing.shape == (5, 3)
    assert stimuli.counts.sum() == len(stimuli.answers)
    assert (stimuli.counts + stimuli.missing == 6).all()
    assert (stimuli.missing[:, 0] == 0).all() and stimuli.missing.any()
    assert str(stimuli.counts[-1, -1]) in str(stimuli).splitlines()[-1]


def test_the_order_of_the_alternatives_and_of_the_images_says_nothing(stimuli):
    assert 0.35 < stimuli.answers.mean() < 0.65
    true = stimuli.pairs[np.arange(len(stimuli.answers)), stimuli.answers]
    assert 0.15 < (true[:, None] > stimuli.pairs).any(1).mean() < 0.85  # its number is the larger


@pytest.mark.slow
def test_stimuli_are_a_function_of_their_settings(stimuli):
    again = make_stimuli(replace(SMALL, places=3), workers=1, progress=False)
    assert np.array_equal(again.drone, stimuli.drone[:3])
    assert np.array_equal(again.areas_m2, stimuli.areas_m2[stimuli.places < 3])
    other = make_stimuli(replace(SMALL, places=3, seed=1), workers=1, progress=False)
    assert not np.array_equal(again.drone, other.drone)


def test_no_world_has_the_probes_places():
    world = make_world(replace(PRESETS["mini"], seed=0))
    known = {make_layout(0, place.family).texture for place in world.places[:30]}
    assert all(probe_scene(SMALL, place).texture not in known for place in range(6))
    assert max(place.family for place in world.places) < 1_000_000


def test_added_objects_stand_free():
    from dphr_lab.scenes.towns.description import overlap

    for place in range(4):
        scene = probe_scene(replace(SMALL, doses_m2=DOSES), place)
        made = [t for t in (*scene.buildings, *scene.patches) if t.name.startswith("probe")]
        assert len(made) >= 5
        for thing in made:
            others = [b for b in scene.buildings if b is not thing]
            assert not any(overlap(thing, other) for other in others)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"places": 0}, "places is 0"),
        ({"doses_m2": ()}, "doses_m2"),
        ({"doses_m2": (10, 5)}, "rising"),
        ({"doses_m2": (0, 5)}, "above 0"),
        ({"kinds": ("painted",)}, "building removed"),
        ({"kinds": ()}, "some of"),
        ({"image_px": 8}, "16 or more"),
        ({"weather": 2}, "0 .fair. to 1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_out_of_range_are_named(values, told):
    with pytest.raises(ValueError, match=told):
        StimulusSettings(**values)


# -- the probe measures what it says ----------------------------------------------------------


def test_dose_0_is_a_coin_toss_for_an_encoder_that_is_not_constant(stimuli):
    """The same pictures, photographed again and again with noise of their own."""
    rng, outcomes = np.random.default_rng(0), []
    nothing = stimuli.doses_m2 == 0
    for _ in range(100):
        noisy = stimuli.satellite + rng.normal(0, 3, stimuli.satellite.shape)
        again = replace(stimuli, satellite=np.clip(noisy, 0, 255).astype(np.uint8))
        outcomes.append(choices(*embedded(colour_grid, again), again)[nothing])
    outcomes = np.concatenate(outcomes)
    assert len(outcomes) == 3000 and (outcomes != 0.5).mean() > 0.99
    assert 100 * outcomes.mean() == pytest.approx(50, abs=2)


def test_alternatives_may_have_their_own_noise():
    settings = StimulusSettings(
        places=3, doses_m2=(320,), kinds=("building moved",), image_px=16, own_noise=True
    )
    stimuli = make_stimuli(settings, workers=1, progress=False)
    first, second = stimuli.satellite[stimuli.pairs[stimuli.doses_m2 == 0]].swapaxes(0, 1)
    apart = (first.astype(int) - second).reshape(3, -1)
    assert (apart.std(1) > 0.5).all() and (apart.std(1) < 12).all()
    assert probe(colour_grid, stimuli, resamples=20).control_trials == 3


def embedded(encoder, stimuli):
    return [encoder(torch.from_numpy(images)) for images in (stimuli.drone, stimuli.satellite)]


@pytest.fixture(scope="module")
def descriptors(stimuli):
    """The scenes of the drone views and of the satellite images, drawn alike and without noise."""
    scenes = [probe_scene(SMALL, place) for place in range(SMALL.places)]
    z_satellite = {}
    for t, (place, answer) in enumerate(zip(stimuli.places, stimuli.answers, strict=True)):
        true, changed = stimuli.pairs[t][[answer, 1 - answer]]
        z_satellite[true] = from_above(scenes[place], place)
        z_satellite[changed] = from_above(apply_change(scenes[place], stimuli.changes[t]), place)
    z_drone = [from_above(scene, place) for place, scene in enumerate(scenes)]
    return np.stack(z_drone), np.stack([z_satellite[i] for i in range(len(stimuli.satellite))])


def from_above(scene, place):
    """Registered: seen as the satellite sees the place on its day; (px * px * 3,)."""
    day = probe_days(SMALL, int(place))[2]
    view = Flight.for_satellite(scene, day, SMALL.image_px).satellite()
    return view.astype(float).ravel() - 128


@pytest.mark.slow
def test_an_oracle_of_the_registered_scenes_is_right_at_the_top_dose(stimuli, descriptors):
    report = probe_embeddings(*descriptors, stimuli, "oracle", resamples=100)
    assert report.curves[ALL_KINDS].dose_m2[-1] == 320
    assert report.curves[ALL_KINDS].correct[-1] >= 99
    assert report.control[0] == 50


def test_an_oracle_of_the_pictures_themselves_is_right_at_the_top_dose(stimuli, descriptors):
    """What the drone saw, from above and without noise, against the pictures of the trials."""
    pictures = stimuli.satellite.transpose(0, 2, 3, 1).reshape(len(stimuli.satellite), -1)
    right = choices(descriptors[0], pictures.astype(float) - 128, stimuli)
    assert right[stimuli.doses_m2 == 320].mean() >= 0.99


def test_answers_turned_round_are_wrong_at_the_top_dose(stimuli, descriptors):
    """The checks above can fail."""
    turned = replace(stimuli, answers=1 - stimuli.answers)
    assert choices(*descriptors, turned)[stimuli.doses_m2 == 320].mean() <= 0.01


def darker_where_changed(stimuli):
    """As a second compression or another exposure of the edited pictures might make them."""
    leaky = stimuli.satellite.copy()
    changed = stimuli.pairs[np.arange(len(stimuli.answers)), 1 - stimuli.answers]
    leaky[changed] = np.maximum(leaky[changed], 3) - 3
    return replace(stimuli, satellite=leaky)


def test_pictures_that_are_not_made_alike_are_refused(stimuli):
    with pytest.raises(ValueError, match="30 of the 30 pairs of dose 0"):
        probe(colour_grid, darker_where_changed(stimuli))


def test_a_leak_is_caught_at_dose_0_where_noise_hides_it_from_the_eye(stimuli):
    settings = replace(SMALL, own_noise=True)
    leaky = replace(darker_where_changed(stimuli), settings=settings)
    level = leaky.satellite.mean((1, 2, 3))
    z_satellite = np.column_stack([level, np.full_like(level, level.mean())])
    z_drone = np.tile([1.0, 0.0], (SMALL.places, 1))  # brighter is better, whatever it saw
    report = probe_embeddings(z_drone, z_satellite, leaky, resamples=100)
    assert report.leaks and "DOSE 0 IS TOLD APART" in str(report)
    assert report.curves[ALL_KINDS].blind[0] > 60  # and it is no knowledge of the place
    fair = replace(stimuli, settings=settings)
    assert not probe(colour_grid, fair, resamples=100).leaks


@pytest.mark.parametrize("z", [1.0, 0.0])
def test_a_constant_encoder_is_at_chance(stimuli, z):
    report = probe(lambda images: torch.full((len(images), 3), z), stimuli, resamples=100)
    curve = report.curves[ALL_KINDS]
    assert set(curve.correct) | set(curve.blind) == {50.0}
    assert curve.threshold.value_m2 is None and not curve.threshold.reached
    assert "not reached up to 3" in str(report)


def test_an_encoder_with_a_preference_but_no_eye_is_shown_by_the_blind_share(stimuli):
    """It takes the picture whose alternative it likes, whatever the drone saw."""
    right = stimuli.pairs[np.arange(len(stimuli.answers)), stimuli.answers]
    z_satellite = np.tile([1.0, 1.0], (len(stimuli.satellite), 1))
    z_satellite[right] = [1.0, 0.0]
    z_drone = np.tile([1.0, 0.0], (len(stimuli.drone), 1))
    curve = probe_embeddings(z_drone, z_satellite, stimuli, resamples=50).curves[ALL_KINDS]
    assert set(curve.correct) == set(curve.blind) == {100.0}


def test_any_callable_can_be_probed_and_the_report_comes_back_from_json(stimuli):
    report = probe(colour_grid, stimuli, "tiles", resamples=100)
    assert ProbeReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert list(report.curves) == [ALL_KINDS, *CHANGE_KINDS]
    counted = [report.curves[kind].trials for kind in CHANGE_KINDS]
    assert sum(map(sum, counted)) == sum(report.curves[ALL_KINDS].trials)
    assert report.stimuli["places"] == 6 and "torch" in report.versions and report.hardware
    assert probe(lambda x: colour_grid(x).numpy(), stimuli, "tiles", resamples=100) == report
    with pytest.raises(ValueError, match="no ProbeReport"):
        ProbeReport.from_dict(report.to_dict() | {"colour": 1})


def test_outcomes_are_kept_by_place_kind_and_dose(stimuli):
    report = probe(colour_grid, stimuli, resamples=20)
    table = report.table()
    assert table.shape == (6, 5, 3)
    assert np.array_equal(np.isfinite(table).sum(0), stimuli.counts)
    for i, kind in enumerate(CHANGE_KINDS):
        shares = 100 * np.nanmean(table[:, i, 1:], axis=0)
        assert list(report.curves[kind].correct) == pytest.approx(shares.tolist(), abs=0.01)


def test_two_encoders_are_compared_on_the_same_places(stimuli, descriptors):
    oracle = probe_embeddings(*descriptors, stimuli, "oracle", resamples=20)
    tiles = probe(colour_grid, stimuli, "tiles", resamples=20)
    gain, low, high = compare(oracle, tiles)
    asked = tiles.curves[ALL_KINDS].trials
    levels = [np.average(r.curves[ALL_KINDS].correct, weights=asked) for r in (oracle, tiles)]
    assert gain == pytest.approx(levels[0] - levels[1], abs=0.05)
    assert 0 < low <= gain <= high
    assert compare(tiles, tiles) == (0, 0, 0)
    assert compare(tiles, oracle)[0] == -gain
    top = compare(oracle, tiles, kind="building moved", doses_m2=[320])[0]
    moved = [r.curves["building moved"].correct[-1] for r in (oracle, tiles)]
    assert top == pytest.approx(moved[0] - moved[1], abs=0.02)
    with pytest.raises(ValueError, match="no such trial"):
        compare(oracle, tiles, doses_m2=[7])
    with pytest.raises(ValueError, match="other trials"):
        compare(oracle, replace(tiles, stimuli=tiles.stimuli | {"seed": 1}))


def test_faults_of_the_encoder_are_named(stimuli):
    with pytest.raises(ValueError, match="training mode"):
        probe(torch.nn.Flatten(), stimuli)
    with pytest.raises(ValueError, match=r"expected \(B, D\)"):
        probe(lambda images: images.float(), stimuli)
    with pytest.raises(ValueError, match="NaN"):
        probe(lambda images: torch.full((len(images), 2), torch.nan), stimuli)
    with pytest.raises(ValueError, match="z_drone has shape"):
        probe_embeddings(np.ones((3, 2)), np.ones((len(stimuli.satellite), 2)), stimuli)


# -- curves -----------------------------------------------------------------------------------


def observer(true: Fit, places: int, seed: int):
    """Outcomes (places, doses) of an observer of known threshold."""
    rng = np.random.default_rng(seed)
    return (rng.random((places, len(DOSES))) < true(DOSES)).astype(float)


def resampled(outcomes, seed=0, resamples=400):
    """The threshold of outcomes with its interval, as the report makes it."""
    places = len(outcomes)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(places, np.full(places, 1 / places), size=resamples)
    n = np.ones_like(outcomes)
    return threshold(DOSES, outcomes.sum(0), n.sum(0), weights @ outcomes, weights @ n)


@pytest.mark.parametrize(
    "true", [Fit(20, 1.0, 0.0), Fit(40, 1.5, 0.05), Fit(100, 1.0, 0.1), Fit(60, 2.5, 0.02)]
)
def test_known_thresholds_lie_within_their_intervals(true):
    value = threshold_m2(true, 5, 320)
    found = [resampled(observer(true, 300, seed)) for seed in range(10)]
    inside = [t.low_m2 <= value <= (t.high_m2 or np.inf) for t in found]
    assert sum(inside) >= 8  # of ten 95 % intervals
    assert np.median([t.value_m2 for t in found]) == pytest.approx(value, rel=0.15)


def test_the_threshold_is_where_the_curve_passes_75_percent():
    fit = Fit(50, 1.3, 0.08)
    assert fit(threshold_m2(fit, 5, 320)) == pytest.approx(0.75, abs=1e-3)
    assert threshold_m2(Fit(50, 1, 0), 5, 320) == pytest.approx(50)


def test_a_milder_criterion_is_met_at_a_smaller_dose():
    fit = Fit(50, 1.3, 0.08)
    mild = threshold_m2(fit, 5, 320, criterion=0.625)
    assert fit(mild) == pytest.approx(0.625, abs=1e-3) and mild < threshold_m2(fit, 5, 320)
    for nonsense in (0.5, 1.0, 75):
        with pytest.raises(ValueError, match="criterion is"):
            threshold(DOSES, *np.ones((2, 7)), *np.ones((2, 5, 7)), criterion=nonsense)


def test_stored_outcomes_have_the_threshold_of_any_criterion():
    stored = results.load("probe")["mini", "sharp_rda", 0]["probe"]
    report = ProbeReport.from_dict(json.loads(json.dumps(stored)))
    for kind, curve in report.curves.items():
        again = report.threshold(kind=kind)
        for part in ("value_m2", "low_m2", "high_m2"):
            once = getattr(curve.threshold, part)
            assert getattr(again, part) == (pytest.approx(once, rel=1e-3) if once else once)
    removed = report.threshold(0.625, "building removed")
    assert removed.reached and not report.threshold(0.75, "building removed").reached
    with pytest.raises(ValueError, match="kind is 'a tree'"):
        report.threshold(kind="a tree")


def test_a_fit_without_noise_is_exact():
    true = Fit(30, 1.2, 0.04)
    found = fit_curve(DOSES, 1e4 * true(DOSES), np.full(7, 1e4))
    assert found(DOSES) == pytest.approx(true(DOSES), abs=2e-3)


@pytest.mark.parametrize(("outcome", "value"), [(1.0, 0.0), (0.5, None), (0.0, None)])
def test_observers_without_a_threshold_are_said_to_have_none(outcome, value):
    found = resampled(np.full((200, 7), outcome))
    assert found.value_m2 == found.low_m2 == found.high_m2 == value
    assert ("below 5" if value == 0.0 else "not reached up to 320") in str(found)


def test_a_threshold_past_the_doses_is_not_extrapolated():
    found = resampled(observer(Fit(700, 1.5, 0), 300, 0))
    assert found.value_m2 is None and found.high_m2 is None
    assert found.low_m2 is None or found.low_m2 > 160


def test_resampled_thresholds_agree_with_single_fits():
    rng = np.random.default_rng(0)
    trials = np.full((20, 7), 400.0)
    correct = rng.binomial(400, Fit(40, 1.2, 0.03)(DOSES), size=(20, 7)).astype(float)
    many = bootstrap_thresholds(DOSES, correct, trials)
    one = [
        threshold_m2(fit_curve(DOSES, c, t), 5, 320) for c, t in zip(correct, trials, strict=True)
    ]
    assert np.abs(np.log2(many / np.array(one))).max() < 0.15  # octaves


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([1, 2], [1], [1]), "expected three of"),
        (([0, 2], [1, 1], [1, 1]), "above 0"),
        (([1, 2], [0, 0], [0, 0]), "nothing to fit"),
    ],
)
def test_faults_of_the_counts_are_named(arguments, told):
    with pytest.raises(ValueError, match=told):
        fit_curve(*arguments)


# -- figure -----------------------------------------------------------------------------------


def test_the_figure_shows_every_encoder_chance_and_the_threshold(stimuli):
    from matplotlib.figure import Figure

    tiles = probe(colour_grid, stimuli, "tiles", resamples=50)
    axes = Figure().subplots()
    psychometric_curves(axes, {"tiles": tiles, "untrained": tiles})
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["tiles", "untrained"]
    assert {text.get_text() for text in axes.texts} == {"chance", "threshold"}
    marks = axes.containers[0].lines[0].get_ydata()
    assert list(marks) == list(tiles.curves[ALL_KINDS].correct)
    with pytest.raises(ValueError, match="0 given"):
        psychometric_curves(axes, {})
    with pytest.raises(ValueError, match="found in no report"):
        psychometric_curves(axes, {"tiles": tiles}, kind="painted")


# -- the command ------------------------------------------------------------------------------

FEW = ["--places", "3", "--doses", "10", "320", "--kinds", "moved", "--workers", "1"]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    from dphr_lab.models import Encoder

    folder = tmp_path_factory.mktemp("probe") / "first"
    torch.manual_seed(1)  # another encoder than the untrained one that it is compared with
    Encoder("test_convnext", image_px=32).save(folder)
    return folder


def test_the_command_probes_runs_beside_untrained_encoders(run_folder, capsys):
    out, figure = run_folder / "probe.json", run_folder / "probe.png"
    flags = ["--run", run_folder, "--backbone", "test_vit", "--out", out, "--figure", figure]
    assert cli.main(["probe", *map(str, flags), *FEW]) == 0
    reports = {k: ProbeReport.from_dict(v) for k, v in json.loads(out.read_text("utf-8")).items()}
    assert list(reports) == ["first", "untrained test_convnext", "untrained test_vit"]
    assert reports["first"].stimuli["image_px"] == 32  # the run's
    assert reports["first"].stimuli["kinds"] == ["building moved"]
    assert reports["first"].curves != reports["untrained test_convnext"].curves
    assert figure.stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert all(str(report) in printed for report in reports.values())


def test_a_run_that_was_selected_on_the_test_set_is_stamped(run_folder, tmp_path, capsys):
    chosen = tmp_path / "chosen"
    shutil.copytree(run_folder, chosen)
    data = {"name": "x", "root": None, "height_m": None, "world": None}
    stored = {"settings": {"select": "test"}, "data": data}
    (chosen / "settings.json").write_text(json.dumps(stored), "utf-8")
    encoder = json.loads((chosen / "encoder.json").read_text("utf-8"))
    del encoder["selected_on_test"]  # of before encoders said it: the run does
    (chosen / "encoder.json").write_text(json.dumps(encoder), "utf-8")
    out, figure = tmp_path / "probe.json", tmp_path / "probe.svg"
    flags = ["--run", run_folder, chosen, "--out", out, "--figure", figure]
    with rc_context({"svg.fonttype": "none"}):  # text stays text
        assert cli.main(["probe", *map(str, flags), *FEW]) == 0
    reports = {k: ProbeReport.from_dict(v) for k, v in json.loads(out.read_text("utf-8")).items()}
    assert {name: report.selected_on_test for name, report in reports.items()} == {
        "first": False,
        "chosen": True,
        "untrained test_convnext": False,
    }
    assert capsys.readouterr().out.count(SELECTED_ON_TEST) == 1
    assert figure.read_text("utf-8").count("chosen: selected on the test set") == 1


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        ("", 2, "--run RUN or --backbone NAME is needed"),
        ("--backbone test_convnext --doses 20 10", 2, "rising"),
        ("--backbone test_convnext --places 0", 2, "1 or more"),
        ("--backbone test_convnext --kinds painted", 2, "recoloured"),
        ("--backbone test_convnext --figure probe.txt", 2, ".png"),
        ("--backbone a b c d e f g", 2, "found 7 encoders"),
        ("--run somewhere --pretrained pypi", 2, "goes with --backbone"),
        ("--run nowhere", 1, "encoder.json is missing"),
        ("--backbone resnet --image-px 32", 1, "Near it"),
    ],
)
def test_bad_input_ends_in_one_line(flags, code, told, capsys):
    try:
        found = cli.main(["probe", *flags.split()])
    except SystemExit as stop:
        found = stop.code
    assert found == code
    assert told in capsys.readouterr().err.splitlines()[-1]


# -- beside R@1 -------------------------------------------------------------------------------


def test_every_report_on_twin_towns_prints_family_recall_and_twin_choice():
    from dphr_lab.retrieval import evaluate

    z = torch.eye(4)
    told = str(evaluate(z, range(4), z, range(4), query_families=[0, 0, 1, 1],
                        gallery_families=[0, 0, 1, 1]))  # fmt: skip
    assert "family R@1 100.00" in told and "twin choice 100.00 (chance 50)" in told
