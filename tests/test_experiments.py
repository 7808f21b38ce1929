"""What the studies in experiments/ share."""

import json

import pytest

from experiments.common import markdown, train, write_table
from mtlsr.runs.manifest import commit


def finished(folder, *overrides, by=None):
    """A run's folder as a training would have left it."""
    folder.mkdir()
    given = [f"hydra.run.dir={folder}", "logger=csv", "trainer.progress=false", "trainer.threads=1"]
    values = {"status": "done", "command": ["train.py", *given, *overrides], "commit": by}
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


def test_a_training_that_is_there_already_is_not_done_again(tmp_path):
    folder = finished(tmp_path / "run", "seed=1", "stage1='a/b'", by=commit())
    before = sorted(tmp_path.rglob("*"))
    train(folder, "seed=1", "stage1=a/b", threads=1)
    assert sorted(tmp_path.rglob("*")) == before


def test_another_training_in_its_folder_is_never_taken_for_it(tmp_path):
    with pytest.raises(ValueError, match=r"holds another training: .*seed=1"):
        train(finished(tmp_path / "run", "seed=1", by=commit()), "seed=2", threads=1)
    with pytest.raises(ValueError, match="was trained by commit elsewhere"):
        train(finished(tmp_path / "other", "seed=1", by="elsewhere"), "seed=1", threads=1)


def test_a_table_goes_between_its_markers(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n")
    write_table(page, markdown(["x", "y"], [["1", "2"]]), "one")
    table = "| x | y |\n| --- | --- |\n| 1 | 2 |"
    assert page.read_text() == (
        f"a\n<!-- one -->\n{table}\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n"
    )
    with pytest.raises(ValueError, match="no place for a table: <!-- three -->"):
        write_table(page, table, "three")
