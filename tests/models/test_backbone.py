"""Which image sizes a backbone takes, and weights as other programs save them."""

import re

import pytest
import timm
import torch

from dphr_lab.models import LPN, Encoder, Sample4Geo
from dphr_lab.models.backbone import OLDEST_TIMM, check_timm
from tests.helpers import ROOT, case

BACKBONE = "test_convnext"


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return timm.create_model(BACKBONE, num_classes=0).state_dict()


def test_a_timm_older_than_the_bound_is_told(monkeypatch):
    (bound,) = re.findall(r'"timm>=([\d.]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert bound == OLDEST_TIMM
    for version in ("1.0.3", "0.9.16", "1.0.20.dev0"):
        monkeypatch.setattr(timm, "__version__", version)
        with pytest.raises(ValueError, match=f"timm {version} is installed, and .* needs {bound}"):
            Encoder(BACKBONE, image_px=32)
    for version in (bound, "1.0.21.dev1", "1.1.0", "2.0"):
        monkeypatch.setattr(timm, "__version__", version)
        check_timm()


@pytest.mark.parametrize(
    ("backbone", "px", "fits"),
    [
        (BACKBONE, 16, 32),  # nothing is left of it after the last halving
        ("test_vit", 100, 96),  # no whole patches
        ("test_maxvit", 100, 96),  # no whole windows
        ("test_coatnet", 100, 96),  # no whole halvings
    ],
)
def test_a_size_that_a_backbone_does_not_take_is_said_with_one_that_it_does(backbone, px, fits):
    if not timm.is_model(backbone):
        pytest.skip(f"timm {timm.__version__} is older than {backbone}")
    with pytest.raises(ValueError, match=rf"image_px is {px}, .*{backbone}.*such as {fits}$"):
        Encoder(backbone, image_px=px)
    encoder = Encoder(backbone, image_px=fits).eval()
    assert encoder(torch.rand(1, 3, fits, fits)).shape == (1, encoder.width)


def test_a_size_is_also_looked_at_when_images_of_another_one_come():
    encoder = Encoder(BACKBONE, image_px=64).train()
    encoder.backbone.stages[0].eval()  # frozen by its user
    modes = [module.training for module in encoder.modules()]
    with pytest.raises(ValueError, match=r"image_px is 9, .*such as 32"):
        encoder(torch.rand(2, 3, 9, 9))
    assert modes == [module.training for module in encoder.modules()]
    assert encoder(torch.rand(2, 3, 40, 40)).shape == (2, 64)


@pytest.mark.parametrize("host", [Sample4Geo, LPN])
def test_hosts_say_it_as_well(host):
    with pytest.raises(ValueError, match=r"image_px is 16, .*such as 32"):
        host(BACKBONE, image_px=16)


def files(state):
    """What programs of this field write around a backbone's weights."""
    other = torch.zeros(2)
    return {
        "plain.pth": state,
        "upper.PTH": state,
        "pytorch_model.bin": state,
        "lightning.ckpt": {"epoch": 3, "state_dict": {f"net.{n}": v for n, v in state.items()}},
        "model_best.pth.tar": {"epoch": 3, "net": state},
        "sample4geo.pth": {f"model.{n}": v for n, v in state.items()} | {"logit_scale": other},
        "parallel.pth": {f"module.model.{n}": v for n, v in state.items()}
        | {"module.logit_scale": other},
        "compiled.pth": {f"_orig_mod.{n}": v for n, v in state.items()},
        "compiled_parallel.pth": {f"module._orig_mod.encoder.{n}": v for n, v in state.items()},
        "tutorial.pth": {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": {}},
        "nameless.pth": {"epoch": 3, "weights": state, "optimizer": {"state": {}}},
        "twice.pth": {f"{view}.{n}": v for view in ("drone", "sat") for n, v in state.items()},
    }


def test_weights_of_other_programs_are_read_by_name(tmp_path, state):
    images = torch.rand(2, 3, 32, 32)
    expected = Encoder(BACKBONE, image_px=32).eval()
    expected.backbone.load_state_dict(state)
    for name, saved in files(state).items():
        with case(name):
            torch.save(saved, tmp_path / name)
            found = Encoder(BACKBONE, pretrained=tmp_path / name, image_px=32).eval()
            assert torch.equal(found(images), expected(images))


def test_two_backbones_that_differ_are_refused(tmp_path, state):
    other = {name: value + 1 for name, value in state.items()}
    both = {f"drone.{n}": v for n, v in state.items()} | {f"sat.{n}": v for n, v in other.items()}
    torch.save(both, tmp_path / "two.pth")
    with pytest.raises(ValueError, match=r"two\.pth holds 2 backbones that differ, .*'drone\.'"):
        Encoder(BACKBONE, pretrained=tmp_path / "two.pth")


def test_a_part_of_the_weights_is_refused(tmp_path, state):
    some = dict(list(state.items())[3:])
    torch.save({f"model.{n}": v for n, v in some.items()}, tmp_path / "part.pth")
    with pytest.raises(ValueError, match=r"part\.pth.*3 missing"):
        Encoder(BACKBONE, pretrained=tmp_path / "part.pth")
    torch.save({"epoch": 3, "losses": [1.0]}, tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"none\.pth holds no state dict"):
        Encoder(BACKBONE, pretrained=tmp_path / "none.pth")


def test_a_transformers_weights_are_resized_as_timm_does(tmp_path):
    torch.manual_seed(2)
    small = timm.create_model("test_vit", num_classes=0, img_size=64).eval()
    saved = small.state_dict()
    for name, more in (("vit.pth", {}), ("dino.pth", {"mask_token": torch.zeros(1, 64)})):
        torch.save(saved | more, tmp_path / name)
        same = Encoder("test_vit", pretrained=tmp_path / name, image_px=64)
        for key, value in saved.items():
            assert torch.equal(same.backbone.state_dict()[key], value)
        larger = Encoder("test_vit", pretrained=tmp_path / name, image_px=96)
        by_timm = timm.create_model(
            "test_vit", num_classes=0, img_size=96, pretrained=True,
            pretrained_cfg_overlay={"state_dict": dict(saved)},
        )  # fmt: skip
        for key, value in by_timm.state_dict().items():
            assert torch.equal(larger.backbone.state_dict()[key], value)
