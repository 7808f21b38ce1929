"""How do the methods of balancing compare? The default training with each of them, beside the sum.

    python -m experiments.balancing.study dataset=cid22 dataset.root=<folder>
        dataset.val_root=<folder> [--seeds 0 1 2] [overrides of mtlsr.train]

All runs of a seed share their stage 1; methods that look at gradients do so in their exact form.
"""

import statistics
from pathlib import Path

from experiments.study import Study, main
from mtlsr.files import read_csv
from mtlsr.objective.balancing.table import FIXED, METHODS
from mtlsr.runs.recorded import read
from mtlsr.runs.tracking import METRICS

TERMS = {"λ1": "smoothness", "λ2": "realism", "λ3": "structure"}
"""Those that take part."""


def weights(run: Path) -> dict[str, float]:
    """Least gain over bicubic interpolation, and the terms' weights.

    The gain is that of the photograph that gains least, in PSNR-Y; the weights are means over those
    logged steps in which all terms are at work (before λ2's begins, its weight stands for nothing).
    """
    found = read(run)
    dataset = list(found.figures)[-1]
    plain = found.figures[dataset]["bicubic"]
    least = min(
        scores["psnr_y"] - plain[image]["psnr_y"] for image, scores in found.own(dataset).items()
    )
    logged = read_csv(run / METRICS)
    rows = [row for row in logged if row.get("restoration/smoothness/balance")]
    whole = [row for row in rows if float(row["restoration/realism/weight"]) > 0]
    means = {
        f"weight {name}": statistics.fmean(float(r[f"restoration/{term}/balance"]) for r in whole)
        if rows
        else 1.0  # the plain sum has none
        for name, term in TERMS.items()
    }
    return {"least gain, dB": least, **means}


STUDY = Study(
    Path(__file__).parent,
    {name: [f"balancing={name}"] for name in (FIXED, *METHODS)},
    more=weights,
)

if __name__ == "__main__":
    main(STUDY)
