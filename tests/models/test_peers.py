"""A peer's own weights, in files that this test writes with the public codes' parameter names."""

import json
import math
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from dphr_lab.models import LPN, MCCG, Encoder, Sample4Geo
from dphr_lab.models.peers import CONVERTED, convert, read_torch_file

pytestmark = pytest.mark.slow  # each file is read in a process of its own, which loads torch

CLASSES, PART_DIM = 6, 16


def pixels(px):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, px, px), generator=generator, dtype=torch.uint8)


def as_floats(images):
    """ImageNet's pixel statistics, which all three codes use."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (images / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


def scattered(module):
    """Weights, scales and statistics that differ from layer to layer and channel to channel."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                noise = torch.rand(value.shape, generator=generator)
                wide = value.ndim > 1
                value.copy_((noise - 0.5) * 0.2 if wide else 0.75 + 0.5 * noise)
            assert value.isfinite().all(), name
    return module.eval()


def block(width):
    """`classifier<i>` of the public codes: add_block (linear, batch norm, dropout), classifier."""
    own = nn.Module()
    own.add_block = nn.Sequential(
        nn.Linear(width, PART_DIM), nn.BatchNorm1d(PART_DIM), nn.Dropout()
    )
    own.classifier = nn.Sequential(nn.Linear(PART_DIM, CLASSES))
    return own


class PeerLPN(nn.Module):
    """Names and test-time arithmetic of LPN's three-view network, on torchvision's ResNet-18."""

    def __init__(self, shared=True):
        super().__init__()
        from torchvision.models import resnet18

        def network():
            own = nn.Module()
            own.model = resnet18(weights=None)
            own.model.layer4[0].downsample[0].stride = own.model.layer4[0].conv1.stride = (1, 1)
            return own

        self.model_1, self.model_2 = network(), network()
        self.model_3 = self.model_1 if shared else network()
        for ring in range(2):
            setattr(self, f"classifier{ring}", block(512))

    def forward(self, images):
        net, x = self.model_3.model, as_floats(images)
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        assert x.shape[2:] == (4, 4)
        inner = x[:, :, 1:3, 1:3]
        outer = x - F.pad(inner, (1, 1, 1, 1))
        rings = [inner.mean((2, 3)), outer.mean((2, 3))]  # from the inside, as there
        parts = [getattr(self, f"classifier{i}").add_block(ring) for i, ring in enumerate(rings)]
        parts = torch.stack(parts, 2)
        return (parts / (parts.norm(dim=1, keepdim=True) * math.sqrt(2))).flatten(1)


@torch.no_grad()
def test_lpns_weights_give_its_own_cosines(tmp_path):
    peer = scattered(PeerLPN())
    torch.save(peer.state_dict(), tmp_path / "net_119.pth")
    done = convert(tmp_path / "net_119.pth", tmp_path / "out", "lpn", "resnet18", image_px=64)
    host = Encoder.load(tmp_path / "out")
    assert isinstance(host, LPN) and (host.rings, host.last_stride) == (2, 1)
    z, own = peer(pixels(64)), host(pixels(64))
    assert torch.allclose(own @ own.T, z @ z.T, atol=1e-5)
    assert torch.allclose(own, z.view(3, PART_DIM, 2).flip(2).mT.flatten(1), atol=1e-5)
    assert done["tensors"] + len(done["left_out"]) == len(peer.state_dict())
    assert {name.split(".")[0] for name in done["left_out"]} == {"model_1", "model_2", "model_3"}
    assert json.loads((tmp_path / "out" / CONVERTED).read_text("utf-8")) == done
    with pytest.raises(ValueError, match="none of the 6 training places"):  # they are not known
        host.labels(torch.tensor([0]))


def test_lpn_with_a_network_a_view_is_refused(tmp_path):
    torch.save(PeerLPN(shared=False).state_dict(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"model_1\) and drone images \(model_3\) differ"):
        convert(tmp_path / "net.pth", tmp_path / "out", "lpn", "resnet18", image_px=64)
    assert not (tmp_path / "out").exists()


def their_convnext(name):
    """timm's name as the ConvNeXt authors have it."""
    parts = name.split(".")
    if parts[0] == "stem":
        return ".".join(["downsample_layers", "0", *parts[1:]])
    if parts[:2] == ["head", "norm"]:
        return ".".join(["norm", *parts[2:]])
    assert parts[0] == "stages"
    if parts[2] == "downsample":
        return ".".join(["downsample_layers", parts[1], *parts[3:]])
    rest = ".".join(parts[4:])
    for ours, theirs in (("conv_dw", "dwconv"), ("mlp.fc1", "pwconv1"), ("mlp.fc2", "pwconv2")):
        rest = rest.replace(ours, theirs)
    return ".".join(["stages", parts[1], parts[3], rest])


def peer_mccg():
    """(the state under MCCG's names, the plain encoder and the modules that it was made of)."""
    encoder = Encoder("test_convnext", image_px=64).eval()
    scattered(encoder.backbone)
    state = {
        f"model_1.convnext.{their_convnext(n)}": v for n, v in encoder.backbone.state_dict().items()
    }
    state["model_1.convnext.head.weight"] = torch.zeros(1000, 64)
    state["model_1.convnext.head.bias"] = torch.zeros(1000)
    gates, blocks = {}, {}
    for name in ("cw", "hc"):
        gate = nn.Module()
        gate.conv = nn.Module()
        gate.conv.conv, gate.conv.bn = nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1)
        gates[name] = scattered(gate)
        state |= {f"model_1.tri_layer.{name}.{k}": v for k, v in gate.state_dict().items()}
    for name in ("classifier1", "classifier_mcb1", "classifier_mcb2"):
        blocks[name] = block(64).eval()
        nn.init.normal_(blocks[name].add_block[1].running_mean)
        state |= {f"model_1.{name}.{k}": v for k, v in blocks[name].state_dict().items()}
    return state, encoder, gates, blocks


@torch.no_grad()
def test_mccgs_weights_give_its_own_cosines(tmp_path):
    torch.manual_seed(0)
    state, encoder, gates, blocks = peer_mccg()
    torch.save(OrderedDict(state), tmp_path / "net_170.pth")
    done = convert(tmp_path / "net_170.pth", tmp_path / "out", "mccg", "test_convnext", 64)
    host = Encoder.load(tmp_path / "out")
    assert isinstance(host, MCCG) and len(host.class_places) == CLASSES
    assert done["left_out"] == [f"model_1.convnext.head.{k}" for k in ("bias", "weight")]

    x = encoder.backbone.forward_features(as_floats(pixels(64)))
    features = []
    for name, axes in (("cw", (0, 2, 1, 3)), ("hc", (0, 3, 2, 1))):
        turned = x.permute(axes)
        pooled = torch.cat([turned.max(1, keepdim=True)[0], turned.mean(1, keepdim=True)], 1)
        gate = gates[name].conv.bn(gates[name].conv.conv(pooled)).sigmoid()
        features.append((turned * gate).permute(axes).mean((-2, -1)))
    features.append(encoder.backbone.forward_head(x, pre_logits=True))
    names = ("classifier_mcb1", "classifier_mcb2", "classifier1")
    parts = [blocks[n].add_block(f) for n, f in zip(names, features, strict=True)]
    z = F.normalize(torch.stack(parts, 2), dim=1).flatten(1) / 3**0.5
    own = host(pixels(64))
    assert torch.allclose(own @ own.T, z @ z.T, atol=1e-5)


@pytest.mark.parametrize(
    ("wrapper", "prefix"),
    [
        ("", ""),
        ("state_dict", "module."),
        ("model_state_dict", "_orig_mod."),
        ("model", "module._orig_mod."),
    ],
)
def test_sample4geos_weights_in_any_wrapper(tmp_path, wrapper, prefix):
    encoder = Encoder("test_convnext", image_px=64).eval()
    scattered(encoder.backbone)
    state = {f"model.{name}": value for name, value in encoder.backbone.state_dict().items()}
    state["logit_scale"] = torch.tensor(3.5)
    state = {prefix + name: value for name, value in state.items()}
    saved = {wrapper: state, "epoch": 1, "optimizer": {"lr": 0.1}} if wrapper else state
    torch.save(saved, tmp_path / "weights_end.pth")
    convert(tmp_path / "weights_end.pth", tmp_path / "out", "sample4geo", "test_convnext", 64)
    host = Encoder.load(tmp_path / "out")
    assert isinstance(host, Sample4Geo) and host.logit_scale == 3.5
    assert torch.equal(host(pixels(64)), encoder(pixels(64)))


def test_what_does_not_fit_is_refused_with_what_was_found(tmp_path):
    state, *_ = peer_mccg()
    out = tmp_path / "out"

    def refused(saved, words, host="mccg", backbone="test_convnext"):
        torch.save(saved, tmp_path / "file.pth")
        with pytest.raises(ValueError, match=words) as error:
            convert(tmp_path / "file.pth", out, host, backbone, 64)
        assert "file.pth" in str(error.value) and "\n" not in str(error.value)
        assert not out.exists()

    refused(state, r"not of the public sample4geo code.*'model\.', found \d+", "sample4geo")
    refused(state, r"begin with 'model_1\.model\.'", "lpn")
    refused(state, r"missing.*of another shape, such as", backbone="convnext_atto")
    refused(state | {"model_1.more": torch.zeros(1)}, "1 of its tensors have no place.*more")
    short = dict(list(state.items())[:-1])
    refused(short, r"part_heads\.2\.classifier\.bias")
    no_gate = {name: value for name, value in state.items() if "tri_layer" not in name}
    refused(no_gate, r"begin with 'model_1\.tri_layer\.cw\.'")
    infinite = dict(state)
    infinite["model_1.classifier1.add_block.0.bias"] = torch.full((PART_DIM,), torch.inf)
    refused(infinite, "1 of its weights are not finite")
    refused({"epoch": 3}, "found epoch, which are no tensors")
    refused([1, 2], "found list, expected names with tensors")
    with pytest.raises(ValueError, match="host is 'plain': expected one of sample4geo, mccg, lpn"):
        convert(tmp_path / "file.pth", out, "plain")
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        convert(tmp_path / "none.pth", out, "mccg")


class Unpickled:
    def __reduce__(self):
        return (print, ("this must not be printed",))


def test_no_code_of_a_file_is_run_and_a_damaged_one_is_named(tmp_path, capfd):
    torch.save({"weight": Unpickled()}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=r"bad\.pth: cannot be read.*more than tensors"):
        read_torch_file(tmp_path / "bad.pth")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"cut\.pth: cannot be read.*damaged"):
        read_torch_file(tmp_path / "cut.pth")
    assert "must not" not in "".join(capfd.readouterr())
    save_file({"a": torch.ones(2)}, tmp_path / "good.safetensors")
    assert read_torch_file(tmp_path / "good.safetensors")["a"].tolist() == [1, 1]


def test_another_encoder_is_not_written_over(tmp_path):
    Encoder("test_convnext").save(tmp_path)
    with pytest.raises(FileExistsError, match="another encoder"):
        convert(tmp_path / "any.pth", tmp_path, "mccg")
