import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mtlsr.data.images import find_images, read_image
from mtlsr.data.resize import (
    _strips,
    bicubic_downscale,
    bicubic_upscale,
    crop_to_multiple,
    downscale,
    enlarge_and_add,
    resampling_matrix,
    resize,
)
from mtlsr.networks.measure import LiveMemory

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MTLSR_SHARED", ROOT.parent / "shared"))
SIZES = [(12, 6), (12, 4), (12, 3), (6, 12), (5, 20), (7, 10), (10, 7), (1, 4), (4, 1), (9, 9)]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_downscale_reproduces_the_published_files(name: str, scale: int) -> None:
    folder = SHARED / "data" / "benchmark" / name
    if not folder.is_dir():
        pytest.skip(f"the published files are not at {folder} (set MTLSR_SHARED)")
    for path in find_images(folder / "HR"):
        hr = crop_to_multiple(read_image(path, grey="keep"), scale)
        published = read_image(folder / f"LR_x{scale}" / path.name, grey="keep")
        np.testing.assert_array_equal(bicubic_downscale(hr, scale), published, err_msg=path.name)


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_rows_sum_to_one(size_in: int, size_out: int) -> None:
    matrix = resampling_matrix(size_in, size_out)
    assert matrix.shape == (size_out, size_in)
    assert matrix.dtype == np.float64
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-14)


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_matrix_commutes_with_mirroring(size_in: int, size_out: int) -> None:
    matrix = resampling_matrix(size_in, size_out)
    np.testing.assert_allclose(matrix[::-1, ::-1], matrix, atol=1e-14)


def test_equal_sizes_change_nothing() -> None:
    np.testing.assert_array_equal(resampling_matrix(9, 9), np.eye(9))


@pytest.mark.parametrize(("size_in", "size_out"), [(48, 12), (48, 16), (12, 48), (20, 30)])
def test_a_straight_ramp_stays_straight_away_from_the_borders(size_in: int, size_out: int) -> None:
    ratio = size_in / size_out
    centres = (np.arange(size_out) + 0.5) * ratio - 0.5
    inside = (centres > 2 * max(ratio, 1)) & (centres < size_in - 1 - 2 * max(ratio, 1))
    assert inside.sum() >= 4
    resized = resampling_matrix(size_in, size_out) @ np.arange(size_in)
    np.testing.assert_allclose(resized[inside], centres[inside], atol=1e-12)


def test_upscaling_by_two_has_the_kernels_known_weights() -> None:
    # h at 1.75, 0.75, 0.25, 1.25 for a = -1/2; a = -3/4 would end with -0.10547
    row = resampling_matrix(8, 16)[8, 2:6]
    np.testing.assert_allclose(row, [-0.0234375, 0.2265625, 0.8671875, -0.0703125])


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8, 16])
@pytest.mark.parametrize("resample", [bicubic_downscale, bicubic_upscale])
def test_uint8_passes_are_the_matrix_rounded_twice(resample, scale: int) -> None:
    image = noise(3 * scale, 2 * scale, 3)
    down = resample is bicubic_downscale
    height, width = (3, 2) if down else (3 * scale**2, 2 * scale**2)
    rows, columns = resampling_matrix(3 * scale, height), resampling_matrix(2 * scale, width)

    def rounded(x: np.ndarray) -> np.ndarray:
        # Float sums miss exact halves by an ulp, which the integers do not: nudge them back.
        return np.floor(x + 0.5 + 1e-9).clip(0, 255)

    first = rounded(np.einsum("oh,hwc->owc", rows, image.astype(float)))
    expected = rounded(np.einsum("pw,owc->opc", columns, first))
    np.testing.assert_array_equal(resample(image, scale), expected)


@pytest.mark.parametrize("value", [0, 1, 127, 255])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_constants_stay(value: int, scale: int) -> None:
    image = np.full((12, 24, 3), value, np.uint8)
    assert (bicubic_downscale(image, scale) == value).all()
    assert (bicubic_upscale(image, scale) == value).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mirroring_commutes(scale: int) -> None:
    image = noise(24, 36, 3)
    for axis in (0, 1):
        flipped = bicubic_downscale(np.flip(image, axis), scale)
        np.testing.assert_array_equal(flipped, np.flip(bicubic_downscale(image, scale), axis))


def test_height_goes_first() -> None:
    image = noise(32, 32)
    other = bicubic_downscale(image.T.copy(), 4).T
    difference = np.abs(bicubic_downscale(image, 4).astype(int) - other)
    assert 0 < difference.max() <= 1


def test_channels_are_independent_and_grey_is_one_of_them() -> None:
    image = noise(16, 12, 3)
    for channel in range(3):
        np.testing.assert_array_equal(
            bicubic_downscale(image, 4)[..., channel], bicubic_downscale(image[..., channel], 4)
        )


def test_crop_cuts_bottom_and_right() -> None:
    image = noise(13, 11, 3)
    np.testing.assert_array_equal(crop_to_multiple(image, 4), image[:12, :8])


@pytest.mark.parametrize(
    ("image", "scale", "message"),
    [
        (noise(9, 8), 4, "9x8 cannot be shrunk by 4"),
        (noise(8, 8).astype(np.float32), 4, "float32"),
        (torch.zeros(8, 8, dtype=torch.uint8), 4, "uint8"),
        (noise(1, 8, 8, 3), 4, "shape"),
        (noise(8), 4, "shape"),
        (noise(0, 8), 4, "shape"),
        (noise(8, 8), 0, "scale is 0"),
        (noise(8, 8), 17, "scale is 17"),
        (noise(8, 8), 2.0, r"scale is 2\.0"),
    ],
)
def test_refusals_say_what_was_wrong(image, scale, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bicubic_downscale(image, scale)


def test_too_small_to_crop() -> None:
    with pytest.raises(ValueError, match="3x8 is too small for scale 4"):
        crop_to_multiple(noise(3, 8), 4)


# ---- torch -------------------------------------------------------------------------------------


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_torch_agrees_with_uint8_before_rounding(scale: int) -> None:
    # A smooth image, so that the uint8 version's two roundings are all that differs.
    y, x = np.mgrid[0:48, 0:36]
    image = (127 + 60 * np.sin(x / 6) + 60 * np.cos(y / 7))[..., None].repeat(3, 2)
    image = image.astype(np.uint8)
    height, width = image.shape[:2]
    # The first pass is rounded by up to 0.5, then stretched by sum |weights| < 1.3 at most.
    for ours, size in (
        (bicubic_downscale(image, scale), (height // scale, width // scale)),
        (bicubic_upscale(image, scale), (height * scale, width * scale)),
    ):
        difference = (resize(as_tensor(image), size) - as_tensor(ours)).abs().mul(255)
        assert difference.max() <= 1.15
        assert difference.mean() <= 0.5


@pytest.mark.parametrize("axis", [0, 1])
def test_torch_is_within_half_a_level_along_one_axis(axis: int) -> None:
    line = noise(1, 48, 3) // 2 + 64  # far enough from 0 and 255 that nothing is clipped
    image = np.repeat(line, 48, axis=0)
    image = image if axis else image.swapaxes(0, 1).copy()
    for ours, size in (
        (bicubic_downscale(image, 4), (12, 12)),
        (bicubic_upscale(image, 2), (96,) * 2),
    ):
        difference = (resize(as_tensor(image), size) - as_tensor(ours)).abs().mul(255)
        assert difference.max() <= 0.5 + 1e-3


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_downscale_is_half_a_level_from_the_benchmark_s(scale: int) -> None:
    """Overshooting edges, where resize is far away, included."""
    edges = np.random.default_rng(1).integers(0, 2, (12 * scale, 10 * scale, 3)) * 255
    images = [noise(24, 36, 3), edges.astype(np.uint8), edges.astype(np.uint8) // 4 * 3 + 20]
    folder = SHARED / "data" / "benchmark" / "Set14" / "HR"
    if folder.is_dir():
        images += [read_image(path) for path in find_images(folder)]
    for image in images:
        image = crop_to_multiple(image, scale)
        ours = as_tensor(bicubic_downscale(image, scale))
        difference = (downscale(as_tensor(image.copy()), scale) - ours).abs().max() * 255
        assert difference <= 0.5 + 1e-3


def test_downscale_has_the_gradient_of_resize_where_nothing_is_clipped() -> None:
    x = (0.3 + 0.4 * torch.rand(2, 3, 16, 12, dtype=torch.float64)).requires_grad_()
    weights = torch.rand(2, 3, 4, 3, dtype=torch.float64)
    gradients = [
        torch.autograd.grad((weights * image).sum(), x)[0]
        for image in (downscale(x, 4), resize(x, (4, 3)))
    ]
    torch.testing.assert_close(*gradients)


def test_downscale_keeps_type_format_and_range() -> None:
    x = torch.randint(0, 2, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0)).float()
    x[0, :, :4] = 0
    x[0, :, 4:] = 1
    last = downscale(x.to(memory_format=torch.channels_last), 2)
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last, downscale(x, 2))
    assert last.min() >= 0 and last.max() <= 1
    assert (resize(x, (4, 4)) < 0).any()
    with torch.autocast("cpu", torch.bfloat16):
        assert downscale(x.bfloat16(), 2).dtype == torch.float32


@pytest.mark.parametrize(
    ("x", "scale", "message"),
    [
        (torch.rand(3, 8, 8), 2, "a floating"),
        (torch.rand(1, 3, 9, 8), 2, "9x8 cannot be shrunk by 2"),
        (torch.rand(1, 3, 8, 8), 17, "scale is 17"),
    ],
)
def test_downscale_refuses(x: torch.Tensor, scale: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        downscale(x, scale)


def test_gradient_is_right_and_its_gradient_too() -> None:
    x = torch.rand(2, 3, 8, 6, dtype=torch.float64, requires_grad=True)
    for size in ((4, 3), (16, 9), (8, 6)):
        assert torch.autograd.gradcheck(resize, (x, size))
    assert torch.autograd.gradgradcheck(lambda x: resize(x, (4, 3)) ** 2, (x,))


@pytest.mark.parametrize("size", [(4, 4), (16, 16)])
def test_memory_format_is_kept(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, 8, 8)
    last = resize(x.to(memory_format=torch.channels_last), size)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert resize(x, size).is_contiguous()
    torch.testing.assert_close(last, resize(x, size))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("phases", [True, False])
def test_details_are_added_as_if_each_were_shuffled_first(
    scale: int, dtype: torch.dtype, phases: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(scale)
    last = {"memory_format": torch.channels_last}
    x = torch.rand(2, 3, 7, 9).to(**last)
    details = [torch.randn(2, 3 * scale**2, 7, 9, dtype=dtype).to(**last) for _ in range(2)]
    if not phases:
        monkeypatch.setattr("mtlsr.data.resize._by_phases", lambda x: False)
    expected = resize(x, (7 * scale, 9 * scale))
    for detail in details:
        expected = expected + F.pixel_shuffle(detail, scale)
    before = [detail.clone() for detail in details]
    found = enlarge_and_add(x, scale, *details)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert all(map(torch.equal, details, before))


def test_a_gpu_keeps_no_matrices_of_the_sizes_of_photographs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # meta knows none
    before = resampling_matrix.cache_info().misses
    with torch.backends.cudnn.flags(allow_tf32=False), torch.no_grad():
        for side in (1500, 1516, 1532):
            x = torch.empty(1, 3, side, 2000, device="meta")
            assert enlarge_and_add(x, 4, torch.empty(1, 48, side, 2000, device="meta")).is_meta
            assert resize(x, (2 * side, 4000)).shape == (1, 3, 2 * side, 4000)
    assert resampling_matrix.cache_info().misses <= before + 2  # of five pixels


@pytest.mark.parametrize("size", [(180, 100), (200, 90), (23, 1000), (64, 64)])
@pytest.mark.parametrize("last", [True, False])
def test_without_gradients_strips_give_the_same_bits(size: tuple[int, int], last: bool) -> None:
    torch.manual_seed(0)
    form = torch.channels_last if last else torch.contiguous_format
    x = torch.rand(1, 3, *size).to(memory_format=form)
    detail = torch.randn(1, 48, *size).to(memory_format=form)
    whole = enlarge_and_add(x, 4, detail)
    with torch.no_grad():
        found = enlarge_and_add(x, 4, detail)
    assert torch.equal(found, whole)
    assert found.stride() == whole.stride()


@pytest.mark.parametrize("height", [1, 66, 67, 131, 132, 133, 500])
def test_strips_cover_every_row_and_are_of_one_height(height: int) -> None:
    strips = _strips(torch.empty(1, 3, height, 100, device="meta"), 4)
    assert sorted({row for strip in strips for row in range(height)[strip]}) == [*range(height)]
    assert len({strip.stop - strip.start for strip in strips}) == 1
    assert all(0 <= strip.start < strip.stop <= height for strip in strips)


@pytest.mark.parametrize("image", [True, False])
def test_details_have_the_gradient_of_a_shuffle(image: bool) -> None:
    x = torch.rand(1, 3, 3, 4, dtype=torch.float64, requires_grad=image)
    details = [torch.rand(1, 12, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda x, *own: enlarge_and_add(x, 2, *own), (x, *details))


def test_autocast_does_not_reach_inside() -> None:
    x = torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = resize(x, (8, 8))
        raised = resize(x.bfloat16(), (8, 8))
    assert inside.dtype == raised.dtype == torch.float32
    torch.testing.assert_close(inside, resize(x, (8, 8)), rtol=0, atol=0)


def test_first_use_in_inference_mode_does_not_spoil_training() -> None:
    with torch.inference_mode():
        resize(torch.rand(1, 3, 22, 22), (11, 11))
    x = torch.rand(1, 3, 22, 22, requires_grad=True)
    resize(x, (11, 11)).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad.sum(), torch.tensor(3 * 11 * 11.0))


class Enlarge(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return resize(x, (x.shape[2] * 2, x.shape[3] * 2))


class Shrink(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return resize(x, (x.shape[2] // 4, x.shape[3] // 4))


@pytest.mark.parametrize("net", [Enlarge(), Shrink()])
def test_tracing_first_does_not_spoil_running_afterwards(net: torch.nn.Module) -> None:
    x = torch.rand(1, 3, 28, 44)
    exported = torch.export.export(net, (x,)).module()(x)
    compiled = torch.compile(net, backend="eager", fullgraph=True)(x)
    torch.testing.assert_close(exported, net(x))
    torch.testing.assert_close(compiled, net(x))


def test_enlarging_can_be_exported_and_compiled_for_any_size() -> None:
    sizes = {"x": {2: torch.export.Dim("h", min=2, max=512), 3: torch.export.Dim("w", min=2)}}
    net = Enlarge()
    exported = torch.export.export(net, (torch.rand(1, 3, 8, 9),), dynamic_shapes=sizes).module()
    compiled = torch.compile(net, backend="eager", fullgraph=True, dynamic=True)
    for height, width in ((8, 9), (2, 3), (17, 5), (64, 40)):
        x = torch.rand(1, 3, height, width)
        torch.testing.assert_close(exported(x), net(x))
        torch.testing.assert_close(compiled(x), net(x))


class EnlargeAndAdd(torch.nn.Module):
    def forward(self, x: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
        return enlarge_and_add(x, 2, detail)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_added_can_be_exported_for_any_size(strict: bool, grad: bool) -> None:
    net, axes = EnlargeAndAdd(), {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    given = torch.rand(1, 3, 8, 9), torch.rand(1, 12, 8, 9)
    with torch.set_grad_enabled(grad):
        exported = torch.export.export(net, given, dynamic_shapes=[axes, axes], strict=strict)
        for height, width in ((8, 9), (2, 3), (17, 5), (4, 800)):
            x, detail = torch.rand(1, 3, height, width), torch.rand(1, 12, height, width)
            torch.testing.assert_close(exported.module()(x, detail), net(x, detail))


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_exported_does_not_cost_the_square_of_the_side(strict: bool) -> None:
    net, axes = EnlargeAndAdd(), {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    given = torch.rand(1, 3, 8, 9), torch.rand(1, 12, 8, 9)
    exported = torch.export.export(net, given, dynamic_shapes=[axes, axes], strict=strict).module()
    x, detail = torch.rand(1, 3, 2, 3000), torch.rand(1, 12, 2, 3000)
    with LiveMemory() as live:
        exported(x, detail)
    assert live.peak < 40 * x.nbytes


@pytest.mark.parametrize("x", [torch.zeros(3, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)])
def test_torch_refuses_what_is_no_batch(x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="floating"):
        resize(x, (4, 4))


def test_torch_refuses_an_empty_size() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        resize(torch.zeros(1, 3, 8, 8), (0, 4))
