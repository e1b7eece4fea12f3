"""An encoder in one ONNX file, computed by ONNX Runtime: `Encoder.load("model.onnx")`.

`models.onnx_export` writes it. The graph takes uint8 images of one size and normalises them itself;
what else an encoder knows of itself travels in the file's metadata.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dphr_lab._files import parse_json
from dphr_lab.models.fingerprint import fingerprint

METADATA_KEY = "dphr_lab"  # of the file's metadata: JSON
FORMAT = 1
RECORD = {
    "backbone": str,
    "image_px": int,
    "width": int,
    "int8": bool,
    "selected_on_test": bool,
    "fingerprint": dict,
    "digest": str,
}
DIGEST = re.compile(rb'"digest": "([0-9a-f]{64})"')  # in that JSON
BLANK = "the digest of this file, made with this text in its place".ljust(64, ".")
NEEDS_RUNTIME = "{path}: an ONNX file needs ONNX Runtime: pip install 'dphr-lab[onnx]'"


class OnnxEncoder(nn.Module):
    """What `Encoder` answers where embeddings are made, from a file that `dphr export` wrote.

    `forward` takes images (B, 3, px, px), uint8, of the size that the graph was made for, on any
    device, and gives (B, D) float32 of length 1 on the CPU. It cannot be trained.

    Raises FileNotFoundError for no such file, ModuleNotFoundError without ONNX Runtime, ValueError
    for a file that is damaged, that `dphr export` did not write, or whose operators this ONNX
    Runtime lacks.
    """

    kind = "onnx"
    fixed_size = True  # the graph takes images of `image_px` alone

    def __init__(self, path: Path | str):
        super().__init__()
        self.path = Path(path)
        self._session = None
        record = self._read_record()
        self.backbone_name, self.image_px = record["backbone"], record["image_px"]
        self.width, self.int8 = record["width"], record["int8"]
        self.selected_on_test = record["selected_on_test"]
        self.fingerprint = record["fingerprint"]
        # `embed` asks the parameters where an encoder is
        self.here = nn.Parameter(torch.empty(0), requires_grad=False)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, px, px) uint8 -> (B, D) float32 of length 1.

        Raises ValueError for other sizes or kinds of numbers than the graph takes.
        """
        px = self.image_px
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != (3, px, px):
            raise ValueError(
                f"{self.path}: images are {images.dtype} {tuple(images.shape)}; this graph takes "
                f"uint8 (B, 3, {px}, {px}): leave --image-px out, or export at another size"
            )
        try:
            (z,) = self.session.run(None, {"images": images.cpu().numpy()})
        except Exception as error:  # a class of its own for each fault, none of them public
            told = " ".join(str(error).split())[:160]
            raise ValueError(f"{self.path}: cannot be computed ({told}); export it again") from None
        return torch.from_numpy(z)

    def settings(self) -> dict[str, Any]:
        """What is known of the encoder; JSON's own types."""
        return {"backbone": self.backbone_name, "image_px": self.image_px, "int8": self.int8}

    @property
    def session(self):
        """The ONNX Runtime session, opened when it is first asked for, on torch's thread count."""
        if self._session is None:
            self._session = open_session(self.path)
        return self._session

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_session": None}  # another process opens the file itself

    def _read_record(self) -> dict[str, Any]:
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path}: found no such file; dphr export writes one")
        checked = self._check_digest()  # before ONNX Runtime meets damage
        written = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        try:
            record = parse_json(written or "")
            if record["format"] == FORMAT:
                if wrong := [n for n, kind in RECORD.items() if type(record.get(n)) is not kind]:
                    raise ValueError(f"{wrong[0]} is {record.get(wrong[0])!r}")
                if record["digest"] not in checked:
                    raise ValueError(f"digest is {record['digest']!r}")
                return record
            found = f"found format {record['format']}, this version reads {FORMAT}"
        except (ValueError, TypeError, KeyError):
            found = "found none of its metadata"
        raise ValueError(f"{self.path}: not an encoder of dphr export ({found}); export it again")

    def _check_digest(self) -> set[str]:
        """The digests in the file; ValueError where it is not, to a byte, what was written."""
        data = self.path.read_bytes()
        found = set(DIGEST.findall(data))
        for digest in found:
            if digest_of(data.replace(digest, BLANK.encode())) != digest.decode():
                raise ValueError(
                    f"{self.path} is damaged: its bytes are not those that were written; export "
                    "it again"
                )
        return {digest.decode() for digest in found}


def exported_beside(
    folder: Path | str, encoder: nn.Module, image_px: int | None = None
) -> tuple["OnnxEncoder | None", list[str]]:
    """(what `export` wrote of `encoder` into its folder, a line on each file that is not that).

    The file has the embeddings of `encoder` at `image_px`, None being its own size: it was made
    from the same weights, in full precision. None where there is no such file, or no ONNX Runtime.
    """
    px, not_used = image_px or encoder.image_px, []
    files = sorted(Path(folder).glob("*.onnx")) if not isinstance(encoder, OnnxEncoder) else ()
    for path in files:
        try:
            found = OnnxEncoder(path)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            not_used.append(f"not used: {error}")
            continue
        why = _why_not(found, encoder, px)
        if why is None:
            found.selected_on_test = encoder.selected_on_test
            return found, not_used
        not_used.append(f"{path} is not used: {why}")
    return None, not_used


def _why_not(found: OnnxEncoder, encoder: nn.Module, image_px: int) -> str | None:
    if found.int8:
        return f"it computes in 8 bits, which gives other embeddings; --run {found.path} takes it"
    if found.fingerprint != fingerprint(encoder):
        return "it was exported from other weights than the run has now; export it again"
    if found.image_px != image_px:
        return f"it takes images of {found.image_px} px, asked for are {image_px} px"
    return None


def digest_of(data: bytes) -> str:
    """SHA-256 of a file that holds `BLANK` where the digest is to stand."""
    return hashlib.sha256(data).hexdigest()


def open_session(path: Path):
    """An ONNX Runtime session on the CPU; raises what `OnnxEncoder` says of files."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise ModuleNotFoundError(NEEDS_RUNTIME.format(path=path)) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a class of its own for each fault, none of them public
        what = "asks for operators that this ONNX Runtime lacks"
        if type(error).__name__ != "NotImplemented":
            what = "is damaged, or no ONNX file"
        told = " ".join(str(error).split())[:160]
        raise ValueError(f"{path} {what} ({told}); export it again") from None
