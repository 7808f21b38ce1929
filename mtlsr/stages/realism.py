"""Stage 1: what makes a low-resolution image realistic, learnt from low-resolution images alone."""

from dataclasses import replace

from torchmetrics import MeanMetric

from mtlsr.data.batch import Batch
from mtlsr.networks.base import RealismNet
from mtlsr.objective.balancing.base import Balancer
from mtlsr.objective.objective import Objective, Valued
from mtlsr.stages.base import Recipe, Stage


class RealismStage(Stage):
    """Restore the clean image, say how far it was from realism, keep its structure.

    What its terms share are the features.

    Args:
        network: Stage 1's network.
        objective: Terms over `reconstruction`, `lr_clean`, `vector`, `logit`, `degradation`.
        recipe: How to optimise.
        balancer: See `Stage`.
        diagnose_every: See `Stage`.
    """

    stage = "realism"
    network: RealismNet

    def __init__(
        self,
        network: RealismNet,
        objective: Objective,
        recipe: Recipe,
        balancer: Balancer | None = None,
        diagnose_every: int = 0,
    ) -> None:
        super().__init__(network, objective, recipe, balancer, diagnose_every)
        self.squared_error = MeanMetric()
        self.vector_error = MeanMetric()

    def evaluate_terms(self, batch: Batch, everything: bool = True) -> Valued:
        realism = self.network(batch.lr)
        valued = self.objective(
            everything,
            reconstruction=realism.reconstruction,
            lr_clean=batch.lr_clean,
            vector=realism.vector,
            logit=realism.logit,
            degradation=batch.degradation,
        )
        return replace(valued, shared=realism.features)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        realism = self.network(batch.lr)
        error = realism.reconstruction.float().clamp(0, 1) - batch.lr_clean
        self.squared_error.update(error.square().mean(dim=(1, 2, 3)))
        self.vector_error.update((realism.vector.float() - batch.degradation).abs())

    def on_validation_epoch_end(self) -> None:
        psnr = -10 * self.squared_error.compute().clamp(min=1e-12).log10()
        self.log(f"{self.stage}/val/psnr_rgb", psnr, rank_zero_only=True)
        self.log(f"{self.stage}/val/vector_error", self.vector_error.compute(), rank_zero_only=True)
        self.squared_error.reset()
        self.vector_error.reset()
