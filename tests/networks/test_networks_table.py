from pathlib import Path

import pytest
import torch

from mtlsr.networks.base import TwoStageNetwork
from mtlsr.networks.realism_seed import SeedRealism
from mtlsr.networks.restoration_seed import SeedRestoration
from mtlsr.networks.restoration_unet import UNetRestoration
from mtlsr.networks.single_task.srcnn import SRCNN
from mtlsr.networks.table import (
    PARTNERS,
    REALISM,
    RESTORATION,
    SINGLE_TASK,
    build_network,
    build_pair,
    build_single_task,
)

GIVEN = {"scale": 2, "vector_size": 5, "structure_channels": 2}


@pytest.mark.parametrize("realism", sorted(REALISM))
@pytest.mark.parametrize("restoration", sorted(RESTORATION))
def test_names_choose_the_networks(realism: str, restoration: str) -> None:
    sizes = {"widths": [8, 8], "units": [1, 1]}
    own = {
        "unet": {"units": [1, 1]},
        "unet_large": {"units": [1, 1, 1], "widths": [4, 4, 4]},
        "seed": {"kernels": [3, 5]},
    }[restoration]
    pair = build_pair({"name": realism, **sizes}, {"name": restoration, **own}, **GIVEN)
    assert isinstance(pair, TwoStageNetwork)
    assert type(pair.realism) is REALISM[realism]
    assert type(pair.restoration) is RESTORATION[restoration]
    lr = torch.rand(1, 3, 11, 14)
    with torch.no_grad():
        pair.double().eval()
        found, expected = pair.enlarged(lr.double()), pair(lr.double())[1].sr
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_options_reach_their_network_and_stage_two_is_made_for_stage_one() -> None:
    pair = build_pair(
        {"name": "seed", "widths": [4, 6], "units": [3, 2]},
        {"name": "seed", "kernels": [5, 3]},
        scale=3,
        vector_size=7,
        structure_channels=1,
    )
    assert pair.scale == 3
    assert pair.realism.channels == (4, 6)
    assert pair.realism.vector_size == 7
    assert len(pair.realism.first_block.block) == 3
    assert [x[0].kernel_size[0] for x in pair.restoration.encoders] == [5, 3]
    assert [x.linear.in_features for x in pair.restoration.modulations] == [7, 7]
    assert pair.restoration.structure.out_channels == 1


def test_building_leaves_the_callers_options_alone() -> None:
    realism, restoration = {"name": "seed"}, {"name": "seed"}
    build_pair(realism, restoration, **GIVEN)
    assert realism == restoration == {"name": "seed"}


@pytest.mark.parametrize(
    ("realism", "restoration", "given", "message"),
    [
        (
            {"name": "sed"},
            {"name": "seed"},
            {},
            r"^backbone\.realism\.name is 'sed'; known are attention, residual, seed\.$",
        ),
        (
            {"name": "seed"},
            {"name": "resnet"},
            {},
            r"^backbone\.restoration\.name is 'resnet'; known are seed, unet, unet_large\.$",
        ),
        ({}, {"name": "seed"}, {}, r"^backbone\.realism\.name is 'None'; known are"),
        ({"name": ["seed"]}, {"name": "seed"}, {}, r"^backbone\.realism\.name is .*'seed'"),
        ("seed", {"name": "seed"}, {}, r"^backbone\.realism is 'seed'; .*name"),
        (
            {"name": "seed", "width": [8]},
            {"name": "seed"},
            {},
            r"^backbone\.realism\.width is not an option of 'seed'; it takes units, widths\.$",
        ),
        (
            {"name": "seed"},
            {"name": "seed", "scale": 3},
            {},
            r"^backbone\.restoration\.scale is not an option of 'seed'; it takes kernels, res",
        ),
        (
            {"name": "seed", "widths": [8, 8], "units": [1]},
            {"name": "seed"},
            {},
            r"^backbone\.realism: widths \[8, 8\] and units \[1\] must be of one length",
        ),
        (
            {"name": "seed", "widths": 8},
            {"name": "seed"},
            {},
            r"^backbone\.realism: widths is 8; it must be a list",
        ),
        (
            {"name": "seed"},
            {"name": "seed", "kernels": [3, 5]},
            {},
            r"^backbone\.restoration: kernels \[3, 5\] must be 3 odd sizes",
        ),
        ({"name": "seed"}, {"name": "seed"}, {"scale": 5}, r"^scale is 5; .* 2, 3 or 4\.$"),
        ({"name": "seed"}, {"name": "seed"}, {"scale": "4"}, r"^scale is '4'; .* 2, 3 or 4\.$"),
        (
            {"name": "seed"},
            {"name": "seed"},
            {"vector_size": 0},
            "vector_size is 0; it must be at least 1",
        ),
    ],
)
def test_refusals_name_the_key_the_value_and_what_is_allowed(
    realism: dict, restoration: dict, given: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        build_pair(realism, restoration, **GIVEN | given)
    assert "\n" not in str(refusal.value)


# ---- networks of one task ------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SINGLE_TASK))
def test_names_choose_the_networks_of_one_task(name: str) -> None:
    network = build_network(single_task={"name": name}, scale=3)
    assert type(network) is SINGLE_TASK[name]
    assert network.scale == 3
    assert network.realism is None
    lr = torch.rand(1, 3, 11, 14)
    with torch.no_grad():
        network.eval()
        assert torch.equal(network.enlarged(lr), network(lr)[1].sr)


def test_an_architecture_with_stages_is_a_pair() -> None:
    pair = build_network(realism={"name": "seed"}, restoration={"name": "seed"}, **GIVEN)
    assert isinstance(pair, TwoStageNetwork)


@pytest.mark.parametrize(
    ("single_task", "scale", "message"),
    [
        ({"name": "vdsr", "channels": -4}, 2, r"channels is -4; it must be at least 1"),
        ({"name": "srcnn", "widths": 64}, 2, r"widths is 64; it must be a list of whole numbers"),
        ({"name": "srcnn", "widths": [64]}, 2, r"widths is \[64\]; it must be two numbers"),
        (
            {"name": "srnn"},
            2,
            r"^backbone\.single_task\.name is 'srnn'; known are edsr_ba",
        ),
        ({}, 2, r"^backbone\.single_task\.name is 'None'; known are"),
        ("srcnn", 2, r"^backbone\.single_task is 'srcnn'; .*name"),
        (
            {"name": "srcnn", "depth": 4},
            2,
            r"depth is not an option of 'srcnn'; it takes widths\.$",
        ),
        ({"name": "edsr_baseline", "depth": 4}, 2, "it takes blocks, channels"),
        ({"name": "edsr_baseline", "blocks": 0}, 2, "blocks is 0; it must be at least 1"),
        ({"name": "edsr_baseline", "channels": 2}, 2, "channels is 2; it must be at least 3"),
        ({"name": "span", "channels": 2}, 2, "channels is 2; it must be at least 3"),
        ({"name": "srcnn"}, 5, r"^scale is 5; .* 2, 3 or 4\.$"),
    ],
)
def test_refusals_of_networks_of_one_task(single_task: dict, scale: int, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        build_single_task(single_task, scale=scale)
    assert "\n" not in str(refusal.value)


def test_each_stage_two_has_a_partner() -> None:
    assert PARTNERS.keys() == RESTORATION.keys()
    assert set(PARTNERS.values()) == REALISM.keys()


# ---- networks of other packages ------------------------------------------------------------------

PLUGIN = """
from mtlsr.networks.realism_seed import SeedRealism
from mtlsr.data.resize import resize
from mtlsr.networks.base import SingleTaskNetwork
from mtlsr.networks.restoration_seed import SeedRestoration

class MySingleTask(SingleTaskNetwork):
    def __init__(self, scale, brightness=0.0):
        super().__init__(scale)
        self.brightness = brightness

    def enlarge(self, lr):
        return self.brightness + resize(lr, (self.scale * lr.shape[2], self.scale * lr.shape[3]))

class MyRealism(SeedRealism):
    def __init__(self, vector_size, breadth=4):
        super().__init__(vector_size, widths=[breadth, breadth], units=[1, 1])

class MyRestoration(SeedRestoration):
    def __init__(self, channels, vector_size, scale, structure_channels):
        super().__init__(channels, vector_size, scale, structure_channels, kernels=[5, 3])
"""
ENTRY_POINTS = """
[mtlsr.realism]
mine = plugin_of_tests:MyRealism
seed = plugin_of_tests:MyRealism
broken = a_module_that_is_not_there:Net

[mtlsr.restoration]
mine = plugin_of_tests:MyRestoration

[mtlsr.single_task]
mine = plugin_of_tests:MySingleTask
srcnn = plugin_of_tests:MySingleTask
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers networks by entry points."""
    (tmp_path / "plugin_of_tests.py").write_text(PLUGIN)
    about = tmp_path / "plugin_of_tests-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-tests\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("plugin")
def test_an_entry_points_networks_work() -> None:
    pair = build_pair({"name": "mine", "breadth": 6}, {"name": "mine"}, **GIVEN).eval()
    assert type(pair.realism).__name__ == "MyRealism"
    assert type(pair.restoration).__name__ == "MyRestoration"
    assert pair.realism.channels == (6, 6)
    assert pair(torch.rand(1, 3, 8, 9))[1].sr.shape == (1, 3, 16, 18)


@pytest.mark.usefixtures("plugin")
def test_an_entry_points_network_of_one_task_works() -> None:
    network = build_network(single_task={"name": "mine", "brightness": 0.5}, scale=3)
    assert type(network).__name__ == "MySingleTask"
    realism, restoration = network(torch.zeros(1, 3, 4, 5))
    assert realism is None
    torch.testing.assert_close(restoration.sr, torch.full((1, 3, 12, 15), 0.5))
    assert type(build_single_task({"name": "srcnn"}, scale=2)) is SRCNN


@pytest.mark.usefixtures("plugin")
def test_an_entry_point_is_known_by_its_name_and_options() -> None:
    with pytest.raises(ValueError, match="known are attention, broken, mine, residual, seed"):
        build_pair({"name": "other"}, {"name": "mine"}, **GIVEN)
    with pytest.raises(ValueError, match="width is not an option of 'mine'; it takes breadth"):
        build_pair({"name": "mine", "width": 6}, {"name": "mine"}, **GIVEN)
    with pytest.raises(ValueError, match="kernels is not an option of 'mine'; it takes none"):
        build_pair({"name": "mine"}, {"name": "mine", "kernels": [3, 3]}, **GIVEN)


@pytest.mark.usefixtures("plugin")
def test_an_entry_point_neither_replaces_nor_breaks_the_tables_networks() -> None:
    pair = build_pair({"name": "seed"}, {"name": "seed"}, **GIVEN)
    assert type(pair.realism) is SeedRealism
    assert type(pair.restoration) is SeedRestoration


def test_without_the_package_its_networks_are_unknown() -> None:
    with pytest.raises(ValueError, match="'mine'; known are"):
        build_pair({"name": "mine"}, {"name": "seed"}, **GIVEN)


def test_tables_hold_classes_by_name() -> None:
    assert REALISM["seed"] is SeedRealism
    assert RESTORATION["unet"] is UNetRestoration
