"""The weighted sum. Nothing else in the code knows how many terms there are."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Valued:
    """What an objective says of one batch."""

    raw: dict[str, Tensor]
    """Every term as it is, a scalar by name."""
    weights: dict[str, float]
    """The weight λ of every term, 0 before it starts."""
    total: Tensor
    """Σ λ · raw: what is minimised."""
    readings: dict[str, Tensor] = field(default_factory=dict)
    """What terms say beside their value, `<term>/<what>`, only where everything is evaluated."""


class Objective(nn.Module):
    """Σ λ_i · term_i. Each term asks for what it needs by the names of its arguments.

    A term may have a method `readings`, with the arguments of its `forward`, that returns more
    scalars by name, to be reported.

    Args:
        terms: Modules that return a scalar.
        weights: λ of each term, by the same names.
        starts: Share of the training from which on a term has its λ, 0 for those that it leaves
            out; before, the term has weight 0.

    Raises:
        ValueError: The names differ, a weight is negative or not finite, or all are 0.
    """

    def __init__(
        self,
        terms: Mapping[str, nn.Module],
        weights: Mapping[str, float],
        starts: Mapping[str, float] | None = None,
    ) -> None:
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
        self.starts = dict(starts or {})
        self._needs = {
            name: tuple(inspect.signature(term.forward).parameters) for name, term in terms.items()
        }

    def forward(self, everything: bool = True, progress: float = 1.0, **known: Any) -> Valued:
        """Evaluate the terms on what is `known`.

        Args:
            everything: Evaluate also the terms of weight 0, without gradient, to report them.
            progress: Share of the training that is done.
            known: What terms ask for, by name.

        Raises:
            KeyError: A term needs something that is not known.
        """
        raw: dict[str, Tensor] = {}
        readings: dict[str, Tensor] = {}
        parts: list[Tensor] = []
        weights = {
            name: weight if progress >= self.starts.get(name, 0) else 0.0
            for name, weight in self.weights.items()
        }
        for name, term in self.terms.items():
            weight = weights[name]
            if weight == 0 and not everything:
                continue
            needs = {need: known[need] for need in self._needs[name]}
            with torch.set_grad_enabled(weight > 0 and torch.is_grad_enabled()):
                raw[name] = term(**needs)
            if weight > 0:
                parts.append(weight * raw[name])
            if everything and hasattr(term, "readings"):
                with torch.no_grad():
                    said = term.readings(**needs)  # type: ignore[operator]
                readings |= {f"{name}/{what}": value for what, value in said.items()}
        return Valued(raw, weights, torch.stack(parts).sum(), readings)
