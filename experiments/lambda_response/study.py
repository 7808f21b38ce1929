"""How does the result answer to λ2 and to λ3? Five values of each, the other as it is by default.

    python -m experiments.lambda_response.study [--seeds 0 1 2] [overrides of mtlsr.train]

All runs of a seed share their stage 1: λ weighs stage 2 alone.
"""

import json
from pathlib import Path

from experiments.study import Study, main
from mtlsr.runs.recorded import read
from mtlsr.sweeps.details import TERMS

LAMBDA2 = (0, 0.03, 0.3, 1)
LAMBDA3 = (0, 0.1, 3, 10)


def raw(run: Path) -> dict[str, float]:
    """Raw values of both terms on the photographs of the last data set, mean over them."""
    found = json.loads((run / TERMS).read_text(encoding="utf-8"))
    dataset = list(read(run).figures)[-1]
    return {f"raw {term}": found[dataset][term] for term in ("realism", "structure")}


STUDY = Study(
    Path(__file__).parent,
    {
        "λ2 = 0.1, λ3 = 1 (default)": [],
        **{f"λ2 = {value}": [f"loss.lambda2={value}"] for value in LAMBDA2},
        **{f"λ3 = {value}": [f"loss.lambda3={value}"] for value in LAMBDA3},
    },
    more=raw,
)

if __name__ == "__main__":
    main(STUDY)
