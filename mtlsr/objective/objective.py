"""The weighted sum. Nothing else in the code knows how many terms there are."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Valued:
    """What an objective says of one batch."""

    raw: dict[str, Tensor]
    """Every term as it is, a scalar by name."""
    weights: dict[str, float]
    """The weight λ of every term."""
    total: Tensor
    """Σ λ · raw: what is minimised."""


class Objective(nn.Module):
    """Σ λ_i · term_i. Each term asks for what it needs by the names of its arguments.

    Args:
        terms: Modules that return a scalar.
        weights: λ of each term, by the same names.

    Raises:
        ValueError: The names differ, a weight is negative or not finite, or all are 0.
    """

    def __init__(self, terms: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        if terms.keys() != weights.keys():
            raise ValueError(f"terms are {sorted(terms)}, weights are {sorted(weights)}.")
        for name, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"the weight of {name} is {weight}; it must be finite and ≥ 0.")
        if not any(weights.values()):
            raise ValueError(f"every weight of {', '.join(weights)} is 0: nothing to train.")
        self.terms = nn.ModuleDict(terms)
        self.weights = dict(weights)
        self._needs = {
            name: tuple(inspect.signature(term.forward).parameters) for name, term in terms.items()
        }

    def forward(self, everything: bool = True, **known: Any) -> Valued:
        """Evaluate the terms on what is `known`.

        Args:
            everything: Evaluate also the terms of weight 0, without gradient, to report them.
            known: What terms ask for, by name; None where the network has no such thing, as one of
                one task has no structure map. A term of weight 0 that asks for it is left out.

        Raises:
            KeyError: A term needs something that is not known.
        """
        raw: dict[str, Tensor] = {}
        parts: list[Tensor] = []
        for name, term in self.terms.items():
            weight = self.weights[name]
            if weight == 0 and not everything:
                continue
            needs = {need: known[need] for need in self._needs[name]}
            if weight == 0 and any(value is None for value in needs.values()):
                continue
            with torch.set_grad_enabled(weight > 0 and torch.is_grad_enabled()):
                raw[name] = term(**needs)
            if weight > 0:
                parts.append(weight * raw[name])
        return Valued(raw=raw, weights=self.weights, total=torch.stack(parts).sum())
