"""The objective's terms on whole held-out photographs: what a change of λ did to each of them."""

from collections.abc import Iterable

import torch

from mtlsr.data.batch import Batch
from mtlsr.data.pairs import EvaluationSet
from mtlsr.inference.upscale import to_network
from mtlsr.stages.restoration import RestorationStage


@torch.inference_mode()
def held_out_terms(
    stage: RestorationStage, sets: Iterable[EvaluationSet]
) -> dict[str, dict[str, float]]:
    """Raw value of every term of stage 2, mean over photographs: data set -> term -> value.

    Terms of weight 0 are valued too, where the network has what they ask for. It runs in float32
    and in evaluation mode.
    """
    stage.eval()
    strengths = 0 if stage.network.realism is None else stage.network.realism.vector_size
    found: dict[str, dict[str, float]] = {}
    for images in sets:
        values: dict[str, list[float]] = {}
        for pair in images:
            lr = to_network(pair.lr, stage.device)
            hr = to_network(pair.hr, stage.device)
            clean = torch.zeros(1, strengths, device=stage.device)
            valued = stage.evaluate_terms(Batch(lr, lr, hr, clean), everything=True)
            for name, raw in valued.raw.items():
                values.setdefault(name, []).append(float(raw))
        found[images.name] = {name: sum(raws) / len(raws) for name, raws in values.items()}
    return found
