import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtlsr.data.augment import dihedral
from mtlsr.data.images import find_images, read_image, write_image
from mtlsr.data.inspection.duplicates import (
    DUPLICATE_BITS,
    Fingerprint,
    find_duplicates,
    find_leaks,
    fingerprint,
    match,
)

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("MTLSR_SHARED", ROOT.parent / "shared")) / "data"
UInt8 = np.ndarray


def packed(image: UInt8, quality: int) -> UInt8:
    done = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(done, cv2.IMREAD_UNCHANGED))


def scaled(image: UInt8, factor: float) -> UInt8:
    kernel = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=kernel))


def cropped(image: UInt8, share: float) -> UInt8:
    """Some of the left and of the bottom is gone."""
    height, width = image.shape[:2]
    return image[: height - round(share * height), round(share * width) :]


def grey(image: UInt8) -> UInt8:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) if image.ndim == 3 else image


def noisy(image: UInt8) -> UInt8:
    noise = np.random.default_rng(0).normal(0, 15, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[UInt8], UInt8]] = {
    "jpeg 50": lambda x: packed(x, 50),
    "half size, jpeg 70": lambda x: packed(scaled(x, 0.5), 70),
    "double size, jpeg 90": lambda x: packed(scaled(x, 2), 90),
    "grey, a quarter, jpeg 50": lambda x: packed(grey(scaled(x, 0.25)), 50),
    "mirrored": lambda x: x[:, ::-1],
    "turned, jpeg 80": lambda x: packed(np.ascontiguousarray(np.rot90(x)), 80),
    "cropped by a twentieth": lambda x: cropped(x, 0.05),
    "paler": lambda x: (x * 0.7 + 50).astype(np.uint8),
    "noisy": noisy,
}


@pytest.fixture(scope="module")
def data() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no photographs at {SHARED} (set MTLSR_SHARED)")
    return SHARED


@pytest.fixture(scope="module")
def benchmarks(data: Path) -> dict[Path, UInt8]:
    return {
        path: read_image(path, grey="keep")
        for name in ("Set5", "Set14", "B100")
        for path in find_images(data / "benchmark" / name / "HR")
    }


@pytest.fixture(scope="module")
def theirs(benchmarks: dict[Path, UInt8]) -> list[Fingerprint]:
    return [fingerprint(path, image) for path, image in benchmarks.items()]


def same_child(pair: frozenset[Path]) -> bool:
    """The one photograph that is in two benchmarks: Set5 calls it head, Set14 face."""
    return {"/".join(path.parts[-3:]) for path in pair} == {
        "Set5/HR/img_004.png",
        "Set14/HR/img_006.png",
    }


@pytest.mark.parametrize("change", CHANGES)
def test_every_benchmark_image_is_found_again_and_as_no_other(
    benchmarks: dict[Path, UInt8], theirs: list[Fingerprint], change: str
) -> None:
    copies = [fingerprint(path, CHANGES[change](image)) for path, image in benchmarks.items()]
    pairs = [(pair.first, pair.second) for pair in match(copies, theirs)]
    assert len(benchmarks) == 119
    assert {first for first, second in pairs if first == second} == set(benchmarks)
    others = [frozenset(pair) for pair in pairs if len(set(pair)) == 2]
    assert all(same_child(pair) for pair in others)


def test_no_training_photograph_is_in_a_benchmark(data: Path, theirs: list[Fingerprint]) -> None:
    """The half second per hundred files is what decoding takes."""
    files = [*find_images(data / "train" / "t91"), *find_images(data / "train" / "bsds400")[::4]]
    files += find_images(data / "train" / "cid22")[::4]
    ours = [fingerprint(path, read_image(path)) for path in files]
    assert len(ours) > 200
    assert match(ours, theirs) == []


def test_the_real_duplicate_is_found(data: Path) -> None:
    known = data / "train" / "cid22" / "3316926_opo25u.webp"
    copy = data / "duplicate" / "844297.webp"
    others = [path for path in find_images(data / "train" / "cid22")[:20] if path != known]
    (pair,) = find_duplicates([*others, known, copy])
    assert (pair.first, pair.second) == (known, copy)
    assert pair.bits <= 2
    assert pair.correlation > 0.99
    (leak,) = find_leaks([*others, copy], [known])
    assert (leak.first, leak.second) == (copy, known)


def test_t91_holds_one_photograph_twice(data: Path) -> None:
    pairs = find_duplicates(find_images(data / "train" / "t91"))
    assert [(pair.first.stem, pair.second.stem) for pair in pairs] == [("t36", "t65")]


# ---- without any data ----------------------------------------------------------------------------


def picture(seed: int, height: int = 90, width: int = 120) -> UInt8:
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for size in (4, 8, 16, 32):
        coarse = rng.normal(0, 1, (size, size, 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 40 * total, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("element", range(8))
def test_words_of_turned_pictures_are_known_beforehand(element: int) -> None:
    image = picture(0, 80, 80)
    straight = fingerprint("a", image)
    turned = fingerprint("a", dihedral(image, element))
    assert turned.words[0] == straight.words[element]
    (pair,) = match([turned], [straight])
    assert pair.bits == 0
    assert pair.correlation > 0.999


def test_words_of_different_pictures_differ_in_half_of_their_bits() -> None:
    words = np.array([fingerprint("a", picture(seed)).words[0] for seed in range(60)])
    bits = np.bitwise_count(words[:, None] ^ words)[np.triu_indices(60, 1)]
    assert 28 < bits.mean() < 34
    assert match([fingerprint(str(seed), picture(seed)) for seed in range(60)]) == []


def test_a_copy_is_paired_with_the_first_of_its_kind() -> None:
    images = [picture(0), picture(1), picture(0), scaled(picture(1), 0.5), packed(picture(0), 60)]
    prints = [fingerprint(str(index), image) for index, image in enumerate(images)]
    pairs = [(str(pair.first), str(pair.second)) for pair in match(prints)]
    assert pairs == [("0", "2"), ("1", "3"), ("0", "4")]
    every = [(str(pair.first), str(pair.second)) for pair in match(prints[:2], prints[2:])]
    assert every == [("0", "2"), ("0", "4"), ("1", "3")]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = [fingerprint(str(index), picture(index % 7)) for index in range(20)]
    whole = match(prints), match(prints[:5], prints)
    assert (len(whole[0]), len(whole[1])) == (13, 15)
    for block in (1, 13, 50):
        monkeypatch.setattr("mtlsr.data.inspection.duplicates.BLOCK", block)
        assert (match(prints), match(prints[:5], prints)) == whole


def test_near_fingerprints_alone_do_not_make_a_pair() -> None:
    one, other = fingerprint("a", picture(0)), fingerprint("b", picture(1))
    flipped = np.uint64((1 << DUPLICATE_BITS) - 1)
    assert match([one, Fingerprint(Path("b"), one.words ^ flipped, one.thumbnail)]) != []
    assert match([one, Fingerprint(Path("b"), one.words, other.thumbnail)]) == []
    farther = np.uint64((1 << DUPLICATE_BITS + 1) - 1)
    turned = one.words.copy()
    turned[1:] = ~one.words[0]
    assert match([one, Fingerprint(Path("b"), turned ^ farther, one.thumbnail)]) == []


def test_flat_tiny_and_grey_pictures() -> None:
    flat = [fingerprint(str(value), np.full((50, 60, 3), value, np.uint8)) for value in (0, 9, 9)]
    assert match(flat) == []
    assert match(flat, flat) == []
    assert match([]) == [] and match([], flat) == []
    tiny = fingerprint("tiny", picture(0)[:1, :1])
    assert match([tiny, tiny]) == []
    colour, without = fingerprint("a", picture(0)), fingerprint("b", grey(picture(0)))
    assert len(match([colour, without])) == 1
    assert colour.thumbnail.shape == (64, 64)
    assert (colour.thumbnail.min(), colour.thumbnail.max()) == (0, 255)


def test_files_that_cannot_be_decoded_are_passed_over(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", picture(0))
    write_image(tmp_path / "b.jpg", scaled(picture(0), 0.7))
    (tmp_path / "c.png").write_bytes(b"no image")
    files = [tmp_path / name for name in ("c.png", "a.png", "none.png", "b.jpg")]
    (pair,) = find_duplicates(files)
    assert (pair.first.name, pair.second.name) == ("a.png", "b.jpg")
    (leak,) = find_leaks([files[1], files[0]], files[2:])
    assert (leak.first.name, leak.second.name) == ("a.png", "b.jpg")
