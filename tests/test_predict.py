import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import hydra
import numpy as np
import pytest
from omegaconf import DictConfig
from PIL import Image

from mtlsr import Upscaler, predict
from mtlsr.data.images import read_image, write_image
from mtlsr.errors import UserError
from mtlsr.inference.pictures.picture import Picture, read_picture
from mtlsr.networks.folder import save_model
from mtlsr.networks.table import build_network
from mtlsr.runs.command import conf_folder, quoted
from mtlsr.runs.schema import register
from tests import odd_files
from tests.conftest import Command, unprivileged

REPOSITORY = Path(__file__).resolve().parents[1]

NAMES = [
    "photo(1).jpg", "a,b.jpg", "a=b.jpg", "été 2.jpg", "it's.jpg", "[x].png", "{y}.png", "1.10",
    "007", "true", "a\\b.png", "ends with\\", "\\'", "a:b #c%d@e!.png", "~home.png", "$1.png",
    '"twice".png'[1:], "-m.png", "plain.png",
    "'Round Midnight.jpg", '"Heroes".jpg', "'", "a${b}.png", "\\${x}\\", "a\\\\${b}'${c}", "$${x}",
]  # fmt: skip


def configured(**values: object) -> DictConfig:
    """The real configuration, as the command line would compose it."""
    register()
    given = [quoted(f"{key}={value}", []) for key, value in values.items()]
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return hydra.compose("predict", given)


def photographs(folder: Path, *names: str) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_command_enlarges_a_folder_and_names_what_it_could_not(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    source = photographs(tmp_path / "in (1), a=b", "photo(1).jpg", "a,b.jpg", "été/a=b.png")
    (source / "broken.png").write_bytes((source / "été/a=b.png").read_bytes()[:60])
    before = files(tmp_path)
    done = command(
        "predict", tmp_path, f"model={tiny_model.parent}", f"input={source.name}", "output=out [2]"
    )
    assert done.returncode == 1
    assert "Enlarged 3 images ×2 into out [2]." in done.stdout
    named, counted = done.stderr.splitlines()
    assert named.startswith("in (1), a=b/broken.png: the image is damaged or cut short")
    assert counted == "mtlsr: 1 of 4 could not be enlarged."
    written = {"out [2]/photo(1).png", "out [2]/a,b.png", "out [2]/été/a=b.png"}
    assert files(tmp_path) == before | written
    upscaler = Upscaler.from_pretrained(tiny_model)
    np.testing.assert_array_equal(
        read_image(tmp_path / "out [2]/été/a=b.png"), upscaler(read_image(source / "été/a=b.png"))
    )


def test_forty_odd_files(command: Command, tmp_path: Path, tiny_model: Path) -> None:
    """Each comes out right, or is named with its reason; and none stops those behind it."""
    odd_files.make(tmp_path / "in")
    assert len(files(tmp_path / "in")) == 40
    given = ["predict", tmp_path, f"model={tiny_model}", "input=in", "output=out"]
    done = command(*given, prefix=unprivileged())
    assert done.returncode == 1
    *reasons, counted = done.stderr.splitlines()
    assert len(reasons) == len(odd_files.BAD)
    for name, (_, reason) in odd_files.BAD.items():
        (line,) = (line for line in reasons if line.startswith(f"in/{name}: "))
        assert reason in line
    assert counted == f"mtlsr: {len(reasons)} of 39 could not be enlarged."
    assert "Skipped, as no image has such a suffix: in/notes.txt." in done.stdout
    upscaler = Upscaler.from_pretrained(tiny_model)
    expected = {str(Path(name).with_suffix(".png")) for name in odd_files.GOOD}
    assert files(tmp_path / "out") == expected
    axes = {"L": (), "I;16": (), "LA": (2,), "RGBA": (4,), "RGBA 16": (4,)}
    for name, (_, (width, height), kind) in odd_files.GOOD.items():
        written = read_picture((tmp_path / "out" / name).with_suffix(".png")).pixels
        assert written.shape == (2 * height, 2 * width, *axes.get(kind, (3,)))
        assert written.dtype == (np.uint16 if "16" in kind else np.uint8)
        enlarged = upscaler(read_picture(tmp_path / "in" / name).pixels)
        np.testing.assert_array_equal(written, enlarged)


def test_command_enlarges_one_file_of_any_name(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    name = "it's (1), a=b été 2"
    photographs(tmp_path, f"{name}.jpg")
    done = command("predict", tmp_path, f"model={tiny_model}", f"input={name}.jpg", "output=1.10")
    assert (done.returncode, done.stderr) == (0, "")
    told, counted = done.stdout.splitlines()
    assert told.startswith(f"{name}.jpg -> 1.10/{name}.png: blur 0.")
    assert counted == "Enlarged 1 image ×2 into 1.10."
    assert files(tmp_path) == {f"{name}.jpg", f"1.10/{name}.png"}


def test_command_refuses_in_one_line_and_writes_nothing(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    done = command("predict", tmp_path, f"model={tiny_model}", "input=no,where.jpg", "output=out")
    assert done.returncode == 1
    assert done.stderr == "mtlsr: input is 'no,where.jpg', which does not exist.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["input", "output"])
def test_an_empty_path_is_not_the_current_folder(
    command: Command, tmp_path: Path, tiny_model: Path, key: str
) -> None:
    photographs(tmp_path, "a.png")
    given = {"model": tiny_model, "input": "a.png", "output": "out"} | {key: ""}
    done = command("predict", tmp_path, *(f"{name}={value}" for name, value in given.items()))
    assert done.returncode == 1
    assert done.stderr == f"mtlsr: {key} is empty; give it a value, or leave it out.\n"
    assert files(tmp_path) == {"a.png"}


def test_one_file_to_one_file_of_another_format(tmp_path: Path, tiny_model: Path) -> None:
    photographs(tmp_path, "a.png")
    target = tmp_path / "new/large.tif"
    given = {"model": tiny_model, "input": tmp_path / "a.png", "output": target}
    assert predict.run(configured(**given)) == target
    expected = Upscaler.from_pretrained(tiny_model)(read_image(tmp_path / "a.png"))
    np.testing.assert_array_equal(read_image(target), expected)


def test_what_stage_1_says_is_written_if_asked(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs(tmp_path, "a.png")
    given = {"model": tiny_model, "input": tmp_path / "a.png", "output": tmp_path / "out"}
    predict.run(configured(**given))
    assert files(tmp_path / "out") == {"a.png"}
    predict.run(configured(**given, overwrite=True, realism=True))
    said = json.loads((tmp_path / "out/a.png.json").read_text())["realism"]
    assert list(said) == ["blur", "anisotropy", "noise", "jpeg", "resampling"]
    shown = ", ".join(f"{name} {value:.2f}" for name, value in said.items())
    assert capsys.readouterr().out.count(f"a.png: {shown}\n") == 2


def test_what_stage_1_says_comes_later_for_pictures_without_it(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"model": tiny_model, "input": photographs(tmp_path / "in", "a.png")}
    given["output"] = tmp_path / "out"
    predict.run(configured(**given))
    (tmp_path / "out" / "a.png").write_bytes(b"retouched")
    capsys.readouterr()
    predict.run(configured(**given, realism=True))
    assert "Enlarged 0 images" in (said := capsys.readouterr().out) and "1 there already" in said
    assert files(tmp_path / "out") == {"a.png", "a.png.json"}
    assert (tmp_path / "out" / "a.png").read_bytes() == b"retouched"
    later = (tmp_path / "out" / "a.png.json").read_bytes()
    predict.run(configured(**given, realism=True))
    assert "1 there already" in capsys.readouterr().out
    predict.run(configured(**given, realism=True, overwrite=True))
    assert (tmp_path / "out" / "a.png.json").read_bytes() == later


def test_a_name_as_long_as_the_system_allows(tmp_path: Path, tiny_model: Path) -> None:
    name = "a" * (255 - len(".png.json"))
    photographs(tmp_path / "in", f"{name}.png")
    given = {"model": tiny_model, "input": tmp_path / "in", "output": tmp_path / "out"}
    predict.run(configured(**given, realism=True))
    assert files(tmp_path / "out") == {f"{name}.png", f"{name}.png.json"}


def test_a_network_of_one_task_has_nothing_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs(tmp_path, "a.png")
    architecture = {"single_task": {"name": "srcnn"}, "scale": 2}
    save_model(tmp_path / "model", build_network(**architecture), architecture)
    given = {"model": tmp_path / "model", "input": tmp_path / "a.png", "output": tmp_path / "out"}
    predict.run(configured(**given))
    assert f"{tmp_path}/a.png -> {tmp_path}/out/a.png\n" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"realism is true, but the model .* has no stage 1"):
        predict.check(configured(**given, realism=True))


def test_the_bundled_model_is_the_default(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs(tmp_path, "a.png")
    given = {"input": tmp_path / "a.png", "output": tmp_path / "out"}
    monkeypatch.setattr("mtlsr.networks.bundled.ROOT", tmp_path / "weights")
    with pytest.raises(UserError, match=r"No model comes with this package; none does\. model="):
        predict.check(configured(**given))
    shutil.copytree(tiny_model, tmp_path / "weights/x2")
    predict.run(configured(**given, scale=2))
    written = read_image(tmp_path / "out/a.png")
    for model in (tiny_model, "x2"):
        enlarged = Upscaler.from_pretrained(model)(read_image(tmp_path / "a.png"))
        np.testing.assert_array_equal(written, enlarged)
    with pytest.raises(UserError, match=r"that enlarges by 3 comes.*; those that do are x2\."):
        predict.check(configured(**given, scale=3))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_reaches_the_command_as_it_is(name: str) -> None:
    assert configured(model="m", input=name, output=f"x/{name}").input == name


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    given = configured(model="~/m", input="a~/b", output="~")
    assert (given.model, given.input, given.output) == ("/home/me/m", "a~/b", "/home/me")


def test_what_is_there_already_is_left_alone(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = photographs(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    output.mkdir()
    (output / "a.png").write_bytes(b"mine")
    given = {"model": tiny_model, "input": source, "output": output}
    assert predict.run(configured(**given)) == output
    assert (output / "a.png").read_bytes() == b"mine"
    assert Image.open(output / "b.png").size == (12, 10)
    assert "Enlarged 1 image ×2" in (said := capsys.readouterr().out)
    assert "1 there already (overwrite=true replaces them)" in said
    predict.run(configured(**given, overwrite=True))
    assert Image.open(output / "a.png").size == (12, 10)


def test_tiles_and_eight_views(tmp_path: Path, tiny_model: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (151, 170, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", image)
    given = {"model": tiny_model, "input": tmp_path / "a.png", "output": tmp_path / "out"}
    pictures = []
    for mean in (False, True):
        for tile in ("null", "auto", "90"):
            options = {"tile": tile, "self_ensemble": mean, "overwrite": True}
            predict.run(configured(**given, **options))
            pictures.append(read_image(tmp_path / "out/a.png").astype(int))
        whole, *others = pictures[-3:]
        assert all(np.abs(whole - other).max() <= 1 for other in others)
    assert np.abs(pictures[0] - pictures[-1]).max() > 1


def test_grey_and_transparent_files_stay_so(tmp_path: Path, tiny_model: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    Image.new("L", (6, 5), 99).save(source / "grey.png")
    Image.new("RGBA", (6, 5), (9, 99, 199, 50)).save(source / "glass.png")
    predict.run(configured(model=tiny_model, input=source, output=tmp_path / "out"))
    assert Image.open(tmp_path / "out/grey.png").mode == "L"
    glass = Image.open(tmp_path / "out/glass.png")
    assert glass.mode == "RGBA"
    assert glass.getchannel("A").getextrema() == (50, 50)


def test_two_files_for_one_place(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = photographs(tmp_path / "in", "a.jpg", "a.png")
    with pytest.raises(UserError, match=r"1 of 2 could not be enlarged"):
        predict.run(configured(model=tiny_model, input=source, output=tmp_path / "out"))
    assert "a.png is already taken by a.jpg." in capsys.readouterr().err.replace("\n", " ")
    assert files(tmp_path / "out") == {"a.png"}


def test_folders_that_may_not_be_read_are_named(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    source = photographs(tmp_path / "in", "a.png", "shut/b.png", "listed/c.png")
    given = [f"model={tiny_model}", "input=in", "output=out"]
    try:
        (source / "shut").chmod(0)
        (source / "listed").chmod(0o444)
        done = command("predict", tmp_path, *given, prefix=unprivileged())
    finally:
        (source / "shut").chmod(0o755)
        (source / "listed").chmod(0o755)
    assert files(tmp_path / "out") == {"a.png"}
    assert done.stderr.splitlines() == [
        "in/listed: the folder may not be read.",
        "in/shut: the folder may not be read.",
        "mtlsr: 2 of 3 could not be enlarged.",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251"])
def test_names_that_the_terminal_cannot_show(
    command: Command,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
) -> None:
    names = [b"caf\xe9.png", b"bad\xe9.png"]
    photographs(tmp_path / "in", "plain.png")
    try:
        shutil.copy(tmp_path / "in/plain.png", tmp_path / "in" / os.fsdecode(names[0]))
        (tmp_path / "in" / os.fsdecode(names[1])).write_bytes(b"no image")
    except OSError:
        pytest.skip("this file system does not take such names")
    monkeypatch.setenv("PYTHONIOENCODING", f"{encoding}:strict")
    done = command("predict", tmp_path, f"model={tiny_model}", "input=in", "output=out")
    assert files(tmp_path / "out") == {"plain.png", os.fsdecode(names[0])}
    assert r"in/caf\udce9.png -> out/caf\udce9.png" in done.stdout
    reason, counted = done.stderr.splitlines()
    assert reason == r"'in/bad\udce9.png': this is not an image of a known kind."
    assert counted == "mtlsr: 1 of 3 could not be enlarged."


def test_where_nobody_reads_the_pictures_are_written_quietly(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    photographs(tmp_path / "in", "a.png", "b.png")
    unread = ["sh", "-c", '"$@" | true', "sh"]
    given = [f"model={tiny_model}", "input=in", "output=out"]
    done = command("predict", tmp_path, *given, prefix=unread)
    assert done.stderr == ""
    assert files(tmp_path / "out") == {"a.png", "b.png"}


def test_what_pillow_warns_of_is_not_shown(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    photographs(tmp_path, "a.png")
    few = "import PIL.Image; PIL.Image.MAX_IMAGE_PIXELS = 20"  # of twice as many it warns
    (tmp_path / "sitecustomize.py").write_text(few)
    begun = ["env", f"PYTHONPATH={tmp_path}{os.pathsep}{REPOSITORY}"]
    given = [f"model={tiny_model}", "input=a.png", "output=out"]
    done = command("predict", tmp_path, *given, prefix=begun)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_may_not_be_written_to_is_refused_at_once(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    photographs(tmp_path / "in", "a.png")
    (tmp_path / "shut").mkdir(mode=0o555)
    given = [f"model={tiny_model}", "input=in", "output=shut/new"]
    done = command("predict", tmp_path, *given, prefix=unprivileged())
    assert done.returncode == 1
    assert done.stderr == "mtlsr: output is 'shut/new'; shut may not be written to.\n"
    assert done.stdout == ""


def test_a_disk_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: False)  # Z:\\ is its own parent
    monkeypatch.setattr(predict.os, "access", lambda *_: False)
    with pytest.raises(UserError, match="output is '/z/out'; / may not be written to"):
        predict._check_folder(Path("/z/out"))


def test_several_jobs_are_refused(command: Command, tmp_path: Path, tiny_model: Path) -> None:
    photographs(tmp_path, "a.png")
    done = command("predict", tmp_path, "-m", f"model={tiny_model}", "input=a.png", "scale=2,4")
    assert done.returncode == 1
    said = "mtlsr.predict does one thing at a time: -m has no meaning here."
    assert done.stderr == f"mtlsr: {said}\n"
    assert files(tmp_path) == {"a.png"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_is_half_written_is_taken_away_when_it_is_asked_to_end(
    number: signal.Signals, tmp_path: Path, tiny_model: Path
) -> None:
    write_image(tmp_path / "a.png", np.zeros((3000, 3000, 3), np.uint8))
    given = [f"model={tiny_model}", f"input={tmp_path}/a.png", f"output={tmp_path}/out", "tile=64"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mtlsr.predict", *given],
        cwd=REPOSITORY,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # whatever started the tests
    )
    while process.poll() is None and not list(tmp_path.glob("out/.*")):
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert list((tmp_path / "out").iterdir()) == []


def test_what_one_file_brings_about_does_not_stop_the_others(
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = photographs(tmp_path / "in", "a.png", "b.png", "c.png")

    def stumbling(path: Path) -> Picture:
        if path.name == "a.png":
            raise ZeroDivisionError("division\nby zero")
        if path.name == "b.png":
            raise OSError(28, "No space left on device", "/hidden/.b.tmp")
        return read_picture(path)

    monkeypatch.setattr("mtlsr.inference.pictures.picture.read_picture", stumbling)
    with pytest.raises(UserError, match="2 of 3 could not be enlarged"):
        predict.run(configured(model=tiny_model, input=source, output=tmp_path / "out"))
    assert files(tmp_path / "out") == {"c.png"}
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"{source}/a.png: ZeroDivisionError: division by zero"
    written = f"{tmp_path}/out/b.png could not be written: No space left on device."
    assert second == f"{source}/b.png: {written}"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scale", "3", "scale is 3, but the model .* enlarges by 2"),
        ("format", "gif", "format is 'gif'; it is one of same, png, tif, webp, jpg, bmp"),
        (
            "model",
            "nowhere",
            "'nowhere' does not exist; a run or model folder, x2, x3, x4, x4_real is needed",
        ),
        ("model", ".", "'.' holds no model"),
        ("input", "empty", "holds no image"),
        ("output", "in/a.png", "which is a file; a folder is needed"),
        ("output", "in", "which is input; another folder is needed"),
        ("device", "gpu", "device is 'gpu', which this machine does not have"),
        ("precision", "half", "precision is 'half'; it is one of auto, float32, bfloat16"),
        ("tile", "0", "tile is 0; a whole number of low-resolution pixels from 1 on"),
        ("tile", "big", "tile is 'big'; a whole number of low-resolution pixels from 1 on"),
    ],
)
def test_refusals(
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    value: str,
    message: str,
) -> None:
    photographs(tmp_path / "in", "a.png")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    given = {"model": tiny_model, "input": "in", "output": "out"} | {key: value}
    with pytest.raises(ValueError, match=message):
        predict.check(configured(**given))
    assert files(tmp_path) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_hundred_megapixels_take_less_than_two_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (250, 250, 3), dtype=np.uint8))
    coarse.resize((2500, 2500)).save(tmp_path / "photo.png")
    given = [f"input={tmp_path}/photo.png", f"output={tmp_path}/out", "model=x4"]
    process = subprocess.Popen([sys.executable, "-m", "mtlsr.predict", *given])
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    with Image.open(tmp_path / "out" / "photo.png") as image:
        assert image.size == (10_000, 10_000)
    assert used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) < 2e9
