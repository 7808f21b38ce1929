"""What every term promises, whatever it measures."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtlsr.networks.realism_residual import ResidualFirstBlock
from mtlsr.objective.anchor import AnchorTerm
from mtlsr.objective.objective import Objective
from mtlsr.objective.realism import DegradationTerm, StyleTerm
from mtlsr.objective.smoothness import ReconstructionTerm, SmoothnessTerm
from mtlsr.objective.structure import CHANNELS, CleanStructureTerm, StructureTerm, transform
from tests import by_hand

Known = dict[str, Tensor]
Arrays = dict[str, np.ndarray]


@dataclass
class Case:
    """A term with what it compares: each name in `pairs` should become equal to what it names."""

    name: str
    term: nn.Module
    pairs: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    formula: Callable[[Arrays], float]
    fixed: dict[str, object] = field(default_factory=dict)
    target: Callable[[str, Known], Tensor] = lambda name, known: known[name]
    tiles: bool = True
    """Whether a picture continued by its mirror image has the same value."""

    def known(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> Known:
        generator = torch.Generator().manual_seed(seed)
        return {
            name: torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)
            for name, shape in self.shapes.items()
        }

    def equal(self, dtype: torch.dtype = torch.float64) -> Known:
        known = self.known(dtype=dtype)
        return known | {name: self.target(of, known).clone() for name, of in self.pairs.items()}

    def __call__(self, known: Known) -> Tensor:
        return self.term(**known, **self.fixed)


LOW, HIGH = (2, 3, 5, 6), (2, 3, 10, 12)
torch.manual_seed(0)
JUDGE = ResidualFirstBlock(4).double().requires_grad_(False).eval()


def judged(image: np.ndarray) -> np.ndarray:
    layers = [JUDGE.stem, JUDGE.block.expand, JUDGE.block.project]
    (stem, *unit) = ((x.weight.numpy(), x.bias.numpy()) for x in layers)  # type: ignore[union-attr]
    x = by_hand.convolution(image - 0.5, *stem)
    return x + by_hand.convolution(by_hand.convolution(x, *unit[0]).clip(min=0), *unit[1])


def style_of(statistic: str, describe: Callable[[np.ndarray], np.ndarray]) -> Callable:
    def formula(known: Arrays) -> float:
        ours, truth = (by_hand.statistic(describe(known[x]), statistic) for x in ("sr", "hr"))
        if statistic == "centred":
            ours, truth = by_hand.centre(ours), by_hand.centre(truth)
        return by_hand.style(ours, truth, statistic)

    return formula


def squared(kind: str, a: str, b: str) -> Callable[[Arrays], float]:
    return lambda known: float(
        np.mean((by_hand.structure(known[a], kind) - by_hand.structure(known[b], kind)) ** 2)
    )


CASES = [
    *(
        Case(
            f"reconstruction {kind}",
            ReconstructionTerm(kind),
            {"reconstruction": "lr_clean"},
            {"reconstruction": LOW, "lr_clean": LOW},
            lambda x, kind=kind: by_hand.distance(x["reconstruction"], x["lr_clean"], kind),
        )
        for kind in ("mse", "l1", "charbonnier")
    ),
    *(
        Case(
            f"smoothness {kind}",
            SmoothnessTerm(kind, output=0.7, reconstruction=0.3),
            {"reconstruction": "lr_clean", "sr": "hr"},
            {"reconstruction": LOW, "lr_clean": LOW, "sr": HIGH, "hr": HIGH},
            lambda x, kind=kind: (
                0.7 * by_hand.distance(x["sr"], x["hr"], kind)
                + 0.3 * by_hand.distance(x["reconstruction"], x["lr_clean"], kind)
            ),
        )
        for kind in ("mse", "l1", "charbonnier")
    ),
    Case(
        "degradation",
        DegradationTerm(),
        {"vector": "degradation"},
        {"vector": (4, 5), "logit": (4,), "degradation": (4, 5)},
        lambda x: by_hand.distance(x["vector"], x["degradation"], "mse"),
    ),
    *(
        Case(
            f"style {statistic}",
            StyleTerm(statistic),
            {"sr": "hr"},
            {"sr": HIGH, "hr": HIGH},
            style_of(statistic, judged),
            {"judge": JUDGE},
            tiles=False,
        )
        for statistic in ("gram", "mean_std", "centred")
    ),
    *(
        Case(
            f"style {statistic} of the image itself",
            StyleTerm(statistic),
            {"sr": "hr"},
            {"sr": HIGH, "hr": HIGH},
            style_of(statistic, lambda image: image),
            {"judge": nn.Identity()},
        )
        for statistic in ("gram", "mean_std", "centred")
    ),
    *(
        Case(
            f"clean structure {kind}",
            CleanStructureTerm(kind),
            {"reconstruction": "lr_clean"},
            {"reconstruction": LOW, "lr_clean": LOW},
            squared(kind, "reconstruction", "lr_clean"),
            tiles=kind != "corners",
        )
        for kind in ("gradient", "corners", "identity")
    ),
    *(
        Case(
            f"structure {kind}",
            StructureTerm(kind, map=0.6),
            {"sr": "hr", "structure": "T(hr)"},
            {"sr": HIGH, "hr": HIGH, "structure": (2, CHANNELS[kind], 10, 12)},
            lambda x, kind=kind: (
                squared(kind, "sr", "hr")(x)
                + 0.6 * float(np.mean((x["structure"] - by_hand.structure(x["hr"], kind)) ** 2))
            ),
            target=lambda name, known, kind=kind: (
                transform(known["hr"], kind) if name == "T(hr)" else known[name]
            ),
            tiles=False,
        )
        for kind in ("gradient", "corners", "identity")
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_a_term_is_a_scalar_that_agrees_with_numpy(case: Case) -> None:
    known = case.known()
    value = case(known)
    assert value.shape == ()
    assert value.dtype == torch.float64
    expected = case.formula({name: x.numpy() for name, x in known.items()})
    assert value.item() == pytest.approx(expected, abs=1e-6)
    assert value.item() == pytest.approx(expected, rel=1e-4)
    assert expected > 1e-6


def test_its_gradient_is_right(case: Case) -> None:
    # Few pixels: the numerical derivative asks for each of them.
    known = {n: x[..., :5, :4] if x.ndim == 4 else x for n, x in case.known().items()}
    leaves = tuple(known[name].clone().requires_grad_() for name in case.pairs)
    assert torch.autograd.gradcheck(
        lambda *xs: case(known | dict(zip(case.pairs, xs, strict=True))),
        leaves,
        fast_mode="corners" in case.name,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_zero_with_gradient_zero_where_all_is_as_it_should_be(
    case: Case, dtype: torch.dtype
) -> None:
    JUDGE.to(dtype)
    try:
        known = case.equal(dtype)
        for name in case.pairs:
            known[name].requires_grad_()
        value = case(known)
        value.backward()
    finally:
        JUDGE.double()
    assert value.dtype == dtype
    assert abs(value.item()) < 1e-9  # Charbonnier's √ε² is not ε to the last bit
    for name in case.pairs:
        assert (known[name].grad == 0).all()


def test_it_is_the_same_for_a_batch_and_for_the_batch_thrice(case: Case) -> None:
    known = case.known()
    thrice = {name: x.repeat(3, *[1] * (x.ndim - 1)) for name, x in known.items()}
    torch.testing.assert_close(case(thrice), case(known))


@pytest.mark.parametrize("case", [c for c in CASES if c.tiles], ids=lambda case: case.name)
def test_it_is_the_same_for_a_patch_and_for_four_of_it(case: Case) -> None:
    def fourfold(x: Tensor) -> Tensor:
        if x.ndim != 4:
            return x
        x = torch.cat([x, x.flip(-1)], -1)
        return torch.cat([x, x.flip(-2)], -2)

    known = case.known()
    larger = {name: fourfold(x) for name, x in known.items()}
    torch.testing.assert_close(case(larger), case(known))


def test_what_is_learnt_gets_a_finite_gradient_and_the_judge_none(case: Case) -> None:
    known = {name: x.requires_grad_() for name, x in case.known().items()}
    case(known).backward()
    for name in case.pairs:
        assert known[name].grad is not None
        assert known[name].grad.isfinite().all()
        assert known[name].grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in JUDGE.parameters())


def test_autocast_does_not_touch_it(case: Case) -> None:
    known = case.known(dtype=torch.float32)
    judge = {} if "judge" not in case.fixed else {"judge": nn.Identity()}
    expected = case.term(**known, **judge)
    with torch.autocast("cpu", torch.bfloat16):
        found = case.term(**known, **judge)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


def test_it_serves_within_an_objective(case: Case) -> None:
    valued = Objective({"term": case.term}, {"term": 2.0})(**case.known(), **case.fixed, other=None)
    torch.testing.assert_close(valued.total, 2 * case(case.known()))
    assert valued.raw["term"].requires_grad is False


def test_no_term_but_the_anchor_stays_out_of_balancing() -> None:
    assert all(getattr(case.term, "balanced", True) for case in CASES)
    assert AnchorTerm().balanced is False
