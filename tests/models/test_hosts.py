"""LPN, MCCG and Sample4Geo: checked by slow loops, by counts by hand, and on odd inputs."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dphr_lab.losses import SymmetricInfoNCE
from dphr_lab.models import LPN, MCCG, Encoder, Sample4Geo
from dphr_lab.models.lpn import square_rings
from dphr_lab.models.mccg import AxisGate

PLACES = [3, 5, 8, 900]


def lpn(**options):
    return LPN("test_resnet", image_px=64, places=PLACES, rings=2, last_stride=1, **options)


def mccg(**options):
    return MCCG("test_convnext", image_px=64, places=PLACES, **options)


HOSTS = {
    "lpn": lpn,
    "mccg": mccg,
    "sample4geo": lambda **o: Sample4Geo("test_convnext", image_px=64, **o),
}


@pytest.fixture(params=HOSTS)
def host(request):
    torch.manual_seed(0)
    return HOSTS[request.param]()


def pixels(n=4, height=64, width=64):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, height, width), generator=generator, dtype=torch.uint8)


def slow_rings(x, rings):
    """Each square minus the one inside it, cell by cell, over the whole square's area."""
    images, channels, height, width = x.shape
    down, across = height // (2 * rings), width // (2 * rings)
    parts = np.zeros((images, rings, channels))
    for b in range(images):
        for ring in range(1, rings + 1):
            top, bottom = height // 2 - ring * down, height // 2 + ring * down
            left, right = width // 2 - ring * across, width // 2 + ring * across
            if ring == rings:
                top, bottom, left, right = 0, height, 0, width
            hole = [height // 2 - (ring - 1) * down, height // 2 + (ring - 1) * down]
            hole += [width // 2 - (ring - 1) * across, width // 2 + (ring - 1) * across]
            for c in range(channels):
                total = 0.0
                for row in range(top, bottom):
                    for column in range(left, right):
                        inside = hole[0] <= row < hole[1] and hole[2] <= column < hole[3]
                        total += 0.0 if inside else x[b, c, row, column]
                area = (bottom - top) * (right - left)
                parts[b, rings - ring, c] = total / area  # the outermost first
    return parts


@pytest.mark.parametrize(
    ("height", "width", "rings"), [(16, 16, 4), (8, 8, 4), (9, 11, 2), (13, 8, 3), (4, 7, 1)]
)
def test_square_rings_equal_a_slow_loop(height, width, rings):
    x = np.random.default_rng(0).normal(size=(2, 3, height, width))
    found = square_rings(torch.from_numpy(x), rings)
    assert found.shape == (2, rings, 3)
    assert np.allclose(found, slow_rings(x, rings), atol=1e-6)


def test_rings_of_a_constant_map_by_hand():
    """16 x 16 in four: the areas are 4², 8², 12², 16², and a ring has the area it adds."""
    found = square_rings(torch.full((1, 1, 16, 16), 2.0), 4).flatten()
    expected = [2 * (256 - 144) / 256, 2 * (144 - 64) / 144, 2 * (64 - 16) / 64, 2.0]
    assert torch.allclose(found, torch.tensor(expected))


def test_more_rings_than_the_map_has_cells_is_said_in_a_line():
    with pytest.raises(ValueError, match=r"rings is 4.* 7 x 9 cells: 4 square rings need 8 x 8"):
        square_rings(torch.zeros(1, 1, 7, 9), 4)
    with pytest.raises(ValueError, match=r"rings is 4.* 2 x 2 cells.*larger images") as error:
        LPN("test_resnet", image_px=64, places=PLACES)
    assert "\n" not in str(error.value)
    host = lpn()
    with pytest.raises(ValueError, match=r"rings is 2.* 3 x 4 cells"):  # said at work, too
        host(pixels(1, 48, 64))


def slow_gate(x, kernel, norm):
    """(A, M, N) and a 7 x 7 kernel (2, 7, 7) -> the gated map, number by number."""
    _, high, wide = x.shape
    pooled = np.stack([x.max(0), x.mean(0)])
    gate = np.zeros((high, wide))
    for m in range(high):
        for n in range(wide):
            total = 0.0
            for i in range(7):
                for j in range(7):
                    row, column = m + i - 3, n + j - 3
                    if 0 <= row < high and 0 <= column < wide:
                        total += (kernel[:, i, j] * pooled[:, row, column]).sum()
            gate[m, n] = 1 / (1 + math.exp(-norm(total)))
    return x * gate


def a_norm(gate):
    norm = gate.norm
    mean, variance, weight, bias = (
        t.item() for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return lambda value: (value - mean) / math.sqrt(variance + norm.eps) * weight + bias


def unlike_its_start(gate):
    """A gate whose norm is not the identity, in evaluation mode."""
    with torch.no_grad():
        for values in (gate.norm.running_mean, gate.norm.running_var, gate.norm.weight):
            values.copy_(torch.rand(1) + 0.5)
        gate.norm.bias.copy_(torch.rand(1) - 0.5)
    return gate.eval()


@torch.no_grad()
def test_a_gate_equals_a_slow_loop():
    torch.manual_seed(0)
    gate = unlike_its_start(AxisGate())
    x = torch.randn(2, 4, 5, 8)
    slow = [slow_gate(one, gate.conv.weight[0].numpy(), a_norm(gate)) for one in x.numpy()]
    assert np.allclose(gate(x), slow, atol=1e-5)


@torch.no_grad()
def test_the_two_gated_parts_equal_loops_over_a_map_with_unlike_sides():
    torch.manual_seed(0)
    host = mccg().eval()
    for gate in (host.gate_height, host.gate_width):
        unlike_its_start(gate)
    x = torch.randn(1, 64, 3, 5)
    average, by_height, by_width = host._pooled(x)[0]
    array = x[0].numpy()
    for part, gate, axes in (
        (by_height, host.gate_height, (1, 0, 2)),  # (C, H, W) as (H, C, W), and back
        (by_width, host.gate_width, (2, 1, 0)),  # as (W, H, C), and back
    ):
        gated = slow_gate(array.transpose(axes), gate.conv.weight[0].numpy(), a_norm(gate))
        assert np.allclose(part, gated.transpose(axes).mean((1, 2)), atol=1e-5)
    assert torch.allclose(average, F.layer_norm(x.mean((2, 3)), (64,), eps=host.norm.eps)[0])


def test_the_global_part_has_the_backbones_own_last_norm(tmp_path):
    encoder = Encoder("test_convnext", image_px=64)
    own = encoder.backbone.head.norm
    with torch.no_grad():
        own.weight.uniform_(0.5, 1.5)
    encoder.save(tmp_path)
    host = mccg(pretrained=tmp_path / "encoder.safetensors")
    assert torch.equal(host.norm.weight, own.weight) and host.norm.eps == own.eps
    assert not list(host.backbone.head.parameters())


# What is counted by hand. Torchvision and timm agree on the backbones' counts with their
# ImageNet classifiers of 1,000 classes, which are left out here.
BOTTLENECK = 512
CLASSES = 701


def part_by_hand(width):
    linear, norm = width * BOTTLENECK + BOTTLENECK, 2 * BOTTLENECK
    return linear + norm + BOTTLENECK * CLASSES + CLASSES


def count(kind, *arguments, **options):
    with torch.device("meta"):
        return sum(p.numel() for p in kind(*arguments, **options).parameters())


def test_the_published_lpn_has_as_many_parameters_as_counted_by_hand():
    resnet50 = 25_557_032 - (2048 * 1000 + 1000)
    expected = resnet50 + 4 * part_by_hand(2048)
    assert expected == 29_146_932
    assert count(LPN, "resnet50", image_px=256, classes=701, last_stride=1) == expected


def test_the_published_mccg_has_as_many_parameters_as_counted_by_hand():
    convnext_tiny = 28_589_128 - (768 * 1000 + 1000)  # its last layer norm, 2 · 768, stays
    gate = 2 * 7 * 7 + 2  # convolution without bias, scale and shift of batch norm
    expected = convnext_tiny + 3 * part_by_hand(768) + 2 * gate
    assert expected == 30_083_423
    assert count(MCCG, "convnext_tiny", image_px=256, classes=701) == expected


def test_the_published_sample4geo_has_as_many_parameters_as_counted_by_hand():
    convnext_base = 88_591_464 - (1024 * 1000 + 1000)
    expected = convnext_base + 1  # the temperature
    assert expected == 87_566_465
    assert count(Sample4Geo, "convnext_base", image_px=384) == expected


@pytest.mark.slow
def test_the_published_maps_and_vectors_have_their_sizes():
    with torch.device("meta"):
        rings = LPN("resnet50", image_px=256, classes=701, last_stride=1)
        gates = MCCG("convnext_tiny", image_px=256, classes=701)
        as_it_is = LPN("resnet50", image_px=256, classes=701, rings=4)
    assert (rings.map_shape, rings.width) == ((2048, 16, 16), 2048)
    assert (gates.map_shape, gates.width) == ((768, 8, 8), 1536)
    assert as_it_is.map_shape == (2048, 8, 8)


@torch.no_grad()
def test_a_vector_has_length_1_and_its_cosine_is_the_mean_of_its_parts(host):
    z = host.eval()(pixels())
    assert z.shape == (4, host.width) and z.dtype == torch.float32
    assert torch.allclose(z.norm(dim=1), torch.ones(4), atol=1e-6)
    if isinstance(host, (LPN, MCCG)):
        vectors = torch.stack(host._vectors(pixels()), 1)
        assert host.width == host.parts * 512
        unit = F.normalize(vectors, dim=2)
        assert torch.allclose(z.view(4, host.parts, 512) * host.parts**0.5, unit, atol=1e-6)
        cosines = torch.stack([part @ part.T for part in unit.unbind(1)])
        assert torch.allclose(z @ z.T, cosines.mean(0), atol=1e-6)


@torch.no_grad()
def test_a_constant_image_and_odd_sides_give_finite_unit_vectors(host):
    for images in (torch.zeros(2, 3, 64, 64, dtype=torch.uint8), pixels(2, 96, 160)):
        z = host.eval()(images)
        assert z.isfinite().all() and torch.allclose(z.norm(dim=1), torch.ones(2), atol=1e-6)


@pytest.mark.parametrize("kind", [LPN, MCCG])
def test_a_backbone_without_a_map_is_named(kind):
    with pytest.raises(ValueError, match=r"test_vit, which gives tokens.*needs a feature map") as e:
        kind("test_vit", places=PLACES)
    assert "\n" not in str(e.value)


@pytest.mark.slow
def test_any_backbone_with_a_map_will_do():
    for name in ("test_maxvit", "test_efficientnet", "tf_efficientnet_lite0"):
        host = MCCG(name, image_px=160, places=PLACES)
        assert host.eval()(pixels(1, 160, 160)).shape == (1, 1536)


def test_the_last_stride_doubles_the_map_and_changes_no_weight():
    shapes = [
        LPN("test_resnet", image_px=128, places=PLACES, rings=2, last_stride=s) for s in (None, 1)
    ]
    assert [host.map_shape[1:] for host in shapes] == [(4, 4), (8, 8)]
    with torch.device("meta"):
        published = LPN("resnet50", image_px=256, classes=1, last_stride=1).backbone
    assert published.layer4[0].conv2.stride == published.layer4[0].downsample[0].stride == (1, 1)
    with pytest.raises(ValueError, match="last_stride is 1, and test_convnext is no ResNet"):
        LPN("test_convnext", image_px=256, places=PLACES, last_stride=1)


def rows(batch=3):
    """Places of a step's rows: the drone images, then their satellite images."""
    return torch.tensor(PLACES[:batch]).repeat(2)


def test_lpns_loss_is_the_sum_over_parts_and_views():
    torch.manual_seed(0)
    host = lpn(dropout=0.0)
    _, further = host.training_outputs(pixels(6))
    classes = torch.tensor([0, 1, 2])
    by_hand = sum(
        F.cross_entropy(view[:, part], classes)
        for view in further["logits"].split(3)
        for part in range(2)
    )
    assert torch.allclose(host.host_loss(further, rows()), by_hand)


def test_mccgs_loss_is_the_mean_over_parts_and_a_cross_view_triplet():
    torch.manual_seed(0)
    host = mccg()
    _, further = host.training_outputs(pixels(6))
    classes = torch.tensor([0, 1, 2])
    by_hand = sum(
        F.cross_entropy(view[:, part], classes) / 3
        for view in further["logits"].split(3)
        for part in range(3)
    )
    hinges = []
    for part in range(3):
        drone, satellite = F.normalize(further["vectors"][:, part], dim=1).split(3)
        for asking, asked in ((drone, satellite), (satellite, drone)):
            for i in range(3):
                distance = [(asking[i] - other).norm() for other in asked]
                nearest = min(d for k, d in enumerate(distance) if k != i)
                hinges.append(F.relu(0.3 + distance[i] - nearest))
    triplet = sum(hinges) / len(hinges)
    assert torch.allclose(host.host_loss(further, rows()), by_hand + triplet, atol=1e-5)

    host.joined_by_pair_loss = True  # which takes the triplet term's place
    assert torch.allclose(host.host_loss(further, rows()), by_hand)
    host.own_triplet = "beside"
    assert torch.allclose(host.host_loss(further, rows()), by_hand + triplet, atol=1e-5)


def test_sample4geos_loss_is_symmetric_infonce_with_its_temperature():
    torch.manual_seed(0)
    host = HOSTS["sample4geo"](temperature=0.2)
    z, further = host.training_outputs(pixels(6))
    loss = host.host_loss(further, rows())
    other = SymmetricInfoNCE(0.1, 0.2)
    expected = other(*z.split(3), rows()[:3])
    assert torch.allclose(loss, expected, atol=1e-6)
    gradient = torch.autograd.grad(loss, host.logit_scale)[0]
    assert torch.allclose(gradient, torch.autograd.grad(expected, other.logit_scale)[0], atol=1e-6)
    fixed = HOSTS["sample4geo"](learn_temperature=False)
    assert "logit_scale" not in dict(fixed.named_parameters())


def test_every_parameter_learns_from_the_hosts_loss(host):
    _, further = host.train().training_outputs(pixels(6))
    host.host_loss(further, rows()).backward()
    assert [name for name, p in host.named_parameters() if p.grad is None] == []


def test_pair_losses_see_what_retrieval_sees_or_the_dropped_parts():
    for dropped in (False, True):
        torch.manual_seed(0)
        host = mccg(pair_dropout=dropped)
        z, further = host.train().training_outputs(pixels())
        after = F.normalize(further["vectors"], dim=2).flatten(1) / 3**0.5
        assert torch.allclose(z, after, atol=1e-6) == dropped


def test_views_go_through_batch_norm_by_themselves_or_together():
    for apart in (True, False):
        torch.manual_seed(0)
        host = lpn(dropout=0.0, views_apart=apart).train()
        z, further = host.training_outputs(pixels(6))
        alone, _ = lpn_of_one_view(host)
        assert torch.allclose(z[:3], alone, atol=1e-5) == apart
        assert len(further["logits"]) == len(further["vectors"]) == 6
    with pytest.raises(ValueError, match=r"found 2, and the batch norm.*micro_batch of 2 pairs"):
        lpn().training_outputs(pixels(2))
    lpn(views_apart=False).training_outputs(pixels(2))


def lpn_of_one_view(host):
    """What the drone images of `pixels(6)` give in a pass of their own."""
    again = lpn(dropout=0.0, views_apart=False).train()
    again.load_state_dict(host.state_dict())
    return again.training_outputs(pixels(6)[:3])


def test_a_label_that_the_classifiers_do_not_know_is_named():
    host = lpn()
    _, further = host.training_outputs(pixels())
    for strange in (7, 1, 901):
        with pytest.raises(ValueError, match=f"found {strange}, which is none of the 4") as error:
            host.host_loss(further, torch.tensor([3, 5, strange, 8]))
        assert "\n" not in str(error.value)
    assert host.labels(torch.tensor([900, 3])).tolist() == [3, 0]
    without = LPN("test_resnet", image_px=64, rings=1)
    assert without.eval()(pixels()).shape == (4, 512)  # nothing at test time asks for classes
    with pytest.raises(ValueError, match="places: found none"):
        without.training_outputs(pixels())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lpn(dropout=1.0), "dropout is 1.0"),
        (lambda: lpn(part_dim=0), "part_dim is 0"),
        (lambda: LPN("test_resnet", rings=0), "rings is 0"),
        (lambda: LPN("test_resnet", last_stride=2), "last_stride is 2"),
        (lambda: mccg(own_triplet="never"), "own_triplet is 'never'"),
        (lambda: HOSTS["sample4geo"](temperature=0.0), "temperature is 0.0"),
    ],
)
def test_options_out_of_range_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
