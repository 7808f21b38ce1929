"""What every method of balancing shares: which terms, which weights, what is kept of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from mtlsr.objective.objective import Objective, Valued

Normalize = Literal["sum_to_k", "none"]


def balanced_terms(objective: Objective) -> list[str]:
    """Names of the terms that take part: those of weight above 0, but for `balanced = False`.

    A term that is zero by nature where training starts (the anchor) says so by that attribute of
    its class: MGDA would put all weight on it, and the geometric mean of losses would be 0.
    """
    return [
        name
        for name, term in objective.terms.items()
        if objective.weights[name] > 0 and getattr(term, "balanced", True)
    ]


def check_terms(names: Sequence[str]) -> None:
    """Refuse fewer than two terms (ValueError)."""
    if len(names) < 2:
        raise ValueError(
            f"only {', '.join(names) or 'no term'} takes part in balancing: there is nothing to "
            "balance. Terms of weight 0 and the anchor stay outside; use balancing=fixed."
        )


@dataclass
class Balanced:
    """What a balancer makes of one batch."""

    total: Tensor
    """What backward runs on, a scalar."""
    weights: dict[str, Tensor]
    """The weight that each balanced term got."""


class Rule:
    """How a method chooses K weights from K losses (K,), or from a Gramian (K, K).

    A rule works with a few numbers on the CPU, which are the same on every rank. It is no module:
    nothing of it is a parameter of the training, for whose gradient DDP would wait.
    """

    positive = False
    """Whether all losses must be above 0."""

    def __call__(self, statistic: Tensor) -> Tensor:
        """Choose weights (K,)."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What the next choice depends on, in plain values and tensors."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""


class Balancer(nn.Module, ABC):
    """Weighs the terms of an objective anew in every step.

    λ multiplies a term before. Terms that do not take part are added as they are. A term that is
    silent on a batch (loss or gradient exactly zero, or not started yet) has weight 1 there, and
    the others are weighed without it.

    Args:
        names: Terms that take part, K of them.
        rule: Chooses the weights; None where a subclass does it otherwise.
        normalize: `sum_to_k` scales the weights so that they sum to K, as those of the plain sum
            do: a method then does not change the learning rate in disguise. Where a method chooses
            negative ones, absolute values sum to K. `none` leaves them.
        seed: Of what the method draws. A draw follows from this and the number of earlier calls
            alone, so it is the same on every rank and in a resumed run.

    Raises:
        ValueError: Fewer than two terms, or an unknown `normalize`.
    """

    lr: float
    """Highest learning rate of the balancer's own parameters, where it has any."""
    looks_back = False
    """Whether the method wants the losses once more after the step: see `look_back`."""

    def __init__(
        self,
        names: Sequence[str],
        rule: Rule | None = None,
        normalize: Normalize = "sum_to_k",
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_terms(names)
        if normalize not in get_args(Normalize):
            raise ValueError(
                f"normalize is {normalize!r}; it is one of {', '.join(get_args(Normalize))}."
            )
        self.names = tuple(names)
        self.rule = rule
        self.normalize = normalize
        self.seed = seed
        self.calls = 0

    def forward(self, valued: Valued, parameters: Iterable[nn.Parameter]) -> Balanced:
        """Weigh the terms of one batch.

        Args:
            valued: The terms, and the maps at which their paths part.
            parameters: All that is trained; read in the first call only.
        """
        losses = self.losses(valued)
        with torch.autocast(losses[0].device.type, enabled=False):
            total, weights = self.balance(losses, valued.shared, parameters)
        self.calls += 1
        for name, raw in valued.raw.items():
            if name not in self.names and valued.weights[name] > 0:
                total = total + valued.weights[name] * raw
        return Balanced(total, dict(zip(self.names, weights.unbind(), strict=True)))

    def losses(self, valued: Valued) -> list[Tensor]:
        """λ · term of those that take part: K scalars, 0 for one that has not started yet."""
        nothing = torch.zeros((), device=valued.total.device)
        return [
            valued.weights[name] * valued.raw[name] if valued.weights[name] > 0 else nothing
            for name in self.names
        ]

    @abstractmethod
    def balance(
        self,
        losses: Sequence[Tensor],
        shared: Sequence[Tensor],
        parameters: Iterable[nn.Parameter],
    ) -> tuple[Tensor, Tensor]:
        """Return what backward runs on, a scalar, and the weights (K,)."""

    def look_back(self, valued: Valued) -> None:
        """See the terms of the same batch after the step."""
        raise NotImplementedError

    def settled(self, weights: Tensor, silent: Tensor) -> Tensor:
        """Normalise weights (K,) over the terms that are not silent; those are 1."""
        weights = weights.masked_fill(silent, 0)
        if self.normalize == "sum_to_k":
            # A method that stands still where no direction helps all terms chooses zeros.
            total = weights.abs().sum().clamp(min=torch.finfo(weights.dtype).tiny)
            weights = weights * ((~silent).sum() / total)
        return weights.masked_fill(silent, 1)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Seed torch's generator for this call's draws, and put it back afterwards."""
        (drawn,) = np.random.SeedSequence((self.seed, self.calls)).generate_state(1)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(drawn))
            yield

    def get_extra_state(self) -> dict[str, Any]:
        return {"calls": self.calls, "rule": self.rule.state() if self.rule else {}}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]
        if self.rule:
            self.rule.load(state["rule"])
