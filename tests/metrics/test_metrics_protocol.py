import dataclasses
import json
import subprocess
import sys

import pytest

from mtlsr.errors import UserError
from mtlsr.metrics import PRESETS, Protocol, check_comparable
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
    "space": "rgb",
    "output": "float",
}


def test_a_preset_cuts_scale_pixels_per_side_but_for_the_full_image() -> None:
    for name in PRESETS:
        for scale in (2, 3, 4):
            protocol = Protocol.preset(name, scale)
            assert (protocol.scale, protocol.border) == (scale, 0 if name == "full" else scale)


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


def test_a_field_that_came_later_is_in_the_hash_only_where_it_is_changed() -> None:
    """So results that are older than the field keep their hash."""
    described = LITERATURE.describe()
    assert {"space", "output"} <= set(described)
    assert dataclasses.replace(LITERATURE, space="y", output="uint8").hash == LITERATURE.hash


def test_a_preset_is_found_by_its_hash() -> None:
    for name in PRESETS:
        for scale in (2, 3, 4, 16):
            protocol = Protocol.preset(name, scale)
            assert Protocol.of_hash(protocol.hash) == protocol
    assert Protocol.of_hash("0123456789ab") is None
    assert Protocol.of_hash(dataclasses.replace(LITERATURE, border=7).hash) is None


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
        ("colour", "bt709", "bt601-studio, bt601-full, opencv"),
        ("grey_output", "green", "bt601-full, mean"),
        ("space", "lab", "y, rgb"),
        ("output", "uint16", "uint8, float"),
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
    with pytest.raises(
        ValueError, match="preset is 'matlab'; allowed: literature, rgb-grey, rgb, full"
    ):
        Protocol.preset("matlab", 4)


def test_results_of_one_protocol_may_be_ranked() -> None:
    check_comparable({})
    check_comparable({"a": LITERATURE})
    check_comparable({"a": LITERATURE, "b": LITERATURE.hash, "c": Protocol.preset("literature", 4)})


@pytest.mark.parametrize("name", CHANGES)
def test_results_of_different_protocols_are_refused_with_what_differs(name: str) -> None:
    other = dataclasses.replace(LITERATURE, **{name: CHANGES[name]})
    usual = getattr(LITERATURE, name)
    with pytest.raises(UserError) as refused:
        check_comparable({"ours": LITERATURE, "mine": LITERATURE, "theirs": other})
    assert str(refused.value) == (
        f"ours and theirs cannot be ranked together: their protocols, {LITERATURE.hash} and "
        f"{other.hash}, differ in {name} ({usual} and {CHANGES[name]})."
    )


def test_of_presets_the_hash_is_enough_to_say_what_differs() -> None:
    rgb = Protocol.preset("rgb", 3)
    expected = (
        r"in scale \(4 and 3\), border \(4 and 3\), grey \(stored and rgb\) and space \(y and"
    )
    with pytest.raises(UserError, match=expected):
        check_comparable({"a": LITERATURE.hash, "b": rgb.hash})
    with pytest.raises(UserError, match=r"a and b .* only presets are known by their hash"):
        check_comparable({"a": LITERATURE, "b": "0123456789ab"})


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
