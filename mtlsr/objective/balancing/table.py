"""Every method of balancing by name, in one explicit table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from mtlsr.objective.balancing.base import Balancer, check_terms
from mtlsr.objective.balancing.gradnorm import GradientNorms, GradNorm
from mtlsr.objective.balancing.gramian import (
    MGDA,
    AlignedMTL,
    CAGrad,
    DualProj,
    FairGrad,
    GradVac,
    GramianBalancer,
    ImpartialGradients,
    NashMTL,
    PCGrad,
    UPGrad,
)
from mtlsr.objective.balancing.losses import (
    DynamicWeightAverage,
    FastAdaptive,
    FastAdaptiveBalancer,
    Geometric,
    LossBalancer,
    Random,
    SmoothTchebycheff,
    Uncertainty,
)


@dataclass(frozen=True)
class Method:
    """A method of balancing."""

    balancer: Callable[..., Balancer]
    """Made from the names of the terms, the rule, and options of its own."""
    rule: Callable[..., Any] | None = None
    """Made from the number of terms, or with `by_lambda` from their λ, and options of its own."""
    options: tuple[str, ...] = ()
    """Those of the rule; without one, of the balancer."""
    packages: tuple[str, ...] = ("torchjd",)
    """What must be installed."""
    by_lambda: bool = False
    """Whether the rule knows λ by more than the products λ · L."""

    @property
    def per_term(self) -> bool:
        """Whether it takes gradients of single terms."""
        return self.balancer in (GradNorm, GramianBalancer)

    @property
    def gramian(self) -> bool:
        """Whether it has an exact and a cheap form."""
        return self.balancer is GramianBalancer


FIXED = "fixed"
"""The plain sum of the weighted terms: no balancer at all."""

_PROJECTION = ("torchjd", "qpsolvers", "quadprog")

METHODS: dict[str, Method] = {
    "uncertainty": Method(Uncertainty, options=("lr",)),
    "dwa": Method(LossBalancer, DynamicWeightAverage, ("temperature", "interval")),
    "famo": Method(FastAdaptiveBalancer, FastAdaptive, ("lr", "weight_decay")),
    "geometric": Method(LossBalancer, Geometric, by_lambda=True),
    "random": Method(LossBalancer, Random),
    "stch": Method(LossBalancer, SmoothTchebycheff, ("mu",)),
    "gradnorm": Method(GradNorm, GradientNorms, ("alpha", "lr"), packages=()),
    "pcgrad": Method(GramianBalancer, PCGrad),
    "gradvac": Method(GramianBalancer, GradVac, ("beta",)),
    "mgda": Method(GramianBalancer, MGDA),
    "imtl_g": Method(GramianBalancer, ImpartialGradients),
    "aligned_mtl": Method(GramianBalancer, AlignedMTL, ("scale",)),
    "cagrad": Method(GramianBalancer, CAGrad, ("c",), ("torchjd", "cvxpy", "clarabel")),
    "nash_mtl": Method(GramianBalancer, NashMTL, ("iterations",), ("torchjd", "cvxpy", "ecos")),
    "upgrad": Method(GramianBalancer, UPGrad, packages=_PROJECTION),
    "dualproj": Method(GramianBalancer, DualProj, packages=_PROJECTION),
    "fairgrad": Method(GramianBalancer, FairGrad, ("alpha",), ("torchjd", "scipy")),
}


def find_method(name: str) -> Method:
    """The method of that name, if what it needs is installed.

    Raises:
        ValueError: There is none, or a package is missing.
    """
    if name not in METHODS:
        raise ValueError(
            f"balancing.name is {name!r}; it is one of {', '.join([FIXED, *METHODS])}."
        )
    method = METHODS[name]
    missing = [package for package in method.packages if find_spec(package) is None]
    if missing:
        raise ValueError(
            f"balancing={name} needs the package{'s' * (len(missing) > 1)} {' and '.join(missing)}"
            ": pip install 'mtlsr[balancing]'"
        )
    return method


def build_balancer(
    name: str, terms: Sequence[str], lambdas: Sequence[float] | None = None, **options: Any
) -> Balancer:
    """The balancer of that name.

    Args:
        name: In `METHODS`.
        terms: Names of the terms that take part: `balanced_terms(objective)`.
        lambdas: λ of each, above 0; None = 1.
        options: `normalize`, `seed`, of a Gramian method `form`, and the method's own.

    Raises:
        ValueError: See `find_method`; fewer than two terms; or an option that the method refuses.
    """
    method = find_method(name)
    check_terms(terms)
    own = {option: options.pop(option) for option in method.options if option in options}
    if method.rule is None:
        return method.balancer(terms, **own, **options)
    about = lambdas or [1.0] * len(terms) if method.by_lambda else len(terms)
    return method.balancer(terms, method.rule(about, **own), **options)
