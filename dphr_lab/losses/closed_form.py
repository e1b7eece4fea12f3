"""L_tri + lambda L_wtri and its gradient in closed form, without a tape of B x B temporaries.

With C = r (1 + lambda omega) the weight of a triplet and l its loss, L = sum C l, and for constant
omega and lambda

    dL/dd_neg = -C l',   dL/dd_pos = sum_k C l',   dd/ds = -1/d  (0 at the distance floor),

so the gradient with respect to all similarities is one B x B matrix G, which both directions
share, and dL/dz_query = G z_gallery, dL/dz_gallery = G^T z_query. `DPHRLoss.terms` is the plain
form of the same numbers. Taught in: book/05.

Passes over B x B elements at the default settings, counting one for each element-wise operation
or reduction and none for the matrix products (one forward, two backward): 3 for the distances,
2 for recall, 4 in each direction for the weights and their sums, 2 shared and 9 in each direction
for losses and slopes, 3 to join the directions: 36 in the forward pass, on blocks that stay in
the cache, and 1 in the backward pass. With `chunk_size` the first 13 are made twice and the
forward product too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dphr_lab.losses.distances import SQUARED_DISTANCE_FLOOR, Pairs
from dphr_lab.losses.palw import ProgressiveWeight, above_chance

# Elements of a block on the CPU: its few tensors, 256 kB a direction in float32, stay in the
# second-level caches, and are large enough for torch to split each operation over threads.
_BLOCK_ELEMENTS = 2**16
_BLOCK_ELEMENTS_OF_GPU = 2**26  # enough to keep one busy, and little beside B x B where B is large
_LARGEST_EXPONENT = 60.0  # a batch's sum of exp of it is inside float32
_LOG2_E = math.log2(math.e)  # 2^(x log2 e) = e^x: torch has the faster kernel for powers of two


@dataclass(frozen=True)
class TermSettings:
    """What the closed form needs to know of the triplet term and of the weights."""

    alpha: float  # slope of the soft margin, per unit distance
    form: str  # "soft_margin" or "hinge"
    margin: float  # of the hinge, a distance
    weight_map: str | None = None  # "exp", "power", "linear"; None: omega = 1
    beta: float = 0.0  # sharpness of the map
    normalise: str = "query"  # "query", "batch" or "none"
    ratio: str = "own"  # "own", or "batch_mean" for the broken-ratio control
    rescale: bool = False  # divide by 1 + lambda


def check_chunk_size(chunk_size: int | None) -> None:
    """Raises ValueError for a chunk size that is not None or at least 1."""
    if chunk_size is not None and not chunk_size >= 1:
        raise ValueError(f"chunk_size is {chunk_size}; expected None (no chunks) or at least 1 row")


def closed_form_loss(
    pairs: Pairs,
    settings: TermSettings,
    progressive: ProgressiveWeight | None = None,
    chunk_size: int | None = None,
) -> Tensor:
    """L_tri + lambda L_wtri of a checked batch, both directions averaged, weights detached.

    lambda is `progressive`'s, updated before use where it should be; without it, it is 0. With
    `chunk_size` rows are processed in blocks of that many and no B x B object is kept.
    """
    wanted = torch.is_grad_enabled() and (
        pairs.z_query.requires_grad or pairs.z_gallery.requires_grad
    )
    updates = progressive is not None and progressive.updates_now
    # the gradient's matrix products too must stay out of half precision
    with torch.no_grad(), torch.autocast(pairs.z_query.device.type, enabled=False):
        sweep = _Sweep(pairs, settings, chunk_size)
        sweep.read_statistics(progressive.signal if updates and progressive.reads_batch else None)
        if updates:
            rows = None if pairs.spread.several else pairs.spread.rows
            progressive.update(sweep.progress, rows)
        lam = 0.0 if progressive is None else progressive.value().to(pairs.z_query)
        value = sweep.value(lam, wanted)
    if not wanted:
        return value
    slope = settings.alpha if settings.form == "soft_margin" else 1.0
    if sweep.gradients is None:
        return _FromMatrix.apply(value, pairs.z_query, pairs.z_gallery, sweep.whole, slope)
    return _FromGradients.apply(value, pairs.z_query, pairs.z_gallery, *sweep.gradients, slope)


class _FromMatrix(torch.autograd.Function):
    """A value whose gradient with respect to the similarities is slope G."""

    @staticmethod
    def forward(ctx, value, z_query, z_gallery, matrix, slope):
        ctx.slope = slope
        ctx.save_for_backward(z_query, z_gallery, matrix)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        z_query, z_gallery, matrix = ctx.saved_tensors
        with torch.autocast(z_query.device.type, enabled=False):
            matrix = matrix * (ctx.slope * grad)
            return None, matrix @ z_gallery, matrix.T @ z_query, None, None


class _FromGradients(torch.autograd.Function):
    """A value whose gradients are slope times what is given."""

    @staticmethod
    def forward(ctx, value, z_query, z_gallery, grad_query, grad_gallery, slope):
        ctx.slope = slope
        ctx.save_for_backward(grad_query, grad_gallery)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        grad_query, grad_gallery = ctx.saved_tensors
        grad = ctx.slope * grad
        return None, grad * grad_query, grad * grad_gallery, None, None, None


class _Sweep:
    """Two sweeps over row blocks of the distance matrix: statistics first, then the gradient.

    In a block (b, B) the rows ask in the direction query -> gallery, the columns in the other.
    What there is of both directions is one tensor, [0] of the rows and [1] of the columns:
    (2, B) where it belongs to those who ask, (2, b, B) where to the pairs of a block.

    A process that holds a part of the batch's rows sweeps over the matrix's rows of its queries.
    They are whole for those who ask by row; what belongs to those who ask by column is summed.
    """

    def __init__(self, pairs: Pairs, settings: TermSettings, chunk_size: int | None):
        self.settings, self.spread = settings, pairs.spread
        self.places, self.count = pairs.places, pairs.negative_count
        if isinstance(self.count, Tensor):
            self.count = self.count.to(pairs.z_query.dtype)
        self.rows, self.first = pairs.spread.rows, pairs.spread.first
        self.z_query, own_gallery = pairs.z_query.detach(), pairs.z_gallery.detach()
        self.z_gallery = self.spread.gather(own_gallery)
        self.own = slice(self.first, self.first + self.z_query.shape[0])
        self.gradients: list[Tensor] | None = None  # of the own rows, over alpha
        self.kept: list[tuple] = []  # of the first sweep, for the second
        self.progress: Tensor | None = None
        self.weight_means: Tensor | None = None  # (2, B)
        if chunk_size is None:
            self.whole = _squared_distance(self.z_query, self.z_gallery)
            squared_pos = self.whole.diagonal(self.first).clone()
            on_cpu = self.z_query.device.type == "cpu"
            elements = _BLOCK_ELEMENTS if on_cpu else _BLOCK_ELEMENTS_OF_GPU
            chunk_size = max(1, elements // self.rows)
        else:
            self.whole = None
            squared_pos = 2 - 2 * (self.z_query * own_gallery).sum(1)
        starts = range(self.own.start, self.own.stop, chunk_size)
        self.blocks = [slice(i, min(i + chunk_size, self.own.stop)) for i in starts]
        self.d_pos = self.spread.gather(squared_pos.clamp_min_(SQUARED_DISTANCE_FLOOR).sqrt_())
        s = settings
        self.compared = self.d_pos if s.ratio == "own" else self.d_pos.mean().expand(self.rows)
        factor = {"exp": s.beta * _LOG2_E, "power": 2.0}.get(s.weight_map, 1.0)
        self.numerator = factor * self.compared  # of h, as the map wants it
        self.near = None
        if s.form == "soft_margin" and 2 * s.alpha <= _LARGEST_EXPONENT:
            self.near = torch.exp2(s.alpha * _LOG2_E * self.d_pos)

    def read_statistics(self, signal: str | None) -> None:
        """First sweep: means of the weights of each one who asks, and the batch's progress."""
        s = self.settings
        sums = s.weight_map is not None and s.normalise != "none"
        if not sums and signal is None:
            return
        weight_sums = self.d_pos.new_zeros(2, self.rows)
        by_row, by_column = weight_sums.unbind()
        reader = None if signal is None else _ProgressReader(self, signal)
        for block in self.blocks:
            distance, weights = self._prepare(block)
            if sums:
                by_row[block] = weights[0].sum(1)
                by_column += weights[1].sum(0)
            if reader is not None:
                reader.read(distance, block)
            if self.whole is not None:
                self.kept.append((distance, weights))
        if reader is not None:
            self.progress = reader.progress()
        if sums:
            means = self.spread.sum_(weight_sums).div_(self.count)
            if s.normalise == "batch":
                means = means.mean(1, keepdim=True).expand_as(means)
            self.weight_means = means.clamp_min(torch.finfo(means.dtype).tiny)

    def value(self, lam: Tensor | float, wanted: bool) -> Tensor:
        """Second sweep: the loss; where `wanted`, `whole` becomes G over alpha.

        Its products with the embeddings, `gradients`, are left to backward, unless there is no
        `whole` or other processes have a part in them.
        """
        share, scale = self._scales(lam)
        value = self.d_pos.new_zeros(())
        pull = self.d_pos.new_zeros(2, self.rows)  # dL/dd_pos of those who ask, over alpha
        by_row, by_column = pull.unbind()
        if wanted and self.whole is None:
            grad_query = torch.empty_like(self.z_query)
            grad_gallery = torch.zeros_like(self.z_gallery)
        for i, block in enumerate(self.blocks):
            distance, weights = self.kept[i] if self.kept else self._prepare(block)
            losses, slopes = self._losses(distance, block)
            if weights is None:
                value += _each_way(torch.mul, share, losses, block, out=losses).sum()
                _each_way(torch.mul, share, slopes, block, out=slopes)
            else:
                importance = _each_way(torch.mul, scale, weights, block, out=weights)
                _each_way(torch.add, share, importance, block, out=importance)
                value += torch.dot(importance.view(-1), losses.view(-1))
                slopes *= importance
            if not wanted:
                continue
            rows, columns = slopes.unbind()
            by_row[block] = rows.sum(1)
            by_column += columns.sum(0)
            # at the floor a distance does not move: infinity makes its share of G zero
            F.threshold_(distance, SQUARED_DISTANCE_FLOOR**0.5, torch.inf)
            grad = torch.div(rows.add_(columns), distance, out=distance)
            if self.whole is None:
                grad_query[self._local(block)] = grad @ self.z_gallery
                grad_gallery.addmm_(grad.T, self.z_query[self._local(block)])
        self.spread.sum_(value)
        if not wanted:
            return value
        d_pos = F.threshold(self.d_pos, SQUARED_DISTANCE_FLOOR**0.5, torch.inf)
        own = self.spread.sum_(pull).sum(0).div_(d_pos).neg_()[self.own]
        if self.whole is not None:
            self.whole.diagonal(self.first).copy_(own)
            if not self.spread.several:
                return value
            grad_query, grad_gallery = self.whole @ self.z_gallery, self.whole.T @ self.z_query
        else:
            grad_query += own[:, None] * self.z_gallery[self.own]
            grad_gallery[self.own] += own[:, None] * self.z_query
        self.gradients = [grad_query, self.spread.sum_(grad_gallery)[self.own]]
        return value

    def _local(self, block: slice) -> slice:
        """The place of a block among this process's own rows."""
        return slice(block.start - self.first, block.stop - self.first)

    def _prepare(self, block: slice) -> tuple[Tensor, Tensor | None]:
        """Distances (b, B), infinite where there is no negative, and weights (2, b, B), 0 there."""
        if self.whole is None:
            squared = _squared_distance(self.z_query[self._local(block)], self.z_gallery)
        else:
            squared = self.whole[self._local(block)]
        distance = squared.clamp_min_(SQUARED_DISTANCE_FLOOR).sqrt_()
        self._exclude(distance, block, torch.inf)
        if self.settings.weight_map is None:
            return distance, None
        weights = self._map(distance, block)
        self._exclude(weights, block, 0.0)
        return distance, weights

    def _exclude(self, values: Tensor, block: slice, fill: float) -> None:
        """Fill what is no negative: the positive, and any other row of the same place."""
        if self.places is None:
            values.diagonal(block.start, -2, -1).fill_(fill)
        else:
            values.masked_fill_(self.places[block, None] == self.places, fill)

    def _map(self, distance: Tensor, block: slice) -> Tensor:
        """Weights before normalising; where that is to come, up to a constant factor."""
        s = self.settings
        weights = _each_way(torch.add, self.compared, distance, block)
        _each_way(torch.div, self.numerator, weights, block, out=weights)
        if s.weight_map == "exp":
            if s.normalise == "none" or s.beta > _LARGEST_EXPONENT:
                weights -= s.beta * _LOG2_E / 2
            weights.exp2_()
        elif s.weight_map == "power":
            weights.pow_(s.beta)
        return weights

    def _scales(self, lam: Tensor | float) -> tuple[Tensor | float, Tensor | float]:
        """Of those who ask, r and lambda r / mean weight: C = r + that * weight.

        One number where it is the same for all, else (B,) or (2, B).
        """
        # r: mean over queries, over negatives, and over directions
        share = 1 / (2 * self.rows * self.count)
        if self.settings.rescale:
            share = share / (1 + lam)
        scale = lam * share
        if self.settings.weight_map is None:
            return share + scale, scale
        return share, scale if self.weight_means is None else scale / self.weight_means

    def _losses(self, distance: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        """The triplets' losses and their slopes over alpha, (2, b, B) each."""
        s = self.settings
        if s.form == "hinge":
            gaps = _each_way(torch.sub, self.d_pos + s.margin, distance, block)
            return F.relu(gaps), (gaps > 0).to(gaps.dtype)
        if self.near is None:
            gaps = _each_way(torch.sub, self.d_pos, distance, block).mul_(s.alpha)
            return F.softplus(gaps, threshold=50), gaps.sigmoid_()
        # exp(alpha (d_pos - d_neg)) is a product, so one exponential serves both directions
        far = torch.exp2(-s.alpha * _LOG2_E * distance)
        odds = _each_way(torch.mul, self.near, far, block)
        return odds.log1p(), odds.div_(odds + 1)


def _each_way(
    op: Callable,
    asking: Tensor | float,
    pairs: Tensor,
    block: slice,
    out: Tensor | None = None,
) -> Tensor:
    """`op` of those who ask, (B,) or (2, B), and of a block's pairs, (b, B) or (2, b, B).

    (2, b, B), written to `out` where it is given. Where `asking` is one number for all, pairs must
    be (2, b, B) and `op` symmetric.
    """
    if not isinstance(asking, Tensor) or asking.ndim == 0:
        return op(pairs, asking, out=out)
    by_row, by_column = asking.unbind() if asking.ndim == 2 else (asking, asking)
    rows, columns = pairs.unbind() if pairs.ndim == 3 else (pairs, pairs)
    if out is None:
        out = rows.new_empty(2, *rows.shape)
    to_rows, to_columns = out.unbind()
    op(by_row[block, None], rows, out=to_rows)
    op(by_column, columns, out=to_columns)
    return out


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    return torch.addmm(a.new_full((1, 1), 2.0), a, b.T, alpha=-2)


class _ProgressReader:
    """`batch_progress`, read off row blocks."""

    def __init__(self, sweep: _Sweep, signal: str):
        self.sweep, self.signal = sweep, signal
        fill = torch.inf if signal == "recall" else 0.0
        self.read_off = sweep.d_pos.new_full((2, sweep.rows), fill)

    def read(self, distance: Tensor, block: slice) -> None:
        """Take in one block of distances, infinite where there is no negative."""
        d_pos, (by_row, by_column) = self.sweep.d_pos, self.read_off.unbind()
        if self.signal == "recall":  # the nearest negative
            by_row[block] = distance.amin(1)
            torch.minimum(by_column, distance.amin(0), out=by_column)
        elif self.signal == "triplet":  # how many negatives are not farther than the positive
            # "not nearer", so that NaN is no success
            by_row[block] = (~(d_pos[block, None] < distance)).sum(1).to(d_pos)
            by_column += (~(d_pos < distance)).sum(0)
        else:  # the sum of the negatives' cosines
            cosine = 1 - distance.square() / 2
            cosine.masked_fill_(distance == torch.inf, 0)
            by_row[block] = cosine.sum(1)
            by_column += cosine.sum(0)

    def progress(self) -> Tensor:
        """Scalar in [0, 1]."""
        d_pos, count, spread = self.sweep.d_pos, self.sweep.count, self.sweep.spread
        if self.signal == "recall":
            spread.min_(self.read_off)
            share = torch.mean(d_pos < self.read_off, dtype=d_pos.dtype)
            chance = 1 / (count + 1)
            return above_chance(share, chance.mean() if torch.is_tensor(chance) else chance)
        mean = (spread.sum_(self.read_off) / count).mean()
        if self.signal == "triplet":
            return above_chance(1 - mean, 0.5)
        return ((1 - d_pos.square() / 2).mean() - mean).nan_to_num(0.0).clamp(0, 1)
