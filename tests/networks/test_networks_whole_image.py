from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from mtlsr.networks.whole_image import CELL, GlobalMean, GlobalMoments, Sums, answered


def maps(*sizes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    torch.manual_seed(0)
    drawn = [3 + torch.randn(2, *size) for size in sizes]
    return [x.to(dtype).contiguous(memory_format=torch.channels_last) for x in drawn]


def test_moments_are_numpys() -> None:
    given = maps((5, 37, 50), (3, 19, 25))
    for training in (True, False):
        means, variances = GlobalMoments().train(training)(*given)
        flat = [x.numpy().reshape(2, x.shape[1], -1).astype("float64") for x in given]
        for found, name in ((means, "mean"), (variances, "var")):
            expected = torch.cat([torch.from_numpy(getattr(x, name)(-1)) for x in flat], dim=1)
            torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
        torch.testing.assert_close(GlobalMean().train(training)(*given), means)


def test_one_pixel_varies_by_nothing() -> None:
    for training in (True, False):
        _, variances = GlobalMoments().train(training)(torch.rand(2, 3, 1, 1))
        assert (variances == 0).all()


def test_what_hardly_varies_varies_by_what_it_does() -> None:
    """E[x²] - E[x]² would round to nothing."""
    torch.manual_seed(0)
    x = 10 + 1e-2 * torch.randn(1, 2, 50, 60)
    expected = x.double().var(dim=(-2, -1), correction=0)
    for training in (True, False):
        _, variances = GlobalMoments().train(training)(x)
        torch.testing.assert_close(variances.double(), expected, rtol=1e-4, atol=0)


def test_half_precision_is_raised() -> None:
    (x,) = maps((4, 30, 30), dtype=torch.bfloat16)
    for training in (True, False):
        means = GlobalMean().train(training)(x)
        assert means.dtype == torch.float32
        torch.testing.assert_close(means, x.float().mean(dim=(-2, -1)))


def test_parts_along_the_grid_add_up_to_the_whole_bit_for_bit() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        (x,) = maps((5, 5 * CELL + 3, 7 * CELL - 1), dtype=dtype)
        whole = Sums.of([x])
        parts = [
            Sums.of([part])
            for row in (x[:, :, : 2 * CELL], x[:, :, 2 * CELL :])
            for part in (row[..., :CELL], row[..., CELL : 5 * CELL], row[..., 5 * CELL :])
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        assert torch.equal(total.mean().float(), whole.mean().float())
        assert torch.equal(total.variance().float(), whole.variance().float())


def test_what_is_answered_is_not_looked_at() -> None:
    module, (x,) = GlobalMean(), maps((4, 20, 20))
    told = Sums.of([x])
    for training in (True, False):
        module.train(training)
        with answered({module: lambda given: told}):
            assert torch.equal(module(torch.zeros(2, 4, 3, 3)), told.mean().float())
        assert (module(torch.zeros(2, 4, 3, 3)) == 0).all()


def test_an_answer_is_for_the_thread_that_asked_for_it() -> None:
    module, (x,) = GlobalMean().eval(), maps((4, 20, 20))
    told = Sums.of([x])
    with ThreadPoolExecutor(1) as other, answered({module: lambda given: told}):
        assert torch.equal(module(torch.zeros(2, 4, 3, 3)), told.mean().float())
        assert (other.submit(module, torch.zeros(2, 4, 3, 3)).result() == 0).all()


def test_an_answer_within_an_answer() -> None:
    module, others, (x,) = GlobalMean().eval(), GlobalMean().eval(), maps((4, 20, 20))
    first, second = Sums.of([x]), Sums.of([2 * x])
    zeros = torch.zeros(2, 4, 3, 3)
    with answered({module: lambda given: first}):
        with answered({module: lambda given: second}):
            assert torch.equal(module(zeros), second.mean().float())
            assert (others(zeros) == 0).all()
        assert torch.equal(module(zeros), first.mean().float())


def test_compiled_networks_are_answered_too() -> None:
    module, (x,) = GlobalMean().eval(), maps((4, 20, 20))
    told = Sums.of([x])
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    zeros = torch.zeros(2, 4, 3, 3)
    assert (compiled(zeros) == 0).all()
    with answered({module: lambda given: told}):
        assert torch.equal(compiled(zeros), told.mean().float())
    assert (compiled(zeros) == 0).all()


def test_gradients_are_the_means() -> None:
    for training in (True, False):
        module = GlobalMoments().train(training).double()
        x = torch.rand(1, 2, 5, 18, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(module, (x,))
