"""L_tri + lambda L_wtri and its gradient in closed form, without a tape of B x B temporaries.

With r the share of a triplet in the mean, C = r (1 + lambda omega) its weight and l its loss,
L = sum C l, and for constant omega and lambda

    dL/dd_neg = -C l',   dL/dd_pos = sum_k C l',   dd/ds = -1/d  (0 at the distance floor),

so the gradient with respect to all similarities is one B x B matrix G, which both directions
share, and dL/dz_query = G z_gallery, dL/dz_gallery = G^T z_query. `plain_form` has the same numbers
as their formulas say. Taught in: book/08.

Work goes in two sweeps over blocks of rows that stay in the cache: first what lambda and the
weights need to know of the whole batch (means of weights, L_tri or recall, the range of h), then
value and gradient. With `chunk_size` no B x B array is kept, and the first sweep is made twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from dphr_lab.losses.distances import (
    SQUARED_DISTANCE_FLOOR,
    Pairs,
    pairwise_distance,
)
from dphr_lab.losses.palw import ProgressiveWeight, above_chance, as_cheap
from dphr_lab.losses.plain_form import TermSettings, term_weights

# Elements of a block on the CPU: its few tensors, 256 kB a direction in float32, stay in the
# second-level caches, and are large enough for torch to split each operation over threads.
_BLOCK_ELEMENTS = 2**16
_BLOCK_ELEMENTS_OF_GPU = 2**26  # enough to keep one busy, and little beside B x B where B is large
_LARGEST_EXPONENT = 60.0  # a batch's sum of exp of it is inside float32
_LOG2_E = math.log2(math.e)  # 2^(x log2 e) = e^x: torch has the faster kernel for powers of two


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
    gradient_wanted = torch.is_grad_enabled() and (
        pairs.z_query.requires_grad or pairs.z_gallery.requires_grad
    )
    updates = progressive is not None and progressive.updates_now
    # the gradient's matrix products too must stay out of half precision
    with torch.no_grad(), _full_precision(pairs.z_query.device.type):
        sweep = _Sweep(pairs, settings, chunk_size)
        sweep.read_statistics(progressive.signal if updates and progressive.reads_batch else None)
        if updates:
            rows = None if pairs.spread.several else pairs.spread.rows
            progressive.update(sweep.read, rows)
        lam = 0.0 if progressive is None else as_cheap(progressive.value(), pairs.z_query)
        value = sweep.value(lam, gradient_wanted)
    if not gradient_wanted:
        return value
    slope = sweep.factor * (settings.alpha if settings.form == "soft_margin" else 1.0)
    gradients = (sweep.matrix,) if sweep.gradients is None else tuple(sweep.gradients)
    again = partial(_gradients_again, pairs, settings, lam)
    return _ClosedForm.apply(pairs.z_query, pairs.z_gallery, value, slope, again, gradients)


def _gradients_again(
    pairs: Pairs, settings: TermSettings, lam: Tensor | float, z_query: Tensor, z_gallery: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients by their formula, weights included, as a graph of their own.

    What a gradient of the gradient needs; `lam` is that of the first.
    """
    if pairs.spread.several:
        raise RuntimeError(
            "the gradient of the gradient was asked for with across_processes=True; it is "
            "there in one process only: give the whole batch there"
        )
    s, negatives = settings, pairs.negatives
    distance = pairwise_distance(z_query, z_gallery)
    of_distance = torch.zeros_like(distance)
    for d, back in ((distance, False), (distance.T, True)):
        d_pos = d.diagonal()
        if s.form == "hinge":
            slope = (s.margin + d_pos[:, None] - d > 0).to(d)
        else:
            slope = s.alpha * torch.sigmoid(s.alpha * (d_pos[:, None] - d))
        share = 1 / (2 * len(d) * negatives.sum(1, keepdim=True).to(d))
        push = share * (1 + lam * term_weights(d, negatives, s, detach=False)) * slope
        push = torch.where(negatives, push, 0)
        of_one_way = torch.diag(push.sum(1)) - push
        of_distance = of_distance + (of_one_way.T if back else of_one_way)
    if s.rescale:
        of_distance = of_distance / (1 + lam)
    at_floor = distance * distance <= SQUARED_DISTANCE_FLOOR
    of_similarity = -torch.where(at_floor, 0.0, of_distance / distance)
    with _full_precision(z_query.device.type):
        return of_similarity @ z_gallery, of_similarity.T @ z_query


class _ClosedForm(torch.autograd.Function):
    """A value whose gradients are known: slope times two (B, D), or slope G of the similarities."""

    @staticmethod
    def forward(ctx, z_query, z_gallery, value, slope, again, gradients):
        ctx.slope, ctx.again = slope, again
        ctx.save_for_backward(z_query, z_gallery, *gradients)
        return value.clone()

    @staticmethod
    def backward(ctx, grad):
        z_query, z_gallery, *gradients = ctx.saved_tensors
        if torch.is_grad_enabled():  # a gradient of the gradient may follow
            of_query, of_gallery = ctx.again(z_query, z_gallery)
            return grad * of_query, grad * of_gallery, None, None, None, None
        slope = as_cheap(ctx.slope * grad)
        with _full_precision(z_query.device.type):
            if len(gradients) == 1:
                of_query, of_gallery = _products(gradients[0], z_query, z_gallery, slope)
            else:
                of_query, of_gallery = (slope * each for each in gradients)
        return of_query, of_gallery, None, None, None, None


class _Sweep:
    """Two sweeps over row blocks of the distance matrix: statistics first, then the gradient.

    In a block (b, B) rows are anchors in the direction query -> gallery, columns in the other.
    What there is of both directions is one tensor, [0] of rows and [1] of columns: (2, B) of
    anchors, (2, b, B) of the pairs of a block.

    Without `chunk_size` one B x B array serves in turn for the squared distances, the distances
    and G; each name is used where it holds: `squared`, `distance`, `matrix`.

    A process that holds a part of the batch's rows sweeps over the matrix's rows of its queries.
    They are whole for the anchors of rows; what belongs to the anchors of columns is summed.
    """

    def __init__(self, pairs: Pairs, settings: TermSettings, chunk_size: int | None):
        self.settings, self.spread = settings, pairs.spread
        self.places, self.count = pairs.places, pairs.negative_count
        if isinstance(self.count, Tensor):
            self.count = self.count.to(pairs.z_query.dtype)
        self.rows, self.first = pairs.spread.rows, pairs.spread.first
        self.z_query, own_gallery = pairs.z_query, pairs.z_gallery
        self.z_gallery = self.spread.gather(own_gallery)
        self.own = slice(self.first, self.first + self.z_query.shape[0])
        self.gradients: list[Tensor] | None = None  # of the own rows, over slope
        self.distances: list[Tensor] = []  # of the blocks, kept from the first sweep
        self.weights: list[Tensor] = []  # likewise
        self.triplets: list[tuple[Tensor, Tensor]] = []  # likewise: losses and slopes
        self.plain: Tensor | None = None  # the sum of the losses, read in the first sweep
        # what all triplets have in common, taken out of the sums: r, where it is one number
        self.factor: Tensor | float = 1 / (2 * self.rows)  # queries, over two directions
        self.share_of_anchors: Tensor | None = None  # (B,): 1 / count, where it differs
        if isinstance(self.count, Tensor):
            self.share_of_anchors = 1 / self.count
        else:
            self.factor /= self.count
        self.read: Tensor | float | None = None  # the batch's progress, or its L_tri
        self.weight_means: Tensor | None = None  # (2, B)
        self.least: Tensor | None = None  # (2, B): h of the farthest negative, for "minmax"
        self.span: Tensor | None = None  # (2, B): h of the nearest minus that
        if chunk_size is None:
            squared = _squared_distance(self.z_query, self.z_gallery)
            squared_pos = squared.diagonal(self.first).clone()
            on_cpu = self.z_query.device.type == "cpu"
            elements = _BLOCK_ELEMENTS if on_cpu else _BLOCK_ELEMENTS_OF_GPU
            chunk_size = max(1, elements // self.rows)
            self.matrix = squared  # to be overwritten, block by block
        else:
            squared_pos = 2 - 2 * (self.z_query * own_gallery).sum(1)
            self.matrix = None
        starts = range(self.own.start, self.own.stop, chunk_size)
        self.blocks = [slice(i, min(i + chunk_size, self.own.stop)) for i in starts]
        self.d_pos = self.spread.gather(squared_pos.clamp_min_(SQUARED_DISTANCE_FLOOR).sqrt_())
        s = settings
        self.compared = self.d_pos if s.ratio == "own" else self.d_pos.mean().expand(self.rows)
        self.per_map = {"exp": s.beta * _LOG2_E, "power": 2.0}.get(s.weight_map, 1.0)
        # of h, as the map wants it; h itself where its range comes first
        as_is = s.scale == "minmax" or self.per_map == 1
        self.numerator = self.compared if as_is else self.per_map * self.compared
        self.maps_later = s.weight_map == "interval" and s.normalise == "none"
        self.odds_of_positive = None
        if s.form == "soft_margin" and 2 * s.alpha <= _LARGEST_EXPONENT:
            self.odds_of_positive = torch.exp2(s.alpha * _LOG2_E * self.d_pos)

    def read_statistics(self, signal: str | None) -> None:
        """First sweep: what weights and lambda need to know of the whole batch."""
        s = self.settings
        sums = s.weight_map is not None and s.normalise != "none"
        if s.weight_map is not None and s.scale == "minmax":
            self._read_range()
        if not sums and signal is None:
            return
        if sums:
            weight_sums = self.d_pos.new_zeros(2, self.rows)
            by_row, by_column = weight_sums.unbind()
        reader = None if signal in (None, "loss") else _ProgressReader(self, signal)
        for i, block in enumerate(self.blocks):
            distance = self._distance(i, block)
            if sums:
                weights = self._weights(i, distance, block)
                torch.sum(weights[0], 1, out=by_row[block])
                by_column += weights[1].sum(0)
                self._keep(self.weights, weights)
            if signal == "loss":
                losses, slopes = self._losses(distance, block)
                plain = losses.sum()
                self.plain = plain if self.plain is None else self.plain + plain
                self._keep(self.triplets, (losses, slopes))
            if reader is not None:
                reader.read(distance, block)
        if signal == "loss":
            if self.plain is None:  # this process holds no row
                self.plain = self.d_pos.new_zeros(())
            self.read = self.spread.sum_(self.plain * self.factor)
        elif reader is not None:
            self.read = reader.progress()
        if sums:
            means = self.spread.sum_(weight_sums).div_(self.count)
            if s.normalise == "batch":
                means = means.mean(1, keepdim=True).expand_as(means)
            self.weight_means = means.clamp_min(torch.finfo(means.dtype).tiny)

    def _read_range(self) -> None:
        """The least and the largest h of each anchor, from its farthest and nearest negative."""
        nearest = self.d_pos.new_full((2, self.rows), torch.inf)
        farthest = self.d_pos.new_zeros(2, self.rows)
        for i, block in enumerate(self.blocks):
            distance = self._distance(i, block)
            finite = distance.masked_fill(distance == torch.inf, 0)
            nearest[0, block] = distance.amin(1)
            farthest[0, block] = finite.amax(1)
            torch.minimum(nearest[1], distance.amin(0), out=nearest[1])
            torch.maximum(farthest[1], finite.amax(0), out=farthest[1])
        self.spread.min_(nearest)
        self.spread.min_(farthest.neg_())
        self.least = self.compared / (self.compared - farthest)
        self.span = self.compared / (self.compared + nearest) - self.least

    def value(self, lam: Tensor | float, gradient_wanted: bool) -> Tensor:
        """Second sweep: the loss; where the gradient is wanted, `matrix` becomes G over slope.

        The slope is alpha times `factor`, which lambda completes here.

        Its products with the embeddings, `gradients`, are left to backward, unless there is no
        `matrix` or other processes have a part in them.
        """
        scale = self._take_lambda(lam)
        plain_is_known = self.plain is not None and not isinstance(scale, Tensor)
        value = self.plain if plain_is_known else self.d_pos.new_zeros(())
        pull = self.d_pos.new_zeros(self.rows)  # dL/dd_pos of both directions, over slope
        if gradient_wanted and self.matrix is None:
            grad_query = torch.empty_like(self.z_query)
            grad_gallery = torch.zeros_like(self.z_gallery)
        for i, block in enumerate(self.blocks):
            distance = self._distance(i, block)
            losses, slopes = self.triplets[i] if self.triplets else self._losses(distance, block)
            if isinstance(scale, Tensor):  # of anchors
                weights = self._weights(i, distance, block)
                importance = _each_way(torch.mul, scale, weights, block, out=weights).add_(1)
                value = value + torch.dot(importance.view(-1), losses.view(-1))
                slopes *= importance
            else:
                if not plain_is_known:
                    value = value + losses.sum()
                if self.settings.weight_map is not None:
                    weights = self._weights(i, distance, block)
                    dot = torch.dot(weights.view(-1), losses.view(-1))
                    value = torch.add(value, dot, alpha=scale)
                    slopes.addcmul_(slopes, weights, value=scale)
            if not gradient_wanted:
                continue
            rows, columns = slopes.unbind()
            pull[block].add_(rows.sum(1))
            pull += columns.sum(0)
            # at the floor a distance does not move: infinity makes its share of G zero
            torch.threshold_(distance, SQUARED_DISTANCE_FLOOR**0.5, torch.inf)
            matrix_of_block = torch.div(rows.add_(columns), distance, out=distance)
            if self.matrix is None:
                grad_query[self._local(block)] = matrix_of_block @ self.z_gallery
                grad_gallery.addmm_(matrix_of_block.T, self.z_query[self._local(block)])
        value = self.spread.sum_(value) * self.factor
        if not gradient_wanted:
            return value
        d_pos = torch.threshold(self.d_pos, SQUARED_DISTANCE_FLOOR**0.5, torch.inf)
        own = self.spread.sum_(pull).div_(d_pos).neg_()[self.own]
        if self.matrix is not None:
            self.matrix.diagonal(self.first).copy_(own)
            if not self.spread.several:
                return value
            grad_query, grad_gallery = self.matrix @ self.z_gallery, self.matrix.T @ self.z_query
        else:
            grad_query += own[:, None] * self.z_gallery[self.own]
            grad_gallery[self.own] += own[:, None] * self.z_query
        self.gradients = [grad_query, self.spread.sum_(grad_gallery)[self.own]]
        return value

    def _local(self, block: slice) -> slice:
        """The place of a block among this process's own rows."""
        return slice(block.start - self.first, block.stop - self.first)

    def _keep(self, where: list, what) -> None:
        """Keep a block's arrays for the second sweep, unless memory is bounded by `chunk_size`."""
        if self.matrix is not None:
            where.append(what)

    def _distance(self, i: int, block: slice) -> Tensor:
        """Distances (b, B) of block `i`, infinite where there is no negative."""
        if i < len(self.distances):
            return self.distances[i]
        if self.matrix is None:
            squared = _squared_distance(self.z_query[self._local(block)], self.z_gallery)
        else:
            squared = self.matrix[self._local(block)]
        distance = squared.clamp_min_(SQUARED_DISTANCE_FLOOR).sqrt_()
        self._exclude(distance, block, torch.inf)
        self._keep(self.distances, distance)
        return distance

    def _weights(self, i: int, distance: Tensor, block: slice) -> Tensor:
        """Weights (2, b, B) of block `i`, zero where there is no negative; or h, to be mapped."""
        if i < len(self.weights):
            return self.weights[i]
        weights = self._map(distance, block)
        if not self.maps_later:  # where there is no negative a triplet's loss and slope are 0
            self._exclude(weights, block, 0.0)
        return weights

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
        if s.scale == "minmax":
            equal = ~(self.span > 0)  # a range of zero: h counts as 1/2, as in the plain form
            _each_way(torch.add, -self.least, weights, block, out=weights)
            per_span = 1 / self.span.masked_fill(equal, 1.0)
            _each_way(torch.mul, per_span, weights, block, out=weights)
            weights[0].masked_fill_(equal[0, block, None], 0.5)
            weights[1].masked_fill_(equal[1], 0.5)
            weights *= self.per_map
        if s.weight_map == "interval" and not self.maps_later:
            w_min, w_max = s.bounds
            weights.mul_(w_max - w_min).add_(w_min)
        elif s.weight_map == "exp":
            if s.normalise == "none" or s.beta > _LARGEST_EXPONENT:
                weights -= s.beta * _LOG2_E / 2
            weights.exp2_()
        elif s.weight_map == "power":
            weights.pow_(s.beta)
        return weights

    def _take_lambda(self, lam: Tensor | float) -> Tensor | float:
        """lambda / mean weight, C = factor (1 + that * weight): a number, or (2, B) of anchors.

        What lambda is for all triplets alike joins `factor`. Where the map is linear and nothing
        is to be normalised, C = r (1 + lambda w_min) (1 + that * h).
        """
        if self.settings.rescale:
            self.factor = self.factor / (1 + lam)
        if self.settings.weight_map is None:
            self.factor = self.factor * (1 + lam)
            return 0.0
        if self.maps_later:
            w_min, w_max = self.settings.bounds
            of_all = 1 + lam * w_min
            self.factor = self.factor * of_all
            return lam * (w_max - w_min) / of_all
        return lam if self.weight_means is None else lam / self.weight_means

    def _losses(self, distance: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        """The triplets' losses and their slopes over alpha, (2, b, B) each.

        Where anchors have unequally many negatives, times `share_of_anchors`.
        """
        losses, slopes = self._losses_alike(distance, block)
        if self.share_of_anchors is not None:
            _each_way(torch.mul, self.share_of_anchors, losses, block, out=losses)
            _each_way(torch.mul, self.share_of_anchors, slopes, block, out=slopes)
        return losses, slopes

    def _losses_alike(self, distance: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        s = self.settings
        if s.form == "hinge":
            gaps = _each_way(torch.sub, self.d_pos + s.margin, distance, block)
            return F.relu(gaps), (gaps > 0).to(gaps.dtype)
        if self.odds_of_positive is None:
            gaps = _each_way(torch.sub, self.d_pos, distance, block).mul_(s.alpha)
            return F.softplus(gaps, threshold=50), gaps.sigmoid_()
        # exp(alpha (d_pos - d_neg)) is a product, so one exponential serves both directions
        odds_of_negative = (-s.alpha * _LOG2_E * distance).exp2_()
        odds = _each_way(torch.mul, self.odds_of_positive, odds_of_negative, block)
        total = odds + 1
        return _log1p(odds, total), odds.div_(total)


def _each_way(
    op: Callable,
    of_anchors: Tensor | float,
    pairs: Tensor,
    block: slice,
    out: Tensor | None = None,
) -> Tensor:
    """`op` of the anchors' values, (B,) or (2, B), and of a block's pairs, (b, B) or (2, b, B).

    (2, b, B), written to `out` where it is given. Where one number holds for all anchors, pairs
    must be (2, b, B) and `op` symmetric.
    """
    if not isinstance(of_anchors, Tensor) or of_anchors.ndim == 0:
        return op(pairs, of_anchors, out=out)
    by_row, by_column = of_anchors.unbind() if of_anchors.ndim == 2 else (of_anchors, of_anchors)
    rows, columns = pairs.unbind() if pairs.ndim == 3 else (pairs, pairs)
    if out is None:
        out = rows.new_empty(2, *rows.shape)
    to_rows, to_columns = (rows, columns) if out is pairs else out.unbind()
    op(by_row[block, None], rows, out=to_rows)
    op(by_column, columns, out=to_columns)
    return out


def _log1p(x: Tensor, total: Tensor) -> Tensor:
    """log(1 + x), given 1 + x as rounded: what rounding took is added again.

    `torch.log1p` is exact, too, but has no vectorised kernel on many processors: 12 times slower.
    """
    lost = total - 1
    torch.sub(x, lost, out=lost)
    return total.log().addcdiv_(lost, total)


def _full_precision(device: str) -> AbstractContextManager:
    """Without autocast on this type of device; where it is off already, with nothing to do."""
    on = torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else nullcontext()


def _products(
    matrix: Tensor, z_query: Tensor, z_gallery: Tensor, scale: Tensor | float
) -> tuple[Tensor, Tensor]:
    """scale G z_gallery and scale G^T z_query, (B, D) each; G (B, B), `scale` a number or a scalar.

    A number is multiplied within the products, which saves a pass over G.
    """
    if isinstance(scale, Tensor):
        matrix = matrix * scale
        return matrix @ z_gallery, matrix.T @ z_query
    return (
        torch.addmm(z_query, matrix, z_gallery, beta=0, alpha=scale),
        torch.addmm(z_gallery, matrix.T, z_query, beta=0, alpha=scale),
    )


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
            torch.amin(distance, 1, out=by_row[block])
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

    def progress(self) -> Tensor | float:
        """Scalar in [0, 1]."""
        d_pos, count, spread = self.sweep.d_pos, self.sweep.count, self.sweep.spread
        if self.signal == "recall":
            spread.min_(self.read_off)
            share = as_cheap(torch.mean(d_pos < self.read_off, dtype=d_pos.dtype))
            chance = 1 / (count + 1)
            return above_chance(share, chance.mean() if torch.is_tensor(chance) else chance)
        mean = (spread.sum_(self.read_off) / count).mean()
        if self.signal == "triplet":
            return above_chance(1 - mean, 0.5)
        return ((1 - d_pos.square() / 2).mean() - mean).nan_to_num(0.0).clamp(0, 1)
