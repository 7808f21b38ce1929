"""Whether two run folders ended alike, to the bit."""

import csv
from pathlib import Path
from typing import Any

import torch

TIMED = "samples_per_second"
"""The only logged value that depends on the clock."""


def logged(folder: Path) -> list[dict[str, str]]:
    """metrics.csv, without what depends on the clock."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [
            {name: value for name, value in row.items() if not name.endswith(TIMED)}
            for row in csv.DictReader(file)
        ]


def assert_same(expected: Path, found: Path) -> None:
    """Compare files, model, results, logged values and what the last checkpoints hold."""
    for name in ("model/model.safetensors", "results.json", "per_image.csv", "terms.json"):
        assert (expected / name).read_bytes() == (found / name).read_bytes(), name
    before, after = logged(expected), logged(found)
    assert [row["step"] for row in before] == [row["step"] for row in after]
    assert before == after
    for stage in ("realism", "restoration"):
        for name in ("last", "best"):
            path = Path("checkpoints", stage, f"{name}.ckpt")
            a, b = (torch.load(folder / path, weights_only=True) for folder in (expected, found))
            assert_equal(a, b, f"{stage}/{name}")
    assert files_of(expected) == files_of(found)


def files_of(run: Path) -> list[str]:
    """The files and folders of a run, but for those of its commands and of W&B."""
    paths = [path.relative_to(run) for path in run.rglob("*")]
    return sorted(str(path) for path in paths if path.parts[0] not in (".hydra", "wandb"))


def assert_equal(a: Any, b: Any, where: str = "") -> None:
    """Compare plain containers of tensors, to the bit."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert list(map(str, a)) == list(map(str, b)), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}/{index}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where
