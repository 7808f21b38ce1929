"""Enlarge photographs: python -m mtlsr.predict model=<run> input=<file or folder> output=<folder>

Each becomes a PNG file of the same name in the same folders below `output`, whole or not at all.
What is there already is left alone, so that a stopped command goes on where it was. A picture that
is larger than the memory is enlarged in tiles, and written row of tiles by row of tiles.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from mtlsr.inference.upscaler import Upscaler

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig) -> Path:
    """Enlarge what `cfg` names and return the output folder.

    Raises:
        UserError: Some images could not be enlarged, each with its reason; the others are written.
            Or nothing could be done at all.
    """
    from rich.console import Console
    from rich.progress import Progress

    from mtlsr.errors import UserError
    from mtlsr.inference.files import plan, read_picture, write_picture

    output = Path(cfg.output)
    found = plan(Path(cfg.input), output)
    waiting = {s: t for s, t in found.targets.items() if cfg.overwrite or not t.exists()}
    upscaler = _upscaler(cfg)

    failed = list(found.refused)
    screen = Console(stderr=True)
    with Progress(console=screen, disable=not screen.is_terminal) as progress:
        files = progress.add_task("Enlarging", total=len(waiting))
        tiles = progress.add_task("Tiles", visible=False)

        def passed(done: int, total: int) -> None:
            progress.update(tiles, completed=done, total=total, visible=total > 1)

        for source, target in waiting.items():
            try:
                picture = read_picture(source)
                size = (upscaler.scale * picture.width, upscaler.scale * picture.height)
                write_picture(target, size, upscaler.bands(picture, passed))
            except (UserError, OSError) as error:
                reason = str(error)
                failed.append(reason if str(source) in reason else f"{source}: {reason}")
            progress.advance(files)

    written = len(waiting) + len(found.refused) - len(failed)
    existing = len(found.targets) - len(waiting)
    skipped = f", {existing} there already (overwrite=true replaces them)" if existing else ""
    print(f"Enlarged {written} ×{upscaler.scale} to {output}{skipped}.")
    if failed:
        total = len(found.targets) + len(found.refused)
        raise UserError(f"{len(failed)} of {total} could not be enlarged: {' '.join(failed)}")
    return output


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be done, before anything is written.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.inference.files import plan

    plan(Path(cfg.input), Path(cfg.output))
    _upscaler(cfg)


def _upscaler(cfg: DictConfig) -> Upscaler:
    from mtlsr.inference.upscaler import Upscaler

    return Upscaler.from_pretrained(
        cfg.model, cfg.device, cfg.precision, cfg.self_ensemble, cfg.tile
    )


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("predict", run, check)


if __name__ == "__main__":
    main()
