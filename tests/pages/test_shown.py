from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mtlsr import Upscaler
from mtlsr.data.pairs import EvaluationPair
from mtlsr.data.resize import bicubic_upscale
from mtlsr.errors import UserError
from mtlsr.inference.conversion import to_network
from mtlsr.inference.pictures.picture import read_picture
from mtlsr.networks.folder import save_model
from mtlsr.networks.table import build_network
from mtlsr.pages.shown import bars, enlarge
from mtlsr.runs.pictures import insights

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (9, 11, 3), dtype=np.uint8)


def test_everything_that_is_shown(tmp_path: Path, tiny_model: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a b.png")
    upscaler = Upscaler.from_pretrained(tiny_model, "cpu")
    told: list[tuple[int, int]] = []
    shown = enlarge(
        upscaler, tmp_path / "a b.png", tmp_path / "out", 99, lambda *counts: told.append(counts)
    )
    assert told == [(1, 1)]
    assert shown.download.name == "a b_x2.png"
    np.testing.assert_array_equal(read_picture(shown.download).pixels, upscaler(PIXELS))
    np.testing.assert_array_equal(read_picture(shown.after).pixels, upscaler(PIXELS))
    np.testing.assert_array_equal(read_picture(shown.before).pixels, bicubic_upscale(PIXELS, 2))
    names = ["blur", "anisotropy", "noise", "jpeg", "resampling"]
    expected = insights(
        upscaler.network, EvaluationPair("", PIXELS, PIXELS), torch.device("cpu"), names
    )
    assert shown.structure is not None
    assert shown.texture is not None
    for name, path in (("structure", shown.structure), ("texture", shown.texture)):
        difference = np.abs(read_picture(path).pixels.astype(int) - expected[name])
        assert difference.max() <= 1
    reading = upscaler.network(to_network(PIXELS))[0].reading[0].clamp(0, 1).tolist()
    for name, value in zip(names, reading, strict=True):
        assert f"<td>{name}</td>" in shown.realism
        assert f"width:{100 * value:.0f}%" in shown.realism
        assert f"<td>{value:.2f}</td>" in shown.realism


def test_what_is_seen_has_eight_bits_and_what_is_downloaded_its_own(
    tmp_path: Path, tiny_model: Path
) -> None:
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(tmp_path / "a.png")
    shown = enlarge(Upscaler.from_pretrained(tiny_model, "cpu"), tmp_path / "a.png", tmp_path, 99)
    assert read_picture(shown.download).pixels.dtype == np.uint16
    assert read_picture(shown.after).pixels.dtype == np.uint8
    assert read_picture(shown.before).pixels.dtype == np.uint8


def test_a_network_of_one_task_shows_the_image_alone(tmp_path: Path) -> None:
    architecture = {"single_task": {"name": "srcnn"}, "scale": 2}
    save_model(tmp_path / "model", build_network(**architecture), architecture)
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    shown = enlarge(
        Upscaler.from_pretrained(tmp_path / "model", "cpu"), tmp_path / "a.png", tmp_path, 99
    )
    assert shown.structure is shown.texture is None
    assert shown.realism == bars(None)


def test_refusals(tmp_path: Path, tiny_model: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    upscaler = Upscaler.from_pretrained(tiny_model, "cpu")
    for name, message in (
        ("a.png", "it has 11x9 pixels, and this page takes 98 at the most; mtlsr-predict"),
        ("b.png", "this is not an image of a known kind"),
    ):
        with pytest.raises(UserError, match=message):
            enlarge(upscaler, tmp_path / name, tmp_path / "out", 98)
    assert not (tmp_path / "out").exists()
