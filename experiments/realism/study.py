"""What does realism cost and give? The term of λ2 off, on, and ten times as strong.

    python -m experiments.realism.study dataset=cid22 dataset.root=<folder>
        dataset.val_root=<folder> [--seeds 0 1 2] [overrides of mtlsr.train]

Distortion (PSNR, SSIM) and perception (Gram distance, NIQE, texture) side by side. All runs of a
seed share their stage 1, which judges them. experiments/adversarial asks the same of that term.
"""

import statistics
from pathlib import Path

from omegaconf import OmegaConf

from experiments.study import Study, main
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics import MEASURES, Protocol
from mtlsr.networks.folder import load_model, model_folder
from mtlsr.runs import photographs
from mtlsr.runs.manifest import read_manifest

PERCEPTION = ("niqe", "texture")


def perception(run: Path) -> dict[str, float]:
    """Measures of perception on the validation photographs, means over them; lower is better."""
    cfg = OmegaConf.create(read_manifest(run, "run")["config"])
    protocol = Protocol.preset("literature", cfg.scale)
    model = own_network(load_model(model_folder(run))[0], Settings())
    pairs = list(photographs.dataset(cfg).evaluation("val", cfg.scale))
    outputs = [model([pair])[0] for pair in pairs]
    return {
        f"{MEASURES[name].title} ↓": statistics.fmean(
            MEASURES[name](sr, pair.hr, pair.lr, protocol)
            for sr, pair in zip(outputs, pairs, strict=True)
        )
        for name in PERCEPTION
    }


STUDY = Study(
    Path(__file__).parent,
    {
        "λ2 = 0": ["loss.lambda2=0"],
        "λ2 = 0.1 (default)": [],
        "λ2 = 1": ["loss.lambda2=1"],
    },
    more=perception,
)

if __name__ == "__main__":
    main(STUDY)
