"""Two processes train as one with twice the batch, whatever the method, equal to the bit."""

import pytest
import torch
from torch import multiprocessing

from mtlsr.objective.balancing.diagnostics import diagnose
from tests.objective.balancing.pair import TERMS, stage
from tests.objective.balancing.two_ranks import FORMS, VARIANTS, batches, plain_weights, train, work


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(work, (folder,), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join([v[0], *v[1].values()]))
def test_two_ranks_stay_equal_and_do_what_one_would_do(pair, variant):
    first, second = (found["weights"][str(variant)] for found in pair)
    alone = train(*variant, batches())
    start = dict(stage().double().named_parameters())
    assert first.keys() == alone.keys()
    near = 2e-4 if variant[0] == "nash_mtl" else 2e-6  # its solver stops early
    for name, value in first.items():
        assert torch.equal(value, second[name])
        torch.testing.assert_close(value, alone[name], atol=near, rtol=1e-3)
    assert any(
        not torch.equal(value, start[name]) for name, value in first.items() if name in start
    )


def test_two_ranks_see_the_gradients_of_the_whole_batch(pair):
    first, second = (found["seen"] for found in pair)
    assert first == second
    assert first == pytest.approx(
        diagnose(stage().double().evaluate_terms(batches()[0]), TERMS), rel=1e-3, abs=1e-4
    )


@pytest.mark.parametrize("form", FORMS)
def test_two_ranks_choose_the_weights_that_one_would_also_where_nothing_scales_them(pair, form):
    first, second = (found["plain"][form] for found in pair)
    assert first == second
    assert first == pytest.approx(plain_weights(form, batches()[0]), rel=1e-3)
