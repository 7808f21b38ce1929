"""Out of memory: say which batch would fit."""

import gc
from typing import Any

import torch

from mtlsr.data.batch import Batch
from mtlsr.errors import UserError
from mtlsr.runs.schema import StageName
from mtlsr.stages.base import Stage


class OutOfMemory(UserError):
    """A batch does not fit."""


def ran_out(error: BaseException) -> bool:
    """Whether memory was what failed, the device's or the machine's."""
    words = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def out_of_memory(stage: Stage, name: StageName, loader: Any, processes: int) -> OutOfMemory:
    """The error that names the largest batch that fits, found by halving and trying.

    With several processes nothing is tried, for all of them would have to.
    """
    asked = loader.batch_sampler.batch
    key = f"schedule.{name}.batch"
    said = f"{key} is {asked}, and memory is too small for it"
    size = asked // 2
    if processes == 1:
        while size >= 1 and not _fits(stage, loader.dataset, loader.collate_fn, size):
            size //= 2
    if size >= 1:
        return OutOfMemory(f"{said}: {key}={size} {'fits' if processes == 1 else 'may fit'}.")
    return OutOfMemory(f"{said}, as it is for a single sample: choose a smaller patch or network.")


def _fits(stage: Stage, samples: Any, collate: Any, size: int) -> bool:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        batch: Batch = collate(samples.__getitems__(range(size))).to(stage.device).floats()
        stage.evaluate_terms(batch, everything=False).total.backward()
    except (RuntimeError, MemoryError) as error:
        if ran_out(error):
            return False
        raise
    finally:
        stage.zero_grad(set_to_none=True)
    return True
