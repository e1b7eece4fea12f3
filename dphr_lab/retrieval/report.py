"""What a retrieval is reported as, and how the report prints."""

from dataclasses import MISSING, asdict, dataclass, fields

MEASURES = {  # fields of the report that have intervals, and how they are printed
    "r_at_1": "R@1",
    "ap": "AP",
    "family_r_at_1": "family R@1",
    "twin_choice": "twin choice",
}
SELECTED_ON_TEST = "SELECTED ON THE TEST SET: to compare with numbers made so, not to report"
STAMP = SELECTED_ON_TEST.partition(":")[0]  # where there is no room for more


@dataclass(frozen=True)
class RetrievalReport:
    """What `evaluate` measured: rates in percent, and the sizes that they depend on.

    Every rate except twin_choice and twin_mistakes is a mean over all queries, those without a
    positive scoring 0. The three rates of families are None without family labels, or where there
    is nothing to count.
    """

    r_at_1: float  # queries whose first image is a positive
    r_at_5: float  # queries with a positive among the first 5
    r_at_10: float  # queries with a positive among the first 10
    r_at_top1_percent: float  # R@top1_percent_rank, the official code's "top 1 %"
    ap: float  # mean average precision by the official trapezoid: what CVGL papers print
    ap_textbook: float  # mean of precision at each positive's rank: what textbooks define
    gallery_mode: str  # "full", or "query_places": images of other places were left out
    queries: int
    gallery: int  # images that were ranked
    gallery_given: int  # images before any were left out
    top1_percent_rank: int  # round(0.01 * gallery_given) + 1
    unanswerable: int  # queries without a positive in the ranked gallery
    tta: str = "none"  # test-time augmentation of the embeddings, as the caller names it
    family_r_at_1: float | None = None  # first image is of the query's family (or its place)
    twin_choice: float | None = None  # pairs (query, twin place) won by the query's own place
    twin_mistakes: float | None = None  # share of the wrong first images that show a twin
    # 95 % bootstrap intervals in percent, {"r_at_1": [low, high], "ap": ...}: see `intervals`;
    # None in reports of before they were stored, or with a single place
    intervals: dict[str, list[float]] | None = None
    resampled: str | None = None  # what was drawn again for them, such as "100 families"
    selected_on_test: bool = False  # the encoder was chosen by test results: no fair measurement

    def __str__(self) -> str:
        left_out = self.gallery_given - self.gallery
        junk = f" ({left_out:,} of other places left out)" if left_out else ""
        lines = [SELECTED_ON_TEST] if self.selected_on_test else []
        lines += [
            f"gallery mode {self.gallery_mode!r}: {self.queries:,} queries, "
            f"{self.gallery:,} gallery images{junk}",
            f"test-time augmentation: {self.tta}",
            f"R@1 {self.r_at_1:.2f}  R@5 {self.r_at_5:.2f}  R@10 {self.r_at_10:.2f}  "
            f"R@top1% (R@{self.top1_percent_rank}) {self.r_at_top1_percent:.2f}",
            f"AP {self.ap:.2f} (trapezoid)  {self.ap_textbook:.2f} (textbook)",
        ]
        families = [
            f"{name} {value:.2f}{note}"
            for name, value, note in (
                (MEASURES["family_r_at_1"], self.family_r_at_1, ""),
                (MEASURES["twin_choice"], self.twin_choice, " (chance 50)"),
                ("mistakes that are twins", self.twin_mistakes, ""),
            )
            if value is not None
        ]
        if families:
            lines.append("  ".join(families))
        if self.intervals:
            ranges = [
                f"{MEASURES[name]} {low:.2f} to {high:.2f}"
                for name, (low, high) in self.intervals.items()
            ]
            lines.append(f"95 % intervals over {self.resampled}: {', '.join(ranges[:2])}")
            if ranges[2:]:  # of the families, on a line of their own
                lines.append(f"  {', '.join(ranges[2:])}")
        if self.unanswerable:
            lines.append(
                f"{self.unanswerable:,} of {self.queries:,} queries have no positive in the "
                "gallery: they score 0 and stay in the mean"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """The fields as a dict of JSON's own types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "RetrievalReport":
        """The report that `to_dict` wrote. Raises ValueError for a missing or an unknown field."""
        missing = sorted({f.name for f in fields(cls) if f.default is MISSING} - values.keys())
        unknown = sorted(values.keys() - {f.name for f in fields(cls)})
        if missing or unknown:
            raise ValueError(f"values is no RetrievalReport: missing {missing}, unknown {unknown}")
        return cls(**values)
