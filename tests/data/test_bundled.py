import subprocess
import sys
from pathlib import Path

import pytest

from mtlsr.data import bundled
from mtlsr.data.images import read_image

ROOT = Path(__file__).resolve().parents[2]


def test_every_photograph_is_there_and_splits_share_none() -> None:
    photographs = [*bundled.TRAIN, *bundled.VAL, *bundled.TEST]
    paths = [photograph.path for photograph in photographs]
    assert len(set(paths)) == len(paths) == 15
    assert [p.name for p in bundled.VAL] == ["astronaut"]
    assert [p.name for p in bundled.TEST] == ["coffee", "chelsea"]
    for photograph in photographs:
        assert min(read_image(photograph.path).shape[:2]) >= 300
        assert photograph.licence
        assert photograph.source


def test_finding_them_imports_neither_package() -> None:
    code = (
        "import sys; from mtlsr.data.bundled import TRAIN; [p.path for p in TRAIN];"
        "assert not {'skimage', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match="rocket comes with scikit-image, which is not installed"):
        _ = bundled.TRAIN[0].path
