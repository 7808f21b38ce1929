"""What both stages share: optimiser, schedule, balancing, and how terms are logged."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from mtlsr.data.batch import Batch
from mtlsr.objective.balancing.base import Balanced, Balancer, balanced_terms
from mtlsr.objective.balancing.diagnostics import diagnose
from mtlsr.objective.objective import Objective, Valued
from mtlsr.stages.muon import Muon

OPTIMISERS = {"adamw": torch.optim.AdamW, "muon": Muon}


@dataclass(frozen=True)
class Recipe:
    """How a stage is optimised. Plain values, so that a run can be rebuilt from its folder.

    Raises:
        ValueError: `betas` are not two numbers that are at least 0 and below 1, or there is no such
            `optimiser`.
    """

    steps: int
    """Optimiser steps."""
    lr: float
    """Highest learning rate, reached at the end of the warm-up."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises from 0."""
    final: float = 0.0
    """Learning rate of the last step as a share of `lr`; a cosine leads there."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay of AdamW's two moving averages."""
    weight_decay: float = 0.0
    """Decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101)."""
    optimiser: str = "adamw"
    """A name of `OPTIMISERS`."""

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(
                f"betas is {list(self.betas)}; it must be two numbers, at least 0 and below 1."
            )
        if self.optimiser not in OPTIMISERS:
            raise ValueError(
                f"optimiser is {self.optimiser!r}; it must be one of {', '.join(OPTIMISERS)}."
            )


def learning_rate_share(step: int, recipe: Recipe) -> float:
    """Share of `recipe.lr` at optimiser step `step`: linear warm-up, then half a cosine.

    Loshchilov and Hutter 2017, arXiv:1608.03983.
    """
    warm = max(1, round(recipe.warmup * recipe.steps))
    if step < warm:
        return (step + 1) / warm
    progress = min(1.0, (step + 1 - warm) / max(1, recipe.steps - warm))
    return recipe.final + (1 - recipe.final) * 0.5 * (1 + math.cos(math.pi * progress))


class Stage(pl.LightningModule):
    """A stage of training: a network, an objective, a recipe.

    Every `trainer.log_every_n_steps` steps each term is logged as it is (`raw`), with its weight
    and as their product, under the stage's name: `restoration/structure/raw`; where they are
    balanced, also with the weight that this step gave it, `restoration/structure/balance`. So is
    what a term has to say beside it: `restoration/anchor/drift/expand`.

    Args:
        network: What the optimiser trains.
        objective: Weighted terms.
        recipe: How to optimise.
        balancer: Weighs the terms anew in every step; None minimises their plain sum.
        diagnose_every: Steps between two looks at the terms' gradients at the shared maps, logged
            as `restoration/gradient_norm/<term>` and `restoration/cosine/<a>~<b>`; 0 = none.
    """

    stage: Literal["realism", "restoration"]
    """Name under which everything of this stage is logged and stored."""
    unaveraged: tuple[str, ...] = ()
    """Modules that averaged weights leave as they are: they are no part of the model."""

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        recipe: Recipe,
        balancer: Balancer | None = None,
        diagnose_every: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.recipe = recipe
        self.balancer = balancer
        self.diagnose_every = diagnose_every
        self.loss = torch.zeros(())
        """What the last step minimised."""
        self.weighted: dict[str, Tensor] = {}
        """The weighted terms of the last step, by name."""
        self._batch: Batch | None = None
        self._lengths: list[Tensor] | None = None

    @property
    def progress(self) -> float:
        """Share of this stage's steps that are done; without a trainer, all of them."""
        return self.global_step / self.recipe.steps if self._trainer is not None else 1.0

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser trains, by groups whose gradients are clipped each on its own."""
        own = [] if self.balancer is None else list(self.balancer.parameters())
        known = set(map(id, own))
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.parameters() if p.requires_grad and id(p) not in known]}
        ]
        if self.balancer is not None and own:
            # A decay would pull the terms to equal weights.
            groups.append({"params": own, "lr": self.balancer.lr, "weight_decay": 0.0})
        return groups

    def evaluate_terms(self, batch: Batch, everything: bool) -> Valued:
        """Run the network on a batch of floats and value it; see `Objective.forward`."""
        raise NotImplementedError

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        # Photographs of validation stay as they are: Lightning would take frozen dataclasses apart.
        return batch.to(device, non_blocking=True) if isinstance(batch, Batch) else batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch.floats() if isinstance(batch, Batch) else batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        # One call of self.log costs about as much as a small convolution: log seldom.
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        self._lengths = None
        logging = (self.global_step + 1) % every == 0
        valued = self.evaluate_terms(batch, everything=logging)
        if self.diagnose_every and (self.global_step + 1) % self.diagnose_every == 0:
            self._diagnose(valued)
        balanced = Balanced(valued.total, {})
        if self.balancer is not None:
            balanced = self.balancer(valued, self.parameters())
            self._batch = batch if self.balancer.looks_back else None
        if logging:
            self._log(valued, balanced)
        self.loss = balanced.total.detach()
        self.weighted = {
            name: valued.weights[name] * raw.detach()
            for name, raw in valued.raw.items()
            if valued.weights[name] > 0
        }
        return balanced.total

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: torch.optim.Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        # Here and not in a later hook: a checkpoint of this step must hold what it learns.
        if self.balancer is not None and self._batch is not None:
            self._look_back(self.balancer, self._batch)
            self._batch = None

    @torch.no_grad()
    def _look_back(self, balancer: Balancer, batch: Batch) -> None:
        with self.valued_again(batch) as valued:
            balancer.look_back(valued)

    @contextmanager
    def valued_again(self, batch: Batch) -> Iterator[Valued]:
        """Value a batch once more; statistics and moving averages end as they were."""
        before = {name: buffer.clone() for name, buffer in self.named_buffers()}
        with self.trainer.precision_plugin.forward_context():
            valued = self.evaluate_terms(batch, everything=False)
        yield valued
        with torch.no_grad():
            for name, buffer in self.named_buffers():
                buffer.copy_(before[name])

    def configure_optimizers(self) -> Any:
        # In float16 a scaler must undo its scale before gradients are clipped: not when fused.
        scaled = self._trainer is not None and self.trainer.precision == "16-mixed"
        optimiser = OPTIMISERS[self.recipe.optimiser](
            self.parameter_groups(),
            lr=self.recipe.lr,
            betas=self.recipe.betas,
            weight_decay=self.recipe.weight_decay,
            fused=not scaled,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: learning_rate_share(step, self.recipe)
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def gradient_lengths(self, optimizer: torch.optim.Optimizer) -> list[Tensor]:
        """Length of the gradient of each of the optimiser's groups, found once a step."""
        if self._lengths is None:
            self._lengths = [
                nn.utils.get_total_norm([p.grad for p in group["params"] if p.grad is not None])
                for group in optimizer.param_groups
            ]
        return self._lengths

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        # Lightning refuses every fused optimiser under autocast, though bfloat16 has no scaler. In
        # float16 its scaler has done its part by now.
        if gradient_clip_val:
            lengths = self.gradient_lengths(optimizer)
            for group, length in zip(optimizer.param_groups, lengths, strict=True):
                nn.utils.clip_grads_with_norm_(group["params"], float(gradient_clip_val), length)

    def _log(self, valued: Valued, balanced: Balanced) -> None:
        values: dict[str, float | Tensor] = {f"{self.stage}/loss": valued.total.detach()}
        for term, raw in valued.raw.items():
            weight = valued.weights[term]
            values[f"{self.stage}/{term}/raw"] = raw.detach()
            values[f"{self.stage}/{term}/weight"] = weight
            values[f"{self.stage}/{term}/weighted"] = weight * raw.detach()
        values |= {f"{self.stage}/{name}": value for name, value in valued.details.items()}
        for term, share in balanced.weights.items():
            values[f"{self.stage}/{term}/balance"] = share
        values[f"{self.stage}/lr"] = self.optimizers().param_groups[0]["lr"]  # type: ignore[union-attr]
        self.log_dict(values, sync_dist=self.trainer.world_size > 1)  # of the batch of all ranks

    def _diagnose(self, valued: Valued) -> None:
        # Straight to the loggers: Lightning passes on what falls on its own schedule alone.
        pulling = [name for name in balanced_terms(self.objective) if valued.weights[name] > 0]
        found = diagnose(valued, pulling)
        for logger in self.loggers if found else ():
            logger.log_metrics(
                {f"{self.stage}/{name}": value for name, value in found.items()}, self.global_step
            )
