"""AdamW for everything but the kernels of convolutions, which move by orthogonal matrices.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) replaces the averaged gradient
of a matrix by the nearest matrix whose singular values are all 1, so that each direction in which a
layer can change gets its share of the step and not only the few that dominate the gradient.
torch.optim.Muon knows matrices alone; here a kernel is one, (output channels, everything else).
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LEAST = 16
"""Channels that a kernel has in and out, at least: below, AdamW moves it."""


class Muon(torch.optim.AdamW):
    """AdamW in which the kernels of convolutions, from 16 channels on, are moved by Muon.

    An orthogonal step is given the root mean square that AdamW's steps have, 0.2, so that one
    learning rate serves both (Liu et al. 2025, arXiv:2502.16982). Weight decay is decoupled.

    Args:
        params: As AdamW takes them.
        momentum: Decay of the kernels' averaged gradients, from which Nesterov's step is taken.
        options: AdamW's own.
    """

    def __init__(self, params: Any, *, momentum: float = 0.95, **options: Any) -> None:
        super().__init__(params, **options)
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of all parameters that have a gradient; returns what `closure` does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = {
            p: p.grad for group in self.param_groups for p in group["params"] if _is_kernel(p)
        }
        for group in self.param_groups:
            self._move([p for p in group["params"] if p in gradients], group)
        for kernel in gradients:
            kernel.grad = None  # AdamW passes over what has no gradient
        super().step()
        for kernel, gradient in gradients.items():
            kernel.grad = gradient
        return loss

    def _move(self, kernels: list[Tensor], group: dict[str, Any]) -> None:
        """Move kernels of one group; those of one shape are computed together."""
        alike = defaultdict(list)
        for kernel in kernels:
            alike[kernel.shape].append(kernel)
        for same in alike.values():
            steps = orthogonal(torch.stack([self._averaged(kernel).flatten(1) for kernel in same]))
            length = 0.2 * max(steps.shape[-2:]) ** 0.5
            for kernel, step in zip(same, steps, strict=True):
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                kernel.sub_(step.view(kernel.shape), alpha=group["lr"] * length)

    def _averaged(self, kernel: Tensor) -> Tensor:
        """Update the average of this kernel's gradients, and return it one step ahead."""
        gradient, state = kernel.grad, self.state[kernel]
        assert gradient is not None
        if not state:
            # AdamW's words: it looks for a step where it loads a state.
            state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(gradient)}
        state["step"] += 1
        average = state["exp_avg"].lerp_(gradient, 1 - self.momentum)
        return gradient.lerp(average, self.momentum)


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Matrices (N, m, n) -> those with the same singular vectors and all singular values near 1.

    Newton and Schulz's iteration with a polynomial of degree 5 that brings small singular values up
    fast and then leaves them between 0.7 and 1.2, which is enough for a step (Jordan et al. 2024).
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


def _is_kernel(parameter: Tensor) -> bool:
    return parameter.grad is not None and parameter.ndim == 4 and min(parameter.shape[:2]) >= LEAST
