"""Positions as files: CSV, GeoJSON, a picture over the map, one offline page."""

from __future__ import annotations

import csv
import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dphr_lab._files import replace_when_done
from dphr_lab._images import jpeg_uri, read_image
from dphr_lab._terminal import printable
from dphr_lab.localization.gallery import Gallery
from dphr_lab.localization.geomap import Bounds
from dphr_lab.localization.ground import metres_from, moved
from dphr_lab.localization.locate import Located, metres
from dphr_lab.localization.track import TrackPoint

Answer = Located | TrackPoint
COLUMNS = ("photo", "lat", "lon", "radius_50_m", "radius_90_m", "state", "true_lat", "true_lon",
           "error_m")  # fmt: skip
PANELS = 9  # photographs in a picture, at most
PAGE_PX, THUMBNAIL_PX = 1200, 240


def state_of(answer: Answer) -> str:
    """ "found", "lost" (a track that has lost itself) or "not on this map"."""
    if getattr(answer, "lost", False):
        return "lost"
    return "not on this map" if getattr(answer, "on_map", None) is False else "found"


def names_of(answers: Sequence[Answer]) -> list[str]:
    """A name for each photograph: its file's, with its folder's where two files have one name."""
    paths = [answer.path for answer in answers]
    for name in (lambda p: p.name, lambda p: f"{p.resolve().parent.name}/{p.name}", str):
        names = [printable(name(path), line=True) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def _row(answer: Answer, name: str) -> tuple:
    truth = answer.truth or ("", "")
    error = "" if answer.error_m is None else round(answer.error_m, 2)
    return (
        name, f"{answer.lat:.8f}", f"{answer.lon:.8f}",
        round(answer.radius_50_m, 2), round(answer.radius_90_m, 2), state_of(answer), *truth, error,
    )  # fmt: skip


def write_csv(answers: Sequence[Answer], path: Path | str) -> None:
    """A line a photograph."""
    with (
        replace_when_done(path) as aside,
        open(aside, "w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([COLUMNS, *map(_row, answers, names_of(answers))])


def write_geojson(answers: Sequence[Answer], path: Path | str, line: bool = False) -> None:
    """A point and a circle of 90 % a photograph (RFC 7946); `line` adds the flight's line."""
    features = []
    if line:
        spots = [[round(a.lon, 8), round(a.lat, 8)] for a in answers]
        features.append(_feature({"type": "LineString", "coordinates": spots}, {"what": "flight"}))
    for answer, name in zip(answers, names_of(answers), strict=True):
        properties = dict(zip(COLUMNS, _row(answer, name), strict=True))
        point = {"type": "Point", "coordinates": [round(answer.lon, 8), round(answer.lat, 8)]}
        features.append(_feature(point, properties | {"what": "position"}))
        turn = np.linspace(0, 2 * np.pi, 33)
        r = answer.radius_90_m
        lat, lon = moved(answer.lat, answer.lon, r * np.cos(turn), r * np.sin(turn))
        ring = np.round(np.stack([lon, lat], 1), 8).tolist()
        ring[-1] = ring[0]
        circle = {"type": "Polygon", "coordinates": [ring]}
        features.append(_feature(circle, {"photo": name, "what": "90 % radius"}))
    with replace_when_done(path) as aside:
        aside.write_text(
            json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8"
        )


def _feature(geometry: dict, properties: dict) -> dict:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def box_around(answers: Sequence[Answer], gallery: Gallery, margin_m: float) -> Bounds:
    """The box that shows answers, truths and the radii around them, no wider than the map."""
    spots = [(a.lat, a.lon) for a in answers] + [a.truth for a in answers if a.truth]
    for a in answers:
        spots += [c[:2] for c in getattr(a, "candidates", ())[:5]]
    lat, lon = np.array(spots).T
    east, north = metres_from(lat[0], lon[0], lat, lon)
    low = moved(lat[0], lon[0], east.min() - margin_m, north.min() - margin_m)
    high = moved(lat[0], lon[0], east.max() + margin_m, north.max() + margin_m)
    whole = gallery.bounds
    if not whole.holds(lat[0], lon[0]):
        return Bounds(float(low[1]), float(low[0]), float(high[1]), float(high[0]))
    return Bounds(
        max(whole.west, float(low[1])), max(whole.south, float(low[0])),
        min(whole.east, float(high[1])), min(whole.north, float(high[0])),
    )  # fmt: skip


def draw(gallery: Gallery, answers: Sequence[Answer], path: Path | str) -> None:
    """A picture: the map around each photograph, candidates, radii, truth; of a track one panel."""
    from matplotlib.figure import Figure

    if isinstance(answers[0], TrackPoint):
        panels = [list(answers)]
    else:
        panels = [[a] for a in answers[:PANELS]]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5 * columns + 1, 5 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, shown in zip(axes, panels, strict=False):
        _panel(axis, gallery, shown)
    with replace_when_done(path) as aside:
        figure.savefig(aside, dpi=110)


def _panel(axis, gallery: Gallery, answers: Sequence[Answer]) -> None:
    from dphr_lab.plotting import PALETTE

    bounds = box_around(answers, gallery, 1.2 * gallery.settings.side_m)
    width, height = bounds.size_m
    picture = gallery.geomap.read_box(bounds, 700)
    axis.imshow(picture, extent=(-width / 2, width / 2, -height / 2, height / 2))
    lat0, lon0 = bounds.centre

    def at(lat, lon):
        return metres_from(lat0, lon0, lat, lon)

    line = np.array([at(a.lat, a.lon) for a in answers])
    truths = [a.truth for a in answers]
    if len(answers) > 1:
        axis.plot(*line.T, "-o", color=PALETTE["orange"], markersize=4, label="located")
        if all(truths):
            true = np.array([at(*t) for t in truths])
            axis.plot(*true.T, "--", color="white", label="its GPS")
    else:
        answer = answers[0]
        candidates = np.array([(*at(c[0], c[1]), c[2]) for c in answer.candidates])
        heat = candidates[:, 2] / candidates[:, 2].max()
        axis.scatter(*candidates[:, :2].T, s=60 + 500 * heat, c=heat, cmap="inferno", alpha=0.6)
        axis.scatter([], [], s=60, c="yellow", alpha=0.6, label="candidates")
        axis.plot(*line[0], "o", color=PALETTE["orange"], markersize=9, label="located")
        if truths[0]:
            axis.plot(*at(*truths[0]), "x", color="white", markersize=11, markeredgewidth=3,
                      label="its GPS")  # fmt: skip
        axis.set_title(
            f"{printable(answer.path.name, line=True)}\n{state_of(answer)}, "
            f"± {metres(answer.radius_50_m)} (50 %), ± {metres(answer.radius_90_m)} (90 %)",
            fontsize=9, parse_math=False,  # a name may hold a dollar sign
        )  # fmt: skip
    turn = np.linspace(0, 2 * np.pi, 60)
    for answer, spot in zip(answers, line, strict=True):
        for radius, style in ((answer.radius_50_m, "-"), (answer.radius_90_m, "--")):
            if len(answers) > 1 and style == "-":
                continue
            ring = spot[0] + radius * np.cos(turn), spot[1] + radius * np.sin(turn)
            width_pt = 1 if len(answers) == 1 else 0.4
            axis.plot(*ring, style, color=PALETTE["orange"], linewidth=width_pt)
    axis.set_xlim(-width / 2, width / 2)
    axis.set_ylim(-height / 2, height / 2)
    axis.set_xlabel("metres east")
    axis.set_ylabel("metres north")
    # white marks are seen on a dark ground only
    axis.legend(loc="upper right", fontsize=8, facecolor="0.25", labelcolor="white")


def write_html(gallery: Gallery, answers: Sequence[Answer], path: Path | str) -> None:
    """One page that needs no network: the map, the flight's line, photographs to click."""
    bounds = box_around(answers, gallery, 1.5 * gallery.settings.side_m)
    picture = gallery.geomap.read_box(bounds, PAGE_PX)
    height, width = picture.shape[:2]
    size_m = bounds.size_m
    lat0, lon0 = bounds.centre

    def pixel(lat, lon):
        east, north = metres_from(lat0, lon0, lat, lon)
        x = (float(east) / size_m[0] + 0.5) * width
        return f"{x:.1f}", f"{(0.5 - float(north) / size_m[1]) * height:.1f}"

    marks, photos = [], []
    for number, answer in enumerate(answers):
        x, y = pixel(answer.lat, answer.lon)
        r = answer.radius_90_m / size_m[0] * width
        name = html.escape(printable(answer.path.name, line=True))
        marks.append(f'<circle class="radius" cx="{x}" cy="{y}" r="{r:.1f}"/>')
        if answer.truth:
            tx, ty = pixel(*answer.truth)
            marks.append(f'<circle class="truth" cx="{tx}" cy="{ty}" r="3"/>')
        marks.append(
            f'<a href="#p{number}"><circle class="spot" cx="{x}" cy="{y}" r="6">'
            f"<title>{name}</title></circle></a>"
        )
        error = "" if answer.error_m is None else f", {metres(answer.error_m)} from its GPS"
        photos.append(
            f'<figure id="p{number}"><img alt="{name}" src="{_data(answer.path)}"><figcaption>'
            f"{name}: {answer.lat:.6f} {answer.lon:.6f}, {state_of(answer)}, "
            f"± {metres(answer.radius_50_m)} (50 %), ± {metres(answer.radius_90_m)} (90 %){error}"
            "</figcaption></figure>"
        )
    line = " ".join(",".join(pixel(a.lat, a.lon)) for a in answers)
    title = html.escape(f"{len(answers)} photographs on {gallery.record['map']}")
    page = PAGE.format(
        title=title, width=width, height=height, map=jpeg_uri(picture), line=line,
        marks="\n".join(marks), photos="\n".join(photos),
    )  # fmt: skip
    with replace_when_done(path) as aside:
        aside.write_text(page, encoding="utf-8")


def _data(path: Path) -> str:
    from PIL import Image

    image = Image.fromarray(read_image(path))
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return jpeg_uri(np.asarray(image))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 16px/1.4 sans-serif; margin: 1rem; }}
svg {{ width: 100%; max-width: {width}px; height: auto; }}
.line {{ fill: none; stroke: #e69f00; stroke-width: 2; }}
.radius {{ fill: #e69f0022; stroke: #e69f00; stroke-width: .6; pointer-events: none; }}
.spot {{ fill: #e69f00; stroke: #000; }}
.truth {{ fill: #fff; stroke: #000; }}
section {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
figure {{ margin: 0; width: 240px; }}
figure:target {{ outline: 4px solid #0072b2; }}
figcaption {{ font-size: .85rem; }}
</style></head><body>
<h1>{title}</h1>
<p>Orange: where each photograph was located, with its 90 % radius; white: its own GPS, where it has
one. Click a spot to see its photograph.</p>
<svg viewBox="0 0 {width} {height}" role="img" aria-label="map with the located photographs">
<image href="{map}" width="{width}" height="{height}"/>
<polyline class="line" points="{line}"/>
{marks}
</svg>
<section>
{photos}
</section></body></html>
"""
