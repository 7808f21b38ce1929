"""What a manifest says of the code."""

import subprocess

import pytest

from mtlsr.runs import manifest


@pytest.fixture
def checkout(monkeypatch, tmp_path):
    """A checkout of one tracked file that this package seems to run from; nothing was asked yet."""

    def git(*words):
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", tmp_path, *name, *words], check=True, capture_output=True)

    monkeypatch.setattr(manifest, "CHECKOUT", tmp_path)
    (tmp_path / "mtlsr").mkdir()
    (tmp_path / "mtlsr" / "tracked.py").write_text("a = 1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    for asked in (manifest._git, manifest._untracked):
        asked.cache_clear()
    yield tmp_path
    for asked in (manifest._git, manifest._untracked):
        asked.cache_clear()


def code():
    made_of = manifest.describe({})
    return {name: made_of[name] for name in manifest.CODE}


def test_code_that_git_does_not_know_is_told_apart_by_its_content(checkout):
    assert code()["untracked"] == {}
    (checkout / "run" / ".hydra").mkdir(parents=True)
    (checkout / "run" / ".hydra" / "config.yaml").write_text("seed: 0\n")
    (checkout / "mtlsr" / ".#new.py").symlink_to("an editor's lock")
    found = []
    for text in ("b = 1\n", "b = 2\n"):
        (checkout / "mtlsr" / "new.py").write_text(text)
        manifest._git.cache_clear()
        manifest._untracked.cache_clear()
        found.append(code()["untracked"])
    assert [list(each) for each in found] == [["mtlsr/new.py"], ["mtlsr/new.py"]]
    assert found[0] != found[1]


def test_a_process_runs_the_code_that_it_has_imported(checkout):
    before = code()
    (checkout / "mtlsr" / "tracked.py").write_text("a = 2\n")
    (checkout / "mtlsr" / "new.py").write_text("b = 1\n")
    assert code() == before
    manifest._git.cache_clear()
    manifest._untracked.cache_clear()
    assert all(code()[name] != before[name] for name in ("diff", "untracked"))
