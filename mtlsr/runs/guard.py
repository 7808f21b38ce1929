"""Steps that would ruin a training: found before they touch a weight, named, kept for replay."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from mtlsr.data.batch import Batch
from mtlsr.errors import UserError
from mtlsr.runs.announcing import announce
from mtlsr.runs.replayable import keep_for_replay, leave_out, left_out
from mtlsr.runs.schema import StageName
from mtlsr.stages.base import Stage

POLICIES = ("stop", "skip", "rewind")
DECAY = 0.98
"""Of the mean loss that an explosion is held against: about the last 50 steps count."""
PATIENCE = 10
"""Steps that may be skipped in a row, and rewinds of one stage, before the run ends after all."""


class BadStep(UserError):
    """A step whose loss or gradient cannot be used, and why."""


class Rewind(Exception):
    """Go back to the newest checkpoint and leave out the steps from there."""


class Guard(pl.Callback):
    """Look at every step's loss and gradient between backward and the optimiser.

    A loss or gradient that is not finite is bad, and so is a loss that is many times the mean of
    the last steps. In float16 gradients are left to the scaler, which looks for a scale by them.

    Args:
        stage: Name of the stage.
        run: The run's folder.
        kept: Folder of the stage's checkpoints.
        policy: `stop` ends the run; `skip` goes on without the step's update; `rewind` goes back
            to the newest checkpoint, and on with the samples after the bad step's.
        explosion: Share of the mean loss above which a loss is bad; 0 = only what is not finite.
    """

    def __init__(
        self, stage: StageName, run: Path, kept: Path, policy: str, explosion: float
    ) -> None:
        self.stage = stage
        self.run = run
        self.kept = kept
        self.policy = policy
        self.explosion = explosion
        self.left_out: set[int] = set()
        self.mean = (0.0, 0.0)
        self.skipped = 0
        self._batch: Batch | None = None
        self._statistics: list[tuple[Tensor, Tensor]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read which steps are left out: the first process has written that by now."""
        self.left_out = left_out(self.kept)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._batch = batch
        if self.policy != "stop":  # a bad batch would stay in batch normalisation's for good
            self._statistics = [(buffer, buffer.clone()) for buffer in pl_module.buffers()]

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        step = trainer.global_step
        if step in self.left_out:
            self._undo(optimizer)
            return
        assert isinstance(pl_module, Stage)
        scaled = trainer.precision == "16-mixed"
        lengths = [] if scaled else pl_module.gradient_lengths(optimizer)
        loss, *found = _read([pl_module.loss, *lengths])
        said = self._complaint(loss, found)
        bad = said is not None
        if trainer.world_size > 1:
            bad = trainer.strategy.reduce_boolean_decision(bad, all=False)
        if not bad:
            mean, weight = self.mean
            weight = DECAY * weight + 1
            self.mean = (mean + (abs(loss) - mean) / weight, weight)
            self.skipped = 0
            return
        self._act(trainer, pl_module, optimizer, said or "another process found it bad")

    def _complaint(self, loss: float, lengths: Sequence[float]) -> str | None:
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        mean, weight = self.mean
        if self.explosion and weight > 0 and abs(loss) > self.explosion * mean > 0:
            return f"the loss is {loss:.4g}, and {mean:.4g} was its mean"
        if not math.isfinite(sum(lengths)):
            return "the gradient is not finite"
        return None

    def _act(
        self, trainer: pl.Trainer, stage: Stage, optimizer: torch.optim.Optimizer, said: str
    ) -> None:
        step = trainer.global_step
        assert self._batch is not None
        values, norms = values_of(stage), gradient_norms(stage, self._batch)
        said = f"{self.stage} step {step}: {said}; {_culprit(values, norms)}."
        each = trainer.train_dataloader.batch_sampler.batch  # type: ignore[union-attr]
        size = each * trainer.world_size
        file = keep_for_replay(
            self.run, self.kept, self.stage, step,
            {"samples": list(range(step * size, (step + 1) * size)), "said": said,
             "terms": values, "gradient_norms": norms},
        )  # fmt: skip
        said = f"{said} Look at it again with: python -m mtlsr.train replay={file}"
        self._undo(optimizer)
        if self.policy == "rewind":
            leave_out(self.kept, step, PATIENCE, said)
            announce(said)
            raise Rewind
        self.skipped += 1
        if self.policy == "stop" or self.skipped > PATIENCE:
            raise BadStep(said)
        announce(said)

    @torch.no_grad()
    def _undo(self, optimizer: torch.optim.Optimizer) -> None:
        """Forget the step: the gradients, and what its batch did to statistics."""
        _forget(optimizer)
        for buffer, before in self._statistics:
            buffer.copy_(before)

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.mean, self.skipped = tuple(state_dict["mean"]), state_dict["skipped"]


def values_of(stage: Stage) -> dict[str, float]:
    """The weighted terms of the stage's last step, by name."""
    return {name: float(value) for name, value in stage.weighted.items()}


def gradient_norms(stage: Stage, batch: Batch) -> dict[str, float]:
    """Length of each weighted term's own gradient on a batch; nothing of the stage moves."""
    parameters = [p for p in stage.parameters() if p.requires_grad]
    found: dict[str, float] = {}
    with torch.enable_grad(), stage.valued_again(batch) as valued:
        for name, raw in valued.raw.items():
            if valued.weights[name] > 0 and raw.requires_grad:
                gradients = torch.autograd.grad(
                    valued.weights[name] * raw, parameters, retain_graph=True, allow_unused=True
                )
                present = [gradient for gradient in gradients if gradient is not None]
                found[name] = float(torch.nn.utils.get_total_norm(present))
    return found


def _read(numbers: Sequence[Tensor]) -> list[float]:
    """Bring numbers to the CPU, all at once: a GPU's work has to end before each reading."""
    return torch.stack([number.detach().to(numbers[0].device) for number in numbers]).tolist()


def _culprit(values: dict[str, float], norms: dict[str, float]) -> str:
    """The terms that are to blame, in words."""
    for kind, found in (("value", values), ("gradient", norms)):
        broken = [name for name, value in found.items() if not math.isfinite(value)]
        if broken:
            return f"the {kind} of {' and '.join(broken)} is not finite"
    name = max(values, key=lambda term: abs(values[term]), default="nothing")
    return f"the largest term is {name} with {values.get(name, math.nan):.4g}"


def _forget(optimizer: torch.optim.Optimizer) -> None:
    """Take the gradients away: an optimiser leaves weights without one, and their state, alone."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
