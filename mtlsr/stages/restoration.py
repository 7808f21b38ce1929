"""Stage 2: both networks together restore structure and texture, held by what stage 1 learnt."""

import copy
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from mtlsr.data.batch import Batch
from mtlsr.data.pairs import EvaluationPair
from mtlsr.inference.conversion import enlarge_uint8
from mtlsr.metrics.image_metrics import ImageMetrics
from mtlsr.metrics.protocol import Protocol
from mtlsr.networks.base import FirstBlock, SRNetwork
from mtlsr.networks.discriminators.base import Discriminator
from mtlsr.objective.balancing.base import Balancer
from mtlsr.objective.objective import Objective, Valued
from mtlsr.stages.base import Recipe, Stage


class RestorationStage(Stage):
    """Train both networks from stage 1's weights, or a network of one task.

    What its terms share are the last maps before structure and texture part, and stage 1's
    reconstruction.

    Args:
        network: Both networks, stage 1's weights already in place; or one of one task.
        objective: Terms over everything that `evaluate_terms` knows.
        recipe: How to optimise.
        reference: Stage 1's first block with its averaged weights. A frozen copy is kept, in the
            checkpoint too: it judges style (λ2) and holds the ideal weights (λ4). None where there
            is no stage 1.
        freeze_realism: Train stage 2's network alone.
        discriminator: The other player of the adversarial term, where there is that term. It is
            trained in the same steps, and kept in the checkpoint, not in the model.
        discriminator_lr: Its highest learning rate; it follows the recipe's schedule.
        balancer: See `Stage`.
        diagnose_every: See `Stage`.
    """

    stage = "restoration"
    unaveraged = ("reference", "discriminator")
    network: SRNetwork

    def __init__(
        self,
        network: SRNetwork,
        objective: Objective,
        recipe: Recipe,
        reference: FirstBlock | None,
        freeze_realism: bool = False,
        discriminator: Discriminator | None = None,
        discriminator_lr: float = 0.0,
        balancer: Balancer | None = None,
        diagnose_every: int = 0,
    ) -> None:
        super().__init__(network, objective, recipe, balancer, diagnose_every)
        self.reference = copy.deepcopy(reference)
        self.freeze_realism = freeze_realism
        for frozen in self._frozen():
            frozen.requires_grad_(False)
        self.discriminator = discriminator
        self.discriminator_lr = discriminator_lr
        self.metrics = ImageMetrics(Protocol.preset("literature", network.scale))

    def train(self, mode: bool = True) -> Self:
        """Set the training mode of what is trained; what is frozen keeps its statistics."""
        super().train(mode)
        for frozen in self._frozen():
            frozen.eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        groups = super().parameter_groups()
        if self.discriminator is None:
            return groups
        other = list(self.discriminator.parameters())
        known = set(map(id, other))
        own = [p for p in groups[0]["params"] if id(p) not in known]
        first, *rest = groups
        return [first | {"params": own}, *rest, {"params": other, "lr": self.discriminator_lr}]

    def _frozen(self) -> list[nn.Module]:
        networks = [self.reference, self.network.realism if self.freeze_realism else None]
        return [network for network in networks if network is not None]

    def evaluate_terms(self, batch: Batch, everything: bool = True) -> Valued:
        realism, restoration = self.network(batch.lr)
        stage1, reference = self.network.realism, self.reference
        valued = self.objective(
            everything,
            self.progress,
            sr=restoration.sr,
            hr=batch.hr,
            structure=restoration.structure,
            reconstruction=None if realism is None else realism.reconstruction,
            lr_clean=batch.lr_clean,
            judge=reference,
            weights=None if stage1 is None else stage1.first_block.anchored(),
            ideal=None if reference is None else reference.anchored(),
            discriminator=self.discriminator,
        )
        if realism is None or restoration.shared is None:
            return valued
        return replace(valued, shared=(restoration.shared, realism.reconstruction))

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
