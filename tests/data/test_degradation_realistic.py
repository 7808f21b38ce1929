"""Two passes, shuffled, with ringing: `realistic` and its pieces."""

from dataclasses import replace

import kornia
import numpy as np
import pytest
import torch
from scipy import special, stats

from mtlsr.data import bundled
from mtlsr.data.degradation import Pass, Realistic, gaussian_kernel, realistic, sinc_kernel
from mtlsr.data.degradation.filters import blur, filtered
from mtlsr.data.degradation.noise import LUMA, gaussian_noise, poisson_noise
from mtlsr.data.images import read_image
from mtlsr.data.resize import bicubic_downscale

SINGLE = [name for name in Realistic.names if "anisotropy" not in name]
IN_ORDER = replace(
    realistic,
    shuffle_probability=0.0,
    first=replace(realistic.first, enlarging_probability=0.0),
    second=replace(realistic.second, enlarging_probability=0.0),
)


@pytest.fixture(scope="module")
def patch() -> np.ndarray:
    coffee = read_image(bundled.TEST[0].path)
    return bicubic_downscale(coffee[:192, :192], 4)


def vector(**strengths: float) -> np.ndarray:
    assert set(strengths) <= set(Realistic.names)
    return np.array([strengths.get(name, 0) for name in Realistic.names], np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def error(patch: np.ndarray, strengths: np.ndarray, seeds: int = 12) -> float:
    found = [realistic.degrade(patch, strengths, rng(seed)).astype(float) for seed in range(seeds)]
    return float(np.square(np.stack(found) - patch).mean())


def test_names_are_two_passes_and_ringing() -> None:
    assert Realistic.names[:7] == (
        "blur1", "anisotropy1", "shrinking1", "noise1", "poisson1", "jpeg1", "webp1",
    )  # fmt: skip
    assert [name[:-1] for name in Realistic.names[7:14]] == [x[:-1] for x in Realistic.names[:7]]
    assert Realistic.names[14:] == ("ringing",)


def test_all_zero_is_the_very_image(patch: np.ndarray) -> None:
    assert realistic.degrade(patch, vector(), rng()) is patch


@pytest.mark.parametrize("name", SINGLE)
def test_more_is_more(patch: np.ndarray, name: str) -> None:
    """Over several draws of kernels, windows and directions."""
    errors = [error(patch, vector(**{name: strength})) for strength in (0, 0.3, 0.65, 1)]
    assert errors[0] == 0
    assert errors == sorted(errors)
    assert errors[-1] > 1.3 * errors[1] > 0


@pytest.mark.parametrize("number", [1, 2])
def test_anisotropy_needs_blur(patch: np.ndarray, number: int) -> None:
    alone, round_ = vector(**{f"anisotropy{number}": 1}), vector(**{f"blur{number}": 0.7})
    np.testing.assert_array_equal(realistic.degrade(patch, alone, rng()), patch)
    found = realistic.degrade(patch, alone + round_, rng())
    assert (found != realistic.degrade(patch, round_, rng())).any()


def test_every_vector_gives_an_image_of_the_same_size_and_leaves_the_patch(
    patch: np.ndarray,
) -> None:
    before, generator = patch.copy(), rng()
    for size in ((8, 8), (16, 16), (11, 17), (48, 48)):
        part = patch[: size[0], : size[1]]
        for _ in range(40):
            found = realistic.degrade(part, realistic.sample(generator), generator)
            assert found.shape == part.shape
            assert found.dtype == np.uint8
    everything = np.ones(15, np.float32)
    assert realistic.degrade(patch[:8, :8], everything, rng()).shape == (8, 8, 3)
    np.testing.assert_array_equal(patch, before)


def test_same_generator_same_image_other_generator_other_image(patch: np.ndarray) -> None:
    strengths = np.full(15, 0.5, np.float32)
    first = realistic.degrade(patch, strengths, rng())
    np.testing.assert_array_equal(first, realistic.degrade(patch, strengths, rng()))
    assert (first != realistic.degrade(patch, strengths, rng(1))).any()


def test_steps_come_in_order_or_in_any_order() -> None:
    steps = ["blur", "resizing", "noise", "poisson", "codec"]
    first, second = [(name, 0) for name in steps], [(name, 1) for name in steps]
    back, ringing, codec = ("return", 1), ("ringing", 1), ("codec", 1)
    ends = {(back, ringing, codec), (back, codec, ringing)}
    orders = [IN_ORDER._order(rng(seed)) for seed in range(40)]
    assert all(order[:9] == first + second[:-1] for order in orders)
    assert {tuple(order[9:]) for order in orders} == ends
    whole = sorted([*first, *second, back, ringing])
    shuffled = [replace(realistic, shuffle_probability=1.0)._order(rng(s)) for s in range(400)]
    assert all(sorted(order) == whole for order in shuffled)
    assert all(order[-2:] == [back, codec] for order in shuffled)
    early = np.mean([order.index(("blur", 1)) < order.index(("blur", 0)) for order in shuffled])
    assert early == pytest.approx(0.5, abs=0.08)
    half = [realistic._order(rng(seed))[:9] == first + second[:-1] for seed in range(400)]
    assert np.mean(half) == pytest.approx(1 - realistic.shuffle_probability, abs=0.08)


def test_enlarging_makes_what_follows_finer() -> None:
    """Noise on an enlarged image is averaged when the image returns to its size."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    spread = {}
    for probability in (0.0, 1.0):
        first = replace(realistic.first, enlarging=(1.5, 1.5), enlarging_probability=probability)
        own = replace(IN_ORDER, first=first, kernels=("area",))
        spread[probability] = own.degrade(grey, vector(noise1=1), rng()).std()
    assert spread[0.0] == pytest.approx(realistic.first.noise[1], rel=0.05)
    assert spread[1.0] == pytest.approx(realistic.first.noise[1] / 1.5, rel=0.2)


def test_noise_before_blur_is_smoother_than_after(patch: np.ndarray) -> None:
    """The first pass's noise is blurred by the second pass, unless the order is shuffled."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    before = IN_ORDER.degrade(grey, vector(noise1=1, blur2=1), rng()).astype(float)
    after = IN_ORDER.degrade(grey, vector(blur1=1, noise2=1), rng()).astype(float)
    assert before.std() / realistic.first.noise[1] < 0.4
    assert after.std() / realistic.second.noise[1] == pytest.approx(1, abs=0.05)


def test_drawn_strengths_fill_their_ranges_and_zero_is_absent() -> None:
    generator = rng()
    drawn = np.stack([realistic.sample(generator) for _ in range(4000)])
    assert drawn.dtype == np.float32
    assert drawn.shape == (4000, 15)
    assert (drawn >= 0).all()
    assert (drawn <= 1).all()
    present = dict(zip(Realistic.names, (drawn > 0).T, strict=True))
    share = 1 - realistic.clean_probability
    assert np.mean(drawn.any(axis=1)) == pytest.approx(share, abs=0.02)
    for number, own in (("1", realistic.first), ("2", realistic.second)):
        chances = {
            name: getattr(own, f"{name}_probability")
            for name in ("blur", "shrinking", "noise", "poisson", "jpeg", "webp")
        }
        chances["anisotropy"] = own.blur_probability * own.anisotropy_probability
        for name, chance in chances.items():
            assert present[name + number].mean() == pytest.approx(share * chance, abs=0.03)
        assert not (present["jpeg" + number] & present["webp" + number]).any()
        assert not (present["anisotropy" + number] & ~present["blur" + number]).any()
    assert present["ringing"].mean() == pytest.approx(
        share * realistic.ringing_probability, abs=0.03
    )
    for name, column in zip(Realistic.names, drawn.T, strict=True):
        assert column.max() > 0.97, name


def test_number_of_draws_does_not_depend_on_their_outcome() -> None:
    never = Realistic(
        first={name: 0.0 for name in vars(Pass()) if name.endswith("_probability")},  # type: ignore[arg-type]
        clean_probability=1.0,
    )
    for seed in range(20):
        states = []
        for degradation in (never, realistic):
            generator = rng(seed)
            degradation.sample(generator)
            states.append(generator.random())
        assert states[0] == states[1]


def test_gaussian_kernel_is_that_of_kornia() -> None:
    side = 2 * int(np.ceil(3 * 1.3)) + 1
    expected = kornia.filters.get_gaussian_kernel2d((side, side), (1.3, 1.3))[0].numpy()
    np.testing.assert_allclose(gaussian_kernel(1.3, 1.0, 0.4), expected, atol=1e-6)
    image = rng().random((20, 24, 3), np.float32)
    both = blur(image, 1.3, 1.0, 0.0), filtered(image, expected)
    np.testing.assert_allclose(*both, atol=1e-5)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    theirs = kornia.filters.filter2d(tensor, torch.from_numpy(expected)[None], "replicate")
    np.testing.assert_allclose(both[1], theirs[0].permute(1, 2, 0).numpy(), atol=1e-5)


@pytest.mark.parametrize(("cutoff", "side"), [(1 / 3, 21), (0.6, 7), (1.0, 13)])
def test_sinc_kernel_is_the_formula(cutoff: float, side: int) -> None:
    frequency = np.pi * cutoff
    y, x = np.mgrid[:side, :side] - side // 2
    distance = np.sqrt(x * x + y * y)
    with np.errstate(invalid="ignore", divide="ignore"):
        kernel = frequency * special.j1(frequency * distance) / (2 * np.pi * distance)
    kernel[side // 2, side // 2] = frequency**2 / (4 * np.pi)
    np.testing.assert_allclose(sinc_kernel(cutoff, side), kernel / kernel.sum(), atol=1e-7)


def test_sinc_filter_passes_below_its_cutoff_stops_above_and_rings() -> None:
    """A wide window comes close to the ideal: 1 inside the disc, 0 outside."""
    response = np.abs(np.fft.fft2(sinc_kernel(0.5, 81), (162, 162)))
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(162) * 2] * 2))
    assert np.abs(response[frequency < 0.4] - 1).max() < 0.1
    assert response[frequency > 0.6].max() < 0.1
    edge = np.zeros((40, 40, 3), np.float32)
    edge[:, 20:] = 100
    rung = filtered(edge, sinc_kernel(1 / 3, 21))
    assert rung.max() > 104
    assert rung.min() < -4


@pytest.mark.parametrize("level", [20, 120, 220])
def test_poisson_noise_counts_photons(level: int) -> None:
    """Variance grows with brightness: that of white times level / 255."""
    flat = np.full((160, 160, 3), level, np.float32)
    noisy = poisson_noise(flat, 10.0, False, rng())
    inside = noisy[(noisy > 0) & (noisy < 255)]
    assert inside.mean() == pytest.approx(level, abs=0.3)
    assert inside.std() == pytest.approx(10 * np.sqrt(level / 255), rel=0.03)
    photons = inside / (10.0**2 / 255)
    np.testing.assert_allclose(photons, photons.round(), atol=2e-3)
    expected = stats.poisson(level / (10.0**2 / 255))
    assert stats.skew(inside) == pytest.approx(float(expected.stats("s")), abs=0.05)
    channels = noisy.reshape(-1, 3).T
    assert np.abs(np.corrcoef(channels) - np.eye(3)).max() < 0.03


def test_grey_noise_is_the_same_in_all_channels(patch: np.ndarray) -> None:
    middle = (0.5 * patch + 60).astype(np.float32)  # nothing is cut
    for noise in (gaussian_noise, poisson_noise):
        added = noise(middle, 8.0, True, rng()) - middle
        np.testing.assert_allclose(added[..., 0], added[..., 1], atol=1e-3)
        np.testing.assert_allclose(added[..., 0], added[..., 2], atol=1e-3)
        assert added.std() > 2
        other = noise(middle, 8.0, False, rng()) - middle
        assert np.abs(other[..., 0] - other[..., 1]).max() > 2
    brightness = middle @ LUMA
    counted = (poisson_noise(middle, 8.0, True, rng()) - middle)[..., 0] + brightness
    photons = counted / (8.0**2 / 255)
    np.testing.assert_allclose(photons, photons.round(), atol=5e-3)


def test_share_of_grey_noise() -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    own = replace(realistic, second=replace(realistic.second, grey_probability=0.25))
    found = [own.degrade(grey, vector(noise2=1), rng(seed)) for seed in range(400)]
    same = [np.array_equal(image[..., 0], image[..., 1]) for image in found]
    assert np.mean(same) == pytest.approx(0.25, abs=0.07)


def test_noise_stays_in_range_even_on_black_and_white() -> None:
    for level in (-30, 0, 255, 300):
        flat = np.full((16, 16, 3), level, np.float32)
        for noise in (gaussian_noise, poisson_noise):
            noisy = noise(flat, 40.0, False, rng())
            assert 0 <= noisy.min() <= noisy.max() <= 255


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"first": {"blur": (2, 1)}}, "first: blur is"),
        ({"second": {"webp": (0, 50)}}, "second: webp is"),
        ({"second": {"fog": (0, 1)}}, "second: .*fog"),
        ({"first": {"jpeg_probability": 0.7, "webp_probability": 0.4}}, "add up to 1.1"),
        ({"second": {"enlarging": (0.5, 1)}}, "second: enlarging is"),
        ({"ringing": (0.0, 0.5)}, "ringing is"),
        ({"kernels": ("nearest",)}, "kernels is"),
        ({"shuffle_probability": -0.1}, "shuffle_probability is -0.1"),
        ({"second": {"grey_probability": 2}}, "grey_probability is 2"),
    ],
)
def test_impossible_ranges_are_refused_by_name(changes: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Realistic(**changes)


@pytest.mark.parametrize("bad", [np.zeros(5), np.full(15, -0.01), np.full(15, np.nan)])
def test_impossible_strengths_are_refused(patch: np.ndarray, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="15 numbers from 0 to 1 are needed"):
        realistic.degrade(patch, bad, rng())


def test_it_cannot_be_done_in_batches(patch: np.ndarray) -> None:
    assert not realistic.batched
    with pytest.raises(ValueError, match="Realistic cannot be done in batches"):
        realistic.draws(vector(blur1=1), rng(), patch.shape)
