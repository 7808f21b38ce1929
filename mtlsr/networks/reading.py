"""What the realism vector says once stage 2 has trained the layers below its head on.

Stage 2 reads the vector without teaching it, so that what comes out of the head drifts away from
the degradations that it named. The features still hold them: a linear correction, fitted to known
degradations when stage 2 has ended, reads them again (a linear probe, Alain and Bengio 2016,
arXiv:1610.01644). The vector that stage 2 works with stays as it is, and with it the image.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mtlsr.objective.precision import widened

PENALTY = 1.0
"""Of the squared correction, for statistics of deviation 1, against the sum over all samples."""


class Reading(nn.Module):
    """vector + W · statistics + b; W and b are zero until `fit`.

    Args:
        statistics: Length F of what the head sees of an image.
        vector_size: Length V of the realism vector.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, statistics: int, vector_size: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(vector_size, statistics))
        self.register_buffer("bias", torch.zeros(vector_size))

    def forward(self, vector: Tensor, statistics: Tensor) -> Tensor:
        """Correct `vector`, (N, V), by `statistics`, (N, F): (N, V)."""
        with torch.autocast(vector.device.type, enabled=False):  # slopes are steep
            start = widened(vector) + self.bias
            return torch.addmm(start, statistics.to(start.dtype), self.weight.T)

    @torch.no_grad()
    def fit(self, vector: Tensor, statistics: Tensor, known: Tensor) -> None:
        """Take the W and b whose reading is nearest to `known`, by ridge regression.

        Args:
            vector: What the head says of N images, (N, V).
            statistics: What it sees of them, (N, F).
            known: What was done to them, (N, V).
        """
        # On the CPU: not every device has float64.
        seen = statistics.cpu().double()
        means, deviations = seen.mean(dim=0), seen.std(dim=0, correction=0) + 1e-6
        seen = (seen - means) / deviations
        missed = known.cpu().double() - vector.cpu().double()
        penalty = PENALTY * torch.eye(seen.shape[1], dtype=seen.dtype)
        slopes = torch.linalg.solve(seen.T @ seen + penalty, seen.T @ missed)
        slopes = slopes / deviations[:, None]
        self.weight.copy_(slopes.T)
        self.bias.copy_(missed.mean(dim=0) - means @ slopes)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *others: Any, **more: Any
    ) -> None:
        # Weights of before this module have no correction.
        for name, buffer in self.named_buffers():
            state_dict.setdefault(prefix + name, torch.zeros_like(buffer))
        super()._load_from_state_dict(state_dict, prefix, *others, **more)
