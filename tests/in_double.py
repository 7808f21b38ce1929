"""The training command in float64: python -m tests.in_double <overrides>.

There the order of sums hardly matters: two ways to the same numbers agree closely or are not two
ways to the same numbers.
"""

import torch
from torch import Tensor

from mtlsr.data.batch import Batch
from mtlsr.inference import upscale
from mtlsr.train import main


def widen() -> None:
    """Let networks, batches and photographs be float64 from here on."""
    torch.set_default_dtype(torch.float64)
    batch, image = Batch.floats, upscale.to_floats
    Batch.floats = lambda self: batch(self)._map(Tensor.double)  # type: ignore[method-assign]
    upscale.to_floats = lambda images, device: image(images, device).double()


if __name__ == "__main__":
    widen()
    main()
