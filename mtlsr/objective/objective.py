"""The weighted sum. Nothing else in the code knows how many terms there are."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mtlsr.objective.checks import check_weight


@dataclass
class Valued:
    """What an objective says of one batch."""

    raw: dict[str, Tensor]
    """Every term as it is, a scalar by name."""
    weights: dict[str, float]
    """The weight λ of every term, 0 before it starts."""
    total: Tensor
    """Σ λ · raw: what is minimised, unless the terms are balanced."""
    shared: tuple[Tensor, ...] = ()
    """Maps at which the terms' paths part; the stage knows them."""
    details: dict[str, Tensor] = field(default_factory=dict)
    """What terms have to say beside their value, scalars by `<term>/<name>`, to be logged."""


class Objective(nn.Module):
    """Σ λ_i · term_i. Each term asks for what it needs by the names of its arguments.

    Args:
        terms: Modules that return a scalar. One may have a method `details`, which asks likewise
            and returns scalars by name that are worth logging.
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
            check_weight(f"the weight of {name}", weight)
        if not any(weights.values()):
            raise ValueError(f"every weight of {', '.join(weights)} is 0: nothing to train.")
        self.terms = nn.ModuleDict(terms)
        self.weights = dict(weights)
        self.starts = dict(starts or {})
        self._needs = {name: _arguments(term.forward) for name, term in terms.items()}

    def forward(self, everything: bool = True, progress: float = 1.0, **known: Any) -> Valued:
        """Evaluate the terms on what is `known`.

        Args:
            everything: Evaluate also the terms of weight 0 and the details, without gradient, to
                report them.
            progress: Share of the training that is done.
            known: What terms ask for, by name; None where the network has no such thing, as one of
                one task has no structure map. A term of weight 0 that asks for it is left out.

        Raises:
            KeyError: A term needs something that is not known.
        """
        raw: dict[str, Tensor] = {}
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
            if weight == 0 and any(value is None for value in needs.values()):
                continue
            with torch.set_grad_enabled(weight > 0 and torch.is_grad_enabled()):
                raw[name] = term(**needs)
            if weight > 0:
                parts.append(weight * raw[name])
        return Valued(
            raw=raw,
            weights=weights,
            total=torch.stack(parts).sum(),
            details=self._details(known) if everything else {},
        )

    @torch.no_grad()
    def _details(self, known: Mapping[str, Any]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            details = getattr(term, "details", None)
            if details is not None:
                needs = {need: known[need] for need in _arguments(details)}
                if any(value is None for value in needs.values()):
                    continue
                said = details(**needs)
                found |= {f"{name}/{key}": value for key, value in said.items()}
        return found


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)
