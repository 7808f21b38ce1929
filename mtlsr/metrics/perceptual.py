"""Distances in the feature space of a network that was trained to recognise things.

Both are torchmetrics', which carries their own small weights. The backbones are torchvision's: the
package is an extra (`pip install 'mtlsr[perceptual]'`), and nothing here downloads its weights.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from mtlsr.errors import UserError
from mtlsr.metrics.planes import Image, Output, Plane, check_side, planes
from mtlsr.metrics.protocol import Protocol

SMALLEST = 32
"""Pixels a side that both backbones still have something to see of."""


def lpips(sr: Output, hr: Image, protocol: Protocol) -> float:
    """Learned perceptual image patch similarity: 0 for equal images, the less the better.

    Squared distance of AlexNet's normalised features, weighed as in version 0.1 (Zhang, Isola,
    Efros, Shechtman and Wang, CVPR 2018), on RGB inside the protocol's border, in float32.

    Args:
        sr: output, uint8, H x W x 3; also grey if `hr` is. Floating-point levels where the
            protocol's `output` is "float".
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: gives `border` and `output`.

    Raises:
        UserError: torchvision or AlexNet's weights are missing; says what to do.
        ValueError: types or shapes do not fit, or a side is below 32 pixels inside the border.
    """
    return _distance("lpips", sr, hr, protocol)


def dists(sr: Output, hr: Image, protocol: Protocol) -> float:
    """Deep image structure and texture similarity: 0 for equal images, the less the better.

    Compares means (texture) and covariances (structure) of VGG-16's features (Ding, Ma, Wang and
    Simoncelli, PAMI 2020), on RGB inside the protocol's border, in float32. Arguments and errors
    are those of `lpips`, with VGG-16's weights.
    """
    return _distance("dists", sr, hr, protocol)


def check_installed(name: str) -> None:
    """Look whether `lpips` or `dists` can be computed here, without loading a network.

    Raises:
        UserError: torchvision cannot be imported, or the backbone's weights are not there or are
            not those that torchvision names.
    """
    _weights(name)


def _distance(name: str, sr: Output, hr: Image, protocol: Protocol) -> float:
    a, b = planes(sr, hr, protocol, "rgb")
    check_side(a, SMALLEST, name)
    network = _network(name)
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        return float(network(_batch(a), _batch(b)))


def _batch(plane: Plane) -> Tensor:
    """Levels of H x W x 3 as 1 x 3 x H x W in 0..1."""
    return torch.from_numpy(plane).permute(2, 0, 1)[None].float() / 255


@cache
def _network(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    _weights(name)  # once they are there, torchvision downloads nothing
    # torchmetrics' own DISTS metric would load VGG-16 anew for every image.
    from torchmetrics.functional.image.dists import DISTSNetwork
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    if name == "dists":
        return DISTSNetwork().eval()
    network = LearnedPerceptualImagePatchSimilarity(net_type="alex").net
    return lambda a, b: network(a, b, normalize=True)


@cache
def _weights(name: str) -> Path:
    """The file of the backbone's weights, where torchvision looks for it."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError, OSError) as error:
        # RuntimeError: a build that does not go with this torch.
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{name} needs torchvision in the build that goes with torch {torch.__version__}: pip "
            f"install 'mtlsr[perceptual]' ({reason})"
        ) from None
    weights = {"lpips": models.AlexNet_Weights, "dists": models.VGG16_Weights}[name].DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not path.is_file():
        raise UserError(
            f"{name} needs {path}, which is not there: fetch it from {weights.url} (nothing is "
            "downloaded here)"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(path.stem.rpartition("-")[2]):
        raise UserError(f"{path} is not the file of {weights.url}: its SHA-256 is {found}")
    return path
