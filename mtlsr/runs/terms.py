"""The objective's terms on whole held-out photographs: what a change of λ did to each of them."""

from collections.abc import Iterable
from pathlib import Path

import torch
from omegaconf import OmegaConf
from torch.nn import functional as F

from mtlsr.data.batch import Batch
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.inference.conversion import to_network
from mtlsr.networks.folder import load_model, model_folder
from mtlsr.objective.structure import transform
from mtlsr.runs import build
from mtlsr.runs.checkpoints import LAST, folder_of, module_state, read
from mtlsr.runs.manifest import read_manifest
from mtlsr.stages.restoration import RestorationStage

TERMS = "terms.json"


@torch.inference_mode()
def photograph_terms(stage: RestorationStage, pair: EvaluationPair) -> dict[str, float]:
    """Raw value of every term of stage 2 on one photograph, by name.

    Terms of weight 0 are valued too, where the network has what they ask for. It runs in float32
    and in evaluation mode.
    """
    stage.eval()
    lr, hr = to_network(pair.lr, stage.device), to_network(pair.hr, stage.device)
    strengths = 0 if stage.network.realism is None else stage.network.realism.vector_size
    clean = torch.zeros(1, strengths, device=stage.device)
    valued = stage.evaluate_terms(Batch(lr, lr, hr, clean), everything=True)
    return {name: float(raw) for name, raw in valued.raw.items()}


def held_out_terms(
    stage: RestorationStage, sets: Iterable[EvaluationSet]
) -> dict[str, dict[str, float]]:
    """`photograph_terms`, mean over photographs: data set -> term -> value."""
    found: dict[str, dict[str, float]] = {}
    for images in sets:
        rows = [photograph_terms(stage, pair) for pair in images]
        found[images.name] = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return found


@torch.inference_mode()
def edge_error(stage: RestorationStage, pair: EvaluationPair) -> float:
    """Mean squared difference of the Sobel derivatives of the output and of HR, intensities 0..1.

    What λ3 asks of the output itself, without the map that stage 2 predicts.
    """
    stage.eval()
    sr = stage.network(to_network(pair.lr, stage.device))[1].sr
    return float(F.mse_loss(transform(sr), transform(to_network(pair.hr, stage.device))))


def finished_stage(run: Path) -> RestorationStage:
    """Stage 2 of a run folder: its model, with all that valued its terms as training left it.

    Raises:
        UserError: It is no run folder, or its stage 2 has not ended.
    """
    cfg = OmegaConf.create(read_manifest(run, "run")["config"])
    model, _ = load_model(model_folder(run))
    stage = build.restoration_stage(cfg, model, model.first_block)
    saved = read(folder_of(run, "restoration") / LAST)["state_dict"]
    for name in ("reference", "objective", "discriminator"):
        module = getattr(stage, name)
        if module is not None:
            module.load_state_dict(module_state(saved, name))
    return stage.eval()
