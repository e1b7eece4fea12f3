"""What each query found, and the protocol's measures of all of them.

Taught in: book/01, book/04.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dphr_lab.retrieval.intervals import (
    RESAMPLES,
    Interval,
    bootstrap,
    bootstraps,
    paired_bootstrap,
)
from dphr_lab.retrieval.ranking import (
    as_embeddings,
    at_least_1,
    ranks_of,
    similarities_by_rows,
)
from dphr_lab.retrieval.report import RetrievalReport
from dphr_lab.settings.protocol import GALLERY_MODES


@dataclass(frozen=True)
class QueryOutcomes:
    """What each query found: CPU tensors of shape (Q,), in the order of the queries."""

    first_positive: Tensor  # int64, 1-based rank of the best positive; 0 where there is none
    ap: Tensor  # float64 in [0, 1], trapezoid
    ap_textbook: Tensor  # float64 in [0, 1]
    top1: Tensor  # int64, index into the gallery as given
    twin_wins: Tensor  # float64, twin places below the query's own place, a tie counting 1/2
    twins: Tensor  # int64, twin places that it met; 0 without family labels or a positive
    ranked: int  # gallery images that were ranked, the same for every query
    places: Tensor  # int64, the query's place
    families: Tensor | None  # int64, the query's family
    family_first: Tensor | None  # bool, the first image is of that family, and there is a positive
    gallery_mode: str
    gallery_given: int  # images before any were left out

    def hit(self, k: int) -> Tensor:
        """Which queries have a positive among the first k, bool."""
        return (self.first_positive > 0) & (self.first_positive <= k)

    def report(self, tta: str = "none") -> RetrievalReport:
        """Their means in percent, with intervals over places, or over families where known."""
        top1_percent_rank = round(0.01 * self.gallery_given) + 1
        family_r_at_1 = twin_choice = twin_mistakes = None
        if self.families is not None:
            family_r_at_1 = _percent(self.family_first.double().mean())
            if pairs := int(self.twins.sum()):
                twin_choice = _percent(self.twin_wins.sum() / pairs)
            mistake = self.first_positive > 1
            if mistake.any():
                twin_mistakes = _percent(self.family_first[mistake].double().mean())
        intervals = self._intervals()
        return RetrievalReport(
            r_at_1=_percent(self.hit(1).double().mean()),
            r_at_5=_percent(self.hit(5).double().mean()),
            r_at_10=_percent(self.hit(10).double().mean()),
            r_at_top1_percent=_percent(self.hit(top1_percent_rank).double().mean()),
            ap=_percent(self.ap.mean()),
            ap_textbook=_percent(self.ap_textbook.mean()),
            gallery_mode=self.gallery_mode,
            queries=len(self.places),
            gallery=self.ranked,
            gallery_given=self.gallery_given,
            top1_percent_rank=top1_percent_rank,
            unanswerable=int((self.first_positive == 0).sum()),
            tta=tta,
            family_r_at_1=family_r_at_1,
            twin_choice=twin_choice,
            twin_mistakes=twin_mistakes,
            intervals={name: [i.low, i.high] for name, i in intervals.items()} or None,
            resampled=f"{intervals['r_at_1'].groups:,} {self.unit}" if intervals else None,
        )

    @property
    def unit(self) -> str:
        """What an interval draws again: "families" where they are known, else "places"."""
        return "places" if self.families is None else "families"

    @property
    def groups(self) -> Tensor:
        """Each query's label of that unit."""
        return self.places if self.families is None else self.families

    def measures(self) -> dict[str, Tensor]:
        """The outcomes, in percent, whose mean over all queries is a rate of the report."""
        measures = {"r_at_1": 100 * self.hit(1).double(), "ap": 100 * self.ap}
        if self.families is not None:
            measures["family_r_at_1"] = 100 * self.family_first.double()
        return measures

    def _intervals(self) -> dict[str, Interval]:
        if len(self.groups.unique()) < 2:
            return {}
        found = bootstraps(self.measures(), self.groups)
        if len(self.groups[self.twins > 0].unique()) > 1:
            found["twin_choice"] = bootstrap(100 * self.twin_wins, self.groups, self.twins)
        return found


def evaluate(
    query,
    query_places,
    gallery,
    gallery_places,
    gallery_mode: str = "full",
    query_families=None,
    gallery_families=None,
    chunk_size: int = 256,
    tta: str = "none",
) -> RetrievalReport:
    """Rank the gallery for every query and report the protocol's measures, in percent.

    `query` (Q, D) and `gallery` (G, D) are embeddings, normalised here; places and families are
    integer labels (Q,) and (G,), as tensors, arrays or lists. `gallery_mode` "full" ranks the
    whole gallery (University1652-Baseline, SUES-200, MCCG); "query_places" first leaves out the
    images of places that no query shows (Sample4Geo, DAC, CAMP, Game4Loc): an easier task.
    Memory is bounded by `chunk_size` queries at a time, about 30 bytes a score.

    * R@top1% is R@(round(0.01 G) + 1), G counted before any image is left out.
    * `ap` is the official trapezoid: ½ (p_old_i + p_i) averaged over the positives, where
      p_i = i / r_i and p_old_i = (i - 1) / (r_i - 1), or 1 when r_i = 1.
    * A query without a positive scores 0, stays in the mean, and is counted.
    * Twins are the other places of the query's family. Twin choice: over all pairs (query, twin
      place), how often the query's best positive scores above the twin's best image; a tie is ½.
    * Intervals draw places again, or families where they are given: see `intervals.bootstrap`.

    Raises ValueError for shapes or labels that do not fit, an unknown mode, or nothing to rank.
    """
    outcomes = query_outcomes(
        query,
        query_places,
        gallery,
        gallery_places,
        gallery_mode,
        query_families,
        gallery_families,
        chunk_size,
    )
    return outcomes.report(tta)


def query_outcomes(
    query,
    query_places,
    gallery,
    gallery_places,
    gallery_mode: str = "full",
    query_families=None,
    gallery_families=None,
    chunk_size: int = 256,
) -> QueryOutcomes:
    """Each query's own outcome: the terms whose means `evaluate` reports, with its arguments.

    Use it to look at mistakes. Raises ValueError as `evaluate` does.
    """
    query, gallery = as_embeddings(query, gallery)
    query_places = _labels("query_places", query_places, len(query)).to(query.device)
    gallery_places = _labels("gallery_places", gallery_places, len(gallery)).to(query.device)
    if gallery_mode not in GALLERY_MODES:
        raise ValueError(f"gallery_mode is {gallery_mode!r}; expected one of {GALLERY_MODES}")
    if (query_families is None) != (gallery_families is None):
        raise ValueError("query_families and gallery_families: give both or neither")
    at_least_1(chunk_size=chunk_size)

    given = len(gallery)
    kept = torch.arange(given, device=query.device)
    if gallery_mode == "query_places":
        kept = kept[torch.isin(gallery_places, query_places)]
        if len(kept) == 0:
            raise ValueError(
                "gallery_mode 'query_places' leaves no image: gallery_places has none of the "
                "labels in query_places. Do the two use the same numbering?"
            )
        gallery, gallery_places = gallery[kept], gallery_places[kept]

    places, place_of_image = gallery_places.unique(return_inverse=True)
    twins_of_query = None
    if query_families is not None:
        query_families = _labels("query_families", query_families, len(query)).to(query.device)
        gallery_families = _labels("gallery_families", gallery_families, given).to(query.device)
        families = gallery_families[kept]
        twins_of_query = _twins(query_places, query_families, places, place_of_image, families)

    positives_of = _positives(query_places, gallery_places)
    parts = []
    for rows, similarity in similarities_by_rows(query, gallery, chunk_size):
        positives, given_to = positives_of(rows)
        scores = similarity.gather(1, positives).masked_fill_(~given_to, -torch.inf)  # (b, P)
        ranks = ranks_of(similarity, positives, scores).masked_fill_(~given_to, len(kept) + 1)
        part = _precision(ranks.sort(1).values, given_to.sum(1))
        part["top1"] = kept[similarity.argmax(1)]  # the first of equal ones, as torch documents
        if twins_of_query is not None:
            own = scores.amax(1) if scores.shape[1] else scores.new_full((len(scores),), -torch.inf)
            part |= _twin_duels(similarity, own, place_of_image, twins_of_query(rows))
        parts.append({name: value.cpu() for name, value in part.items()})
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    family_first = None
    if twins_of_query is None:
        joined["twin_wins"] = torch.zeros(len(query), dtype=torch.float64)
        joined["twins"] = torch.zeros(len(query), dtype=torch.int64)
    else:
        query_families = query_families.cpu()
        family_first = gallery_families.cpu()[joined["top1"]] == query_families
        family_first &= joined["first_positive"] > 0
    return QueryOutcomes(
        **joined,
        ranked=len(kept),
        places=query_places.cpu(),
        families=query_families,
        family_first=family_first,
        gallery_mode=gallery_mode,
        gallery_given=given,
    )


def compare(
    first: QueryOutcomes, second: QueryOutcomes, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """First minus second, in percentage points, of two models asked the same queries.

    Paired bootstrap of R@1 and AP, and of the family rates where families are known. The queries
    may come in another order: what is paired is the place (the family where known). Raises
    ValueError, saying what differs, where the two did not meet the same number of queries of every
    place, or a gallery of the same size.
    """
    for name in ("gallery_mode", "gallery_given", "ranked", "unit"):
        one, other = getattr(first, name), getattr(second, name)
        if one != other:
            raise ValueError(f"first and second differ in {name}: {one!r} against {other!r}")
    order, other_order = (outcomes.places.argsort(stable=True) for outcomes in (first, second))
    if not torch.equal(first.places[order], second.places[other_order]):
        raise ValueError(
            f"first and second were not asked the same number of queries of every place "
            f"({len(first.places):,} and {len(second.places):,} in all)"
        )
    groups = first.groups[order]
    if not torch.equal(groups, second.groups[other_order]):
        raise ValueError("first and second put the same place into different families")
    others, options = second.measures(), {"resamples": resamples, "seed": seed}
    found = {
        name: paired_bootstrap(values[order], others[name][other_order], groups, **options)
        for name, values in first.measures().items()
    }
    if len(groups[first.twins[order] > 0].unique()) > 1:
        wins = [100 * first.twin_wins[order], 100 * second.twin_wins[other_order]]
        found["twin_choice"] = paired_bootstrap(*wins, groups, counts=first.twins[order], **options)
    return found


def _positives(query_places: Tensor, gallery_places: Tensor):
    """A function rows -> indices (b, P) of each query's positives in the gallery, and which count.

    P is the largest number of positives; where a query has fewer, the second tensor (b, P) bool is
    False and the index is 0.
    """
    order = gallery_places.argsort(stable=True)
    ordered, query_places = gallery_places[order], query_places.contiguous()
    first = torch.searchsorted(ordered, query_places)
    count = torch.searchsorted(ordered, query_places, right=True) - first
    column = torch.arange(int(count.max()), device=order.device)

    def positives(rows: slice) -> tuple[Tensor, Tensor]:
        given_to = column < count[rows, None]
        at = (first[rows, None] + column).where(given_to, 0)
        return order[at].where(given_to, 0), given_to

    return positives


def _precision(ranks: Tensor, count: Tensor) -> dict[str, Tensor]:
    """First rank and both average precisions of 1-based ranks (b, P), ascending, `count` a row."""
    i = torch.arange(1, ranks.shape[1] + 1, device=ranks.device)
    given_to = i <= count[:, None]
    r, i = ranks.double(), i.double()
    precision = i / r
    before = torch.where(ranks > 1, (i - 1) / (r - 1).clamp(min=1), 1.0)

    def mean_per_query(values: Tensor) -> Tensor:
        return values.masked_fill(~given_to, 0).sum(1) / count.clamp(min=1)

    first = ranks[:, :1].masked_fill(~given_to[:, :1], 0).sum(1)
    return {
        "first_positive": first,
        "ap": mean_per_query((before + precision) / 2),
        "ap_textbook": mean_per_query(precision),
    }


def _twins(query_places, query_families, places, place_of_image, families):
    """A function rows -> (b, P) bool: which gallery places are twins of each of those queries."""
    place_family = torch.empty_like(places)
    place_family[place_of_image] = families
    if (split := place_family[place_of_image] != families).any():
        place = int(places[place_of_image[split]][0])
        raise ValueError(f"gallery_families gives place {place} more than one family")

    def twins(rows: slice) -> Tensor:
        same_family = query_families[rows, None] == place_family
        return same_family & (query_places[rows, None] != places)

    return twins


def _twin_duels(similarity, own, place_of_image, twins) -> dict[str, Tensor]:
    """Wins of each query's own place over its twin places, best image against best image.

    `own` (b,) is the score of the query's best positive, -inf where it has none.
    """
    rows = len(similarity)
    best = similarity.new_full((rows, twins.shape[1]), -torch.inf)  # (b, P)
    best.scatter_reduce_(1, place_of_image.expand(rows, -1), similarity, "amax")
    twins = twins & own.isfinite()[:, None]  # no duel for a query without a positive
    wins = (own[:, None] > best).double() + (own[:, None] == best).double() / 2
    return {"twin_wins": (wins * twins).sum(1), "twins": twins.sum(1)}


def _labels(name: str, labels, length: int) -> Tensor:
    labels = torch.as_tensor(labels)
    if labels.is_floating_point() or labels.ndim != 1 or len(labels) != length:
        raise ValueError(
            f"{name} is {labels.dtype} of shape {tuple(labels.shape)}: "
            f"expected {length} integers, one an image"
        )
    return labels.long()


def _percent(share: Tensor) -> float:
    return 100 * float(share)
