"""Run a run again from its manifest and compare: python -m mtlsr.reproduce <run folder>

Says first what is different today: code, packages, hardware, photographs. The new run goes into
<run folder>-reproduced. Exit code 0 where model and results are the same to the bit.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

# Heavy imports stand inside the functions: a mistyped line needs none of them.


def reproduce(run: Path) -> bool:
    """Run `run` again, say what became of it, and return whether the two are alike.

    Raises:
        ValueError: It is no run folder, it has not ended, or the new folder exists.
    """
    from omegaconf import OmegaConf

    from mtlsr.errors import UserError
    from mtlsr.runs.announcing import announce
    from mtlsr.runs.manifest import describe, read_manifest
    from mtlsr.train import run as train

    before = read_manifest(run, "RUN")
    if before["status"] != "done":
        raise UserError(f"{str(run)!r} is {before['status']}; only a run that is done can be held.")
    folder = run.with_name(f"{run.name}-reproduced")
    if folder.exists():
        raise UserError(f"{str(folder)!r} exists; remove it first.")
    config = {**before["config"], "folder": str(folder), "resume": None}
    if "sweep" in config:  # a job of a sweep: it trains its own stage 1 again
        config["sweep"] = {**config["sweep"], "stage1": None}
    for line in differences(before, describe(config)):
        announce(line)
    try:
        train(OmegaConf.create(config))
    except ValueError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    after = read_manifest(folder, "RUN")
    if before["data"] != after["data"]:
        announce("The photographs are others.")
    return compare(run, folder)


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not as it was then, a line each."""
    from mtlsr.runs.manifest import CODE

    lines = []
    for key in (*CODE, "hardware"):
        if before.get(key) != now.get(key):
            old, new = before.get(key), now.get(key)
            said = "." if key in ("diff", "untracked") else f": {old} then, {new} now."
            lines.append(f"{key} differs{said}")
    old, new = before.get("versions", {}), now.get("versions", {})
    lines += [
        f"{name} was {old.get(name, 'absent')} then, and is {new.get(name, 'absent')} now."
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return lines


def compare(run: Path, again: Path) -> bool:
    """Say how far two runs' models and results are from each other; whether they are the same."""
    from safetensors.torch import load_file

    from mtlsr.runs.announcing import announce

    same = True
    weights = Path("model", "model.safetensors")
    if (run / weights).exists():
        a, b = load_file(run / weights), load_file(again / weights)
        names = a.keys() | b.keys()
        apart = {
            name: float((a[name].double() - b[name].double()).abs().max())
            if name in a and name in b and a[name].shape == b[name].shape
            else float("inf")
            for name in names
        }
        worst = max(apart, key=lambda name: apart[name])
        same = apart[worst] == 0
        announce(
            "Model: the same bits."
            if same
            else f"Model: {worst} is {apart[worst]:.3g} apart, more than any other tensor."
        )
    for name in ("results.json", "per_image.csv"):
        if (run / name).exists():
            equal = (run / name).read_bytes() == (again / name).read_bytes()
            announce(f"{name}: {'the same bytes' if equal else 'differs'}.")
            same = same and equal
    return same


def main() -> None:
    """Serve the command line."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: python -m mtlsr.reproduce <run folder>", file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(0 if reproduce(Path(sys.argv[1])) else 1)
    except (ValueError, OSError) as error:
        print(f"mtlsr: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
