"""How two methods differ on the images of a data set, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mtlsr.metrics.paired import Interval, holm, paired_interval, signed_rank
from mtlsr.metrics.table import Measure
from mtlsr.runs.pairwise.selection import Selection
from mtlsr.runs.recorded import Scores

SURE = 0.05
"""Probability of an error that is taken: intervals are of 95 %."""


@dataclass(frozen=True)
class Difference:
    """A method's figures minus another's, on the same images."""

    dataset: str
    measure: Measure
    first: str
    second: str
    figures: dict[str, tuple[float, float]]
    """Image -> figures of both, as they enter a mean."""
    interval: Interval
    """Of the mean difference over images like these, 95 %."""
    p: float
    """Of Wilcoxon's signed-rank test."""
    corrected: float | None = None
    """`p` corrected for all pairs of the data set and measure (Holm); None if this is the only."""

    @property
    def values(self) -> dict[str, float]:
        """Image -> difference."""
        return {image: a - b for image, (a, b) in self.figures.items()}

    @property
    def better(self) -> int:
        """Images on which the first method is better."""
        return sum(self.measure.sign * value > 0 for value in self.values.values())

    @property
    def equal(self) -> int:
        """Images on which both have the same figure."""
        return sum(value == 0 for value in self.values.values())

    @property
    def worse(self) -> int:
        """Images on which the first method is worse."""
        return len(self.figures) - self.better - self.equal


def differences(selection: Selection) -> list[Difference]:
    """Every pair on every data set, in every measure."""
    found = []
    for dataset in selection.datasets:
        for measure in selection.measures:
            family = [
                _difference(selection, dataset, measure, first, second)
                for first, second in selection.pairs
            ]
            if len(family) > 1:
                corrected = holm([each.p for each in family])
                family = [replace(d, corrected=p) for d, p in zip(family, corrected, strict=True)]
            found += family
    return found


def _difference(
    selection: Selection, dataset: str, measure: Measure, first: str, second: str
) -> Difference:
    ours, theirs = (selection.entries[each].images(dataset) for each in (first, second))

    def counted(scores: Scores) -> float:
        return measure.for_mean(scores[measure.name], selection.protocol)

    figures = {image: (counted(scores), counted(theirs[image])) for image, scores in ours.items()}
    values = [a - b for a, b in figures.values()]
    interval = paired_interval(values, level=1 - SURE)
    return Difference(dataset, measure, first, second, figures, interval, signed_rank(values))


def undecided(found: Sequence[Difference]) -> list[str]:
    """Where images are too few for Wilcoxon's test to decide anything, a sentence each."""
    said = {}
    for each in found:
        images = len(each.figures)
        pairs = sum((d.dataset, d.measure) == (each.dataset, each.measure) for d in found)
        least = min(1.0, pairs * 2 / 2**images)
        if least >= SURE:
            corrected = " after Holm's correction" if pairs > 1 else ""
            said[each.dataset] = (
                f"Wilcoxon's p of {images} images is at least {least:.2g}{corrected}: on "
                f"{each.dataset} it can tell nothing apart."
            )
    return list(said.values())
