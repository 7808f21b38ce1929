import pytest
import torch

from mtlsr.objective.precision import in_full_precision, widened


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_only_half_precision_is_raised(given: torch.dtype, wanted: torch.dtype) -> None:
    assert widened(torch.zeros(2, dtype=given)).dtype == wanted


def test_autocast_is_off_inside_and_on_again_after() -> None:
    x = torch.rand(4, 4)

    @in_full_precision
    def product(x: torch.Tensor) -> torch.Tensor:
        """Return x²."""
        return x @ x

    with torch.autocast("cpu", torch.bfloat16):
        assert product(x.bfloat16()).dtype == torch.float32
        torch.testing.assert_close(product(x).double(), x.double() @ x.double())
        assert (x @ x).dtype == torch.bfloat16
    assert product.__doc__ == "Return x²."
