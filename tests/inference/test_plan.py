from pathlib import Path

import pytest
from PIL import Image

from mtlsr.errors import UserError
from mtlsr.inference.plan import plan


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(path)
    return folder


def test_plan_keeps_folders_and_stems(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "2.png", "10.jpg", "sub/a.b.webp", ".hidden/x.png")
    (source / "notes.txt").write_text("no image")
    output = tmp_path / "out"
    found = plan(source, output)
    assert found.targets == {
        source / "2.png": output / "2.png",
        source / "10.jpg": output / "10.png",
        source / "sub/a.b.webp": output / "sub/a.b.png",
    }
    assert found.refused == []
    assert not output.exists()
    assert plan(source / "10.jpg", output).targets == {source / "10.jpg": output / "10.png"}


def test_plan_never_writes_two_images_to_one_file(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "a.png", "b.png")
    found = plan(source, tmp_path / "out")
    assert [path.name for path in found.targets] == ["a.jpg", "b.png"]
    assert len(found.refused) == 1
    assert "a.png is already taken by a.jpg." in found.refused[0]
    source = fill(
        tmp_path / "cases", "IMG.JPG", "img.webp"
    )  # one file on a disk that is case-blind
    found = plan(source, tmp_path / "out")
    assert [path.name for path in found.targets] == ["IMG.JPG"]
    assert "img.png is already taken by IMG.JPG." in found.refused[0]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "b.png")
    (tmp_path / "out/a.png").mkdir(parents=True)
    found = plan(source, tmp_path / "out")
    assert list(found.targets) == [source / "b.png"]
    assert found.refused == [f"{source}/a.jpg: {tmp_path}/out/a.png is a folder."]


def test_plan_passes_over_an_earlier_output(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "out/a.png")
    assert list(plan(source, source / "out").targets) == [source / "a.jpg"]


def test_output_may_lie_above_the_originals(tmp_path: Path) -> None:
    source = fill(tmp_path / "sub", "a.jpg", "b/c.jpg")
    (source / "notes.txt").touch()
    targets = {source / "a.jpg": tmp_path / "a.png", source / "b/c.jpg": tmp_path / "b/c.png"}
    found = plan(source, tmp_path)
    assert found.targets == targets
    assert found.passed_over == [source / "notes.txt"]
    assert plan(source / "**/*.jpg", tmp_path).targets == targets


def test_plan_refusals(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "b.png")
    (tmp_path / "empty").mkdir()
    for asked, output, message in (
        (tmp_path / "nope", tmp_path / "out", "input is .*nope', which does not exist"),
        (tmp_path / "empty", tmp_path / "out", "holds no image"),
        (source, source, "which is input; another folder is needed"),
        (source, source / "b.png", "which is a file; a folder is needed"),
        (source / "b.png", source, "b.png is an original, which would be lost"),
    ):
        with pytest.raises(ValueError, match=message):
            plan(asked, output)
    with pytest.raises(UserError):
        plan(tmp_path / "nope", tmp_path / "out")
    assert list(plan(source / "a.jpg", source).targets.values()) == [source / "a.png"]


def test_other_files_of_the_folder_are_named(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "out/a.png")
    for name in ("notes.txt", "sub/film.mov", ".DS_Store", "out/old.txt"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("no image")
    found = plan(source, source / "out")
    assert found.passed_over == [source / "notes.txt", source / "sub/film.mov"]


def test_formats(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "b.TIFF", "c.gif", "d.JPEG", "e.webp", "f.png")
    out = tmp_path / "out"
    for format, expected in {
        None: "a.png b.png c.png d.png e.png f.png",
        "jpg": "a.jpg b.jpg c.jpg d.JPEG e.jpg f.jpg",
        "tif": "a.tif b.TIFF c.tif d.tif e.tif f.tif",
        "same": "a.jpg b.TIFF c.png d.JPEG e.webp f.png",
    }.items():
        assert [path.name for path in plan(source, out, format).targets.values()] == (
            expected.split()
        )
    with pytest.raises(UserError, match="format is 'gif'; it is one of same, png, tif, webp, jpg"):
        plan(source, out, "gif")


def test_one_image_to_one_file(tmp_path: Path) -> None:
    source = fill(tmp_path, "a.png") / "a.png"
    for name in ("large.jpg", "large.TIF", "new/large.webp"):
        assert plan(source, tmp_path / name).targets == {source: tmp_path / name}
    assert plan(source, tmp_path / "b.jpg", "jpg").targets == {source: tmp_path / "b.jpg"}
    assert plan(source, tmp_path / "b.png", "same").targets == {source: tmp_path / "b.png"}
    with pytest.raises(UserError, match=r"b.jpg', whose suffix is not that of format=same"):
        plan(source, tmp_path / "b.jpg", "same")
    with pytest.raises(UserError, match=r"b.gif'; what is written is .png .tif .tiff .webp .jpg"):
        plan(source, tmp_path / "b.gif")
    (tmp_path / "d.gif").mkdir()
    assert plan(source, tmp_path / "d.gif").targets == {source: tmp_path / "d.gif/a.png"}
    (tmp_path / "c.jpg").mkdir()
    assert plan(source, tmp_path / "c.jpg").targets == {source: tmp_path / "c.jpg/a.png"}
    with pytest.raises(UserError, match=r"b.jpg', whose suffix is not that of format=png"):
        plan(source, tmp_path / "b.jpg", "png")
    with pytest.raises(UserError, match=r"a.png', the original itself; it would be lost"):
        plan(source, tmp_path / "a.png")


def test_patterns(tmp_path: Path) -> None:
    source = fill(tmp_path / "in [1]", "a.jpg", "b.png", "s/c.jpg", "s/t/d.jpg", "s/e.png")
    (source / "f.txt").touch()
    fixed = Path(str(source).replace("[1]", "[[]1]"))
    out = tmp_path / "out"

    def found(pattern: str) -> dict[str, str]:
        targets = plan(Path(pattern), out).targets
        return {str(a.relative_to(source)): str(b.relative_to(out)) for a, b in targets.items()}

    inside = source.name
    assert found(f"{source}/*") == {"a.jpg": "a.png", "b.png": "b.png"}
    assert found(f"{fixed}/*") == {"a.jpg": f"{inside}/a.png", "b.png": f"{inside}/b.png"}
    assert found(f"{fixed}/**/*.jpg").keys() == {"a.jpg", "s/c.jpg", "s/t/d.jpg"}
    plain = fill(tmp_path / "plain", "a.jpg", "s/c.jpg", "s/t/d.jpg")
    targets = plan(plain / "**/[cd].jpg", out).targets
    assert targets == {plain / "s/c.jpg": out / "s/c.png", plain / "s/t/d.jpg": out / "s/t/d.png"}
    assert plan(source / "b.png", out).targets == {source / "b.png": out / "b.png"}
    with pytest.raises(UserError, match=r"\*.gif', which no image matches"):
        plan(plain / "*.gif", out)


def test_a_pattern_never_writes_over_an_original(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.png", "b.jpg")
    found = plan(source / "*", source)
    assert found.targets == {source / "b.jpg": source / "b.png"}
    assert len(found.refused) == 1
    assert "a.png is an original, which would be lost" in found.refused[0]


def test_a_pattern_never_leaves_the_output(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "s/b.jpg")
    for pattern in ("*/../a.jpg", "s/../*/../../in/*.jpg"):
        with pytest.raises(UserError, match=r"\.\. may stand before the first wildcard alone"):
            plan(source / pattern, tmp_path / "out")
    found = plan(source / "s/../*.jpg", tmp_path / "out").targets
    assert found == {source / "s/../a.jpg": tmp_path / "out/a.png"}


def test_patterns_follow_no_links_in_a_circle(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "s/b.jpg", ".hidden/c.jpg")
    (source / "loop").symlink_to(".")
    (source / "s/back").symlink_to("..")
    (source / "same.jpg").symlink_to("a.jpg")
    names = ["a.jpg", "s/b.jpg", "same.jpg"]
    for pattern in ("**/*.jpg", "**"):
        found = plan(source / pattern, tmp_path / "out").targets
        assert list(found) == [source / name for name in names]
    for pattern, names in {"*/b.jpg": ["s/b.jpg"], "*/.hidden/*": ["loop/.hidden/c.jpg"]}.items():
        found = plan(source / pattern, tmp_path / "out").targets
        assert list(found) == [source / name for name in names]


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg")
    for name, leads in (("loop", "loop"), ("gone", "nothing"), ("loop.png", "loop.png")):
        (tmp_path / name).symlink_to(leads)
        with pytest.raises(UserError, match=rf"{name}', a link that leads nowhere"):
            plan(source / "a.jpg", tmp_path / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").symlink_to("a.png")
    assert plan(source, tmp_path / "out").targets == {source / "a.jpg": tmp_path / "out/a.png"}
    assert plan(source, tmp_path / "loop/out").targets
