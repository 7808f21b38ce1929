import dataclasses
import json
import subprocess
import sys

import pytest

from mtlsr.metrics import PRESETS, Protocol
from mtlsr.metrics import protocol as protocol_module

LITERATURE = Protocol.preset("literature", 4)

# Another allowed value of every field.
CHANGES = {
    "scale": 3,
    "border": 5,
    "grey": "rgb",
    "colour": "bt601-full",
    "grey_output": "mean",
    "peak": 219.0,
    "window": 9,
    "sigma": 1.4,
    "k1": 0.02,
    "k2": 0.02,
    "ceiling": 80.0,
}


def test_a_preset_cuts_scale_pixels_per_side() -> None:
    for name in PRESETS:
        for scale in (2, 3, 4):
            protocol = Protocol.preset(name, scale)
            assert (protocol.scale, protocol.border) == (scale, scale)


def test_every_field_has_a_change_listed_here() -> None:
    assert set(CHANGES) == {field.name for field in dataclasses.fields(Protocol)}


@pytest.mark.parametrize("name", CHANGES)
def test_the_hash_changes_with_every_value(name: str) -> None:
    assert dataclasses.replace(LITERATURE, **{name: CHANGES[name]}).hash != LITERATURE.hash


def test_the_hash_changes_with_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    before = LITERATURE.hash
    monkeypatch.setattr(protocol_module, "RULES", protocol_module.RULES + 1)
    assert LITERATURE.hash != before


def test_presets_have_different_hashes() -> None:
    hashes = {Protocol.preset(name, scale).hash for name in PRESETS for scale in (2, 3, 4)}
    assert len(hashes) == 3 * len(PRESETS)


def test_the_hash_is_stable() -> None:
    """Results on disk carry it: whoever changes this line parts them from all later results."""
    assert LITERATURE.hash == "c429ac591fc3"


def test_equal_values_of_other_types_have_one_hash() -> None:
    same = dataclasses.replace(LITERATURE, peak=255, ceiling=100)
    assert same == LITERATURE
    assert same.hash == LITERATURE.hash


def test_describe_is_plain_data_that_builds_the_protocol_again() -> None:
    described = json.loads(json.dumps(LITERATURE.describe()))
    assert described.pop("rules") == protocol_module.RULES
    assert Protocol(**described) == LITERATURE


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("scale", 0, "from 1 up"),
        ("scale", 2.5, "from 1 up"),
        ("scale", True, "from 1 up"),
        ("border", -1, "from 0 up"),
        ("grey", "gray", "stored, rgb"),
        ("colour", "bt709", "bt601-studio, bt601-full"),
        ("grey_output", "green", "bt601-full, mean"),
        ("peak", float("inf"), "finite number above 0"),
        ("sigma", float("nan"), "finite number above 0"),
        ("window", 10, "odd"),
        ("window", 1, "from 3 up"),
        ("k1", 0.0, "above 0"),
        ("k2", "0.03", "above 0"),
        ("ceiling", -1.0, "above 0"),
    ],
)
def test_refusals_name_the_value_and_what_is_allowed(
    name: str, value: object, allowed: str
) -> None:
    with pytest.raises(ValueError, match=rf"{name} is .*; allowed: .*{allowed}"):
        dataclasses.replace(LITERATURE, **{name: value})


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="preset is 'matlab'; allowed: literature, rgb-grey"):
        Protocol.preset("matlab", 4)


@pytest.mark.parametrize("first", ["", "import mtlsr.metrics._ssim", "import mtlsr.metrics.planes"])
def test_public_names_are_the_same_whatever_is_imported_first(first: str) -> None:
    check = "import mtlsr.metrics as m; assert callable(m.psnr) and callable(m.ssim)"
    subprocess.run([sys.executable, "-c", f"{first}\n{check}"], check=True)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, mtlsr.metrics; from mtlsr.metrics import Protocol; " + (
        "print([name for name in ('torch', 'cv2', 'numpy', 'torchmetrics') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
