import csv
import json
import os
from pathlib import Path
from shutil import copytree

import hydra
import numpy as np
import pytest
from omegaconf import DictConfig

from mtlsr import Upscaler, evaluate
from mtlsr.data.images import write_image
from mtlsr.data.resize import bicubic_upscale
from mtlsr.errors import UserError
from mtlsr.metrics import Protocol
from mtlsr.runs.command import conf_folder, quoted
from mtlsr.runs.evaluation.methods import common_scale, find_methods, find_settings
from mtlsr.runs.evaluation.sets import find_sets
from mtlsr.runs.schema import register
from tests.conftest import Command

REPOSITORY = Path(__file__).resolve().parents[1]


def configured(folder: Path, *overrides: str) -> DictConfig:
    """The real configuration, as the command line would compose it."""
    register()
    given = [f"folder={folder}", f"output={folder}", *overrides]
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return hydra.compose("evaluate", [quoted(argument, given) for argument in given])


def names(cfg: DictConfig) -> list[str]:
    """What the table will call the methods."""
    return list(find_methods(cfg, find_settings(cfg)))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images as Set5 lies on a disk, without low-resolution files."""
    folder = tmp_path_factory.mktemp("Set 5, (HR)")
    (folder / "HR").mkdir()
    rng = np.random.default_rng(0)
    for name in ("1.png", "2.png"):
        image = bicubic_upscale(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), 4)
        write_image(folder / "HR" / name, image)
    return folder


def test_command_measures_a_model(
    command: Command, tmp_path: Path, tiny_model: Path, benchmark: Path
) -> None:
    given = [f"model={tiny_model.parent}", "dataset=set5", f"dataset.root={benchmark}", "scale=2"]
    done = command("evaluate", tmp_path, *given)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = (tmp_path / "outputs" / "evaluate").iterdir()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.relative_to(folder).as_posix() for path in written) == [
        "per_image.csv", "pictures/set5/best_1.png", "pictures/set5/worst_2.png", "results.json",
        "table.csv", "table.md", "table.tex",
    ]  # fmt: skip

    results = json.loads((folder / "results.json").read_text())
    assert results["protocol"] == Protocol.preset("literature", 2).hash
    assert list(results["datasets"]["set5"]) == ["bicubic", "mtlsr"]
    for method, scores in results["datasets"]["set5"].items():
        assert set(scores) == {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "images"}
        assert scores["images"] == 2
        assert method in done.stdout
        assert f"{scores['psnr_y']:.2f}" in done.stdout
    with (folder / "per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["method"]) for row in rows] == [
        ("1", "bicubic"), ("1", "mtlsr"), ("2", "bicubic"), ("2", "mtlsr"),
    ]  # fmt: skip


def test_command_refuses_in_one_line_and_writes_nothing(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    done = command(
        "evaluate", tmp_path, f"model={tiny_model}", "dataset=set5", "dataset.root=no,where"
    )
    assert (done.returncode, done.stderr) == (1, "mtlsr: The folder no,where does not exist.\n")
    assert list(tmp_path.iterdir()) == []


def test_several_models_are_called_by_their_run_folders(
    tmp_path: Path, tiny_model: Path, benchmark: Path
) -> None:
    for name in ("first", "second (2)"):
        copytree(tiny_model, tmp_path / name / "model")
    copytree(tiny_model, tmp_path / "other")
    models = f"{tmp_path}/first,'{tmp_path}/second (2)/model',bicubic,{tmp_path}/other"
    data = ["dataset=set5", f"dataset.root={benchmark}"]
    cfg = configured(tmp_path / "out", f"model=[{models}]", *data)
    folder = evaluate.run(cfg)
    methods = json.loads((folder / "results.json").read_text())["datasets"]["set5"]
    assert list(methods) == ["bicubic", "first", "second (2)", "other"]
    assert methods["first"] == methods["other"]


def test_equal_names_are_told_apart(tmp_path: Path, tiny_model: Path) -> None:
    for name in ("a/run", "b/run", "a/bicubic"):
        copytree(tiny_model, tmp_path / name / "model")
    cfg = configured(tmp_path, f"model=[{tmp_path}/a/run,{tmp_path}/b/run]")
    assert names(cfg) == ["bicubic", "a/run", "b/run"]
    cfg = configured(tmp_path, f"model=[{tmp_path}/a/run,{tmp_path}/a/bicubic]")
    assert names(cfg) == ["bicubic", "a/run", "a/bicubic"]


def test_bicubic_alone(tmp_path: Path, benchmark: Path) -> None:
    data = ["dataset=set5", f"dataset.root={benchmark}", "scale=3"]
    folder = evaluate.run(configured(tmp_path / "out", "model=bicubic", *data))
    methods = json.loads((folder / "results.json").read_text())["datasets"]["set5"]
    assert list(methods) == ["bicubic"]


def test_splits(tmp_path: Path, benchmark: Path) -> None:
    def sets(*overrides: str) -> dict[str, int]:
        cfg = configured(tmp_path, "model=bicubic", *overrides)
        return {images.name: len(images) for images in find_sets(cfg, 2)}

    assert sets() == {"photos": 2, "photos-val": 1}
    assert sets("split=test") == {"photos": 2}
    assert sets("split=val") == {"photos-val": 1}
    assert sets("split=all") == {"photos": 15}
    folder = ["dataset=folder", f"dataset.root={benchmark}"]
    assert sets(*folder, "dataset.holdout=1") == {"folder-val": 1}
    assert sets(*folder, "split=all") == {"folder": 2}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=nowhere"], "'nowhere' does not exist; a run or model folder is needed"),
        (["model=bicubic"], "scale is missing: bicubic has none of its own"),
        (["model=[]"], r"model is \[\]; a run folder, a model folder, bicubic or a list"),
        (["model=[3]"], r"model is \[3\]; a run folder"),
        (["model=[TINY,TINY]"], "model names the same folder twice"),
        (["model=TINY", "scale=3"], "scale is 3, but mtlsr enlarges by 2"),
        (["model=TINY", "split=train"], "split is 'train'; it is one of held_out, test, val, all"),
        (["model=TINY", "dataset=set5", "dataset.root=nowhere"], "folder nowhere does not exist"),
        (["model=TINY", "dataset=set5", "dataset.root=BENCH", "split=val"], "no images of split=v"),
        (["model=TINY", "dataset.name=set6"], "There is no data set 'set6'"),
        (["model=TINY", "device=gpu"], "device is 'gpu', which this machine does not have"),
        (["model=TINY", "output=BENCH/HR/1.png"], "which is a file; a folder is needed"),
    ],
)
def test_refusals(
    tmp_path: Path, tiny_model: Path, benchmark: Path, overrides: list[str], message: str
) -> None:
    places = {"TINY": str(tiny_model), "BENCH": str(benchmark)}
    for word, path in places.items():
        overrides = [text.replace(word, path) for text in overrides]
    with pytest.raises(ValueError, match=message):
        evaluate.check(configured(tmp_path / "out", *overrides))
    assert list(tmp_path.iterdir()) == []


def test_models_of_two_scales(tmp_path: Path, tiny_model: Path) -> None:
    network = Upscaler.from_pretrained(tiny_model).network
    with pytest.raises(ValueError, match="one scale is needed, but a enlarges by 2, b enlarges"):
        fourfold = type("Fourfold", (), {"scale": 4})()
        common_scale(None, {"a": network, "b": fourfold})


def test_damaged_image_leaves_no_results(tmp_path: Path, tiny_model: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    write_image(root / "1.png", np.zeros((32, 32, 3), np.uint8))
    (root / "2.png").write_bytes(b"no image")
    data = ["dataset=set5", f"dataset.root={root}"]
    with pytest.raises(UserError, match=r"1 of 2 images .*2\.png: this is not an image"):
        evaluate.run(configured(tmp_path / "out", f"model={tiny_model}", *data))
    assert not (tmp_path / "out").exists()


def test_published_bicubic_figures_of_set5(tmp_path: Path) -> None:
    shared = Path(os.environ.get("MTLSR_SHARED", REPOSITORY.parent / "shared"))
    root = shared / "data" / "benchmark" / "Set5"
    if not root.is_dir():
        pytest.skip(f"no benchmark data at {shared} (set MTLSR_SHARED)")
    data = ["dataset=set5", f"dataset.root={root}", "scale=4"]
    folder = evaluate.run(configured(tmp_path / "out", "model=bicubic", *data))
    scores = json.loads((folder / "results.json").read_text())["datasets"]["set5"]["bicubic"]
    assert scores["psnr_y"] == pytest.approx(28.43, abs=0.005)
    assert scores["ssim_y"] == pytest.approx(0.8111, abs=5e-5)
