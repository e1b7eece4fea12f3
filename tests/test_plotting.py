"""What the figures say, read back from their artists: frames, marks, shares and lines."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

figure_module = pytest.importorskip("matplotlib.figure")

from dphr_lab import plotting  # noqa: E402
from dphr_lab.plotting import (  # noqa: E402
    PALETTE,
    RUN_STYLES,
    arms_over_seeds,
    heatmap,
    moving_average,
    picture_row,
    retrieval_strips,
    run_styles,
    similarity_histogram,
    training_curves,
)


@pytest.fixture
def figure():
    return figure_module.Figure(figsize=(6, 3))


def luminance(colour):
    """Relative luminance of a #rrggbb colour, 0 black to 1 white: what a grey print keeps."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def pictures(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 8, 8, 3), dtype=np.uint8)


def test_importing_loads_no_matplotlib():
    code = "import sys, dphr_lab.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_strips_show_each_image_with_its_score_and_its_frame(figure):
    queries, results = pictures(2), pictures(2, 3)
    right = [[True, False, False], [False, False, True]]
    twins = [[False, True, False], [True, True, True]]
    scores = [[0.91, 0.5, 0.25], [0.7, 0.6, 0.1]]
    axes = retrieval_strips(figure, queries, results, scores, right, twins, titles=["a", "b"])
    figure.canvas.draw()
    assert axes.shape == (2, 4)
    titles = [[panel.get_title() for panel in row] for row in axes]
    assert titles == [
        ["a", "✓ 0.91", "twin 0.50", "✗ 0.25"],
        ["b", "twin 0.70", "twin 0.60", "✓ 0.10"],
    ]
    for row, column in itertools.product(range(2), range(3)):
        assert np.array_equal(axes[row, column + 1].images[0].get_array(), results[row, column])
    assert np.array_equal(axes[1, 0].images[0].get_array(), queries[1])
    frames = [axes[0, c].spines["left"] for c in (1, 2, 3)]  # right, twin, wrong
    assert len({f.get_edgecolor() for f in frames}) == 3
    assert len({str(f.get_linestyle()) for f in frames}) == 3


def test_strips_take_channels_first_and_no_answers(figure):
    queries, results = pictures(1), pictures(1, 2)
    axes = retrieval_strips(
        figure, np.moveaxis(queries, -1, 1), np.moveaxis(results, -1, 2), [[0.5, -0.25]], digits=3
    )
    assert np.array_equal(axes[0, 2].images[0].get_array(), results[0, 1])
    assert [a.get_title() for a in axes[0]] == ["query", "0.500", "-0.250"]


def test_histogram_draws_shares_of_each_group_over_common_bins(figure):
    axes = figure.subplots()
    similarity_histogram(axes, [0.85, 0.75], [0.0, 0.1, 0.1, 0.2], [0.7, 0.7, 0.9], bins=9)
    outlines = axes.patches[1::2]
    assert [sum(p.get_data().values) for p in outlines] == pytest.approx([1, 1, 1])
    edges = [p.get_data().edges for p in axes.patches]
    assert all(np.array_equal(e, edges[0]) for e in edges)
    assert list(outlines[2].get_data().values[-2:]) == [0.5, 0.5]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        "other places (median 0.10, n = 4)",
        "twins (median 0.70, n = 3)",
        "positives (median 0.80, n = 2)",
    ]
    assert len({(p.get_hatch(), p.get_linestyle()) for p in outlines}) == 3
    assert [line.get_xdata()[0] for line in axes.lines] == pytest.approx([0.1, 0.7, 0.8])


def test_curves_skip_what_was_not_measured(figure):
    panels = figure.subplots(1, 3)
    runs = {
        "DPHR": {"step": [1, 2, 3], "loss": [3, 2, 1], "lambda": [0, 0.5, 1], "recall": [0, 0, 1]},
        "InfoNCE": {"step": [1, 2, 3], "loss": [4, 3, 2], "recall": [0.5, np.nan, 1]},
    }
    training_curves(panels, runs)
    assert [len(panel.lines) for panel in panels] == [2, 1, 2]
    assert list(panels[2].lines[1].get_xdata()) == [1, 3]
    assert [t.get_text() for t in panels[0].get_legend().get_texts()] == ["DPHR", "InfoNCE"]
    assert [panel.get_xlabel() for panel in panels] == ["step"] * 3
    assert panels[0].lines[0].get_linestyle() != panels[0].lines[1].get_linestyle()


def test_a_loss_looks_the_same_in_every_figure():
    names = ["untrained", "mine", "$L_{tri}$", "sharp DPHR", "InfoNCE"]
    shown = run_styles(names)
    assert list(shown) == names
    for name, arm in (("$L_{tri}$", "triplet"), ("sharp DPHR", "sharp"), ("InfoNCE", "infonce")):
        assert shown[name] == run_styles([arm])[arm] == RUN_STYLES[arm]
    assert len(set(map(str, shown.values()))) == len(shown)  # no run takes a loss's own style
    assert shown["mine"] == RUN_STYLES["sharp_rda"] and shown["untrained"][2] == "x"
    many = [f"run {i}" for i in range(len(RUN_STYLES))]
    assert set(run_styles(many).values()) == set(RUN_STYLES.values())
    with pytest.raises(ValueError, match=f"{len(many) + 1} given; expected up to {len(many)}"):
        run_styles([*many, "sharp"])


def test_curves_are_smoothed_by_means_over_a_width(figure):
    values = [1.0, 3.0, 5.0, 0.0, np.nan]
    assert list(moving_average(values, 2)[:3]) == [2, 4, 2.5]
    run = {"step": [1, 2, 3, 4, 5], "loss": values}
    training_curves([figure.subplots()], {"run": run}, ["loss"], width=2)
    (line,) = figure.axes[0].lines
    assert list(line.get_xdata()) == [1.5, 2.5, 3.5] and list(line.get_ydata()) == [2, 4, 2.5]
    for width in (0, 6):
        with pytest.raises(ValueError, match=f"width is {width}; expected 1 to 5"):
            moving_average(values, width)


def test_pictures_stand_in_a_row_under_their_titles(figure):
    axes = figure.subplots(2, 2)
    image = pictures(1)[0]
    shown = {"a": image, "b": np.moveaxis(image, -1, 0), "c": image}
    row = picture_row(axes, shown, frame=True)
    assert [panel.get_title() for panel in row] == ["a", "b", "c", ""]
    assert all((panel.images[0].get_array() == image).all() for panel in row[:3])
    assert [panel.axison for panel in row] == [True, True, True, False]
    assert not any(panel.axison for panel in picture_row(axes, shown))
    with pytest.raises(ValueError, match="axes: 2 given for 3 pictures"):
        picture_row(axes[0], shown)


def test_the_legend_names_every_run_whatever_the_first_panel_shows(figure):
    panels = figure.subplots(1, 2)
    runs = {
        "DPHR": {"step": [1], "loss": [3], "lambda": [0]},
        "InfoNCE": {"step": [1], "loss": [4]},
    }
    training_curves(panels, runs, ["lambda", "loss"])
    assert panels[0].get_legend() is None
    assert [t.get_text() for t in panels[1].get_legend().get_texts()] == ["DPHR", "InfoNCE"]


def test_one_curve_on_one_axes(figure):
    training_curves([figure.subplots()], {"run": {"step": [1, 2], "recall": [0, 1]}}, ["recall"])
    assert figure.axes[0].get_legend() is None


def test_figures_are_readable_in_grey():
    """Runs differ in line and, side by side, in grey level; frames differ in mark and line."""
    styles = list(RUN_STYLES.values())
    for column in range(3):  # colour, line, marker
        assert len({str(style[column]) for style in styles}) == len(styles)
    for (first, *_), (second, *_) in itertools.pairwise(styles[:4]):
        assert abs(luminance(first) - luminance(second)) > 0.1
    assert luminance(PALETTE["sky"]) - luminance(PALETTE["blue"]) > 0.2
    marks = (plotting._RIGHT, plotting._TWIN, plotting._WRONG)
    assert len({m for m, *_ in marks}) == len({str(line) for *_, line in marks}) == 3


@pytest.mark.parametrize(
    "draw, words",
    [
        (lambda f: retrieval_strips(f, pictures(2), pictures(1, 3), [[1, 2, 3]]), "do not fit"),
        (lambda f: retrieval_strips(f, pictures(1)[..., 0], pictures(1, 1), [[1]]), "queries"),
        (lambda f: retrieval_strips(f, pictures(1), pictures(1, 1), [[1]], [True]), "right"),
        (lambda f: similarity_histogram(f.subplots(), [], [0.1]), "positives"),
        (lambda f: training_curves(f.subplots(1, 2), {"a": {}}), "2 given for 3"),
        (lambda f: training_curves(f.subplots(1, 3), {}), "runs: 0"),
        (
            lambda f: training_curves(f.subplots(1, 3), {"a": {"step": [1], "loss": [1, 2]}}),
            "run 'a': loss",
        ),
    ],
)
def test_wrong_input_is_named(figure, draw, words):
    with pytest.raises(ValueError, match=words):
        draw(figure)


def test_arms_are_drawn_by_seed_mean_and_interval(figure):
    axes = figure.subplots()
    arms_over_seeds(axes, {"a": [1, 2, 6], "b": [4]}, {"a": 1.5, "b": np.nan}, chance=2.5)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    lines = [line for line in axes.lines if len(line.get_xdata()) and line.get_marker() in ".o"]
    drawn = {(line.get_marker(), *np.atleast_1d(line.get_xdata())) for line in lines}
    assert {(".", 1, 2, 6), ("o", 3), (".", 4), ("o", 4)} <= drawn
    bars = [c for c in axes.collections if hasattr(c, "get_segments")]
    assert len(bars) == 1  # no bar where there is no interval
    np.testing.assert_allclose(bars[0].get_segments()[0][:, 0], [1.5, 4.5])
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top
    with pytest.raises(ValueError, match="arm 'c' has no values"):
        arms_over_seeds(axes, {"c": []})
    with pytest.raises(ValueError, match="arms is empty"):
        arms_over_seeds(axes, {})


def test_heatmap_shows_each_number_and_frames_the_diagonal(figure):
    axes, other = figure.subplots(1, 2)
    values = np.array([[90.0, 10.0], [55.5, 60.0]])
    heatmap(axes, values, ["a", "b"], ["c", "d"])
    shown = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "90.0", (1, 0): "10.0", (0, 1): "55.5", (1, 1): "60.0"}
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert len(axes.patches) == 2
    shades = np.asarray(axes.images[0].get_array())
    assert shades.argmax() == values.argmax() and shades.argmin() == values.argmin()
    inks = {text.get_text(): text.get_color() for text in axes.texts}
    assert inks["90.0"] == "white" and inks["10.0"] == "black"  # legible on dark and on light
    heatmap(other, [[1.0, 1.0]], ["a"], ["c", "d"])  # all alike
    for wrong in ([[1.0]], [[np.nan, 1.0]]):
        with pytest.raises(ValueError, match="expected finite numbers"):
            heatmap(axes, wrong, ["a"], ["c", "d"])


def test_a_figure_is_saved_whole_or_not_at_all(figure, tmp_path):
    path = tmp_path / "new" / "figure.svg"
    plotting.save(figure, path)
    assert "<svg" in path.read_text("utf-8")
    before = path.read_bytes()
    figure.savefig = lambda *_, **__: 1 / 0
    with pytest.raises(ZeroDivisionError):
        plotting.save(figure, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
