"""The stored measurements as Markdown, and in the pages that show them.

`python tests/benchmarks/measured_tables.py` prints every table; with names of files it writes
each table between that page's lines `<!-- measured: NAME -->` and `<!-- end of NAME -->`. Measured
anew by `DPHR_BENCHMARK_OUT=tests/benchmarks/results pytest tests/benchmarks -s` with
`--benchmark-size full`, of which render.json is shown nowhere.
"""

import json
import re
import sys
from pathlib import Path

from dphr_lab.results.tables import markdown_table

STORED = Path(__file__).parent / "results"
HEADINGS = {  # column of a row -> what stands above it, and digits after the point
    "step": ("step", 0),
    "tiles": ("tiles", 0),
    "dim": ("D", 0),
    "by": ("by", 0),
    "to_px": ("to, px", 0),
    "ms": ("ms an image", 2),
    "view": ("view", 0),
    "encoder": ("encoder", 0),
    "image_px": ("image, px", 0),
    "B": ("B", 0),
    "D": ("D", 0),
    "dtype": ("embeddings", 0),
    "chunk": ("chunk, rows", 0),
    "infonce_ms": ("InfoNCE, ms", 2),
    "all_triplets_ms": ("all triplets, ms", 1),
    "step_ms": ("step, ms", 1),
    "clip_ms": ("bare CLIP, ms", 2),
    "closest_ms": ("closest, ms", 2),
    "sharp_ms": ("sharp, ms", 2),
    "ratio": ("sharp / InfoNCE", 2),
    "closest_ratio": ("closest / InfoNCE", 2),
    "clip_ratio": ("closest / CLIP", 2),
    "sharp_clip_ratio": ("sharp / CLIP", 2),
    "times_faster": ("times faster", 1),
    "share_percent": ("share, %", 2),
    "batch": ("batch", 0),
    "pytorch_ms_an_image": ("PyTorch, ms an image", 2),
    "onnx_ms_an_image": ("ONNX Runtime, ms", 2),
    "onnx_int8_ms_an_image": ("8 bits, ms", 2),
    "onnx_of_pytorch": ("ONNX Runtime / PyTorch", 2),
    "onnx_int8_of_pytorch": ("8 bits / PyTorch", 2),
    "infonce_mb": ("InfoNCE, MB", 0),
    "all_triplets_mb": ("all triplets, MB", 1),
    "sharp_mb": ("sharp, MB", 2),
    "times_less_memory": ("times less memory", 1),
    "growth_mb": ("memory added, MB", 0),
    "peak_mb": ("peak of the process, MB", 0),
    "wall_s": ("s", 0),
    "plain_images_per_s": ("Pillow + torchvision, images/s", 0),
    "ours_images_per_s": ("dphr_lab, images/s", 0),
    "times_plain": ("times as fast", 2),
    "bare_faiss_ms": ("bare FAISS, ms", 2),
    "ratio_to_faiss": ("times bare FAISS", 2),
    "tiles_a_s": ("tiles a second", 1),
    "ratio_to_encoder": ("of the encoder's own rate", 2),
    "ratio_to_embedding_8": ("8 headings / embedding 8 images", 2),
    "prepared_images_per_s": ("after `dphr prepare`, images/s", 0),
    "prepared_times_plain": ("times as fast", 2),
    "prepared_off_by": ("prepared pixels off by, of 255", 1),
}


def names() -> list[str]:
    """The stored measurements, such as "losses-speed"."""
    return sorted(path.stem for path in STORED.glob("*-*.json"))


def table(stored: dict) -> str:
    """A Markdown table of a measurement's rows, and below it what it was measured with."""
    columns = [name for name in HEADINGS if name in stored["rows"][0]]
    rows = [[_cell(name, row[name]) for name in columns] for row in stored["rows"]]
    hardware, versions = stored["hardware"], stored["versions"]
    gpu = hardware["gpus"][0] if "gpu" in stored["name"] else None
    threads = hardware["torch_threads"]
    known = f" ({hardware['instructions']})" if "instructions" in hardware else ""
    where = gpu or f"{hardware['processor']}{known}, {threads} thread{'s' * (threads > 1)}"
    return (
        markdown_table([HEADINGS[name][0] for name in columns], rows)
        + f"\n\nMeasured on {where}; torch {versions['torch']}."
    )


def _cell(name: str, value: object) -> str:
    return f"{value:,.{HEADINGS[name][1]}f}" if isinstance(value, float) else str(value)


def shown(page: str) -> str:
    """`page` with every marked table as it is stored."""

    def renewed(match: re.Match) -> str:
        stored = json.loads((STORED / f"{match['name']}.json").read_text("utf-8"))
        return f"{match['start']}\n{table(stored)}\n{match['end']}"

    marked = (
        r"(?P<start><!-- measured: (?P<name>[\w-]+) -->)\n.*?(?P<end><!-- end of (?P=name) -->)"
    )
    return re.sub(marked, renewed, page, flags=re.DOTALL)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(shown(path.read_text("utf-8")), "utf-8")
    if len(sys.argv) == 1:
        for name in names():
            print(f"{name}\n\n{table(json.loads((STORED / f'{name}.json').read_text('utf-8')))}\n")
