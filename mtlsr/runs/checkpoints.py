"""Checkpoint files: plain data in a zip archive, whose CRC-32s tell a damaged one.

A stage keeps three at the most, `last`, the one before it and the one of the best validation; a
fourth may be half-written. Two names of one state are one file on the disk.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from torch import Tensor

from mtlsr.errors import UserError
from mtlsr.files import replacing
from mtlsr.runs.schema import StageName

LAST, PREVIOUS, BEST = NAMES = "last.ckpt", "previous.ckpt", "best.ckpt"

State = dict[str, Any]


class CheckpointError(UserError):
    """A checkpoint that cannot be used, and why."""


class WholeFiles(TorchCheckpointIO):
    """How Lightning writes and reads a checkpoint: completely or not at all, and checked."""

    def save_checkpoint(self, checkpoint: State, path: Any, storage_options: Any = None) -> None:
        # In memory first: of a disk that is full torch's writer says only that it is broken.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing(path, binary=True) as file:
                file.write(buffer.getbuffer())
        except OSError as error:
            raise CheckpointError(
                f"The checkpoint {str(path)!r} of {buffer.tell() / 1e6:.1f} MB cannot be written "
                f"({error.strerror}); earlier ones are as they were. Make room and go on from them."
            ) from error

    def load_checkpoint(
        self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> State:
        return read(Path(path), map_location)


def folder_of(run: Path, stage: StageName) -> Path:
    """Where a stage's checkpoints are."""
    return run / "checkpoints" / stage


def read(path: Path, map_location: Any = "cpu") -> State:
    """Read a checkpoint. Nothing in it is executed.

    Raises:
        CheckpointError: It is missing, damaged, or holds anything but plain data.
    """
    try:
        _verify(path)
        state = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint {str(path)!r}.") from error
    except Exception as error:  # whatever a damaged archive makes its readers stumble over
        # torch's advice after its first sentence is to trust the file.
        reason = str(error).split(". ")[0].splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"The checkpoint {str(path)!r} is damaged or no checkpoint: {reason[0].rstrip('.')}."
        ) from error
    if not isinstance(state, dict) or not {"global_step", "state_dict"} <= state.keys():
        raise CheckpointError(f"{str(path)!r} is no checkpoint of a training.")
    return state


def newest(folder: Path) -> tuple[Path, State, list[CheckpointError]] | None:
    """The newest checkpoint in a stage's folder that is intact, and what is wrong with newer ones.

    None where there are none.

    Raises:
        CheckpointError: There are some, and all are damaged.
    """
    errors: list[CheckpointError] = []
    found: list[tuple[Path, State]] = []
    for path in _present(folder):
        try:
            found.append((path, read(path)))
        except CheckpointError as error:
            errors.append(error)
        if found and path.name == LAST:
            break
    if found:
        path, state = max(found, key=lambda one: one[1]["global_step"])
        return path, state, errors
    if errors:
        raise CheckpointError(
            f"{errors[0]} No other one in {str(folder)!r} is intact; delete that folder to train "
            "this stage from its beginning."
        )
    return None


def module_state(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """What a checkpoint's `state_dict` holds of the stage's module `name`, under its own names."""
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }


def _present(folder: Path) -> Iterator[Path]:
    return (folder / name for name in NAMES if (folder / name).is_file())


def _verify(path: Path) -> None:
    """Hold every record against its CRC-32 (ValueError, or what zipfile raises)."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            # torch stores records as they are: a packed one could be of any size.
            if record.compress_type != zipfile.ZIP_STORED or record.file_size > size:
                raise ValueError(f"its record {record.filename!r} claims {record.file_size} bytes")
        if (broken := archive.testzip()) is not None:
            raise ValueError(f"the CRC-32 of its record {broken!r} is another")
