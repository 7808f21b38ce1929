"""A trace of some training steps: what took the time."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.profilers import PyTorchProfiler

WARM_UP, ACTIVE = 10, 10
"""Steps that warm up, and steps that are recorded, at the most."""


class StepProfiler(PyTorchProfiler):
    """Lightning's PyTorch profiler over some steps after the first ones.

    It leaves a trace for chrome://tracing or Perfetto, `fit-<name>*.pt.trace.json`, and a table of
    operations, those with most time of their own first, `fit-<name>.txt`.

    Args:
        folder: Receives both.
        name: Of the files.
        steps: Of the training, at least 3.
    """

    AVAILABLE_SORT_KEYS = {*PyTorchProfiler.AVAILABLE_SORT_KEYS, "self_cpu_time_total"}  # noqa: RUF012

    def __init__(self, folder: Path, name: str, steps: int) -> None:
        warm_up = min(WARM_UP, steps // 2)
        active = min(ACTIVE, max(1, steps - warm_up - 1))
        options: dict[str, Any] = {
            "schedule": torch.profiler.schedule(wait=0, warmup=warm_up, active=active, repeat=1),
            "sort_by_key": "self_cpu_time_total",
            "row_limit": 40,
            "acc_events": True,  # else the table is of the last thing recorded, or of nothing
        }
        super().__init__(dirpath=folder, filename=name, **options)

    def _cache_functions_events(self) -> None:
        # Torch refuses where training was stopped before the recorded steps.
        if self.profiler is not None and self.profiler.profiler is not None:  # type: ignore[union-attr]
            super()._cache_functions_events()
