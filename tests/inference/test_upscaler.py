import doctest
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mtlsr.data.degradation import DEGRADATIONS
from mtlsr.data.pairs import EvaluationPair
from mtlsr.data.resize import bicubic_upscale, resampling_matrix
from mtlsr.errors import UserError
from mtlsr.inference import upscaler as upscaler_module
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.inference.realism import strengths
from mtlsr.inference.upscaler import Upscaler

PROFILE = b"a colour profile"


@pytest.fixture(scope="module")
def upscaler(tiny_model: Path) -> Upscaler:
    return Upscaler.from_pretrained(tiny_model, device="cpu")


def test_the_examples_of_the_documentation_run(tiny_model: Path) -> None:
    found = doctest.testmod(upscaler_module, extraglobs={"run": tiny_model})
    assert found.attempted >= 8
    assert found.failed == 0


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_is_offered_by_the_package_without_being_loaded_with_it() -> None:
    code = (
        "import sys, mtlsr; assert 'torch' not in sys.modules; assert 'Upscaler' in dir(mtlsr); "
        "assert mtlsr.Upscaler.from_pretrained; assert 'pytorch_lightning' not in sys.modules; "
        "assert 'hydra' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_loads_run_folders_and_model_folders(tiny_model: Path) -> None:
    image = picture(5, 6, 3)
    run, model = (Upscaler.from_pretrained(path) for path in (tiny_model.parent, str(tiny_model)))
    assert run.scale == 2
    assert not run.network.training
    np.testing.assert_array_equal(run(image), model(image))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (8, 5), (13, 16)])
def test_array_is_enlarged_as_evaluation_does(upscaler: Upscaler, size: tuple[int, int]) -> None:
    image = picture(*size, 3)
    kept = image.copy()
    image.flags.writeable = False
    enlarged = upscaler(image)
    assert enlarged.dtype == np.uint8
    assert enlarged.shape == (2 * size[0], 2 * size[1], 3)
    np.testing.assert_array_equal(image, kept)
    pair = EvaluationPair("", image, enlarged)
    (evaluated,) = own_network(upscaler.network, Settings())([pair])
    np.testing.assert_array_equal(enlarged, evaluated)
    assert not np.array_equal(enlarged, bicubic_upscale(image, 2))


def test_array_in_any_order_of_memory(upscaler: Upscaler) -> None:
    image = picture(6, 9, 3)
    views: list[Any] = [np.asfortranarray(image), np.flip(np.flip(image, 1).copy(), 1)]
    for view in views:
        np.testing.assert_array_equal(upscaler(view), upscaler(image))


def test_all_kinds_agree(upscaler: Upscaler) -> None:
    image = picture(6, 9, 3)
    expected = upscaler(image)
    as_pillow = upscaler(Image.fromarray(image))
    assert (as_pillow.mode, as_pillow.size) == ("RGB", (18, 12))
    np.testing.assert_array_equal(np.asarray(as_pillow), expected)
    as_tensor = upscaler(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
    assert as_tensor.dtype == torch.float32
    rounded = (as_tensor[0].permute(1, 2, 0) * 255 + 0.5).floor()
    np.testing.assert_array_equal(rounded.numpy(), expected)


def test_grey_comes_back_grey(upscaler: Upscaler) -> None:
    image = picture(6, 9)
    enlarged = upscaler(image)
    assert enlarged.shape == (12, 18)
    colours = upscaler(np.repeat(image[:, :, None], 3, axis=2)).astype(float)
    luma = colours @ [0.299, 0.587, 0.114]
    assert np.abs(enlarged - luma).max() <= 1  # both are rounded
    as_pillow = upscaler(Image.fromarray(image))
    assert as_pillow.mode == "L"
    np.testing.assert_array_equal(np.asarray(as_pillow), enlarged)
    as_tensor = upscaler(torch.from_numpy(image)[None, None] / 255)
    assert as_tensor.shape == (1, 1, 12, 18)
    np.testing.assert_array_equal((as_tensor[0, 0] * 255 + 0.5).floor().numpy(), enlarged)


def test_transparency_is_enlarged_bicubically_beside_the_colours(upscaler: Upscaler) -> None:
    image = picture(6, 9, 4)
    enlarged = np.asarray(upscaler(Image.fromarray(image)))
    np.testing.assert_array_equal(enlarged[..., :3], upscaler(image[..., :3]))
    np.testing.assert_array_equal(enlarged[..., 3], bicubic_upscale(image[..., 3], 2))


@pytest.mark.parametrize(
    ("mode", "returned"),
    [
        ("1", "L"), ("L", "L"), ("LA", "LA"), ("La", "LA"), ("P", "RGB"), ("PA", "RGBA"),
        ("RGB", "RGB"), ("RGBA", "RGBA"), ("RGBa", "RGBA"), ("CMYK", "RGB"), ("YCbCr", "RGB"),
        ("HSV", "RGB"), ("LAB", "RGB"), ("RGBX", "RGB"),
    ],
)  # fmt: skip
def test_every_pillow_mode_of_eight_bits(upscaler: Upscaler, mode: str, returned: str) -> None:
    image = Image.new(mode, (7, 5))
    image.info["icc_profile"] = PROFILE
    enlarged = upscaler(image)
    assert (enlarged.mode, enlarged.size) == (returned, (14, 10))
    kept = mode in {"L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa"}
    assert enlarged.info.get("icc_profile") == (PROFILE if kept else None)


def test_transparent_colour_of_a_palette(upscaler: Upscaler) -> None:
    image = Image.new("P", (7, 5))
    image.info["transparency"] = 0
    enlarged = upscaler(image)
    assert enlarged.mode == "RGBA"
    assert enlarged.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensor_keeps_its_type(upscaler: Upscaler, dtype: torch.dtype) -> None:
    images = torch.rand(2, 3, 6, 5, dtype=dtype)
    enlarged = upscaler(images)
    assert (enlarged.dtype, enlarged.shape) == (dtype, (2, 3, 12, 10))
    assert 0 <= enlarged.min() <= enlarged.max() <= 1
    torch.testing.assert_close(enlarged[1:], upscaler(images[1:]))


def test_result_can_be_trained_with(upscaler: Upscaler) -> None:
    enlarged = upscaler(torch.rand(1, 3, 4, 4))
    assert not enlarged.requires_grad
    assert not enlarged.is_inference()


def test_bfloat16_is_near_float32(upscaler: Upscaler, tiny_model: Path) -> None:
    reduced = Upscaler.from_pretrained(tiny_model, "cpu", "bfloat16")
    image = torch.rand(1, 3, 16, 16)
    assert upscaler.precision == torch.float32
    error = (reduced(image) - upscaler(image)).abs().max()
    assert 0 < error < 0.01


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("photo.jpg", "of type str: a Pillow image, a NumPy array or a torch tensor"),
        (np.zeros((4, 4, 3)), r"float64 of shape \(4, 4, 3\): uint8"),
        (np.zeros((4, 4, 5), np.uint8), r"\(h, w, 3\) or \(h, w\), or with transparency"),
        (np.zeros((4, 4, 1), np.uint8), r"shape \(4, 4, 1\)"),
        (np.zeros((4, 4, 3), np.int16), r"int16 of shape \(4, 4, 3\): uint8 or uint16"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (torch.zeros(3, 4, 4), r"shape \(3, 4, 4\): floats \(N, 3, h, w\)"),
        (torch.zeros(1, 4, 4, 3), r"shape \(1, 4, 4, 3\)"),
        (torch.zeros(1, 3, 4, 0), r"shape \(1, 3, 4, 0\)"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "torch.uint8"),
        (torch.full((1, 3, 4, 4), 255.0), r"from 255 to 255: \[0, 1\] is needed"),
        (torch.full((1, 3, 4, 4), -0.1), r"from -0.1 to -0.1: \[0, 1\] is needed"),
        (torch.full((1, 3, 4, 4), torch.nan), "from nan to nan"),
        (Image.new("I", (4, 4)), "mode is 'I': at most sixteen bits"),
        (Image.new("F", (4, 4)), "mode is 'F': at most sixteen bits"),
    ],
)
def test_refuses_other_images(upscaler: Upscaler, image: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        upscaler(image)


def test_refuses_what_it_cannot_load(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(UserError, match="nowhere' does not exist; a run or model folder"):
        Upscaler.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"holds no model: neither config.json nor model/config"):
        Upscaler.from_pretrained(tmp_path)
    for device in ("gpu", "meta", "cuda:99"):
        with pytest.raises(UserError, match=rf"device is '{device}'.*choose from auto, cpu"):
            Upscaler.from_pretrained(tiny_model, device=device)
    with pytest.raises(UserError, match="precision is 'int8'; it is one of auto, float32, bfl"):
        Upscaler.from_pretrained(tiny_model, precision="int8")


def test_too_little_memory_is_said_in_one_sentence(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscaler = Upscaler.from_pretrained(tiny_model, device="cpu")

    def fail(message: str) -> None:
        def enlarged(*_: Any) -> None:
            raise RuntimeError(message)

        monkeypatch.setattr(upscaler.network, "enlarged_and_read", enlarged)

    fail("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
    with pytest.raises(UserError, match="image of 4x6 pixels is too large for the memory of cpu"):
        upscaler(picture(4, 6, 3))
    fail("a fault of the network's own")
    with pytest.raises(RuntimeError, match="fault of the network"):
        upscaler(picture(4, 6, 3))


@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,)], ids=["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("depth", [8, 16])
def test_bands_stacked_are_the_picture(
    tiny_model: Path, channels: tuple[int, ...], depth: int
) -> None:
    cut = Upscaler.from_pretrained(tiny_model, "cpu", tile=90)
    whole = Upscaler.from_pretrained(tiny_model, "cpu", tile=None)
    image = picture(151, 205, *channels)
    if depth == 16:
        image = image.astype(np.uint16) * 257 - image // 3
    told: list[tuple[int, int]] = []
    bands = list(cut.bands(image, lambda *counts: told.append(counts)))
    assert [len(band.pixels) for band in bands] == [180, 122]
    assert told[-1][0] == told[-1][1] > 6
    stacked = np.concatenate([band.pixels for band in bands])
    expected = whole(image)
    assert stacked.dtype == expected.dtype == image.dtype
    assert stacked.shape == expected.shape == (302, 410, *channels)
    difference = np.abs(stacked.astype(int) - expected)
    assert difference.max() <= 1
    if depth == 8:
        assert np.mean(difference > 0) <= 1e-5
    if channels in {(2,), (4,)}:
        np.testing.assert_array_equal(stacked[..., -1], expected[..., -1])
    assert bands[0].realism == bands[1].realism


def test_what_stage_1_says_is_of_the_whole_picture(tiny_model: Path) -> None:
    cut = Upscaler.from_pretrained(tiny_model, "cpu", tile=90)
    image = picture(151, 205, 3)
    (whole,) = Upscaler.from_pretrained(tiny_model, "cpu", tile=None).bands(image)
    assert whole.realism is not None
    assert list(whole.realism) == ["blur", "anisotropy", "noise", "jpeg", "resampling"]
    assert all(0 <= value <= 1 for value in whole.realism.values())
    for band in cut.bands(image):
        assert band.realism == pytest.approx(whole.realism, abs=1e-6)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    reading = cut.network(tensor)[0].reading[0].clamp(0, 1)
    assert list(whole.realism.values()) == pytest.approx(reading.tolist(), abs=1e-6)


@pytest.mark.parametrize("tile", [None, 16])
def test_threads_may_share_an_upscaler(tiny_model: Path, tile: int | None) -> None:
    upscaler = Upscaler.from_pretrained(tiny_model, "cpu", tile=tile)

    def said(image: np.ndarray) -> list[tuple[list[float], np.ndarray]]:
        bands = list(upscaler.bands(image))
        return [(list(band.realism.values()), band.pixels) for band in bands if band.realism]

    images = [picture(40, 40, 3, seed=seed) // (1 + seed) for seed in range(4)]
    alone = [said(image) for image in images]
    assert len({tuple(bands[0][0]) for bands in alone}) == len(images)
    with ThreadPoolExecutor(len(images)) as pool:
        together = list(pool.map(said, images * 4))
    for found, expected in zip(together, alone * 4, strict=True):
        for (vector, pixels), (own_vector, own_pixels) in zip(found, expected, strict=True):
            assert vector == own_vector
            np.testing.assert_array_equal(pixels, own_pixels)


def test_vectors_are_told_apart_by_their_lengths() -> None:
    lengths = [len(degradation.names) for degradation in DEGRADATIONS.values()]
    assert len(set(lengths)) == len(lengths)
    assert strengths(torch.tensor([0.25, -1, 2])) == {"1": 0.25, "2": 0, "3": 1}


def test_sixteen_bits_are_finer_than_eight(upscaler: Upscaler) -> None:
    image = picture(6, 9, 4)
    deep = upscaler(image.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    shallow = upscaler(image)
    assert np.abs(deep / 257 - shallow)[..., :3].max() <= 0.51
    alpha = image[..., 3] * 257.0
    down, across = (resampling_matrix(size, 2 * size) for size in alpha.shape)
    expected = (down @ alpha @ across.T).clip(0, 65535)
    assert np.abs(deep[..., 3] - expected).max() <= 0.5 + 1e-6
    assert len(np.unique(deep)) > len(np.unique(shallow))
    grey = image[..., 0].astype(np.uint16) * 257
    for mode in ("I;16", "I;16B"):
        stored = grey.astype(">u2") if mode == "I;16B" else grey
        given = Image.frombytes(mode, (9, 6), stored.tobytes())
        given.info["icc_profile"] = PROFILE
        enlarged = upscaler(given)
        assert (enlarged.mode, enlarged.info["icc_profile"]) == ("I;16", PROFILE)
        np.testing.assert_array_equal(np.asarray(enlarged), upscaler(grey))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_agrees_with_cpu(upscaler: Upscaler, tiny_model: Path) -> None:
    image = torch.rand(1, 3, 16, 16)
    exact = Upscaler.from_pretrained(tiny_model, "cuda", "float32")
    torch.testing.assert_close(exact(image), upscaler(image), atol=1e-5, rtol=0)
    assert exact(image.cuda()).is_cuda
