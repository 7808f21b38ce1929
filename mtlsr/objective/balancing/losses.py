"""Methods that look at losses: each loss is multiplied by its weight as a whole.

A scalarization s of the losses L asks for the weights w_i = ∂s/∂L_i: minimising Σ w_i L_i with w
held fixed follows the same gradient, and w can be normalised and logged like any other weights.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mtlsr.errors import UserError
from mtlsr.objective.balancing.base import Balancer, Normalize, Rule
from mtlsr.objective.objective import Valued
from mtlsr.objective.ranks import mean_over_ranks

if TYPE_CHECKING:
    from torchjd.scalarization import Scalarizer

# TorchJD is an extra: it is imported where a method is built.


class LossBalancer(Balancer):
    """Minimises Σ w_i L_i with weights that a rule chooses from the losses L, mean over ranks."""

    rule: Rule

    def balance(
        self,
        losses: Sequence[Tensor],
        shared: Sequence[Tensor],
        parameters: Iterable[nn.Parameter],
    ) -> tuple[Tensor, Tensor]:
        values = values_of(losses)
        weights = self.choose(values.cpu()).to(values.device)
        return (torch.stack(list(losses)) * weights).sum(), weights

    def choose(self, values: Tensor) -> Tensor:
        """Weights (K,) for losses (K,): 1 each where a loss is not finite or all are silent."""
        silent = values == 0
        if silent.all() or not values.isfinite().all():
            return torch.ones_like(values)
        if self.rule.positive and (values < 0).any():
            least = int(values.argmin())
            raise UserError(
                f"this method of balancing takes logarithms of losses, and {self.names[least]} is "
                f"{float(values[least]):.4g}; use one that looks at gradients."
            )
        with self.drawing():
            weights = self.rule(filled(values, silent))
        return self.settled(weights, silent)


def values_of(losses: Sequence[Tensor]) -> Tensor:
    """The losses as numbers (K,), mean over ranks."""
    return mean_over_ranks(torch.stack([loss.detach().float() for loss in losses]))


def filled(values: Tensor, silent: Tensor) -> Tensor:
    """Give silent losses the mean of the others, so that no rule sees a zero."""
    mean = values.sum() / (~silent).sum()
    return torch.where(silent, mean, values)


class ScalarizerRule(Rule):
    """w = ∂s/∂L of one of TorchJD's scalarizations s."""

    def __init__(self, scalarizer: "Scalarizer") -> None:
        self.scalarizer: Any = scalarizer

    def __call__(self, statistic: Tensor) -> Tensor:
        with torch.enable_grad():
            losses = statistic.clone().requires_grad_()
            (weights,) = torch.autograd.grad(self.scalarize(losses), losses)
        return weights

    def scalarize(self, losses: Tensor) -> Tensor:
        """s of losses (K,)."""
        scalarized: Tensor = self.scalarizer(losses)
        return scalarized


class Geometric(ScalarizerRule):
    """s = Π L_i^p_i with p_i = λ_i / Σ λ, so w_i = p_i · s / L_i: a weighted geometric mean.

    Equal λ give MultiNet++'s (Chennupati et al. 2019, arXiv:1904.08492), where every loss shrinks
    by the same share; unequal exponents are what that paper's focused loss comes to. As a factor
    of a loss λ would cancel here, and the smallest loss would rule.

    Args:
        lambdas: λ of each loss, above 0.
    """

    positive = True

    def __init__(self, lambdas: Sequence[float]) -> None:
        from torchjd.scalarization import GeometricMean

        super().__init__(GeometricMean())
        self.powers = len(lambdas) * torch.tensor(lambdas) / sum(lambdas)

    def scalarize(self, losses: Tensor) -> Tensor:
        return super().scalarize(losses**self.powers)


class Random(ScalarizerRule):
    """w = softmax of K normal numbers, drawn anew in every step.

    Lin et al. 2022, arXiv:2111.10603.
    """

    def __init__(self, count: int) -> None:
        from torchjd.scalarization import Random

        super().__init__(Random())


class SmoothTchebycheff(ScalarizerRule):
    """s = μ · log Σ exp(L_i / (K · μ)): a smooth maximum of the losses.

    Lin et al. 2024, arXiv:2402.19078.

    Args:
        mu: μ in units of the loss; the smaller, the more the largest loss counts alone.
    """

    def __init__(self, count: int, mu: float = 0.01) -> None:
        from torchjd.scalarization import STCH

        super().__init__(STCH(mu))


class DynamicWeightAverage(ScalarizerRule):
    """w = K · softmax(r / T), r_i the last interval's mean of L_i over that of the one before.

    The weights are 1 during the first two intervals. The paper's interval is an epoch, which an
    endless stream of samples has not. DWA (Liu et al. 2019, arXiv:1803.10704).

    Args:
        temperature: T; the larger, the more equal the weights.
        interval: Batches over which a loss is averaged.
    """

    def __init__(self, count: int, temperature: float = 2.0, interval: int = 100) -> None:
        from torchjd.scalarization import DWA

        super().__init__(DWA(temperature))
        self.interval = interval

    def __call__(self, statistic: Tensor) -> Tensor:
        weights = super().__call__(statistic)
        if self.scalarizer._n_batches == self.interval:
            self.scalarizer.step()
        return weights

    def state(self) -> dict[str, Any]:
        return {
            "sum": self.scalarizer._loss_sum,
            "batches": self.scalarizer._n_batches,
            "averages": list(self.scalarizer._previous_averages),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.scalarizer._loss_sum = state["sum"]
        self.scalarizer._n_batches = state["batches"]
        self.scalarizer._previous_averages = list(state["averages"])


class FastAdaptive(ScalarizerRule):
    """s = c · Σ z_i log L_i with z = softmax(logits): all losses fall at about the same rate.

    After each step the logits take a step of Adam that favours the losses that fell least on the
    same batch; that costs one more forward. FAMO (Liu et al. 2023, arXiv:2306.03792).

    Args:
        lr: Learning rate of the logits.
        weight_decay: Their decay towards equal weights.
    """

    positive = True

    def __init__(self, count: int, lr: float = 0.025, weight_decay: float = 1e-3) -> None:
        from torchjd.scalarization import FAMO

        super().__init__(FAMO(count, lr=lr, weight_decay=weight_decay))

    def update(self, after: Tensor) -> None:
        """Learn from the losses (K,) after the step; one that is 0 now has not changed.

        So a term that joins late is taken for one that falls least, and enters with more than its
        share.
        """
        before = self.scalarizer._prev_losses
        if before is not None and after.isfinite().all():
            self.scalarizer.update(torch.where(after == 0, before, after))

    def state(self) -> dict[str, Any]:
        adam = self.scalarizer._optimizer
        return {
            "logits": self.scalarizer._w.detach().clone(),
            "adam": adam.state_dict() if adam else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.scalarizer.reset()
        with torch.no_grad():
            self.scalarizer._w.copy_(state["logits"])
        if state["adam"]:
            # TorchJD makes its Adam in the first update, from the same two values.
            famo = self.scalarizer
            famo._optimizer = torch.optim.Adam(
                [famo._w], lr=famo.lr, weight_decay=famo.weight_decay
            )
            famo._optimizer.load_state_dict(state["adam"])


class FastAdaptiveBalancer(LossBalancer):
    """FAMO: see `FastAdaptive`."""

    looks_back = True
    rule: FastAdaptive

    def look_back(self, valued: Valued) -> None:
        self.rule.update(values_of(self.losses(valued)).cpu())


class Uncertainty(Balancer):
    """w_i = ½ exp(-s_i), with log variances s that are trained too: L = Σ w_i L_i + ½ s_i.

    They join the stage's optimiser, without weight decay. The gradient of s is the paper's whatever
    the normalisation. Kendall et al. 2018, arXiv:1705.07115.

    Args:
        names: See `Balancer`.
        lr: Highest learning rate of s. The weights stay equal until the first s_i reaches log L_i,
            which for losses far below 1 takes all of a short training at the networks' own rate.
        normalize: See `Balancer`.
        seed: See `Balancer`.
    """

    def __init__(
        self,
        names: Sequence[str],
        lr: float = 0.025,
        normalize: Normalize = "sum_to_k",
        seed: int = 0,
    ) -> None:
        super().__init__(names, None, normalize, seed)
        from torchjd.scalarization import UW

        self.lr = lr
        self.scalarizer = UW(len(names))

    def balance(
        self,
        losses: Sequence[Tensor],
        shared: Sequence[Tensor],
        parameters: Iterable[nn.Parameter],
    ) -> tuple[Tensor, Tensor]:
        values = values_of(losses)
        silent = values == 0
        values = filled(values, silent).requires_grad_()
        scalarized = self.scalarizer(values)
        (weights,) = torch.autograd.grad(scalarized, values, retain_graph=True)
        weights = self.settled(weights, silent)
        learning = scalarized - scalarized.detach()  # zero, with the gradient of s
        return (torch.stack(list(losses)) * weights).sum() + learning, weights
