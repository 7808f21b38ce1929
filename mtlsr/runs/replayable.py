"""What a run keeps of a bad step, so that it can be looked at again, and of steps left out."""

import json
from pathlib import Path
from typing import Any

from pytorch_lightning.utilities.rank_zero import rank_zero_only

from mtlsr.errors import UserError
from mtlsr.files import link, write_json
from mtlsr.runs.checkpoints import LAST, folder_of, newest
from mtlsr.runs.schema import STAGES, ConfigError, StageName

LEFT_OUT = "left_out.json"


def keep_for_replay(
    run: Path, kept: Path, stage: StageName, step: int, what: dict[str, Any]
) -> Path:
    """Write `<run>/replay/<stage>_<step>/step.json` with the checkpoints to start from beside it.

    Hard links: they cost no space until the run's own move on.
    """
    folder = run / "replay" / f"{stage}_{step}"
    _keep(run, folder, {"stage": stage, "step": step, **what})
    return folder / "step.json"


@rank_zero_only
def _keep(run: Path, folder: Path, values: dict[str, Any]) -> None:
    for stage in STAGES:
        source, target = folder_of(run, stage), folder_of(folder, stage)
        found = newest(source)
        if found is not None:
            target.mkdir(parents=True, exist_ok=True)
            link(found[0], target / LAST)
            if (source / LEFT_OUT).exists():
                (target / LEFT_OUT).write_bytes((source / LEFT_OUT).read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "step.json", values)


def read_step(file: str | Path) -> dict[str, Any]:
    """What `keep_for_replay` wrote.

    Raises:
        ConfigError: It is no such file.
    """
    try:
        step = json.loads(Path(file).read_text())
        return {"stage": step["stage"], "step": int(step["step"]), **step}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"replay is {str(file)!r}, which is no step.json of a run's replay/."
        ) from error


def run_of(file: str | Path) -> Path:
    """The run whose step.json a file is."""
    return Path(file).resolve().parents[2]


def left_out(kept: Path) -> set[int]:
    """Steps of a stage whose update is not made."""
    path = kept / LEFT_OUT
    if not path.exists():
        return set()
    return {step for first, last in json.loads(path.read_text()) for step in range(first, last + 1)}


def leave_out(kept: Path, step: int, most: int, said: str) -> None:
    """Leave out all steps from the newest checkpoint's to `step`.

    Raises:
        UserError: It has been done `most` times already.
    """
    path = kept / LEFT_OUT
    ranges = json.loads(path.read_text()) if path.exists() else []
    if len(ranges) >= most:
        raise UserError(f"{said} The stage was rewound {most} times already.")
    found = newest(kept)
    first = 0 if found is None else int(found[1]["global_step"])
    _write_ranges(path, [*ranges, [first, step]])


@rank_zero_only
def _write_ranges(path: Path, ranges: list[list[int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, ranges)
