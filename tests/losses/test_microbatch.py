"""Micro-batches: the plain step's gradient, in less memory, in every kind of training."""

import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from dphr_lab import training
from dphr_lab.losses import DPHRLoss, SymmetricInfoNCE
from dphr_lab.losses.microbatch import (
    MicroBatches,
    backward,
    freeze_batch_norm,
    normalises_over_batch,
)
from dphr_lab.models import Encoder
from tests.helpers.training import (
    ColouredPlaces,
    assert_same_run,
    begun,
    settings,
    stopped_and_resumed,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data():
    return ColouredPlaces()


@pytest.fixture(scope="module")
def images():
    """7 pairs, row 2 i and row 2 i + 1: the same colours with other noise."""
    rng = torch.Generator().manual_seed(0)
    colours = torch.rand(7, 1, 3, 2, 2, generator=rng).repeat_interleave(16, 3)
    colours = colours.repeat_interleave(16, 4)
    noise = 0.1 * torch.randn(7, 2, 3, 32, 32, generator=rng)
    return (colours + noise).clamp(0, 1).flatten(0, 1)


@pytest.fixture
def convnext():
    torch.manual_seed(0)
    return Encoder("test_convnext", image_px=32).train()


class WithDropout(nn.Module):
    """Dropout before and after the encoder."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, images):
        images = nn.functional.dropout(images, 0.1, self.training)
        z = nn.functional.dropout(self.encoder(images), 0.3, self.training)
        return nn.functional.normalize(z)


def pair_loss(kind=DPHRLoss, **options):
    loss = kind(**options)
    return loss, lambda z: loss(z[0::2], z[1::2])


def gradients(module: nn.Module) -> torch.Tensor:
    """All of a module's gradients in one vector, which are then forgotten."""
    vector = torch.cat([p.grad.flatten() for p in module.parameters()])
    module.zero_grad()
    return vector


def difference(found, expected) -> float:
    """Relative: the distance of two vectors over the length of the expected one."""
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("micro_batch", [1, 4, 14, 99])
def test_gradients_are_those_of_the_plain_step(convnext, images, micro_batch):
    options = {"signal": "constant"}
    _, plain = pair_loss(**options)
    expected_loss = plain(convnext(images))
    expected_loss.backward()
    expected = gradients(convnext)
    assert expected.norm() > 1e-3
    _, loss = pair_loss(**options)
    value = backward(convnext, images, micro_batch, loss)
    assert value.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    assert not value.requires_grad
    assert difference(gradients(convnext), expected) < 1e-5


def test_the_state_of_the_loss_moves_once_a_step(convnext, images):
    """Whatever the micro-batches: the loss is taken once, of all rows."""
    (plain, whole), (cut, loss) = (pair_loss(progress_map="exp", window=3) for _ in range(2))
    whole(convnext(images)).backward()
    expected = gradients(convnext)
    backward(convnext, images, 4, loss)
    assert cut.progressive.steps == 1 and cut.progressive.value() > 0
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(cut.state_dict()[name], value)
    assert difference(gradients(convnext), expected) < 1e-5


def test_gradients_add_up_and_reach_the_losses_own_parameters(convnext, images):
    module, loss = pair_loss(SymmetricInfoNCE)
    loss(convnext(images)).backward()
    expected, own = gradients(convnext), gradients(module)
    for _ in range(2):
        backward(convnext, images, 4, loss)
    assert difference(gradients(convnext), 2 * expected) < 1e-5
    assert difference(gradients(module), 2 * own) < 1e-5


def test_dropout_draws_the_same_in_both_passes(convnext, images):
    """The reference keeps the graph of each micro-batch instead of embedding it again."""
    encoder = WithDropout(convnext)
    _, loss = pair_loss(signal="constant")
    torch.manual_seed(3)
    loss(torch.cat([encoder(part) for part in images.split(4)])).backward()
    expected, next_draw = gradients(encoder), torch.rand(1)
    torch.manual_seed(3)
    backward(encoder, images, 4, loss)
    assert difference(gradients(encoder), expected) < 1e-5
    assert torch.rand(1) == next_draw  # the stream goes on as if drawn from once
    backward(encoder, images, 4, loss)
    assert difference(gradients(encoder), expected) > 1e-2  # the draws do matter


class WithClasses(nn.Module):
    """Embeddings, and beside them what a host's own loss takes, drawn in the same pass."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.classifier = encoder, nn.Linear(encoder.width, 3)

    def forward(self, images):
        z = self.encoder(images)
        dropped = nn.functional.dropout(z, 0.3, self.training)
        parts = torch.stack([dropped, 2 * dropped], 1)  # (B, P, D)
        return z, {"logits": self.classifier(dropped), "parts": parts, "for nothing": z}


def test_further_outputs_get_their_gradients_as_the_embeddings_do(convnext, images):
    """The reference keeps the graph of each micro-batch instead of embedding it again."""
    encoder, labels = WithClasses(convnext), torch.arange(len(images)) % 3
    _, pairs = pair_loss(signal="constant")

    def loss(z, further):
        own = nn.functional.cross_entropy(further["logits"], labels)
        return pairs(z) + own + further["parts"].square().sum((1, 2)).sqrt().mean()

    torch.manual_seed(3)
    outputs = [encoder(part) for part in images.split(4)]
    whole = {name: torch.cat([f[name] for _, f in outputs]) for name in outputs[0][1]}
    loss(torch.cat([z for z, _ in outputs]), whole).backward()
    expected = gradients(encoder)
    torch.manual_seed(3)
    parts = MicroBatches(encoder, images, 4)
    z, further = parts.embed()
    assert {name: rows.shape for name, rows in further.items()} == {
        name: rows.shape for name, rows in whole.items()
    }
    loss(z, further).backward()
    parts.backward()
    assert further["for nothing"].grad is None
    assert difference(gradients(encoder), expected) < 1e-5


def test_the_loss_may_draw_between_the_passes(convnext, images):
    encoder = WithDropout(convnext)
    _, plain = pair_loss(signal="constant")

    def loss(z):
        return plain(z) * (1 + torch.rand(()))

    torch.manual_seed(3)
    loss(torch.cat([encoder(part) for part in images.split(4)])).backward()
    expected, next_draw = gradients(encoder), torch.rand(1)
    torch.manual_seed(3)
    backward(encoder, images, 4, loss)
    assert difference(gradients(encoder), expected) < 1e-5
    assert torch.rand(1) == next_draw


def test_running_statistics_move_once_an_image(images):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()).train()
    twin = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()).train()
    twin.load_state_dict(encoder.state_dict())
    backward(encoder, images, 4, lambda z: z.square().sum())
    for part in images.split(4):
        twin(part)
    assert int(encoder[1].num_batches_tracked) == 4
    torch.testing.assert_close(encoder[1].running_mean, twin[1].running_mean)
    torch.testing.assert_close(encoder[1].running_var, twin[1].running_var)


def test_memory_of_the_graph_is_that_of_one_micro_batch(images):
    """Counted on the CPU: the largest number of images whose activations live at once."""
    living, most = 0, 0

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            nonlocal living, most
            ctx.rows = len(x)
            if x.requires_grad:
                living += ctx.rows
                most = max(most, living)
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            nonlocal living
            living -= ctx.rows
            return gradient

    class Linear(nn.Linear):
        def forward(self, x):
            return Counted.apply(super().forward(x.flatten(1)))

    backward(Linear(3 * 32 * 32, 8), images, 4, lambda z: z.square().sum())
    assert (most, living) == (4, 0)


def test_a_gradient_scaler_scales_both_passes_alike(convnext, images):
    """As accelerate's in fp16: the scaled loss's gradient passes through, then is unscaled."""
    _, loss = pair_loss(signal="constant")
    loss(convnext(images)).backward()
    expected = gradients(convnext)
    optimizer = torch.optim.SGD(convnext.parameters(), lr=0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    parts = MicroBatches(convnext, images, 4)
    z = parts.embed()
    scaler.scale(loss(z)).backward()
    parts.backward(z.grad)
    scaler.unscale_(optimizer)
    assert difference(gradients(convnext), expected) < 1e-5


def test_autocast_within_the_encoder_keeps_its_graph(convnext, images):
    plain = convnext.forward
    convnext.forward = torch.autocast("cpu", dtype=torch.bfloat16)(plain)
    _, loss = pair_loss(signal="constant")
    loss(torch.cat([convnext(part) for part in images.split(4)])).backward()
    expected = gradients(convnext)
    backward(convnext, images, 4, loss)
    assert difference(gradients(convnext), expected) < 1e-5


def test_a_micro_batch_of_nothing_is_refused(convnext, images):
    with pytest.raises(ValueError, match="micro_batch is 0"):
        backward(convnext, images, 0, torch.sum)


# -- in training -------------------------------------------------------------------------------


@pytest.mark.slow
def test_training_is_that_of_the_whole_batch(data, tmp_path):
    results = [
        training.fit(
            settings(steps=3, micro_batch=micro_batch),
            data,
            tmp_path / str(micro_batch),
            progress=False,
        )
        for micro_batch in (None, 3)
    ]
    for name in ("loss", "lambda"):
        plain, cut = (np.array(result["curves"][name]) for result in results)
        np.testing.assert_allclose(cut, plain, rtol=1e-4, atol=1e-5)
    plain, cut = (Encoder.load(tmp_path / n).state_dict() for n in ("None", "3"))
    for name in plain:
        torch.testing.assert_close(cut[name], plain[name], rtol=1e-2, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_stopped_run_in_micro_batches_goes_on_bit_exactly(data, tmp_path, monkeypatch, precision):
    plain = Encoder.forward

    def with_dropout(self, images):
        z = nn.functional.dropout(plain(self, images), 0.2, self.training)
        return nn.functional.normalize(z)

    monkeypatch.setattr(Encoder, "forward", with_dropout)
    options = settings(loss="infonce", steps=4, micro_batch=3, mixed_precision=precision)
    training.fit(options, data, tmp_path / "whole", progress=False)
    stopped = stopped_and_resumed(options, data, tmp_path / "stopped", 2)
    assert_same_run(tmp_path / "whole", stopped)


@pytest.mark.slow
def test_a_non_finite_loss_leaves_the_state_before_the_step(data, tmp_path, monkeypatch):
    def broken(self, z_query, *args):
        return z_query.sum() * float("nan")

    monkeypatch.setattr(DPHRLoss, "forward", broken)
    with pytest.raises(training.NonFiniteLossError, match="step 1"):
        training.fit(settings(micro_batch=3), data, tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "checkpoints" / "non-finite").is_dir()


def test_settings_refuse_a_micro_batch_of_nothing():
    with pytest.raises(ValueError, match="micro_batch is 0; expected above 0"):
        settings(micro_batch=0)


@pytest.mark.slow
def test_a_run_stored_without_a_newer_setting_goes_on(data, tmp_path):
    options = settings(steps=1)
    training.fit(options, data, tmp_path, progress=False)
    stored = json.loads((tmp_path / "settings.json").read_text("utf-8"))
    for name in ("micro_batch", "freeze_bn"):
        del stored["settings"][name]
    (tmp_path / "settings.json").write_text(json.dumps(stored), "utf-8")
    training.fit(options, data, tmp_path, resume=True, progress=False)
    with pytest.raises(ValueError, match="freeze_bn: stored False, given True"):
        options = options.changed(freeze_bn=True)
        training.fit(options, data, tmp_path, resume=True, progress=False)


# -- batch norm: where exactness ends ----------------------------------------------------------


@pytest.fixture
def resnet(images):
    """A batch-norm network whose running statistics are not those of the batch."""
    torch.manual_seed(0)
    encoder = Encoder("test_resnet", image_px=32).train()
    with torch.no_grad():
        encoder(images.square())
    return encoder


def test_frozen_batch_norm_is_exact_and_stays(resnet, images):
    freeze_batch_norm(resnet)
    assert not normalises_over_batch(resnet)
    before = {name: value.clone() for name, value in resnet.named_buffers()}
    _, loss = pair_loss(signal="constant")
    loss(resnet(images)).backward()
    expected = gradients(resnet)
    backward(resnet, images, 4, loss)
    assert difference(gradients(resnet), expected) < 1e-5
    assert all(torch.equal(value, before[name]) for name, value in resnet.named_buffers())


def test_batch_norm_in_training_mode_is_not_exact(resnet, images):
    assert normalises_over_batch(resnet)
    _, loss = pair_loss(signal="constant")
    loss(resnet(images)).backward()
    expected = gradients(resnet)
    backward(resnet, images, 4, loss)
    assert difference(gradients(resnet), expected) > 1e-2


def test_training_warns_where_micro_batches_normalise_themselves(data):
    def run(**values):
        return begun(settings(backbone="test_resnet", **values), data)

    with pytest.warns(UserWarning, match=r"test_resnet has batch norm, and each micro-batch.*--fr"):
        run(micro_batch=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(micro_batch=8)
        run()
        frozen = run(micro_batch=4, freeze_bn=True)
    before = {name: value.clone() for name, value in frozen.encoder.named_buffers()}
    frozen.take_step(next(iter(frozen.coming_batches())))
    assert all(torch.equal(v, before[name]) for name, v in frozen.encoder.named_buffers())
