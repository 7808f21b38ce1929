import pytest
import torch

from mtlsr.networks.base import TwoStageNetwork
from mtlsr.networks.table import PARTNERS, build_pair

torch.set_num_threads(1)

# Two sizes, few channels: quick, and every realism network fits every restoration network.
NARROW_REALISM = {
    "attention": {"first": 6, "widths": [8, 12], "units": [1, 1]},
    "residual": {"first": 6, "widths": [8, 12], "units": [1, 1]},
    "seed": {"widths": [8, 12], "units": [1, 1]},
}
NARROW_RESTORATION = {
    "unet": {"units": [1, 1]},
    "unet_large": {"units": [1, 1, 1], "widths": [8, 12, 16]},
    "seed": {"kernels": [3, 5]},
}


def _build(
    restoration: str,
    realism: str | None = None,
    *,
    scale: int = 2,
    vector_size: int = 5,
    structure_channels: int = 2,
    narrow: bool = False,
) -> TwoStageNetwork:
    realism = realism or PARTNERS[restoration]
    torch.manual_seed(0)
    return build_pair(
        {"name": realism, **(NARROW_REALISM[realism] if narrow else {})},
        {"name": restoration, **(NARROW_RESTORATION[restoration] if narrow else {})},
        scale=scale,
        vector_size=vector_size,
        structure_channels=structure_channels,
    ).eval()


@pytest.fixture(scope="session")
def build():
    """`build(restoration, realism=its partner, scale=2, ...)`: a seeded pair in eval mode."""
    return _build
