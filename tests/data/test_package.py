import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mtlsr.data

ROOT = Path(__file__).resolve().parents[2]


def test_import_is_quick_because_it_loads_nothing() -> None:
    code = "import sys, mtlsr.data; assert not {'torch', 'numpy', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_public_name_can_be_had() -> None:
    for name in dir(mtlsr.data):
        assert getattr(mtlsr.data, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = mtlsr.data.nonsense


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(mtlsr.data.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (alias.name, node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {(name, f"mtlsr.data.{home}") for name, home in mtlsr.data._HOME.items()}
    assert seen == homes


def test_no_public_name_hides_a_module() -> None:
    modules = {path.stem for path in Path(mtlsr.data.__file__).parent.glob("*.py")}
    assert not modules & set(dir(mtlsr.data))
