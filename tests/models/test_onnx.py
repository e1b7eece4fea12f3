"""An exported encoder gives the embeddings of the encoder that it was made from."""

import builtins
import pickle

import numpy as np
import pytest
import torch

from dphr_lab.datasets import ArrayImages
from dphr_lab.models import LPN, MCCG, Encoder, OnnxEncoder, embed, export, fingerprint
from dphr_lab.models.onnx_export import difference

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.slow

PX = 32


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (7, PX, PX, 3), dtype=np.uint8)
    return ArrayImages("drone", pixels, range(7))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(an encoder selected on the test set, the same from its file)."""
    torch.manual_seed(0)
    encoder = Encoder("test_resnet", image_px=PX)
    encoder.selected_on_test = True
    return encoder, export(encoder, tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.mark.parametrize(
    ("make", "px"),
    [
        (lambda: Encoder("test_convnext", 24, pool="gem", image_px=PX), PX),
        (lambda: Encoder("test_vit", image_px=PX), PX),
        (lambda: LPN("test_resnet", image_px=256, places=(4, 9)), 256),
        (lambda: MCCG("test_convnext", image_px=PX, places=(4, 9)), PX),
    ],
    ids=["gem", "vit", "lpn", "mccg"],
)
def test_any_host_has_its_own_embeddings(make, px, images, tmp_path):
    torch.manual_seed(0)
    encoder = make().train()  # exported as it evaluates, whatever mode it is in
    found = export(encoder, tmp_path / "model.onnx")
    assert encoder.training and found.image_px == px
    assert difference(encoder, found, images) < 1e-5


def test_any_number_of_images_normalised_inside(exported, images):
    encoder, found = exported
    assert difference(encoder, found, images) < 1e-5
    for count in (1, 3):
        z = found(images.read(range(count), PX))
        assert z.shape == (count, encoder.width)
        assert torch.allclose(z.norm(dim=1), torch.ones(count), atol=1e-5)


def test_flips_and_threads_go_the_way_of_any_encoder(exported, images):
    encoder, found = exported
    assert torch.allclose(
        embed(found, images, flip_tta=True), embed(encoder, images, flip_tta=True), atol=1e-5
    )


def test_what_it_says_of_itself_travels_in_the_file(exported):
    encoder, found = exported
    again = Encoder.load(found.path)
    assert isinstance(again, OnnxEncoder) and again.selected_on_test
    assert fingerprint(again) == fingerprint(encoder)
    assert pickle.loads(pickle.dumps(again)).session is not None


def test_eight_bits_are_near_and_another_encoder(exported, images, tmp_path):
    encoder, whole = exported
    found = export(encoder, tmp_path / "int8.onnx", int8_images=images)
    assert found.int8 and found.selected_on_test
    assert fingerprint(found) != fingerprint(encoder)
    cosine = (embed(found, images) * embed(encoder, images)).sum(1)
    assert cosine.min() > 0.98
    assert 0 < difference(encoder, found, images) < 0.2
    assert found.path.stat().st_size < 0.6 * whole.path.stat().st_size


def test_another_size_is_one_line(exported, images):
    with pytest.raises(ValueError, match=r"model\.onnx: images are .*uint8 \(B, 3, 32, 32\)") as e:
        embed(exported[1], images, 64)
    assert "\n" not in str(e.value)


def test_damaged_and_foreign_files_are_named(exported, tmp_path):
    written = exported[1].path.read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(written[: len(written) // 2])
    with pytest.raises(ValueError, match=r"cut\.onnx is damaged"):
        Encoder.load(cut)
    digest = written.index(b'"digest": "') + 20
    for at in (100, len(written) // 3, digest, len(written) - 5):
        changed = bytearray(written)
        changed[at] ^= 0x41
        cut.write_bytes(changed)
        with pytest.raises(ValueError, match=r"cut\.onnx(: not an encoder| is damaged|: images)"):
            Encoder.load(cut)(torch.zeros(1, 3, PX, PX, dtype=torch.uint8))
    model = onnx.load(exported[1].path)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match=r"foreign\.onnx: not an encoder of dphr export"):
        Encoder.load(tmp_path / "foreign.onnx")
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        Encoder.load(tmp_path / "none.onnx")


def test_an_operator_that_onnx_lacks_is_named(tmp_path):
    class Strange(Encoder):
        def forward(self, images):
            z = super().forward(images)
            return torch.linalg.eigvals(z[:, None] * z[:, :, None]).real

    path = tmp_path / "model.onnx"
    with pytest.raises(ValueError, match=r"test_resnet cannot be written as ONNX.*eig") as error:
        export(Strange("test_resnet", image_px=PX), path)
    assert "\n" not in str(error.value) and not path.exists()


@pytest.mark.parametrize("missing", ["onnxruntime", "onnxscript"])
def test_without_the_extra_it_is_named(missing, exported, monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *rest):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"dphr-lab\[onnx\]"):
        export(exported[0], tmp_path / "model.onnx")
    if missing == "onnxruntime":
        with pytest.raises(ModuleNotFoundError, match=r"dphr-lab\[onnx\]"):
            Encoder.load(exported[1].path)
