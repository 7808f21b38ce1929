from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch

from mtlsr.data.images import write_image
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.errors import UserError
from mtlsr.inference.methods.base import UInt8
from mtlsr.inference.methods.images import Images
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics import Protocol, measure
from mtlsr.networks.folder import load_model
from mtlsr.runs.evaluation.measures import STANDARD, find_measures
from mtlsr.runs.evaluation.measuring import evaluate
from mtlsr.runs.evaluation.results import Results
from tests.runs.evaluation.sets import SIZES, Made, write_outputs, write_set

PROTOCOL = Protocol.preset("literature", 2)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[EvaluationSet]:
    folder = tmp_path_factory.mktemp("sets")
    first = EvaluationSet("first", write_set(folder / "first"), 2)
    return [first, EvaluationSet("second", write_set(folder / "second", SIZES[:2], seed=9), 2)]


def test_every_image_is_measured_once_and_in_order(sets: list[EvaluationSet]) -> None:
    methods = {"bicubic": Interpolation("bicubic"), "nearest": Interpolation("nearest")}
    results = evaluate(sets, methods, PROTOCOL)
    assert [(r["dataset"], r["image"], r["method"]) for r in results.images] == [
        (images.name, path.stem, method)
        for images in sets
        for path in images.hr_files
        for method in methods
    ]
    for row in results.images:
        images = next(each for each in sets if each.name == row["dataset"])
        pair = images[int(row["image"])]
        (sr,) = methods[row["method"]]([pair])
        assert measure(sr, pair.hr, PROTOCOL).as_dict() == {m.name: row[m.name] for m in STANDARD}
    means = results.datasets["first"]["nearest"]
    own = [r for r in results.images if (r["dataset"], r["method"]) == ("first", "nearest")]
    assert means["images"] == 7
    for each in STANDARD:
        assert means[each.name] == pytest.approx(fmean(r[each.name] for r in own), abs=1e-12)


@pytest.mark.parametrize(
    ("batch", "calls"), [(1, [1] * 9), (2, [1, 1, 1, 2, 2, 2]), (9, [1, 1, 3, 4])]
)
def test_only_equal_sizes_are_batched(
    sets: list[EvaluationSet], batch: int, calls: list[int]
) -> None:
    """Of both sets together, as they are cut: four, three, and two that stay alone."""
    made = Made(lambda pair: Interpolation("bicubic")([pair])[0])
    results = evaluate(sets, {"made": made}, PROTOCOL, batch=batch)
    assert sorted(made.batches) == calls
    assert results == evaluate(sets, {"made": Interpolation("bicubic")}, PROTOCOL)


def test_headers_that_say_another_size_than_the_pixels_have_do_not_mix_sizes(
    tmp_path: Path,
) -> None:
    """A camera's turn swaps the sides of a header."""
    from PIL import Image

    (upright,) = write_set(tmp_path, [(40, 48)])
    turned = Image.Exif()
    turned[0x0112] = 6
    with Image.open(upright) as picture:
        picture.save(tmp_path / "turned.png", exif=turned)
    made = Made(lambda pair: Interpolation("bicubic")([pair])[0])
    evaluate([EvaluationSet("both", [upright, tmp_path / "turned.png"], 2)], {"m": made}, PROTOCOL,
             batch=2)  # fmt: skip
    assert made.batches == [1, 1]


def test_figures_of_given_images_depend_on_neither_batch_nor_threads(
    sets: list[EvaluationSet], tmp_path: Path
) -> None:
    for images in sets:
        write_outputs(tmp_path / images.name, images)
    methods = {"given": Images(tmp_path)}
    expected = evaluate(sets, methods, PROTOCOL)
    assert 20 < expected.datasets["first"]["given"]["psnr_rgb"] < 40
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for batch in (1, 3):
                assert evaluate(sets, methods, PROTOCOL, batch=batch) == expected
    finally:
        torch.set_num_threads(threads)


def test_each_image_has_a_core_and_torch_its_threads_again_afterwards(tmp_path: Path) -> None:
    sets = [EvaluationSet("three", write_set(tmp_path, [(40, 48)] * 3), 2)]
    seen, threads = [], torch.get_num_threads()

    def threads_within(pair: EvaluationPair) -> UInt8:
        seen.append(torch.get_num_threads())
        if len(seen) == 4:
            raise UserError("enough")
        return Interpolation("bicubic")([pair])[0]

    try:
        torch.set_num_threads(2)
        evaluate(sets, {"m": Made(threads_within)}, PROTOCOL)
        assert seen == [1, 1, 1]
        with pytest.raises(UserError, match="enough"):
            evaluate(sets, {"m": Made(threads_within)}, PROTOCOL)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_inference_depends_on_batch_and_threads_by_less_than_a_ten_thousandth_of_a_decibel(
    sets: list[EvaluationSet], tiny_model: Path
) -> None:
    methods = {"tiny": own_network(load_model(tiny_model)[0], Settings())}
    expected = evaluate(sets, methods, PROTOCOL).datasets
    threads = torch.get_num_threads()
    try:
        for count, batch in ((1, 4), (2, 1), (2, 4)):
            torch.set_num_threads(count)
            found = evaluate(sets, methods, PROTOCOL, batch=batch).datasets
            for name, each in expected.items():
                assert found[name]["tiny"] == pytest.approx(each["tiny"], abs=1e-4)
    finally:
        torch.set_num_threads(threads)


def test_only_what_is_asked_for_is_measured(sets: list[EvaluationSet]) -> None:
    measures, missing = find_measures(["ssim_y", "psnr_y"])
    assert missing == ()
    everything = evaluate(sets, {"b": Interpolation("bicubic")}, PROTOCOL)
    few = evaluate(sets, {"b": Interpolation("bicubic")}, PROTOCOL, measures)
    assert list(few.images[0]) == ["dataset", "image", "method", "ssim_y", "psnr_y"]
    assert few.images[0].items() <= everything.images[0].items()


def test_the_result_is_the_same_for_every_split_of_the_images(sets: list[EvaluationSet]) -> None:
    whole = evaluate(sets, {"b": Interpolation("bicubic")}, PROTOCOL)
    backwards = Results(PROTOCOL, whole.measures, whole.images[::-1])
    for name, methods in whole.datasets.items():
        assert backwards.datasets[name] == methods


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    files = write_set(tmp_path, SIZES[:3])
    files[1].write_bytes(files[1].read_bytes()[:200])
    with pytest.raises(UserError, match=r"1\.png: the image is damaged or cut short"):
        evaluate([EvaluationSet("s", files, 2)], {"b": Interpolation("bicubic")}, PROTOCOL)


def test_an_image_that_is_too_small_to_measure_is_named(tmp_path: Path) -> None:
    files = write_set(tmp_path, [(40, 40), (14, 40)])
    with pytest.raises(UserError, match=r"s, 1, b: inside the border the image is 10 x 36"):
        evaluate([EvaluationSet("s", files, 2)], {"b": Interpolation("bicubic")}, PROTOCOL)


def test_low_resolution_of_another_size_is_named(tmp_path: Path) -> None:
    files = write_set(tmp_path, [(40, 40)])
    write_image(tmp_path / "lr.png", np.zeros((21, 20, 3), np.uint8))
    images = EvaluationSet("s", files, 2, [tmp_path / "lr.png"])
    said = r"lr\.png: it has 21x20 pixels, but its high-resolution image needs 20x20 at scale 2"
    with pytest.raises(UserError, match=said):
        evaluate([images], {"b": Interpolation("bicubic")}, PROTOCOL)


def test_a_method_that_fails_ends_the_evaluation(sets: list[EvaluationSet]) -> None:
    def broken(pair: object) -> None:
        raise RuntimeError("the sky fell")

    with pytest.raises(RuntimeError, match="the sky fell"):
        evaluate(sets, {"broken": Made(broken)}, PROTOCOL)  # type: ignore[arg-type]
