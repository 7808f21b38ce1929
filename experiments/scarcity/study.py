"""Does multi-task learning generalise better from few photographs? 100 %, 25 % and 5 % of them.

    python -m experiments.scarcity.study dataset=folder dataset.root=<folder>
        dataset.val_root=<folder> [--seeds 0 1 2] [overrides of mtlsr.train]

The same networks with all tasks in two stages and with one task, for the same number of steps,
those of stage 1 counted in; eighteen times the default schedule. The gap is between training and
validation: the gain in PSNR-Y over bicubic interpolation on photographs of the smallest share,
which all runs trained on, less that on the validation photographs.
"""

import math
import statistics
from pathlib import Path

from omegaconf import OmegaConf

from experiments.study import STAGE1, Study, main
from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import EvaluationSet
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics import Protocol, measure
from mtlsr.networks.folder import load_model, model_folder
from mtlsr.runs import photographs
from mtlsr.runs.manifest import read_manifest

SHARES = {"100 %": 1.0, "25 %": 0.25, "5 %": 0.05}
STEPS = 54000
"""Of stage 2; some 20 minutes a job on one core that multiplies bfloat16 (AMX)."""
TRAINED = 20
"""Training photographs, at the most, that the gap is measured on."""


def gap(run: Path) -> dict[str, float]:
    """Gains over bicubic interpolation on training and on validation photographs, and between."""
    cfg = OmegaConf.create(read_manifest(run, "run")["config"])
    cfg.dataset.fraction = min(SHARES.values())
    files = photographs.dataset(cfg)
    model = own_network(load_model(model_folder(run))[0], Settings())
    sets = {"training": EvaluationSet("training", files.train[:TRAINED], cfg.scale)}
    sets["validation"] = files.evaluation("val", cfg.scale)
    protocol = Protocol.preset("literature", cfg.scale)
    gains = {}
    for name, pairs in sets.items():
        own = [
            measure(model([pair])[0], pair.hr, protocol).psnr_y
            - measure(interpolate(pair.lr, cfg.scale, "bicubic"), pair.hr, protocol).psnr_y
            for pair in pairs
        ]
        gains[name] = statistics.fmean(each for each in own if math.isfinite(each))
    return {
        "gain in training, dB": gains["training"],
        "in validation, dB": gains["validation"],
        "gap, dB": gains["training"] - gains["validation"],
    }


def variants() -> dict[str, list[str]]:
    """Each share, with all tasks and with one."""
    found = {}
    for name, share in SHARES.items():
        own = f"dataset.fraction={share}"
        found[f"{name}, all tasks"] = [own, f"schedule.restoration.steps={STEPS}"]
        more = f"schedule.restoration.steps={STEPS + STAGE1}"
        found[f"{name}, one task"] = [own, "experiment=single_task", more]
    return found


STUDY = Study(Path(__file__).parent, variants(), more=gap)

if __name__ == "__main__":
    main(STUDY)
