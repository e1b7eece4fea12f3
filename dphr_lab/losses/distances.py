"""Distances between unit embeddings, and the checks that every loss makes at its entry."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dphr_lab.losses.processes import Spread

SQUARED_DISTANCE_FLOOR = 4e-6  # float32 cannot tell points apart that are nearer than 0.002
_HALF = (torch.float16, torch.bfloat16)
_NORM_TOLERANCE = 1e-2  # bfloat16 rounds a unit vector's norm by up to 0.004


def as_unit(z: Tensor) -> Tensor:
    """Embeddings in a precision that distances can be computed in.

    Half precision is upcast to float32 and renormalised, because rounding moves a vector off the
    sphere; float32 and float64 are returned as they are.
    """
    return F.normalize(z.float(), dim=-1) if z.dtype in _HALF else z


def similarities(a: Tensor, b: Tensor) -> Tensor:
    """Cosine similarities of unit rows, (N, D) and (M, D) -> (N, M), never in half precision."""
    with torch.autocast(device_type=a.device.type, enabled=False):
        return as_unit(a) @ as_unit(b).T


def distance_from_similarity(similarity: Tensor) -> Tensor:
    """Euclidean distance in [0.002, 2] of unit vectors with this cosine similarity.

    d = sqrt(max(2 - 2 s, 4e-6)); the gradient is zero at the floor, so identical embeddings give
    a finite gradient. Taught in: book/06.
    """
    return (2 - 2 * similarity).clamp_min(SQUARED_DISTANCE_FLOOR).sqrt()


def pairwise_distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances of unit rows, (N, D) and (M, D) -> (N, M), each in [0.002, 2].

    One matrix product; no (N, M, D) object. Taught in: book/06.
    """
    return distance_from_similarity(similarities(a, b))


@dataclass(frozen=True)
class Pairs:
    """A checked batch: B aligned rows, row i of both views showing the same place.

    Where a batch is spread over processes, embeddings are those of this process's rows, (b, D).
    """

    z_query: Tensor  # (B, D) unit rows, float32 or float64
    z_gallery: Tensor  # (B, D) unit rows, float32 or float64
    places: Tensor | None  # (B,) labels; None where every row is a place of its own
    spread: Spread

    @property
    def negatives(self) -> Tensor:
        """(B, B) bool, symmetric: True where row and column show different places."""
        if self.places is None:
            return ~torch.eye(self.spread.rows, dtype=torch.bool, device=self.z_query.device)
        return self.places[:, None] != self.places[None, :]

    @property
    def negative_count(self) -> Tensor | int:
        """How many negatives each row has in either direction: (B,), or one number for all."""
        rows = self.spread.rows
        if self.places is None:
            return rows - 1
        ordered = self.places.sort().values
        last = torch.searchsorted(ordered, self.places, right=True)
        return rows - (last - torch.searchsorted(ordered, self.places))


def check_pairs(
    z_query: Tensor,
    z_gallery: Tensor,
    places: Tensor | None = None,
    across_processes: bool = False,
) -> Pairs:
    """The batch as the losses want it: shapes checked, half precision upcast.

    With `across_processes` the rows are this process's share of the batch, of any number, and all
    ranks must call it together.

    Raises ValueError for tensors that are not two equal (B, D) shapes with B >= 2, for places
    that are not (B,), and (values, so not under `torch.compile`) for rows that are not unit
    vectors or a batch that shows one place only and so holds no negative.
    """
    for name, z in (("z_query", z_query), ("z_gallery", z_gallery)):
        if z.ndim != 2 or not z.is_floating_point():
            raise ValueError(
                f"{name} is {z.dtype} of shape {tuple(z.shape)}; expected floating point "
                "embeddings of shape (B, D)"
            )
    if z_query.shape != z_gallery.shape:
        raise ValueError(
            f"z_query is {tuple(z_query.shape)} and z_gallery {tuple(z_gallery.shape)}; expected "
            "equal shapes, row i of both showing the same place (repeat the rarer view's rows)"
        )
    spread = Spread.over_processes(z_query) if across_processes else Spread((z_query.shape[0],))
    if spread.rows < 2:
        raise ValueError(
            f"the batch has {spread.rows} row(s); at least 2 are needed, "
            "because the other rows are the negatives"
        )
    if places is not None:
        places = torch.as_tensor(places, device=z_query.device)
        if places.shape != z_query.shape[:1]:
            raise ValueError(
                f"places has shape {tuple(places.shape)}; expected ({z_query.shape[0]},), "
                "one label for each row"
            )
        places = spread.gather(places)
    if not torch.compiler.is_compiling():
        if len(z_query):  # a process may hold no row of a small batch
            _check_unit_rows(z_query, z_gallery)
        places = _check_places(places)
    dtype = torch.promote_types(z_query.dtype, z_gallery.dtype)
    if dtype in _HALF:
        dtype = torch.float32
    return Pairs(as_unit(z_query).to(dtype), as_unit(z_gallery).to(dtype), places, spread)


def _check_unit_rows(z_query: Tensor, z_gallery: Tensor) -> None:
    # NaN passes, so that a diverging run is reported as such, by its loss
    both = (z.detach().float() for z in (z_query, z_gallery))
    norms = torch.stack([torch.linalg.vector_norm(z, dim=1) for z in both])
    for worst in map(float, torch.aminmax(norms)):
        if abs(worst - 1) > _NORM_TOLERANCE:
            raise ValueError(
                f"an embedding has norm {worst:.4g}; expected unit vectors "
                "(use torch.nn.functional.normalize(z, dim=1))"
            )


def _check_places(places: Tensor | None) -> Tensor | None:
    if places is None:
        return None
    ordered = places.sort().values
    changes = int((ordered[1:] != ordered[:-1]).sum())
    if changes == 0:
        raise ValueError(
            f"all {places.numel()} rows show the same place; at least 2 places are needed, "
            "because another place's rows are the negatives"
        )
    return None if changes == places.numel() - 1 else places


def mean_over_negatives(values: Tensor, negatives: Tensor) -> Tensor:
    """Mean over queries (rows) of the mean over each one's negatives, (B, K) -> scalar.

    Queries without negatives are left out; if none is left the result is NaN.
    """
    count = negatives.sum(1)
    per_query = torch.where(negatives, values, 0).sum(1) / count.clamp_min(1)
    return per_query.sum() / (count > 0).sum()
