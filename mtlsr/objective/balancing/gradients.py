"""Gradients of single terms, beside the one backward that the training runs."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mtlsr.objective.ranks import ranks, sum_over_ranks

Gradients = list[tuple[Tensor | None, ...]]
"""Of each term, a row, with respect to each input; None where there is no path."""


def gradients(losses: Sequence[Tensor], inputs: Sequence[Tensor]) -> Gradients:
    """Gradient of each loss with respect to each input, one backward pass a loss.

    The graph stays, and nothing is added to any `.grad`.
    """
    return [
        torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
        if loss.requires_grad
        else (None,) * len(inputs)
        for loss in losses
    ]


def jacobian(found: Gradients, inputs: Sequence[Tensor]) -> Tensor:
    """Rows J (K, M) in float32: each term's gradient over all numbers of all inputs."""
    return torch.stack(
        [
            torch.cat(
                [
                    torch.zeros_like(x, dtype=torch.float32).flatten()
                    if gradient is None
                    else gradient.float().flatten()
                    for gradient, x in zip(row, inputs, strict=True)
                ]
            )
            for row in found
        ]
    )


def split(vector: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Cut a vector (M,) back into the shapes and types of the inputs."""
    parts = vector.split([x.numel() for x in inputs])
    return [part.view(x.shape).to(x.dtype) for part, x in zip(parts, inputs, strict=True)]


def feature_gramian(losses: Sequence[Tensor], features: Sequence[Tensor]) -> Tensor:
    """G = J Jᵀ (K, K) over shared maps, of the batch of all ranks together."""
    return gramian_at_maps(jacobian(gradients(losses, features), features))


def gramian_at_maps(rows: Tensor) -> Tensor:
    """G = J Jᵀ (K, K) of the batch of all ranks together, of each rank's rows J at its own maps.

    Gradients at maps differ from sample to sample, so ranks add to G and not to J. A training's
    loss is the mean over ranks: each rank's gradients count 1/R.
    """
    return sum_over_ranks(rows @ rows.T) / ranks() ** 2


def nodes(tensors: Iterable[Tensor], barred: Iterable[Tensor] = ()) -> set[Any]:
    """Nodes of the graph behind `tensors`, along paths that avoid the `barred` ones."""
    closed = {tensor.grad_fn for tensor in barred}
    seen: set[Any] = set()
    ahead: list[Any] = [tensor.grad_fn for tensor in tensors]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in seen and node not in closed:
            seen.add(node)
            ahead += [before for before, _ in node.next_functions]
    return seen


def leaves(tensors: Iterable[Tensor], barred: Iterable[Tensor] = ()) -> set[Tensor]:
    """Leaf tensors on which `tensors` depend along paths that avoid the `barred` ones."""
    return {node.variable for node in nodes(tensors, barred) if hasattr(node, "variable")}


def delivered(value: Tensor, inputs: Sequence[Tensor], found: Sequence[Tensor]) -> Tensor:
    """A scalar that is `value`, and whose gradient with respect to `inputs` is `found`.

    So gradients that were worked out by hand go the usual way: whoever scales the scalar scales
    them, DDP averages them as they arrive at the parameters, they are accumulated and clipped.
    """
    scalar: Tensor = _Delivered.apply(value, list(found), *inputs)
    return scalar


class _Delivered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, found: list[Tensor], *inputs: Tensor) -> Tensor:
        ctx.found = found
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> Any:
        return None, None, *torch._foreach_mul(ctx.found, outer)
