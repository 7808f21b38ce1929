import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import hydra
import numpy as np
import pytest
from omegaconf import DictConfig

from mtlsr import Upscaler, evaluate
from mtlsr.data.images import write_image
from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import benchmark_set
from mtlsr.data.resize import bicubic_upscale
from mtlsr.errors import UserError
from mtlsr.metrics import Protocol
from mtlsr.runs.command import conf_folder, quoted
from mtlsr.runs.evaluation import comparison
from mtlsr.runs.evaluation.methods import _names, common_scale, find_methods, find_settings
from mtlsr.runs.evaluation.sets import find_sets
from mtlsr.runs.schema import ConfigError, register
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


def test_a_run_and_what_was_exported_of_it_are_two_methods(tmp_path: Path) -> None:
    words = {"runs/a": tmp_path / "runs/a", "onnx:runs/a.onnx": tmp_path / "runs/a.onnx"}
    words["spandrel:runs/a.pth"] = tmp_path / "runs/a.pth"
    words["runs/a"].mkdir(parents=True)
    for path in list(words.values())[1:]:
        path.touch()
    assert _names(list(words), list(words.values())) == ["mtlsr", "a.onnx", "a.pth"]


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
        (
            ["model=nowhere"],
            "'nowhere' does not exist; a run or model folder, x2, x3, x4, x4_real is needed",
        ),
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


# ---- several methods and data sets ---------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Set5 and of B100 under one of its other names, with files of equal names."""
    folder = tmp_path_factory.mktemp("benchmarks")
    rng = np.random.default_rng(1)
    for name, number in (("Set5", 2), ("BSD100", 3)):
        (folder / name / "HR").mkdir(parents=True)
        for index in range(number):
            coarse = rng.integers(0, 256, (9, 10, 3), dtype=np.uint8)
            write_image(folder / name / "HR" / f"{index}.png", bicubic_upscale(coarse, 4))
    return folder


def sets(folder: Path, *overrides: str) -> dict[str, int]:
    """The names and sizes of the sets that are measured."""
    return {each.name: len(each) for each in find_sets(configured(folder, *overrides), 2)}


def test_benchmarks_are_found_in_one_folder(tmp_path: Path, benchmarks: Path) -> None:
    where = f"benchmarks={benchmarks}"
    assert sets(tmp_path, "model=bicubic", where) == {"set5": 2, "b100": 3}
    assert sets(tmp_path, "model=bicubic", where, "datasets=[b100]") == {"b100": 3}
    own = f"datasets=[b100,{{name: set5, root: {benchmarks}/BSD100}},photos]"
    found = sets(tmp_path, "model=bicubic", where, own)
    assert found == {"b100": 3, "set5": 3, "photos": 2, "photos-val": 1}


def test_a_data_set_of_a_list_has_the_values_that_it_has_alone(
    tmp_path: Path, benchmarks: Path
) -> None:
    folder = f"{{name: folder, root: {benchmarks}/Set5/HR, holdout: 1}}"
    assert sets(tmp_path, "model=bicubic", f"datasets=[{folder}]") == {"folder-val": 1}
    assert sets(tmp_path, "model=bicubic", f"datasets=[{folder}]", "split=all") == {"folder": 2}


def test_several_methods_on_several_sets(
    tmp_path: Path, tiny_model: Path, benchmarks: Path
) -> None:
    """A folder of outputs has the figures of what made them, under the name that it is given."""
    for name in ("Set5", "BSD100"):
        home = {"Set5": "set5", "BSD100": "b100"}[name]
        for pair in benchmark_set(benchmarks / name, 2):
            (tmp_path / "out" / home).mkdir(parents=True, exist_ok=True)
            enlarged = interpolate(pair.lr, 2, "lanczos")
            write_image(tmp_path / "out" / home / f"{pair.name}_x2.png", enlarged)
    named = f"{{ours: {tiny_model}, theirs: 'images:{tmp_path}/out', lanczos: lanczos}}"
    cfg = configured(
        tmp_path / "results",
        f"model={named}",
        f"benchmarks={benchmarks}",
        "metrics=[ssim_y,psnr_y]",
    )
    evaluate.check(cfg)
    folder = evaluate.run(cfg)
    found = json.loads((folder / "results.json").read_text())["datasets"]
    assert {name: list(methods) for name, methods in found.items()} == {
        name: ["bicubic", "ours", "theirs", "lanczos"] for name in ("set5", "b100")
    }
    for methods in found.values():
        assert methods["theirs"] == methods["lanczos"]
        assert methods["theirs"] != methods["bicubic"]
        assert list(methods["ours"]) == ["ssim_y", "psnr_y", "images"]
    pictures = sorted(path.relative_to(folder / "pictures") for path in folder.rglob("*.png"))
    assert [str(path.parent) for path in pictures] == ["b100"] * 3 + ["set5"] * 2


def test_what_is_left_can_be_put_beside_and_other_protocols_cannot(
    tmp_path: Path, tiny_model: Path, benchmark: Path
) -> None:
    data = ["dataset=set5", f"dataset.root={benchmark}", "scale=2", "pictures=false"]
    first = evaluate.run(configured(tmp_path / "first", f"model={tiny_model}", *data))
    beside = f"beside=['{first}']"
    second = evaluate.run(configured(tmp_path / "second", "model=lanczos", beside, *data))
    found = json.loads((second / "results.json").read_text())["datasets"]["set5"]
    assert list(found) == ["bicubic", "lanczos", "mtlsr"]
    for options in ("{border: 0}", "{preset: literature, colour: bt601-full}", "rgb-grey"):
        cfg = configured(tmp_path / "third", "model=lanczos", beside, f"protocol={options}", *data)
        with pytest.raises(UserError, match="cannot be ranked together: their protocols"):
            evaluate.check(cfg)
    assert not (tmp_path / "third").exists()


def test_a_changed_protocol_changes_figures_and_hash(tmp_path: Path, benchmark: Path) -> None:
    data = ["model=bicubic", "dataset=set5", f"dataset.root={benchmark}", "scale=2"]
    found = {}
    for index, options in enumerate(("literature", "{border: 0}", "{colour: bt601-full}")):
        cfg = configured(tmp_path / str(index), *data, f"protocol={options}", "pictures=false")
        written = json.loads((evaluate.run(cfg) / "results.json").read_text())
        found[written["protocol"]] = written["datasets"]["set5"]["bicubic"]["psnr_y"]
    assert len(found) == len({round(value, 2) for value in found.values()}) == 3


def test_other_precision_is_said(tmp_path: Path, tiny_model: Path, benchmark: Path) -> None:
    data = [f"model={tiny_model}", "dataset=set5", f"dataset.root={benchmark}", "pictures=false"]
    folder = evaluate.run(configured(tmp_path / "out", *data, "precision=bfloat16"))
    written = json.loads((folder / "results.json").read_text())
    assert written["settings"] == {"precision": "bfloat16"}
    assert "precision bfloat16" in (folder / "table.md").read_text().splitlines()[0]


# ---- what goes wrong -----------------------------------------------------------------------------


def broken(folder: Path, kind: str) -> Path:
    """A benchmark's folder with one thing wrong in it."""
    (folder / "HR").mkdir(parents=True)
    for name in ("good", "bad"):
        coarse = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
        write_image(folder / "HR" / f"{name}.png", bicubic_upscale(coarse, 4))
    bad = folder / "HR" / "bad.png"
    if kind == "no HR":
        bad.unlink()
        (folder / "HR" / "good.png").unlink()
    elif kind == "cut HR":
        bad.write_bytes(bad.read_bytes()[:300])
    elif kind == "tiny HR":
        write_image(bad, np.zeros((15, 40, 3), np.uint8))
    elif kind.endswith("LR"):
        (folder / "LR_x2").mkdir()
        rng = np.random.default_rng(0)
        for name, size in (("good", (16, 18)), ("bad", (17, 18) if kind == "odd LR" else (16, 18))):
            write_image(
                folder / "LR_x2" / f"{name}.png", rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            )
        lr = folder / "LR_x2" / "bad.png"
        if kind == "no LR":
            lr.unlink()
        elif kind == "cut LR":
            lr.write_bytes(lr.read_bytes()[:60])
    return folder


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Call the command in this process; its exit code and what it said on stderr."""

    def call(*arguments: str) -> tuple[int, str]:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.setattr(sys, "argv", ["mtlsr.evaluate", *arguments])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        try:
            evaluate.main()
        except SystemExit as end:
            return int(end.code or 0), capfd.readouterr().err
        return 0, capfd.readouterr().err

    return call


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no HR", "HR holds no image"),
        ("cut HR", "bad.png: the image is damaged or cut short"),
        ("tiny HR", "set5, bad, bicubic: inside the border the image is 10 x 36; allowed for SSIM"),
        ("no LR", "bad.png has no low-resolution file of its name in"),
        ("odd LR", "bad.png: it has 17x18 pixels, but its high-resolution image needs 16x18"),
        ("cut LR", "bad.png: the image is damaged or cut short"),
    ],
)
def test_bad_images_are_one_line_exit_code_one_and_no_files(
    call: Callable[..., tuple[int, str]], tmp_path: Path, kind: str, said: str
) -> None:
    root = broken(tmp_path / "set", kind)
    code, error = call("model=bicubic", "scale=2", "dataset=set5", f"dataset.root={root}")
    assert code == 1
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not [path for path in (tmp_path / "here").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model=images:SET/HR", "scale=3"], "bad.png: it has 32x36 pixels, and 30x36 are needed"),
        (["model=images:SET/nothing"], "nothing does not exist"),
        (["model=images:OTHER"], "lacks bad, good of set5."),
        (["model=[lanczos,TINY]", "scale=4"], "scale is 4, but mtlsr enlarges by 2"),
        (["model={bicubic: lanczos}"], "model calls lanczos 'bicubic', which is the name of a ker"),
        (["model=lanczos", "metrics=[psnr]"], "the measure 'psnr' is unknown"),
        (["model=lanczos", "metrics=[]"], "metrics is []"),
        (["model=lanczos", "protocol=strict"], "preset is 'strict'; allowed: literature"),
        (["model=lanczos", "protocol={border: -1}"], "border is -1; allowed: a whole number"),
        (["model=lanczos", "protocol={edge: 1}"], "protocol has no 'edge'; it has border"),
        (["model=lanczos", "protocol=3"], "protocol is 3; it is one of literature"),
        (["model=lanczos", "batch=0"], "batch is 0; it must be finite and at least 1"),
        (["model=lanczos", "precision=half"], "precision is 'half'; it is one of auto, float32"),
        (["model=lanczos", "datasets=[set6]"], "There is no data set 'set6'"),
        (["model=lanczos", "datasets=[]"], "datasets is []; a list of data sets is needed"),
        (["model=lanczos", "datasets=[{root: x}]"], "a name or {name: ..., root: ...} is needed"),
        (["model=lanczos", "datasets=[photos,photos]"], "datasets holds photos twice"),
        (["model=lanczos", "benchmarks=OTHER"], "which holds none of Set5, Set14, B100"),
        (["model=lanczos", "benchmarks=OTHER", "datasets=[b100]"], "holds no B100 or BSD100"),
        (["model=lanczos", "beside=[OTHER]"], "holds no results.json"),
        (["model=spandrel:OTHER/one.png"], "spandrel"),
        (["model=onnx:OTHER/one.png"], "onnx"),
    ],
)
def test_bad_values_are_one_line_exit_code_one_and_no_files(
    call: Callable[..., tuple[int, str]],
    tmp_path: Path,
    tiny_model: Path,
    overrides: list[str],
    said: str,
) -> None:
    root = broken(tmp_path / "set", "nothing")
    (tmp_path / "other").mkdir()
    write_image(tmp_path / "other" / "one.png", np.zeros((32, 36, 3), np.uint8))
    places = {"TINY": str(tiny_model), "SET": str(root), "OTHER": str(tmp_path / "other")}
    for word, path in places.items():
        overrides = [text.replace(word, path) for text in overrides]
    usual = ["scale=2", "dataset=set5", f"dataset.root={root}"]
    given = [each for each in usual if not (each == "scale=2" and "scale=" in " ".join(overrides))]
    code, error = call(*given, *overrides)
    assert code == 1
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not [path for path in (tmp_path / "here").rglob("*") if path.is_file()]


def test_a_plot_without_its_package_is_refused(
    tmp_path: Path, benchmark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "find_spec", lambda name: None)
    data = ["model=bicubic", "dataset=set5", f"dataset.root={benchmark}", "scale=2"]
    with pytest.raises(ConfigError, match="needs the package matplotlib: pip install"):
        evaluate.check(configured(tmp_path / "out", *data, "pareto=true"))
