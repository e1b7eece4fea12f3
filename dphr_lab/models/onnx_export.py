"""An encoder as one ONNX file, in floats or 8-bit integers, and how far it is from itself.

The exporter is PyTorch's (`torch.onnx.export`), the quantisation ONNX Runtime's: static, a scale
for each channel, fitted on real images. Weights, normalisation and image size are in the file.
"""

import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from dphr_lab import __version__
from dphr_lab._files import replace_when_done
from dphr_lab.models.embedding import embed
from dphr_lab.models.encoder import Encoder
from dphr_lab.models.fingerprint import fingerprint
from dphr_lab.models.onnx_encoder import (
    BLANK,
    FORMAT,
    METADATA_KEY,
    OnnxEncoder,
    digest_of,
)

OPSET = 18
CALIBRATION_BATCH = 16
NEEDS_ONNX = "an ONNX file is written with packages of their own: pip install 'dphr-lab[onnx]'"


def export(
    encoder: Encoder,
    path: Path | str,
    image_px: int | None = None,
    int8_images=None,
) -> OnnxEncoder:
    """Write `encoder` to `path`, a file that ends in .onnx, and open it again.

    The graph takes uint8 (B, 3, px, px), any B, with px = `image_px`, the encoder's own by default.
    `int8_images` are `datasets.Images` on which an 8-bit version is fitted; None writes floats.
    `selected_on_test` and the fingerprint travel in the metadata; an 8-bit file, whose embeddings
    are others, has a fingerprint of its own. Raises ModuleNotFoundError without the extra `onnx`,
    ValueError for an encoder that cannot be expressed in ONNX, saying where.
    """
    path = Path(path)
    _check_packages()
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: expected a name that ends in .onnx")
    image_px = image_px or encoder.image_px
    record = {
        "format": FORMAT,
        "dphr_lab": __version__,
        "kind": encoder.kind,
        "backbone": encoder.backbone_name,
        "image_px": image_px,
        "width": encoder.width,
        "selected_on_test": encoder.selected_on_test,
        "int8": int8_images is not None,
        "fingerprint": fingerprint(encoder),
    }
    with tempfile.TemporaryDirectory() as folder, replace_when_done(path) as aside:
        written = Path(folder) / "float.onnx"
        _write_graph(encoder, written, image_px)
        if int8_images is not None:
            written = _quantised(written, int8_images, image_px)
            record["fingerprint"] = record["fingerprint"] | {
                "sha256": record["fingerprint"]["sha256"] + " in int8"
            }
        _stamp(written, aside, record)
    return OnnxEncoder(path)


def difference(encoder: Encoder, exported: OnnxEncoder, images) -> float:
    """The largest difference of any number of the two encoders' embeddings of `images`."""
    return float((_both(encoder, exported, images)).abs().max())


def _both(encoder: Encoder, exported: OnnxEncoder, images) -> Tensor:
    return embed(encoder, images, exported.image_px) - embed(exported, images)


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error.name}: not installed; {NEEDS_ONNX}") from None


def _write_graph(encoder: nn.Module, path: Path, image_px: int) -> None:
    example = torch.zeros(2, 3, image_px, image_px, dtype=torch.uint8)
    device = next(encoder.parameters()).device
    modes = [(part, part.training) for part in encoder.modules()]
    try:
        with _quiet():
            torch.onnx.export(
                encoder.eval().cpu(),
                (example,),
                str(path),
                input_names=["images"],
                output_names=["embeddings"],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # whatever the exporter raised on its way
        raise ValueError(
            f"{encoder.backbone_name} cannot be written as ONNX at {image_px} px: "
            f"{_first_cause(error)}"
        ) from error
    finally:
        encoder.to(device)
        for part, training in modes:
            part.training = training


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings, which are of its own passes."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _quantised(path: Path, images, image_px: int) -> Path:
    """The graph with weights and activations in 8 bits, fitted on `images`."""
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared, out = path.with_name("prepared.onnx"), path.with_name("int8.onnx")
    with _quiet():
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(out),
            _Calibration(images, image_px),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
    return out


class _Calibration:
    """Batches of images as ONNX Runtime's calibrator asks for them."""

    def __init__(self, images, image_px: int):
        self._batches = (
            {"images": images.read(rows, image_px).numpy()}
            for rows in torch.arange(len(images)).split(CALIBRATION_BATCH)
        )

    def get_next(self):
        return next(self._batches, None)


def _stamp(written: Path, path: Path, record: dict) -> None:
    """The graph with what `OnnxEncoder` reads of itself, at `path`."""
    import onnx

    model = onnx.load(written)
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(record | {"digest": BLANK}))
    data = model.SerializeToString()
    path.write_bytes(data.replace(BLANK.encode(), digest_of(data).encode()))
