import numpy as np
import pytest
import torch

from mtlsr.data.images import write_image
from mtlsr.data.resize import bicubic_upscale
from mtlsr.data.store import Store

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two smooth photographs, of 15 x 20 and 12 x 12 pixels at low resolution, scale 2."""
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    for name, shape in (("wide.png", (15, 20, 3)), ("square.png", (12, 12, 3))):
        coarse = rng.integers(0, 256, shape, dtype=np.uint8)
        write_image(folder / name, bicubic_upscale(coarse, 2))
    return Store.open([folder / "wide.png", folder / "square.png"], 2, folder / "cache")
