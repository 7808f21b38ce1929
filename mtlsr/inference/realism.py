"""What stage 1 says of a picture, in words: how strongly it departs from a clean photograph."""

from torch import Tensor

from mtlsr.data.degradation import DEGRADATIONS


def strengths(vector: Tensor) -> dict[str, float]:
    """The entries of a realism vector (V,) by name, from 0, absent, to 1, as strong as in training.

    A model folder does not say by what it was degraded; the length of the vector does.
    """
    values = vector.float().clamp(0, 1).tolist()
    for degradation in DEGRADATIONS.values():
        if len(degradation.names) == len(values):
            return dict(zip(degradation.names, values, strict=True))
    return {str(number): value for number, value in enumerate(values, 1)}
