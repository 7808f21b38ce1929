"""Global generators of random numbers, as plain values that a checkpoint can hold."""

import random
from typing import Any

import numpy as np
import torch
from torch import distributed as dist

from mtlsr.objective.ranks import ranks


def generator_states() -> list[dict[str, Any]]:
    """The states of Python's, NumPy's and torch's generators, process by process."""
    numpy: Any = np.random.get_state()
    own = {
        "python": random.getstate(),
        "numpy": (numpy[0], torch.from_numpy(numpy[1].astype(np.int64)), *numpy[2:]),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }
    if ranks() == 1:
        return [own]
    gathered: list[Any] = [None] * ranks()
    dist.all_gather_object(gathered, own)
    return gathered


def restore_generators(states: list[dict[str, Any]], rank: int) -> None:
    """Put the generators of this process to `generator_states`.

    A process that was not there keeps its own.
    """
    if rank >= len(states):
        return
    own = states[rank]
    random.setstate(own["python"])
    name, keys, *rest = own["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(own["torch"].cpu())
    if len(own["cuda"]) == torch.cuda.device_count() and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([state.cpu() for state in own["cuda"]])
