"""Averaged weights: what is validated and kept is the moving average of what is trained."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class AveragedWeights(WeightAveraging):
    """Exponential moving average of the weights (Polyak and Juditsky 1992).

    The decay at step n is min(decay, (1 + n) / (10 + n)), so that the average leaves the random
    first weights quickly. All tensors are updated in one foreach operation; buffers (statistics of
    batch normalisation) are those of the trained network, and so are the modules that the stage
    names in `unaveraged`, whole.

    Args:
        decay: Of the average, in [0, 1[.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False, multi_avg_fn=self._average)
        self.decay = decay

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            for name in pl_module.unaveraged:  # type: ignore[union-attr]
                # One module in both places: to average, to swap and to copy it changes nothing.
                setattr(self._average_model.module, name, getattr(pl_module, name))
            inside = self._average_model.module
            weights = zip(inside.parameters(), pl_module.parameters(), strict=True)
            self._pairs = [
                (average, weight) for average, weight in weights if average is not weight
            ]
            modules = zip(inside.modules(), pl_module.modules(), strict=True)
            self._holders = [
                (copy, own) for copy, own in modules if own._buffers and copy is not own
            ]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Take the step's weights into the average.

        As the callback does it, but with one look for all weights: to find them by name again takes
        a millisecond, a twentieth of a step of stage 1 on a CPU, and to ask a GPU whether this is
        the first step makes it wait.
        """
        if trainer.global_step <= self._latest_update_step:
            return
        assert self._average_model is not None
        averages, weights = zip(*self._pairs, strict=True)
        with torch.no_grad():
            if self._latest_update_step:
                self._average(averages, weights, self._latest_update_step)
            else:
                torch._foreach_copy_(averages, weights)
            for copy, own in self._holders:
                for name, buffer in own.named_buffers(recurse=False):
                    copy.get_buffer(name).copy_(buffer)
        self._average_model.n_averaged += 1
        self._latest_update_step = trainer.global_step

    def _average(self, averages: Any, weights: Any, count: Tensor | int) -> None:
        # The callback's own counter is a plain number that checkpoints keep; reading `count` from
        # a GPU would make the CPU wait for it.
        step = self._latest_update_step
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(averages, weights, 1 - decay)
