"""The loss under torch.compile's default backend, in one test: compiling takes half a minute."""

import pytest
import torch
import torch.nn.functional as F

from dphr_lab.losses import DPHRLoss

pytestmark = pytest.mark.slow

ROWS, DIM = 24, 16


class Pairs(torch.nn.Module):
    """A linear encoder of both views, and the loss of its embeddings."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = torch.nn.Linear(DIM, 8)
        self.loss = DPHRLoss.sharp(alpha=5.0, momentum=0.5)

    def forward(self, inputs):
        return self.loss(*F.normalize(self.encoder(inputs), dim=-1))


def require_compiler():
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.zeros(2))
    except Exception as error:
        # whatever the reason is, the loss has no part in it
        reason = str(error).strip().splitlines()[0]
        pytest.skip(f"torch.compile's default backend does not work here: {reason}")


def test_loss_and_steps_are_those_of_eager_mode():
    torch.compiler.reset()
    require_compiler()
    eager, traced = Pairs(), Pairs()
    compiled = torch.compile(traced, fullgraph=True)
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(2, ROWS, DIM, generator=draw)
    inputs[1] += inputs[0]
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in (eager, traced)]
    first = None
    for _ in range(3):
        values = []
        for model, optimizer in zip((eager, compiled), optimizers, strict=True):
            optimizer.zero_grad()
            values.append(model(inputs))
            values[-1].backward()
            optimizer.step()
        torch.testing.assert_close(values[1], values[0], rtol=1e-5, atol=0)
        first = values[0].item() if first is None else first
    assert 0.1 < values[0].item() < 0.9 * first  # the steps went somewhere
    for one, other in zip(eager.parameters(), traced.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)
    for key, value in eager.loss.state_dict().items():
        torch.testing.assert_close(traced.loss.state_dict()[key], value)
    assert eager.loss.progressive.value() > 0.05
