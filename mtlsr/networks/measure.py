"""How large a network is, how much work it does, how much memory it needs and how far it sees."""

import copy
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

from mtlsr.networks.base import SRNetwork
from mtlsr.networks.whole_image import Sums, WholeImage, answered

ROWS = 16
"""Height of the strip on which a receptive field is looked for: fields are taken for square."""


def parameters(network: nn.Module) -> int:
    """Numbers that are learnt."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: Callable[[Tensor], object], height: int, width: int) -> int:
    """Multiplications, each with its addition, for an image of that size; nothing is computed.

    Those of convolutions and linear layers are counted, as in the literature. Biases, activations
    and interpolations are not.

    Args:
        network: Takes (1, 3, height, width); in evaluation mode. Or one of its methods.
        height: Of the low-resolution image, in pixels.
        width: Likewise.
    """
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        image = torch.rand(1, 3, height, width)
        with FlopCounterMode(display=False) as counter:
            network(image)
    counts = counter.get_flop_counts()["Global"]
    counted = (torch.ops.aten.convolution, torch.ops.aten.addmm)
    return sum(counts.get(operation, 0) for operation in counted) // 2


def receptive_field(network: SRNetwork, largest: int = 512) -> int | None:
    """Width of what one pixel's share of the output depends on, in low-resolution pixels.

    Counted are the columns for which the gradient of the s × s output pixels of one low-resolution
    pixel is not 0. It is measured in float64 with random positive weights on a bright image, so
    that nothing cancels and every ReLU passes, and with means in place of maxima, whose gradient
    sees one pixel. The realism vector, which sees the whole image, lets no gradient through and is
    not counted.

    Args:
        network: Of any weights.
        largest: Where to stop looking.

    Returns:
        None where `largest` columns are not enough: with pooling over the whole image, say.
    """
    seen = _columns_seen(network, 1, 1, largest)
    return None if seen is None else sum(seen) + 1


def reach(network: SRNetwork, largest: int = 2048) -> int | None:
    """Low-resolution pixels that a tile needs around it, so that it comes out as in the whole.

    It is how far a tile sees that begins and ends at multiples of the network's stride, itself a
    multiple of it. What the modules of `mtlsr.networks.whole_image` see is not counted. Networks
    see as far up and down as to both sides.

    Args:
        network: Of any weights, with a stride.
        largest: Where to stop looking.

    Returns:
        None where the network sees further than `largest` columns.
    """
    assert network.stride is not None
    seen = _columns_seen(network, network.stride, network.stride, largest, whole_image=False)
    return None if seen is None else -(-max(seen) // network.stride) * network.stride


def _columns_seen(
    network: SRNetwork, columns: int, stride: int, largest: int, whole_image: bool = True
) -> tuple[int, int] | None:
    """How many columns before and after some of them these are enlarged from.

    Args:
        network: See `receptive_field`.
        columns: How many.
        stride: Of which number the first one is a multiple.
        largest: Most columns of the strip.
        whole_image: Whether what is seen of the whole image counts.
    """
    probe = copy.deepcopy(network.deployed()).to("cpu", torch.float64).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in probe.parameters():
            if parameter.ndim > 1:  # as large as what it reads, on average
                parameter.uniform_(0.5, 1.5, generator=generator).div_(parameter[0].numel())
            else:
                parameter.abs_()
    for module in probe.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()  # a large mean would close every ReLU behind it
    unseen = {
        module: lambda maps: Sums.of([x.detach() for x in maps])
        for module in probe.modules()
        if isinstance(module, WholeImage) and not whole_image
    }
    width = 32
    while width <= largest:
        image = torch.rand(1, 3, ROWS, width, generator=generator, dtype=torch.float64)
        image = (1 - image / 4).requires_grad_()
        scale, row, begin = network.scale, ROWS // 2, width // 2 // stride * stride
        with MeansForMaxima(), answered(unseen):
            sr = probe(image)[1].sr
        sr = sr.unflatten(2, (ROWS, scale)).unflatten(4, (width, scale))
        asked = sr[:, :, row, :, begin : begin + columns]
        (gradient,) = torch.autograd.grad(asked.sum(), image)
        seen = gradient.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
        first, last = int(seen[0]), int(seen[-1])
        if first > 0 and last < width - 1:
            return begin - first, last - (begin + columns - 1)
        width *= 2
    return None


class MeansForMaxima(TorchFunctionMode):
    """Within it, `F.max_pool2d` pools by the mean."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is F.max_pool2d:
            func = F.avg_pool2d
            for only_maxima in ("dilation", "return_indices"):
                kwargs.pop(only_maxima)
        return func(*args, **kwargs)


class LiveMemory(TorchDispatchMode):
    """Bytes of tensors that are made within it and alive at one time; `peak` is their highest sum.

    What operations use inside themselves is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for given in tree_leaves((args, kwargs)):
            if isinstance(given, Tensor):
                self._known.setdefault(given.untyped_storage(), 0)  # made outside, or known
        for made in tree_leaves(result):
            if isinstance(made, Tensor) and made.untyped_storage() not in self._known:
                self._add(made.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        size = self._known[storage] = storage.nbytes()
        weakref.finalize(storage, self._remove, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _remove(self, size: int) -> None:
        self.now -= size
