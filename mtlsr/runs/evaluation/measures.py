"""The figures of one image, by name."""

from collections.abc import Iterable, Sequence

from mtlsr.data.pairs import EvaluationPair
from mtlsr.errors import UserError
from mtlsr.metrics.image_metrics import NAMES, measure
from mtlsr.metrics.planes import Image
from mtlsr.metrics.protocol import Protocol
from mtlsr.metrics.table import MEASURES, Measure, measures
from mtlsr.runs.schema import ConfigError

STANDARD = tuple(MEASURES[name] for name in NAMES)
"""What training measures, too."""


def find_measures(names: Iterable[str]) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """The measures of these names that can be used here, and a sentence for each of the others.

    Raises:
        UserError: An unknown name, one that is named twice, or none that can be used.
    """
    asked = list(names)
    if not asked or len(set(asked)) < len(asked):
        raise ConfigError(f"metrics is {asked}; each of {', '.join(MEASURES)} at most once.")
    found, missing = [], []
    for name in asked:
        try:
            found.append(measures([name])[name])
        except UserError as error:
            if name not in MEASURES:
                raise
            missing.append(f"Not measured: {error}")
    if not found:
        raise ConfigError(f"metrics is {asked}, of which none can be measured. {missing[0]}")
    return tuple(found), tuple(missing)


def score(
    sr: Image, pair: EvaluationPair, protocol: Protocol, measures: Sequence[Measure]
) -> dict[str, float]:
    """The figures of one output, by name.

    Raises:
        ValueError: The image is too small for a measure, or does not fit the pair.
    """
    together: dict[str, float] = {}
    if set(STANDARD) <= set(measures):  # which are quicker together: they share their planes
        together = measure(sr, pair.hr, protocol).as_dict()
    return {
        each.name: together[each.name]
        if each.name in together
        else each(sr, pair.hr, pair.lr, protocol)
        for each in measures
    }
