"""The training command in float64: python -m tests.in_double <overrides>.

There the order of sums hardly matters: two ways to the same numbers agree closely or are not two
ways to the same numbers. Photographs stay float32, so nothing may be held out.
"""

import torch
from torch import Tensor

from mtlsr.data.batch import Batch
from mtlsr.train import main


def widen() -> None:
    """Let networks and batches be float64 from here on."""
    torch.set_default_dtype(torch.float64)
    floats = Batch.floats
    Batch.floats = lambda self: floats(self)._map(Tensor.double)  # type: ignore[method-assign]


if __name__ == "__main__":
    widen()
    main()
