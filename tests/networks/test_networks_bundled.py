import shutil
from pathlib import Path

import pytest

from mtlsr.errors import UserError
from mtlsr.networks import bundled
from mtlsr.networks.folder import WEIGHTS, ModelError, load_model, model_folder

LARGEST_FILE = 4_000_000
MOST_PARAMETERS = 800_000


@pytest.fixture
def three(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that brings three models."""
    root = tmp_path / "weights"
    for name in ("x2", "x4", "x4_real"):
        shutil.copytree(tiny_model, root / name)
    (root / "x3").mkdir()  # what an interrupted installation may leave
    monkeypatch.setattr(bundled, "ROOT", root)
    return root


def test_bundled_models_go_by_their_names(three: Path, tiny_model: Path) -> None:
    assert bundled.bundled() == {name: three / name for name in ("x2", "x4", "x4_real")}
    assert model_folder("x4_real") == three / "x4_real"
    assert load_model(model_folder("x2"))[1] == load_model(tiny_model)[1]


def test_a_scale_means_the_model_of_its_name(three: Path) -> None:
    assert bundled.bundled_for(2) == three / "x2"
    assert bundled.bundled_for(4) == bundled.bundled_for() == three / "x4"
    with pytest.raises(
        UserError,
        match=r"No model that enlarges by 3 comes with this package; those that do are "
        r"x2, x4, x4_real\. model=<run or model folder> takes one of your own\.",
    ):
        bundled.bundled_for(3)


def test_a_folder_of_that_name_comes_first(
    three: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x4").mkdir()
    assert model_folder("x4") == three / "x4"
    shutil.copytree(tiny_model, "x4/model")
    assert model_folder("x4") == Path("x4/model")


def test_unknown_names_are_told_what_there_is(three: Path) -> None:
    message = "'x5' does not exist; a run or model folder, x2, x4, x4_real is needed"
    with pytest.raises(ModelError, match=message):
        model_folder("x5")


@pytest.mark.parametrize("name", bundled.bundled())
def test_what_comes_with_the_package(name: str) -> None:
    folder = bundled.bundled()[name]
    network, architecture = load_model(folder)
    assert architecture["scale"] == int(name[1])
    assert sum(x.numel() for x in network.parameters()) < MOST_PARAMETERS
    assert (folder / WEIGHTS).stat().st_size < LARGEST_FILE
    card = (folder / "README.md").read_text()
    for part in ("Training data", "Degradation", "Intended use", "Limits", "Results"):
        assert f"## {part}" in card
