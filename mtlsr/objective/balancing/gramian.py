"""Methods that look at gradients: what conflicts is settled on the Gramian G = J Jᵀ, (K, K).

Row i of J is the gradient of term i, λ included, where all terms pass: the shared part gets
Σ w_i J_i. What only some terms reach, the heads, gets the plain sum. That is TorchJD's
`mtl_backward` + `jac_to_grad` (Quinton and Rey 2024, arXiv:2406.16232), in a shape that leaves
backward, clipping, accumulation and DDP to Lightning.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from mtlsr.errors import UserError
from mtlsr.objective.balancing.base import Balancer, Normalize, Rule
from mtlsr.objective.balancing.gradients import (
    delivered,
    gradients,
    gramian_at_maps,
    jacobian,
    leaves,
    nodes,
    split,
)
from mtlsr.objective.ranks import mean_over_ranks

if TYPE_CHECKING:
    from torchjd.aggregation import Weighting

Form = Literal["exact", "cheap"]


@dataclass
class Parts:
    """Which parameters stand where."""

    trunk: list[nn.Parameter]
    """Those before the shared maps."""
    heads: list[nn.Parameter]
    """All others."""


class GramianBalancer(Balancer):
    """Weighs the terms' gradients where they are shared.

    Two forms:

    - `exact`: J over the shared *parameters*; K backward passes through all of the network, and
      K · P numbers of memory. J is averaged over ranks.
    - `cheap`: J over the shared *maps*; K backward passes through the heads, and a single one
      through the rest. It takes G at the maps for G at the parameters, which differs.

    Args:
        names: Terms that take part.
        rule: Chooses the weights from a Gramian of mean diagonal 1.
        form: `exact` or `cheap`.
        normalize: See `Balancer`.
        seed: See `Balancer`.

    Raises:
        ValueError: See `Balancer`, or an unknown form.
    """

    rule: "WeightingRule"

    def __init__(
        self,
        names: Sequence[str],
        rule: "WeightingRule",
        form: Form = "exact",
        normalize: Normalize = "sum_to_k",
        seed: int = 0,
    ) -> None:
        super().__init__(names, rule, normalize, seed)
        if form not in get_args(Form):
            raise ValueError(f"form is {form!r}; it is one of {', '.join(get_args(Form))}.")
        self.form = form
        self._parts: Parts | None = None
        self._checked = 0

    def balance(
        self,
        losses: Sequence[Tensor],
        shared: Sequence[Tensor],
        parameters: Iterable[nn.Parameter],
    ) -> tuple[Tensor, Tensor]:
        maps = [x for x in shared if x.requires_grad]
        if self._parts is None:
            self._parts = self._find_parts(maps, parameters)
        exact = self.form == "exact"
        heard = sum(loss.requires_grad for loss in losses)
        if not exact and heard > self._checked:  # some terms start later
            self._check_cut(losses, maps, self._parts.trunk)
            self._checked = heard
        common: Sequence[Tensor] = self._parts.trunk if exact else maps
        inputs = [*common, *self._parts.heads]
        found = gradients(losses, inputs)

        # What no term reaches gets no gradient, not one of zeros: as in the plain sum.
        reached = [any(g is not None for g in column) for column in zip(*found, strict=True)]
        cut = sum(reached[: len(common)])
        inputs = list(compress(inputs, reached))
        found = [tuple(compress(row, reached)) for row in found]

        rows = jacobian([row[:cut] for row in found], inputs[:cut])
        if exact:
            rows = mean_over_ranks(rows)
        gramian = rows @ rows.T if exact else gramian_at_maps(rows)
        weights = self.choose(gramian.cpu()).to(rows.device)

        mixed = split(weights @ rows, inputs[:cut])
        sums = [sum_of(column) for column in zip(*(row[cut:] for row in found), strict=True)]
        value = torch.stack([loss.detach() for loss in losses]).sum()
        return delivered(value, inputs, [*mixed, *sums]), weights

    def choose(self, gramian: Tensor) -> Tensor:
        """Weights (K,) for a Gramian (K, K): 1 each where it is not finite or all are silent."""
        lengths = gramian.diagonal()
        silent = lengths == 0
        if silent.all() or not gramian.isfinite().all():
            return torch.ones_like(lengths)
        # TorchJD takes a Gramian below 1e-4 for zero, which at the maps it always is.
        mean = lengths.sum() / (~silent).sum()
        # A silent term is given a direction of its own, so that no rule sees a row of zeros.
        gramian = gramian / mean + torch.diag(silent.to(gramian.dtype))
        with self.drawing():
            weights = self.rule(gramian) * mean**self.rule.degree
        return self.settled(weights, silent)

    def _find_parts(self, maps: Sequence[Tensor], parameters: Iterable[nn.Parameter]) -> Parts:
        before = leaves(maps)
        trained = [p for p in parameters if p.requires_grad]
        parts = Parts(
            trunk=[p for p in trained if p in before],
            heads=[p for p in trained if p not in before],
        )
        if not parts.trunk:
            raise UserError("no trained parameter is shared by the terms: nothing to balance.")
        return parts

    def _check_cut(
        self, losses: Sequence[Tensor], maps: Sequence[Tensor], trunk: Sequence[Tensor]
    ) -> None:
        """Refuse a cut that gradients go around, or pass twice: the cheap form would lose them."""
        for x in maps:
            if any(x.grad_fn in nodes([y]) for y in maps if y is not x):
                raise UserError(
                    "balancing.form is cheap, but here one shared map is computed from another; "
                    "use exact."
                )
        for name, loss in zip(self.names, losses, strict=True):
            if loss.requires_grad and leaves([loss], barred=maps) & set(trunk):
                raise UserError(
                    f"balancing.form is cheap, but {name} also reaches shared weights past the "
                    "shared maps; use exact."
                )


def sum_of(column: Iterable[Tensor | None]) -> Tensor:
    """Sum of the gradients that exist, one at least."""
    first, *others = [gradient for gradient in column if gradient is not None]
    for other in others:
        first = first + other
    return first


class WeightingRule(Rule):
    """Weights of one of TorchJD's aggregators."""

    degree = 0.0
    """Weights of c · G are those of G times c to this power."""

    def __init__(self, weighting: "Weighting[Any]") -> None:
        self.weighting: Any = weighting

    def __call__(self, statistic: Tensor) -> Tensor:
        weights: Tensor = self.weighting(statistic)
        return weights


class PCGrad(WeightingRule):
    """Each gradient loses what points against another one, in random order; then the sum.

    Yu et al. 2020, arXiv:2001.06782.
    """

    def __init__(self, count: int) -> None:
        from torchjd.aggregation import PCGradWeighting

        super().__init__(PCGradWeighting())


class GradVac(WeightingRule):
    """Gradients are turned until their cosines reach what they have been on average.

    Wang et al. 2021, arXiv:2010.05874.

    Args:
        beta: Share of the newest cosine in its moving average.
    """

    def __init__(self, count: int, beta: float = 0.5) -> None:
        from torchjd.aggregation import GradVacWeighting

        super().__init__(GradVacWeighting(beta=beta))

    def state(self) -> dict[str, Any]:
        return {"cosines": self.weighting._phi_t}

    def load(self, state: dict[str, Any]) -> None:
        cosines = state["cosines"]
        self.weighting.reset()
        if cosines is not None:
            self.weighting._phi_t = cosines.clone()
            self.weighting._state_key = (len(cosines), cosines.dtype)


class MGDA(WeightingRule):
    """The convex combination of least norm: a direction that harms no term.

    Désidéri 2012; Sener and Koltun 2018, arXiv:1810.04650.
    """

    def __init__(self, count: int) -> None:
        from torchjd.aggregation import MGDAWeighting

        super().__init__(MGDAWeighting())


class ImpartialGradients(WeightingRule):
    """The combination whose projections onto all gradients' directions are equal; any sign.

    IMTL-G (Liu et al. 2021, "Towards Impartial Multi-task Learning").
    """

    def __init__(self, count: int) -> None:
        from torchjd.aggregation import IMTLGWeighting

        super().__init__(IMTLGWeighting())


class AlignedMTL(WeightingRule):
    """Principal components of the gradients are made equally long: condition number 1.

    Senushkin et al. 2023, arXiv:2305.19000.

    Args:
        scale: Their common length: `min`, `median` or `rmse` of what they were.
    """

    def __init__(self, count: int, scale: Literal["min", "median", "rmse"] = "min") -> None:
        from torchjd.aggregation import AlignedMTLWeighting

        if scale not in ("min", "median", "rmse"):
            raise ValueError(f"scale is {scale!r}; it is one of min, median, rmse.")
        super().__init__(AlignedMTLWeighting(scale_mode=scale))


class CAGrad(WeightingRule):
    """Near the mean gradient, the direction whose worst improvement is best.

    Liu et al. 2021, arXiv:2110.14048.

    Args:
        c: Radius of the neighbourhood in lengths of the mean gradient; 0 is the mean itself.
    """

    def __init__(self, count: int, c: float = 0.4) -> None:
        from torchjd.aggregation import CAGradWeighting

        super().__init__(CAGradWeighting(c))


class NashMTL(WeightingRule):
    """Weights at which G w = 1 / w: the solution of a bargain between the terms.

    Navon et al. 2022, arXiv:2202.01017. Its own limit on the norm is off; `schedule.clip` is there.

    Args:
        iterations: Of the solver, each a convex problem; it starts from the last step's weights.
    """

    def __init__(self, count: int, iterations: int = 20) -> None:
        from torchjd.aggregation import NashMTL

        whole = NashMTL(count, max_norm=0, optim_niter=iterations)
        super().__init__(whole.weighting)

    def __call__(self, statistic: Tensor) -> Tensor:
        # It asks for J, but reads J Jᵀ alone: any root of G will do.
        values, vectors = torch.linalg.eigh(statistic)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where its solver fails, the last weights stay
            return super().__call__(vectors * values.clamp(min=0).sqrt())

    def state(self) -> dict[str, Any]:
        return {"weights": torch.as_tensor(self.weighting.prvs_alpha).clone()}

    def load(self, state: dict[str, Any]) -> None:
        self.weighting.reset()  # step 0 makes TorchJD set up the solver's problem
        self.weighting.prvs_alpha = state["weights"].numpy().copy()


class UPGrad(WeightingRule):
    """The mean of all gradients, each projected to where it harms no term.

    Quinton and Rey 2024, arXiv:2406.16232.
    """

    def __init__(self, count: int) -> None:
        from torchjd.aggregation import UPGradWeighting

        super().__init__(UPGradWeighting())


class DualProj(WeightingRule):
    """The mean gradient, projected to where it harms no term.

    Lopez-Paz and Ranzato 2017, arXiv:1706.08840.
    """

    def __init__(self, count: int) -> None:
        from torchjd.aggregation import DualProjWeighting

        super().__init__(DualProjWeighting())


class FairGrad(WeightingRule):
    """Weights at which (G w)_i = w_i^(-1/α): α-fair shares of the improvement.

    Ban and Ji 2024, arXiv:2402.15638.

    Args:
        alpha: α; 1 is Nash's bargain, more favours the term that improves least.
    """

    def __init__(self, count: int, alpha: float = 1.0) -> None:
        from torchjd.aggregation import FairGradWeighting

        if not alpha > 0:
            raise ValueError(f"alpha is {alpha}; it must be above 0.")
        super().__init__(FairGradWeighting(alpha))
        self.degree = -alpha / (1 + alpha)
