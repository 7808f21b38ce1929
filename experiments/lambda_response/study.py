"""How does the result answer to λ2 and to λ3? Five values of each, the other as it is by default.

    python -m experiments.lambda_response.study [--seeds 0 1 2] [overrides of mtlsr.train]

All runs of a seed share their stage 1: λ weighs stage 2 alone.
"""

import json
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from experiments.study import BLUE, Shown, Study, main
from mtlsr.runs.recorded import read
from mtlsr.sweeps.details import TERMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT = "λ2 = 0.1, λ3 = 1 (default)"
VALUES = {2: ("0", "0.03", "0.1", "0.3", "1"), 3: ("0", "0.1", "1", "3", "10")}
DEFAULTS = {2: "0.1", 3: "1"}
OWN = {2: "raw realism", 3: "raw structure"}
"""The term that a λ weighs."""


def label(number: int, value: str) -> str:
    """What a variant is called."""
    return DEFAULT if value == DEFAULTS[number] else f"λ{number} = {value}"


def variants() -> dict[str, list[str]]:
    """The default first, then each other value."""
    every = [(number, value) for number, values in VALUES.items() for value in values]
    others = {
        label(number, value): [f"loss.lambda{number}={value}"]
        for number, value in every
        if value != DEFAULTS[number]
    }
    return {DEFAULT: [], **others}


def raw(run: Path) -> dict[str, float]:
    """Raw values of both terms on the photographs of the last data set, mean over them."""
    found = json.loads((run / TERMS).read_text(encoding="utf-8"))
    dataset = list(read(run).figures)[-1]
    return {f"raw {term}": found[dataset][term] for term in ("realism", "structure")}


def curves(given: Shown, figure: "Figure") -> None:
    """A column for each λ, its own term below PSNR-Y: a line through the means, a dot a seed."""
    measure = given.board.measures[0]
    panels = figure.subplots(2, 2, sharex="col")
    for (number, values), (above, below) in zip(VALUES.items(), panels.T, strict=True):
        done = {v: label(number, v) for v in values if label(number, v) in given.scores}
        scores = {v: list(given.scores[name].by_seed.values()) for v, name in done.items()}
        terms = {v: [own[OWN[number]] for own in given.further[name]] for v, name in done.items()}
        for panel, found in ((above, scores), (below, terms)):
            panel.plot(list(found), [fmean(seeds) for seeds in found.values()], color=BLUE)
            dots = [(value, each) for value, seeds in found.items() for each in seeds]
            panel.scatter(*zip(*dots, strict=True), color=BLUE, s=14)
        above.set_ylabel(f"{measure.title}, {measure.unit}")
        below.set_ylabel(OWN[number])
        below.set_xlabel(f"λ{number}")


STUDY = Study(Path(__file__).parent, variants(), more=raw, plot=curves)

if __name__ == "__main__":
    main(STUDY)
