"""Stage 2: both networks together restore structure and texture, held by what stage 1 learnt."""

import copy
from typing import Self

import torch
from torch import Tensor, nn

from mtlsr.data.batch import Batch
from mtlsr.data.pairs import EvaluationPair
from mtlsr.inference.upscale import enlarge_uint8
from mtlsr.metrics.image_metrics import ImageMetrics
from mtlsr.metrics.protocol import Protocol
from mtlsr.networks.base import FirstBlock, Resolver
from mtlsr.objective.objective import Objective, Valued
from mtlsr.stages.base import Recipe, Stage


class RestorationStage(Stage):
    """Train both networks from stage 1's weights, or a network of one task.

    Args:
        network: Both networks, stage 1's weights already in place; or one of one task.
        objective: Terms over everything that `evaluate_terms` knows.
        recipe: How to optimise.
        reference: Stage 1's first block with its averaged weights. A frozen copy is kept, in the
            checkpoint too: it judges style (λ2) and holds the ideal weights (λ4). None where there
            is no stage 1.
        freeze_realism: Train stage 2's network alone.
    """

    stage = "restoration"
    network: Resolver

    def __init__(
        self,
        network: Resolver,
        objective: Objective,
        recipe: Recipe,
        reference: FirstBlock | None,
        freeze_realism: bool = False,
    ) -> None:
        super().__init__(network, objective, recipe)
        self.reference = copy.deepcopy(reference)
        self.freeze_realism = freeze_realism
        for frozen in self._frozen():
            frozen.requires_grad_(False)
        self.metrics = ImageMetrics(Protocol.preset("literature", network.scale))

    def train(self, mode: bool = True) -> Self:
        """Set the training mode of what is trained; what is frozen keeps its statistics."""
        super().train(mode)
        for frozen in self._frozen():
            frozen.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        networks = [self.reference, self.network.realism if self.freeze_realism else None]
        return [network for network in networks if network is not None]

    def evaluate_terms(self, batch: Batch, everything: bool = True) -> Valued:
        realism, restoration = self.network(batch.lr)
        stage1, reference = self.network.realism, self.reference
        return self.objective(
            everything,
            sr=restoration.sr,
            hr=batch.hr,
            structure=restoration.structure,
            reconstruction=None if realism is None else realism.reconstruction,
            lr_clean=batch.lr_clean,
            judge=reference,
            weights=None if stage1 is None else stage1.first_block.anchored(),
            ideal=None if reference is None else reference.anchored(),
        )

    def validation_step(self, batch: list[EvaluationPair], batch_idx: int) -> None:
        for pair in batch:
            self.metrics.update(self.enlarge(pair), pair.hr)

    def on_validation_epoch_end(self) -> None:
        scores = self.metrics.compute()
        for name in ("psnr_y", "ssim_y"):
            self.log(f"{self.stage}/val/{name}", scores[name], rank_zero_only=True)
        self.metrics.reset()

    @torch.no_grad()
    def enlarge(self, pair: EvaluationPair) -> Tensor:
        """Enlarge a photograph: uint8 (s·h, s·w, 3)."""
        return enlarge_uint8(self.network, pair.lr, self.device)
