import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mtlsr.errors import UserError
from mtlsr.networks import folder as module
from mtlsr.networks.base import TwoStageNetwork
from mtlsr.networks.folder import (
    CONFIG,
    FORMAT,
    WEIGHTS,
    ModelError,
    load_model,
    model_folder,
    save_model,
)
from mtlsr.networks.table import build_network, build_pair


def architecture(name: str = "seed") -> dict[str, Any]:
    partner, options = {
        "seed": ("seed", {"kernels": [3, 5]}),
        "residual": ("unet", {"units": [1, 1]}),
    }[name]
    return {
        "realism": {"name": name, "widths": [6, 8], "units": [1, 1]},
        "restoration": {"name": partner, **options},
        "scale": 2,
        "vector_size": 5,
        "structure_channels": 2,
    }


def model(name: str = "seed") -> TwoStageNetwork:
    """A pair whose every number, batch statistics too, has left its start."""
    torch.manual_seed(0)
    net = build_pair(**architecture(name))
    net(torch.rand(2, 3, 9, 8))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.rand_like(parameter))
    return net


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", model(), architecture())
    return tmp_path / "model"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(x.relative_to(folder)): x.read_bytes() for x in folder.rglob("*") if x.is_file()}


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model(folder)
    message = str(error.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def rewrite(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | changes))


@pytest.mark.parametrize("name", ["seed", "residual"])
def test_what_is_loaded_computes_the_same_bits(name: str, tmp_path: Path) -> None:
    net = model(name)
    save_model(tmp_path / "new" / "model", net, architecture(name))
    loaded, loaded_architecture = load_model(tmp_path / "new" / "model")
    assert loaded_architecture == architecture(name)
    lr = torch.rand(1, 3, 9, 8)
    realism, restoration = net.eval()(lr)
    loaded_realism, loaded_restoration = loaded.eval()(lr)
    assert torch.equal(loaded_restoration.sr, restoration.sr)
    assert torch.equal(loaded_restoration.structure, restoration.structure)
    assert torch.equal(loaded_realism.vector, realism.vector)
    assert torch.equal(loaded_realism.reconstruction, realism.reconstruction)


@pytest.mark.parametrize("name", ["srcnn", "vdsr", "edsr_baseline", "imdn", "rlfn", "span"])
def test_networks_of_one_task_are_loaded_too(name: str, tmp_path: Path) -> None:
    given = {"single_task": {"name": name}, "scale": 2}
    net = build_network(**given).eval()
    save_model(tmp_path, net, given)
    lr = torch.rand(1, 3, 12, 13)
    assert torch.equal(load_model(tmp_path)[0].eval()(lr)[1].sr, net(lr)[1].sr)


def test_channels_last_weights_are_saved_as_what_they_are(tmp_path: Path) -> None:
    net = model().to(memory_format=torch.channels_last)
    save_model(tmp_path, net, architecture())
    loaded = load_model(tmp_path)[0].state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in net.state_dict().items())


def test_a_folder_holds_two_files_of_plain_values(saved: Path) -> None:
    assert sorted(contents(saved)) == [CONFIG, WEIGHTS]
    config = json.loads((saved / CONFIG).read_text())
    assert config == {"format": FORMAT, **architecture()}
    assert load_file(saved / WEIGHTS).keys() == model().state_dict().keys()


def test_saving_again_replaces_the_model(saved: Path) -> None:
    save_model(saved, model("residual"), architecture("residual"))
    assert sorted(contents(saved)) == [CONFIG, WEIGHTS]
    assert load_model(saved)[1] == architecture("residual")


# ---- a save that fails ---------------------------------------------------------------------------


def half_a_file(weights: dict[str, torch.Tensor], path: Path) -> None:
    path.write_bytes(b"half")
    raise OSError("No space left on device")


def test_a_failed_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "save_file", half_a_file)
    with pytest.raises(OSError, match="No space left"):
        save_model(tmp_path, model(), architecture())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_keeps_the_model_that_was_there(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(saved)
    monkeypatch.setattr(module, "save_file", half_a_file)
    with pytest.raises(OSError, match="No space left"):
        save_model(saved, model("residual"), architecture("residual"))
    assert contents(saved) == before


def test_what_is_no_plain_value_is_not_saved(saved: Path) -> None:
    before = contents(saved)
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_model(saved, model(), {**architecture(), "scale": torch.tensor(2)})
    assert contents(saved) == before


# ---- a folder that cannot be used ----------------------------------------------------------------


def test_a_model_error_is_the_users_to_mend() -> None:
    assert issubclass(ModelError, UserError)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "is no model folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(name: str, saved: Path) -> None:
    (saved / name).unlink()
    assert f"it has no {name}" in refusal(saved)


@pytest.mark.parametrize("content", [b"", b'{"format": 1,', b"\xff\xfe\x00", b"format: 1"])
def test_a_damaged_configuration_is_refused(content: bytes, saved: Path) -> None:
    (saved / CONFIG).write_bytes(content)
    assert "is not JSON" in refusal(saved)


@pytest.mark.parametrize("content", ["[]", "1", "null", "{}", '{"format": 99}'])
def test_another_format_is_refused(content: str, saved: Path) -> None:
    (saved / CONFIG).write_text(content)
    assert f"is not a model of format {FORMAT}" in refusal(saved)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_weights_are_refused(kept: int, saved: Path) -> None:
    content = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(content[:kept])
    assert "cannot be loaded" in refusal(saved)


def test_weights_that_are_no_safetensors_are_refused(saved: Path) -> None:
    torch.save(model().state_dict(), saved / WEIGHTS)
    assert "cannot be loaded" in refusal(saved)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"realism": {"name": "gan"}}, "backbone.realism.name is 'gan'; known are"),
        ({"realism": "seed"}, "backbone.realism is 'seed'"),
        ({"realism": {"name": []}}, "backbone.realism.name is"),
        ({"realism": {"name": "seed", "depth": 3}}, "depth is not an option of 'seed'"),
        ({"realism": {"name": "seed", "widths": 3}}, "widths is 3"),
        ({"scale": 5}, "scale is 5"),
        ({"vector_size": "five"}, "vector_size"),
        ({"depth": 3}, "depth"),
    ],
)
def test_a_configuration_that_names_no_network_is_refused(
    changes: dict[str, Any], reason: str, saved: Path
) -> None:
    rewrite(saved, **changes)
    message = refusal(saved)
    assert "cannot be loaded" in message
    assert reason in message


def test_an_incomplete_configuration_is_refused(saved: Path) -> None:
    config = json.loads((saved / CONFIG).read_text())
    del config["scale"]
    (saved / CONFIG).write_text(json.dumps(config))
    assert "scale" in refusal(saved)


def test_weights_of_other_shapes_are_refused_by_name(saved: Path) -> None:
    rewrite(saved, vector_size=4)
    message = refusal(saved)
    assert "size mismatch for realism.head.weight" in message


def test_missing_weights_are_refused_by_name(saved: Path) -> None:
    weights = load_file(saved / WEIGHTS)
    del weights["realism.head.bias"]
    save_file(weights, saved / WEIGHTS)
    assert "realism.head.bias" in refusal(saved)


def test_unexpected_weights_are_refused_by_name(saved: Path) -> None:
    save_file(load_file(saved / WEIGHTS) | {"extra": torch.zeros(1)}, saved / WEIGHTS)
    assert "extra" in refusal(saved)


# ---- where a model is found ----------------------------------------------------------------------


def test_a_run_folder_and_a_model_folder_mean_the_same_model(saved: Path) -> None:
    assert model_folder(saved) == model_folder(str(saved)) == saved
    assert model_folder(saved.parent) == saved  # `<run>/model`


def test_a_folder_without_a_model_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere' does not exist; a run or model folder"):
        model_folder(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"neither config\.json nor model/config\.json is in it"):
        model_folder(tmp_path)


def test_whoever_may_read_the_configuration_may_read_the_weights(tiny_model: Path) -> None:
    modes = {(tiny_model / name).stat().st_mode for name in (CONFIG, WEIGHTS)}
    assert len(modes) == 1
