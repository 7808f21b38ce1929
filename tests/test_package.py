"""The package as it is shipped: wheel, imports, floors, pages that promise something."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.test_installed import checkout, wheel_of

ROOT = Path(__file__).parents[1]
FLOORS = {
    "data": 1, "metrics": 1, "networks": 1, "objective": 1,
    "inference": 2, "stages": 2,
    "pages": 3, "runs": 3, "sweeps": 3,
}  # fmt: skip
"""Commands, the modules at the top of the package, are floor 4; errors and files are floor 0."""


def floor(module: str) -> int:
    room = module.split(".")[1] if "." in module else ""
    return {"errors": 0, "files": 0, "": 0}.get(room, FLOORS.get(room, 4))


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


SOURCES = sorted((ROOT / "mtlsr").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_floor_imports_from_below_only(path):
    own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    names = imports(path)
    level = floor(own)
    if path.name == "__init__.py" and path.parent.name == "mtlsr":
        return
    assert not [name for name in names if name.startswith("mtlsr.") and floor(name) > level]
    libraries = {name.split(".")[0] for name in names}
    if level < 2:
        assert not libraries & {"pytorch_lightning", "lightning"}
    if level < 3 or own.startswith("mtlsr.pages"):
        assert not libraries & {"hydra", "omegaconf"}
    if path.name != "loggers.py":
        assert not any(name == "hydra.utils.instantiate" for name in names)


def test_the_wheel_carries_every_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES}
    assert set(listed) == there | {"mtlsr.conf"}


def test_the_wheel_carries_its_configuration_and_works_elsewhere(tmp_path):
    wheel = wheel_of(checkout(tmp_path / "source"), tmp_path)
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "-q", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    shipped = {path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml")}
    found = {
        path.relative_to(site / "mtlsr" / "conf") for path in (site / "mtlsr/conf").rglob("*.yaml")
    }
    assert found == {path for path in shipped if path.parts[0] != "local"}
    tables = [
        p.relative_to(ROOT) for kind in ("csv", "json") for p in ROOT.glob(f"mtlsr/**/*.{kind}")
    ]
    assert tables and all((site / path).is_file() for path in tables)
    script = "import mtlsr, runpy, sys; print(mtlsr.__file__); sys.argv = ['mtlsr.train', "
    script += "'--cfg', 'job', 'scale=2']; runpy.run_module('mtlsr.train', run_name='__main__')"
    shown = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(site) in shown.splitlines()[0]
    assert "scale: 2" in shown


def test_the_pages_of_the_extensions_run(monkeypatch, tmp_path):
    """Every Python block of CONTRIBUTING.md, in order, in one namespace."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    assert len(blocks) >= 3
    namespace: dict[str, object] = {"folder": tmp_path}
    for block in blocks:
        exec(compile(block, "CONTRIBUTING.md", "exec"), namespace)


def test_help_needs_no_heavy_imports():
    script = (
        "import atexit, sys; sys.argv = ['mtlsr.train', '--help']; import mtlsr.train as t; "
        "atexit.register(lambda: print('torch' in sys.modules)); t.main()"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert shown.strip().splitlines()[-1] == "False"
    assert "lambda2" in shown
