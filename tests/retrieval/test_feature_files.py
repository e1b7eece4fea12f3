"""Features of others: what is read, what is refused and in which words, and what comes out."""

import base64
import json
import warnings
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from dphr_lab.retrieval import RetrievalReport, evaluate, evaluate_files, read_features
from tests import helpers


def world(seed=0, noise=1.0, places=30, queries=4, distractors=6):
    """(query, query places, gallery, gallery places), drawn around random centres.

    The seed decides the noise; the centres are the same, as for two models of one world.
    """
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(places + distractors, 16))
    query_places, gallery_places = np.repeat(np.arange(places), queries), np.arange(len(centres))

    def embed(labels, noise):
        z = centres[labels] + noise * rng.normal(size=(len(labels), 16))
        return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)

    return embed(query_places, noise), query_places, embed(gallery_places, 0), gallery_places


def write(folder, query, query_places, gallery, gallery_places, name="", families=False):
    """A pair of .npz files; families of three if wanted."""
    paths = [folder / f"{name}{role}.npz" for role in ("query", "gallery")]
    for path, z, places in zip(
        paths, (query, gallery), (query_places, gallery_places), strict=True
    ):
        more = {"families": places // 3} if families else {}
        np.savez(path, features=z, places=places, **more)
    return paths


def write_mat(path, query, query_places, gallery, gallery_places):
    """As University1652-Baseline's test.py does: labels as a list, paths beside them."""
    found = {"query_f": query, "query_label": query_places.tolist()}
    found |= {"gallery_f": gallery, "gallery_label": gallery_places.tolist()}
    paths = {"query_path": ["a/0001/1.jpg", "a/0001/22.jpg"], "gallery_path": ["b"]}
    savemat(path, found | paths)
    return path


def run(*arguments):
    return helpers.run("evaluate", *arguments)


@pytest.mark.parametrize("families", [False, True])
def test_scores_are_those_of_evaluate(tmp_path, families):
    query, q_places, gallery, g_places = world(noise=1.5)
    scores = evaluate_files(write(tmp_path, query, q_places, gallery, g_places, families=families))
    labels = (q_places // 3, g_places // 3) if families else (None, None)
    assert list(scores.reports) == ["full", "query_places"]
    for mode, report in scores.reports.items():
        direct = evaluate(query, q_places, gallery, g_places, mode, *labels, tta="unknown")
        assert report == direct
        assert report.resampled == ("10 families" if families else "30 places")
    assert scores.reports["full"].r_at_1 < scores.reports["query_places"].r_at_1 < 100


def rates(scores):
    """The reports but for their intervals, which depend on the order of the places' names."""
    return {
        mode: replace(report, intervals=None, resampled=None)
        for mode, report in scores.reports.items()
    }


def test_strings_digits_and_mat_give_the_same(tmp_path):
    query, q_places, gallery, g_places = world(noise=1.5)
    expected = evaluate_files(write(tmp_path, query, q_places, gallery, g_places))
    digits = [np.char.zfill(p.astype(str), 4) for p in (q_places, g_places)]
    named = [
        np.where(p % 3, d, np.char.add(d, "b"))
        for p, d in zip((q_places, g_places), digits, strict=True)
    ]
    paths = write(tmp_path, query, digits[0], gallery, g_places, name="digits")
    assert evaluate_files(paths).reports == expected.reports
    paths = write(tmp_path, query, named[0], gallery, named[1].astype("S"), name="named")
    assert rates(evaluate_files(paths)) == rates(expected)
    mat = write_mat(tmp_path / "pytorch_result.mat", query, q_places, gallery, g_places)
    assert evaluate_files([mat]).reports == expected.reports


def test_digits_of_one_role_meet_names_of_the_other(tmp_path):
    names = ["02", "tower", "0001"]
    for role, places in (("query", names[::2]), ("gallery", names)):
        np.savez(tmp_path / f"{role}.npz", features=z_of(len(places)), places=places)
    report = evaluate_files([tmp_path / "query.npz", tmp_path / "gallery.npz"]).reports["full"]
    assert (report.unanswerable, report.r_at_1) == (0, 50)  # the second query shows the tower


def test_mat_as_matlab_writes_it(tmp_path):
    """Columns of doubles, or names padded to one width; -1 for a gallery image of no query."""
    query, q_places, gallery, g_places = world(noise=1.5)
    expected = evaluate_files(write(tmp_path, query, q_places, gallery, g_places))
    found = {"query_f": query, "gallery_f": gallery}
    doubles = {"query_label": q_places[:, None] * 1.0, "gallery_label": g_places[:, None] * 1.0}
    names = {"query_label": [f"p{p}" for p in q_places]}
    names["gallery_label"] = [f"p{p}" for p in g_places]
    junk = {"query_label": q_places, "gallery_label": np.where(g_places < 30, g_places, -1)}
    for labels in (doubles, names, junk):
        savemat(tmp_path / "a.mat", found | labels)
        assert rates(evaluate_files([tmp_path / "a.mat"])) == rates(expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_lengths_are_mended_with_a_notice(tmp_path, dtype):
    query, q_places, gallery, g_places = world(noise=1.5)
    expected = evaluate(query, q_places, gallery, g_places)
    scaled = [(1000 * z).astype(dtype) for z in (query, gallery)]
    paths = write(tmp_path, scaled[0], q_places, scaled[1], g_places)
    said = []
    report = evaluate_files(paths, notice=said.append).reports["full"]
    assert report.ap == pytest.approx(expected.ap, abs=1.0)
    assert len(said) == 2 and "query.npz: features have lengths from" in said[0]
    with pytest.warns(UserWarning, match="normalised to 1"):
        read_features(paths)


def test_half_precision_of_unit_features_passes_in_silence(tmp_path):
    query, q_places, gallery, g_places = world()
    paths = write(tmp_path, query.astype(np.float16), q_places, gallery, g_places)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        z, _ = read_features(paths)
    assert z.z.dtype == np.float32
    assert np.allclose(np.linalg.norm(z.z, axis=1), 1, atol=1e-6)


def test_all_faults_are_tried(faulty):
    assert sorted(faulty) == sorted(FAULTS)


def test_comparison_of_two_models(tmp_path, capsys):
    better, worse = world(seed=1, noise=0.8), world(seed=2, noise=1.6)
    paths = [write(tmp_path, *w, name=n, families=True) for n, w in (("b", better), ("w", worse))]
    code = run("--features", *paths[0], "--compare", *paths[1], "--out", tmp_path / "report.json")
    assert code == 0
    text = capsys.readouterr().out
    assert "first minus second, gallery mode 'full'" in text
    assert "95 % interval over 10 families" in text
    written = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert list(written) == ["first", "second", "first minus second"]
    for mode in ("full", "query_places"):
        reports = [RetrievalReport.from_dict(written[key][mode]) for key in ("first", "second")]
        found = written["first minus second"][mode]
        assert list(found) == ["r_at_1", "ap", "family_r_at_1", "twin_choice"]
        for name, interval in found.items():
            difference = getattr(reports[0], name) - getattr(reports[1], name)
            assert interval["estimate"] == pytest.approx(difference)
            assert interval["low"] <= interval["estimate"] <= interval["high"]
        assert found["r_at_1"]["low"] > 0 and found["r_at_1"]["share_above_0"] == 1
        drawn = [found["ap"][name] for name in ("resamples", "groups", "seed")]
        assert drawn == [10_000, 10, 0]


def test_what_is_paired_is_the_place_not_the_row(tmp_path):
    first, (query, q_places, gallery, g_places) = world(seed=1, noise=1.6), world(seed=2, noise=1.6)
    order = np.random.default_rng(0).permutation(len(query))
    paths = [
        write(tmp_path, *first, name="first"),
        write(tmp_path, query, q_places, gallery, g_places, name="second"),
        write(tmp_path, query[order], q_places[order], gallery, g_places, name="shuffled"),
    ]
    straight, shuffled = (evaluate_files(paths[0], p).differences["full"] for p in paths[1:])
    for name, interval in straight.items():
        assert (interval.low, interval.high) == pytest.approx(
            (shuffled[name].low, shuffled[name].high)
        )


def test_a_model_against_itself_is_0(tmp_path):
    paths = write(tmp_path, *world(noise=1.5))
    for interval in evaluate_files(paths, paths).differences["full"].values():
        ends = (interval.low, interval.estimate, interval.high)
        assert (*ends, interval.share_above_0) == (0, 0, 0, 0.5)


# -- faults: each is one line that names the file --------------------------------------------------


def z_of(n, d=4):
    return np.eye(n, d, dtype=np.float32)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """name -> (files, words of the message)."""
    folder = tmp_path_factory.mktemp("faulty")
    good = folder / "good.npz"
    np.savez(good, features=z_of(3), places=[0, 1, 2])

    def npz(name, **arrays):
        np.savez(folder / name, **arrays)
        return [folder / name, good]

    def cut(path, share):
        content = path.read_bytes()
        short = path.with_name(f"cut{share}{path.suffix}")
        short.write_bytes(content[: int(share * len(content))])
        return short

    nan, zero = z_of(3), z_of(3)
    nan[1:, 0], zero[2] = np.nan, 0
    text = folder / "text.npz"
    text.write_text("places,features\n", "utf-8")
    pickled = npz("pickled.npz", features=z_of(3), places=np.array(["a", 1, None], dtype=object))
    noise = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    mat = write_mat(folder / "whole.mat", noise, np.arange(400), noise, np.arange(400))
    savemat(folder / "other.mat", {"query_f": z_of(3)})
    hdf5 = folder / "new.mat"
    hdf5.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400))
    named = {"features": z_of(3), "places": ["a", "b", "c"]}
    return {
        "nan": (npz("nan.npz", features=nan, places=[0, 1, 2]), r"row 1 \(and 1 more\) is not fin"),
        "zero": (npz("zero.npz", features=zero, places=[0, 1, 2]), "row 2 is of length 0"),
        "rows": (npz("rows.npz", features=z_of(3), places=[0, 1]), r"shape \(2,\); expected \(3,"),
        "flat": (npz("flat.npz", features=np.ones(3), places=[0, 1, 2]), "float64 of shape"),
        "words": (npz("words.npz", features=[["a"]], places=[0]), "expected numbers"),
        "floats": (npz("floats.npz", features=z_of(3), places=[0.5, 1, 2]), "integers or strings"),
        "unknown": (npz("u.npz", features=z_of(3), places=[0, 1, 2], family=[0] * 3), "'family'"),
        "missing": (npz("m.npz", feats=z_of(3), places=[0, 1, 2]), "expected 'features'"),
        "width": (npz("w.npz", features=z_of(3, 5), places=[0, 1, 2]), "D = 5"),
        "apart": (npz("apart.npz", **named), "no place in common"),
        "negative": (npz("neg.npz", features=z_of(3), places=[0, -1, 2]), "found place -1"),
        "lonely": (npz("f.npz", features=z_of(3), places=[0, 1, 2], families=[0] * 3), "lacks 'fa"),
        "pickled": (pickled, "can run code"),
        "cut": ([cut(good, 0.6), good], "not a whole .npz"),
        "text": ([text, good], "not a whole .npz|can run code"),
        "absent": ([folder / "nothing.npz", good], "found no file"),
        "one": ([good], "expected a query .npz and a gallery .npz"),
        "mat cut": ([cut(mat, 0.3)], "not a whole .mat|lacks"),
        "mat keys": ([folder / "other.mat"], "lacks .'query_label'"),
        "mat 7.3": ([hdf5], "MATLAB 7.3|not a whole .mat"),
    }


FAULTS = ("nan", "zero", "rows", "flat", "words", "floats", "unknown", "missing", "width", "apart")
FAULTS += ("negative", "lonely", "pickled", "cut", "text", "absent", "one")
FAULTS += ("mat cut", "mat keys", "mat 7.3")


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line(faulty, capsys, fault):
    files, words = faulty[fault]
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        read_features(files)
    capsys.readouterr()
    assert run("--features", *files) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("dphr: ") and "\n" not in said


def test_a_place_of_two_families_is_named(tmp_path):
    for role, families in (("query", [0, 0, 1]), ("gallery", [0, 1, 1])):
        np.savez(
            tmp_path / f"{role}.npz", features=z_of(3), places=["x", "y", "z"], families=families
        )
    with pytest.raises(ValueError, match="place y is in family 0 and in family 1"):
        read_features([tmp_path / "query.npz", tmp_path / "gallery.npz"])


@pytest.mark.parametrize(
    "change, words",
    [
        ("fewer queries", "not the same query: 1 places differ .* such as 29 with 4 and 3"),
        ("other gallery", "not the same gallery: 1 places differ .* such as 35 with 1 and 0"),
        ("families", "not the same query: 10 families differ"),
    ],
)
def test_models_of_other_queries_are_not_compared(tmp_path, capsys, change, words):
    query, q_places, gallery, g_places = world()
    first = write(tmp_path, query, q_places, gallery, g_places, name="first")
    cut = {"fewer queries": (-1, None), "other gallery": (None, -1)}.get(change, (None, None))
    other = (query[: cut[0]], q_places[: cut[0]], gallery[: cut[1]], g_places[: cut[1]])
    second = write(tmp_path, *other, name="second", families=change == "families")
    with pytest.raises(ValueError, match=words):
        evaluate_files(first, second)
    assert run("--features", *first, "--compare", *second) == 1
    assert "\n" not in capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--features a.npz b.npz --data x", "--data does not go with --features"),
        ("--features a.npz b.npz --direction D2S", "--direction does not go with"),
        ("--features a.npz b.npz --world-seed 1", "--world-seed does not go with"),
        ("--features a.npz b.npz --flip-tta", "--flip-tta does not go with"),
        ("--run a --data b --compare c.npz d.npz", "--compare goes with --features"),
    ],
)
def test_wrong_usage(flags, words, capsys):
    assert run(*flags.split()) == 2
    assert words in capsys.readouterr().err


def test_features_need_no_data_set(tmp_path, capsys):
    paths = write(tmp_path, *world(noise=1.5))
    assert run("--features", *paths, "--gallery-mode", "full", "--json", tmp_path / "a.json") == 0
    text = capsys.readouterr().out
    assert "36 gallery images" in text and "query_places" not in text
    assert "95 % intervals over 30 places: R@1" in text
    assert list(json.loads((tmp_path / "a.json").read_text("utf-8"))["first"]) == ["full"]


# -- .mat files are read in a process of their own ----------------------------------------------

CRASHES = (  # SciPy 1.17 dies of it: a few wrong bytes in 1.6 kB, compressed
    "eNq1kw1QVFUUx3f5kF1BIgTF+PBRBGqKuwvZwu49T3Q1UFcQNk3UZHEBzScoISkYoIbBIoqAmjUqpCkU8iEGq+47NxVG"
    "F8VBlBKb0lhTURxHCU2btEW3Ypppmpzpzpz53XvPuXfOzP9/1GGaGWGTmNcDJYw6TDMucQmXwERx2rTElNRloczylPeW"
    "rBrLTE5N0KYl6JiU5FAmRpvGzExJZ2RyRiIPDZKHBgcxMolsguA5ljBC7WyBQSgQDLJQZAkHa8reenayUmjNrViZkLp6"
    "YeLTfY7l8gTRk5rCRdhdmo+Zm/sg0rifd2ltQMkiT/ZgxssgSj1PZKatcM+3jJx+ko/OE7fwydvOoKl7JDosnUHI8k1Q"
    "0fod7O/sAq5gPXwi28cXxMlRl74Bz6W+xG4U10JUfgR6e0XBIbcW7PPtIruTToBi233iY7qMrSseQ+dNB3bwPAbLQ9p5"
    "1YFEIjz7lnJuky1bnfsI7ccr4KvL8cAkt6GNVwZyYy6ATtCMbg3X8XbfC2wIlOCkXgVtfLCWDzi3Cj+XViFs3UH21jYd"
    "Kbnvh6RgOlTopmBMpQM9M80Hm0xTITirkI9uGMsadXfILn0evy+ygddnxEOW2/fYIZZS2doCGHk5FwpzNmCoPIjtTjah"
    "e0AFlgeL6cRVZ6Gz5jzwyh8wab4fG9aUq2ySvau8ez4dxIYGEjnGhl1/ksPrDVJoXmLmR1Wo2Dy1M6uNEkHxCgVGGOZB"
    "6UJ31itNzGKZEfr1KxP8pZ/z3/QTWjXsp+Of+nHa+ATuaV1/Lm6gJay0sdLWSrsB/wqeo76/rxybf/aZ64B+xZZI0nLc"
    "M6c9W2ZLTLS81xpegxFDiqA25ICyZdcoOszdAU96SqlqViFU5n8DebKDZHrIMWwcvRNur/OHmFNb+MzeiyB17OK/UFVB"
    "gNqJdmQPxjjfM/AwZTFM4Ubi5Ic3MbxuAjs7sBk9PC/Amt3DjFcXROFQVT18LNhJhjuOhxEmvTIwWgQ7Sn8FTWwVVlyt"
    "wOxTrVgi9YOZNfXKYu8OlNwax3vMTQLhbH/edMQD3DNdaY+qndzffpdUTnuV/nJ4D9TGKKj6yqe4WlWm3KdzpN/GLcbe"
    "zcGK2C5f2mN3EXyCnDDHpZ2PC1oGMo2IiulxPBY+FN/JqwSX7A6IVd3D+oOUmPsC4evmQVR0TagMe98RpEV1YJjTi3Pv"
    "XIHmrBdppcMmReEODTl65Q1UmeP5tleq4We308pEWzkdnu+H4f718IgO4fMkX6LeyYutetCOc2xc2HVTP8Lez3owt3UB"
    "yHkBRiuH4fFJb5NDuqHUPm0+aatLxu7fnpBLjJlsLZLQGy350Jh+jK+r6wJNhg9vKtdDy7R43JMVAqVHvdmOpFwck41Y"
    "EithHzTasobyFOIas1e5kT0HZu4aRh4QsXOOzuLtTq3F0apmIE4f8mOZlbhnpwfltIW4pfoW/yNrMF6KK4I3d/WAWCZm"
    "b0Tr0eWxJ3nkXYzzPJ5g5U9Cmtluh0EfaHB8fedhLiKa+ptrIGqpmlRvb4LuAHvo6nOia4xHjP0+bPuXeXG1csgAH/4x"
    "Mf3zUiS49L/Py3+t/x1uavtu"
)


def test_what_crashes_the_reader_is_a_line(tmp_path):
    (tmp_path / "a.mat").write_bytes(zlib.decompress(base64.b64decode(CRASHES)))
    with pytest.raises(
        ValueError, match=r"a\.mat: (is damaged: the process that read it|not a whole)"
    ):
        read_features([tmp_path / "a.mat"])


@pytest.mark.slow
def test_what_matlab_keeps_that_is_no_full_array(tmp_path):
    from scipy.sparse import csc_matrix

    good = {"query_f": z_of(3), "query_label": np.arange(3), "gallery_f": z_of(3)}
    good["gallery_label"] = np.arange(3)
    cell = np.array([1, "a", 2], dtype=object)
    faults = {
        "query_f: found csc_matrix, expected a full array": {"query_f": csc_matrix(np.eye(3))},
        "gallery_label: found ndarray, expected a full array": {"gallery_label": cell},
        "query_f: found ndarray, expected": {"query_f": {"a": 1}},
        "gallery_label: row 0 is inf": {"gallery_label": np.array([[np.inf, 1, 2]])},
        r"gallery_label: row 1 is 1e\+300": {"gallery_label": np.array([[0, 1e300, 2]])},
        "gallery_label: row 2 is nan": {"gallery_label": np.array([[0], [1], [np.nan]])},
        "query_label: row 1 is 0.5": {"query_label": np.array([[0, 0.5, 2]])},
        "found complex64": {"query_f": z_of(3) * 1j},
    }
    for said, change in faults.items():
        savemat(tmp_path / "a.mat", good | change)
        with (
            helpers.case(said),
            pytest.raises(ValueError, match=rf"a\.mat: .*{said}|a\.mat: {said}"),
        ):
            read_features([tmp_path / "a.mat"])


def test_members_that_are_no_arrays(tmp_path):
    np.savez(tmp_path / "good.npz", features=np.eye(3), places=np.arange(3))
    for name, data in (("features", b"hello"), ("places", b"x"), ("features.npy", b"\x80\x04N.")):
        np.savez(tmp_path / "a.npz", **{
            key: value for key, value in (("features", np.eye(3)), ("places", np.arange(3)))
            if not name.startswith(key)})  # fmt: skip
        with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
            file.writestr(name, data)
        with pytest.raises(
            ValueError, match=r"a\.npz: (\w+ is no array|holds pickled|not a whole)"
        ):
            read_features([tmp_path / "a.npz", tmp_path / "good.npz"])
