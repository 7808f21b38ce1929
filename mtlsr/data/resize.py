"""Bicubic resizing, as the super-resolution benchmarks define it.

Kernel (Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -1/2)

    h(x) = 3/2 |x|^3 - 5/2 |x|^2 + 1             for |x| <= 1
           -1/2 |x|^3 + 5/2 |x|^2 - 4 |x| + 2    for 1 < |x| < 2,    0 elsewhere,

stretched by the scale for down-scaling (anti-aliasing), weights normalised, replicated borders,
height first and then width. The images of Set5 and Set14 that are published at low resolution were
made so, by MATLAB's ``imresize`` with uint8 clip and round-half-up after each of the two passes.

Two forms of one definition stand here: on uint8 images, bit for bit; and on torch tensors,
differentiable, for networks and losses.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._subclasses import FakeTensor
from torch.nn import functional as F

MAX_SCALE = 16  # keeps every integer sum below in 32 bits

LEAST_FOR_ONEDNN = 20481
"""Torch hands float32 inputs of more numbers than 20,480 to oneDNN (`use_mkldnn` in
aten/src/ATen/native/Convolution.cpp), whose sums end in other bits than torch's own."""

STRIP = 2**18
"""Numbers of a part of an image that fits the cache of a processor's core."""

UInt8 = NDArray[np.uint8]


# ---- uint8, bit for bit ------------------------------------------------------------------------


def bicubic_downscale(image: UInt8, scale: int) -> UInt8:
    """Shrink a uint8 image by a whole factor, bit for bit as the benchmarks do.

    Args:
        image: uint8 ``(H, W, C)`` or ``(H, W)``, with H and W multiples of ``scale``.
        scale: 1 to 16.

    Returns:
        uint8 ``(H/scale, W/scale[, C])``.

    Raises:
        ValueError: not a uint8 image of two or three axes, a size that is no multiple of the scale
            (see ``crop_to_multiple``), or a scale out of range.
    """
    _check(image, scale)
    height, width = image.shape[:2]
    if height % scale or width % scale:
        raise ValueError(
            f"An image of {height}x{width} cannot be shrunk by {scale}: "
            f"its height and width must be multiples of {scale} (crop_to_multiple cuts them)."
        )
    taps, first = _integer_taps(scale, down=True)
    return _second_axis(_shrink, _shrink(image, taps[0], first, scale), taps[0], first, scale)


def bicubic_upscale(image: UInt8, scale: int) -> UInt8:
    """Enlarge a uint8 image by a whole factor: the ``bicubic`` method that papers compare with.

    Args:
        image: uint8 ``(H, W, C)`` or ``(H, W)``.
        scale: 1 to 16.

    Returns:
        uint8 ``(scale*H, scale*W[, C])``.

    Raises:
        ValueError: not a uint8 image of two or three axes, or a scale out of range.
    """
    _check(image, scale)
    taps, first = _integer_taps(scale, down=False)
    return _second_axis(_enlarge, _enlarge(image, taps, first, scale), taps, first, scale)


def crop_to_multiple(image: UInt8, scale: int) -> UInt8:
    """Cut rows at the bottom and columns at the right until ``scale`` divides the size.

    Args:
        image: ``(H, W, C)`` or ``(H, W)``.
        scale: 1 to 16.

    Returns:
        A view of ``image``.

    Raises:
        ValueError: the image is smaller than the scale, or one of ``bicubic_downscale``'s reasons.
    """
    _check(image, scale)
    height, width = image.shape[:2]
    if min(height, width) < scale:
        raise ValueError(
            f"An image of {height}x{width} is too small for scale {scale}: "
            f"at least {scale}x{scale} pixels are needed."
        )
    return image[: height - height % scale, : width - width % scale]


def margin(scale: int) -> int:
    """Pixels around a crop that shrinking it needs, to give what shrinking the whole image gives.

    The kernel reaches two low-resolution pixels beyond its own. Where the image itself ends sooner,
    the crop ends there, too: the replicated borders are then the same.

        m = margin(scale)
        crop = image[scale * top - m : scale * bottom + m]
        bicubic_downscale(crop, scale)[m // scale : -m // scale]    rows top to bottom of the whole

    Args:
        scale: 1 to 16.

    Returns:
        High-resolution pixels on each side, a multiple of the scale.

    Raises:
        ValueError: a scale out of range.
    """
    _check_scale(scale)
    return 2 * scale if scale > 1 else 0


@lru_cache(maxsize=64)
def _integer_taps(scale: int, down: bool) -> tuple[NDArray[np.int32], int]:
    """Kernel weights as exact integers: what the float weights are times ``_unit(scale)``.

    For a whole scale every distance to a tap is a multiple of 1/(2 scale), so h is a whole multiple
    of 1/(16 scale^3), and each phase's weights add up to one without normalising. Sums of integers
    have no rounding, hence a tie at .5 is a tie, whatever the order of summation.

    Returns:
        ``(phases, taps)`` weights, and the position of the first tap relative to the first pixel.
    """
    if down:
        centres = np.array([(scale - 1) / 2])
        reach, stretch = 2 * scale, scale
    else:
        centres = (np.arange(scale) + 0.5) / scale - 0.5
        reach, stretch = 2, 1
    first = int(np.floor(centres[0])) - reach + 1
    last = int(np.floor(centres[-1])) + reach
    positions = np.arange(first, last + 1)
    weights = _kernel((positions - centres[:, None]) / stretch) / stretch
    return np.rint(weights * _unit(scale)).astype(np.int32), first


def _unit(scale: int) -> int:
    return 16 * scale**4


def _shrink(image: UInt8, taps: NDArray[np.int32], first: int, scale: int) -> UInt8:
    """Along the height: every output pixel has the same weights, ``scale`` pixels further on."""
    size = image.shape[0] // scale
    padded = _replicate(image, -first, first + len(taps) - scale)
    total = np.zeros((size, *image.shape[1:]), np.int32)
    for i, weight in enumerate(taps):
        total += weight * padded[i : i + size * scale : scale]
    return _round(total, scale)


def _enlarge(image: UInt8, taps: NDArray[np.int32], first: int, scale: int) -> UInt8:
    """Along the height: output pixels take turns through ``scale`` sets of weights."""
    size = image.shape[0]
    padded = _replicate(image, -first, first + taps.shape[1] - 1)
    total = np.zeros((size, scale, *image.shape[1:]), np.int32)
    for phase, weights in enumerate(taps):
        for i, weight in enumerate(weights):
            if weight:
                total[:, phase] += weight * padded[i : i + size]
    return _round(total.reshape(size * scale, *image.shape[1:]), scale)


def _replicate(image: UInt8, before: int, after: int) -> NDArray[np.int32]:
    rest = [(0, 0)] * (image.ndim - 1)
    return np.pad(image.astype(np.int32), [(before, after), *rest], mode="edge")


def _round(total: NDArray[np.int32], scale: int) -> UInt8:
    unit = _unit(scale)
    return np.clip((total + unit // 2) // unit, 0, 255).astype(np.uint8)


def _second_axis(one_pass: Any, image: UInt8, *args: Any) -> UInt8:
    return np.ascontiguousarray(one_pass(image.swapaxes(0, 1), *args).swapaxes(0, 1))


def _check(image: UInt8, scale: int) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise ValueError(f"The image is of type {kind}: a uint8 NumPy array is needed.")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"The image has shape {image.shape}: (H, W) or (H, W, C) is needed.")
    _check_scale(scale)


def _check_scale(scale: int) -> None:
    if not isinstance(scale, int | np.integer) or not 1 <= scale <= MAX_SCALE:
        raise ValueError(f"scale is {scale!r}: a whole number from 1 to {MAX_SCALE} is needed.")


# ---- any size, float ---------------------------------------------------------------------------


def _kernel(x: Any) -> Any:
    """h(x), for arrays and for tensors."""
    x = abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return (x <= 1) * near + ((x > 1) & (x < 2)) * far


@lru_cache(maxsize=64)
def resampling_matrix(
    size_in: int, size_out: int, kernel: Callable[[Any], Any] = _kernel, reach: int = 2
) -> NDArray[np.float64]:
    """The one-dimensional operator, bicubic by default, from ``size_in`` to ``size_out`` pixels.

    Args:
        size_in: length of the signal, at least 1.
        size_out: length wanted, at least 1; any ratio, whole or not.
        kernel: h(x) of distances in pixels.
        reach: distance from which on it is 0.

    Returns:
        float64 ``(size_out, size_in)``, read-only; each row adds up to one.

    Raises:
        ValueError: a size below 1.
    """
    if size_in < 1 or size_out < 1:
        raise ValueError(f"Cannot resize {size_in} to {size_out} pixels: both must be at least 1.")
    ratio = size_in / size_out
    stretch = max(ratio, 1.0)
    centres = (np.arange(size_out) + 0.5) * ratio - 0.5
    furthest = int(np.ceil(reach * stretch))
    taps = np.floor(centres).astype(int)[:, None] + np.arange(1 - furthest, furthest + 1)
    weights = kernel((taps - centres[:, None]) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)

    matrix = np.zeros((size_out, size_in))
    rows = np.broadcast_to(np.arange(size_out)[:, None], taps.shape)
    np.add.at(matrix, (rows, taps.clip(0, size_in - 1)), weights)
    matrix.flags.writeable = False  # every caller shares it
    return matrix


# ---- torch, differentiable ---------------------------------------------------------------------


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a batch of images by the same operators, without rounding or clipping.

    It is linear in ``x`` and differentiable any number of times. The output may leave [0, 1]
    a little, as bicubic interpolation overshoots at edges.

    Compiled or exported, enlarging works for sizes left open; shrinking is fixed to the traced size
    (left open, it breaks the compiler's graph). Both then multiply by matrices, whose memory goes
    by the square of the sides; `enlarge_and_add` does not, exported.

    Args:
        x: float ``(N, C, H, W)``, usually in [0, 1]. Half precision is raised to float32, and
            autocast is switched off inside, since 8 bits of mantissa are less than a pixel has.
        size: height and width wanted.

    Returns:
        ``(N, C, *size)``, float32 or float64, in the memory format of ``x``.

    Raises:
        ValueError: not a floating tensor of four axes, or a size below 1.
    """
    _check_batch(x)
    height, width = size
    with torch.autocast(x.device.type, enabled=False):
        if x.dtype != torch.float64:
            x = x.float()
        scale = height // x.shape[2]
        whole = size == (scale * x.shape[2], scale * x.shape[3])
        if whole and _by_phases(x) and not torch.compiler.is_compiling():
            return _in_format_of(x, F.pixel_shuffle(_phases(x, scale), scale))
        down = _operator(x.shape[2], height, x)
        across = _operator(x.shape[3], width, x)
        resized = torch.matmul(torch.matmul(down, x), across.T)
    return _in_format_of(x, resized)


def enlarge_and_add(x: Tensor, scale: int, *details: Tensor) -> Tensor:
    """Resize a batch of images to ``scale`` times the size, and add details to it.

    The same values as resizing, shuffling each detail and adding them up in this order; but where
    resizing works at the size of ``x``, so does the addition, and one shuffle does for all.

    Args:
        x: float ``(N, C, H, W)``; see ``resize``.
        scale: 1 to 16.
        details: ``(N, C·scale², H, W)``, as ``torch.nn.functional.pixel_shuffle`` takes them; or
            none.

    Returns:
        ``(N, C, scale·H, scale·W)``, float32 or float64, in the memory format of ``x``.

    Raises:
        ValueError: see ``resize``.
    """
    if not _by_phases(x):
        shuffled = (F.pixel_shuffle(detail, scale) for detail in details)
        return sum(shuffled, resize(x, (scale * x.shape[2], scale * x.shape[3])))
    _check_batch(x)
    with torch.autocast(x.device.type, enabled=False):
        image = x if x.dtype == torch.float64 else x.float()
        if torch.is_grad_enabled() or torch.compiler.is_exporting() or x.device.type != "cpu":
            phases = _phases(image, scale)
            for detail in details:
                phases = phases + detail if phases.requires_grad else phases.add_(detail)
            return _in_format_of(x, F.pixel_shuffle(phases, scale))
        count, channels, height, width = x.shape
        form = torch.channels_last if _is_channels_last(x) else torch.contiguous_format
        sr = torch.empty(
            (count, channels, scale * height, scale * width), dtype=image.dtype, memory_format=form
        )
        continued, kernels = _continued(image), _phase_kernels(scale, channels, image.dtype)
        # In strips, what is added and shuffled is still in the processor's cache.
        for rows in _strips(image, scale):
            strip = continued[:, :, rows.start : rows.stop + 4]
            phases = F.conv2d(strip, kernels, groups=channels)
            for detail in details:
                phases.add_(detail[:, :, rows])
            sr[:, :, scale * rows.start : scale * rows.stop] = F.pixel_shuffle(phases, scale)
        return sr


def _strips(x: Tensor, scale: int) -> list[slice]:
    """Rows of an image, in strips of one height; the last two may overlap.

    None is so small that its convolution would be another one (`LEAST_FOR_ONEDNN`).
    """
    count, channels, height, width = x.shape
    rows = max(
        STRIP // (count * channels * scale**2 * width),
        -(-LEAST_FOR_ONEDNN // (count * channels * (width + 4))),
    )
    if rows >= height:
        return [slice(0, height)]
    starts = [*range(0, height - rows, rows), height - rows]
    return [slice(start, start + rows) for start in starts]


def _by_phases(x: Tensor) -> bool:
    # Where a network's convolutions are counted, with stand-ins for tensors, this is none of them.
    # An exported file, though, must not hold matrices that grow by the square of an image's side.
    if torch.compiler.is_compiling() or isinstance(x, FakeTensor):
        return x.device.type == "cpu" and torch.compiler.is_exporting()
    # cuDNN would round to TF32 where it may, as in training, which has one size of image.
    return x.device.type == "cpu" or not torch.backends.cudnn.allow_tf32


def _phases(x: Tensor, scale: int) -> Tensor:
    """Each of the s × s pixels that one becomes, as a channel: (N, C·s², H, W).

    A product with a dense matrix costs the square of the image's side. Nor does it always add in
    the same order, so that a part of an image would not come out like that part of the whole.
    """
    channels = x.shape[1]
    kernels = _phase_kernels(scale, channels, x.dtype).to(x.device)
    return F.conv2d(_continued(x), kernels, groups=channels)


def _continued(x: Tensor) -> Tensor:
    return F.pad(x, (2, 2, 2, 2), mode="replicate")


@torch.compiler.assume_constant_result
def _phase_kernels(scale: int, channels: int, dtype: torch.dtype) -> Tensor:
    """5 × 5 weights of the s × s pixels that the middle one becomes, for each of the channels."""
    # A tensor of its own each time: an export makes stand-ins, which must not outlive it.
    return torch.from_numpy(_phase_weights(scale, channels)).to(dtype)


@lru_cache(maxsize=16)
def _phase_weights(scale: int, channels: int) -> NDArray[np.float64]:
    middle = resampling_matrix(5, 5 * scale)[2 * scale : 3 * scale]
    kernels = np.einsum("ay,bx->abyx", middle, middle).reshape(scale**2, 1, 5, 5)
    return np.tile(kernels, (channels, 1, 1, 1))


def downscale(x: Tensor, scale: int) -> Tensor:
    """Shrink a batch as ``bicubic_downscale`` does, but for its last rounding.

    Between its two passes, ``bicubic_downscale`` clips and rounds. So does this function, and
    rounding has the gradient of the identity (Bengio, Léonard and Courville 2013, arXiv:1308.3432).
    Images of whole levels (multiples of 1/255) come out less than half a level from what
    ``bicubic_downscale`` makes of them; ``resize`` may be twelve levels away, at edges.

    Args:
        x: float ``(N, C, H, W)`` in [0, 1], H and W multiples of ``scale``; see ``resize``.
        scale: 1 to 16.

    Returns:
        ``(N, C, H/scale, W/scale)`` in [0, 1], float32 or float64, in the memory format of ``x``.

    Raises:
        ValueError: not a floating tensor of four axes, a size that is no multiple of the scale, or
            a scale out of range.
    """
    _check_batch(x)
    _check_scale(scale)
    height, width = x.shape[2:]
    if height % scale or width % scale:
        raise ValueError(f"{height}x{width} cannot be shrunk by {scale}: no multiples of it.")
    # What is meant to lie half-way between two levels may come out a little below.
    half = 0.5 + min(1e-4, 0.5 / _unit(scale))
    with torch.autocast(x.device.type, enabled=False):
        levels = x * 255 if x.dtype == torch.float64 else x.float() * 255
        first = torch.matmul(_operator(height, height // scale, levels), levels)
        first = first + ((first + half).floor() - first).detach()
        across = _operator(width, width // scale, levels)
        shrunk = torch.matmul(first.clamp(0, 255), across.T).clamp(0, 255) / 255
    return _in_format_of(x, shrunk)


def _check_batch(x: Tensor) -> None:
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(
            f"x is {x.dtype} of shape {tuple(x.shape)}: a floating (N, C, H, W) tensor is needed."
        )


def _in_format_of(x: Tensor, resized: Tensor) -> Tensor:
    if _is_channels_last(x):
        return resized.contiguous(memory_format=torch.channels_last)
    return resized


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _operator(size_in: int, size_out: int, like: Tensor) -> Tensor:
    if torch.compiler.is_compiling() and size_out >= size_in:
        return _traced_operator(size_in, size_out, like)
    return _constant_operator(size_in, size_out, like.device, like.dtype)


def _traced_operator(size_in: int, size_out: int, like: Tensor) -> Tensor:
    """The enlarging matrix in torch's own words, for sizes that compilers and exporters leave open.

    Unstretched weights add up to one by themselves, and never reach further than two pixels past
    a border, where the border's pixel takes them.
    """
    double, device = torch.float64, like.device
    rows = torch.arange(size_out, dtype=double, device=device)[:, None]
    centres = (rows + 0.5) * (size_in / size_out) - 0.5
    pixels = torch.arange(size_in, dtype=double, device=device)
    before = _kernel(centres + 1) + _kernel(centres + 2)
    after = _kernel(centres - size_in) + _kernel(centres - size_in - 1)
    borders = (pixels == 0) * before + (pixels == size_in - 1) * after
    return (_kernel(pixels - centres) + borders).to(like.dtype)


_OPERATORS: dict[tuple[int, int, torch.device, torch.dtype], Tensor] = {}


@torch.compiler.assume_constant_result
def _constant_operator(
    size_in: int, size_out: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    key = (int(size_in), int(size_out), device, dtype)
    operator = _OPERATORS.get(key)
    if operator is None:
        precise = np.float64 if dtype == torch.float64 else np.float32
        # A tensor born in inference mode could not be used in training afterwards.
        with torch.inference_mode(False):
            matrix = resampling_matrix(key[0], key[1]).astype(precise)
            operator = torch.from_numpy(matrix).to(device)
        if type(operator) is Tensor:  # tracing makes stand-ins, which must not outlive it
            if len(_OPERATORS) >= 64:
                _OPERATORS.clear()
            _OPERATORS[key] = operator
    return operator
