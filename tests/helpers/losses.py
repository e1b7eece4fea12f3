"""Batches of embeddings, and what a loss makes of them."""

import torch
import torch.nn.functional as F

PLACES = [3, 7, 3, 1, 9, 7]  # labels of six rows: two places twice, two once


def batch(rows=6, dim=4, seed=0, dtype=torch.float64, noise=0.5):
    """(z_query, z_gallery), (B, D) unit rows: a positive is its query plus noise."""
    draw = torch.Generator().manual_seed(seed)
    z_query = F.normalize(torch.randn(rows, dim, generator=draw, dtype=torch.float64), dim=1)
    z_gallery = z_query + noise * torch.randn(rows, dim, generator=draw, dtype=torch.float64)
    return z_query.to(dtype), F.normalize(z_gallery, dim=1).to(dtype)


def value_and_gradient(function, *z, **keywords):
    """(value, gradient of each of z) of a scalar function."""
    leaves = [each.detach().clone().requires_grad_() for each in z]
    value = function(*leaves, **keywords)
    return value.detach(), *torch.autograd.grad(value, leaves)


def assert_same(one, other, tolerance=1e-11):
    """Values and gradients agree, element by element."""
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
