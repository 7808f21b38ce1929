"""Enlarge photographs: python -m mtlsr.predict input=<file, folder or pattern> output=<folder>

Each becomes a file of the same name in the same folders below `output`, whole or not at all. What
is there already is left alone, so that a stopped command goes on where it was. A picture that is
larger than the memory is enlarged in tiles, and written row of tiles by row of tiles.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mtlsr.errors import UserError, listed

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from mtlsr.data.decoding import Levels
    from mtlsr.inference.plan import Plan
    from mtlsr.inference.upscaler import Band, Upscaler

# Heavy imports stand inside the functions: --help and shell completion need none of them.

LISTED = 5
"""Files that are named of those that are passed over."""


def run(cfg: DictConfig) -> Path:
    """Enlarge what `cfg` names and return the output folder.

    Raises:
        UserError: Some images could not be enlarged; each is named with its reason, and the others
            are written. Or nothing could be done at all.
    """
    from rich.console import Console
    from rich.progress import Progress

    found = _plan(cfg)
    waiting = _waiting(cfg, found)
    kept = {target for target in waiting.values() if target.exists() and not cfg.overwrite}
    upscaler = _upscaler(cfg)

    failed, written = list(found.refused), 0
    screen = Console(stderr=True)
    # What is printed goes to standard output, unless that is the screen with the bars on it.
    shared = sys.stdout.isatty()
    with Progress(
        console=screen, disable=not screen.is_terminal, redirect_stdout=shared
    ) as progress:
        files = progress.add_task("Enlarging", total=len(waiting))
        tiles = progress.add_task("Tiles", visible=False)

        def passed(done: int, total: int) -> None:
            progress.update(tiles, completed=done, total=total, visible=total > 1)

        for source, target in waiting.items():
            progress.update(files, description=source.name)
            try:
                if target in kept:
                    made, said = _believed(target), _look(upscaler, source, target)
                else:
                    made, said = target, _enlarge(upscaler, source, target, cfg.realism, passed)
                    written += 1
            except Exception as error:  # whatever one file brings about, the others are enlarged
                failed.append(_named(source, target, error))
            else:
                _say(f"{source} -> {made}{said}")
            progress.advance(files)

    existing = len(found.targets) - len(waiting) + len(kept)
    skipped = f", {existing} there already (overwrite=true replaces them)" if existing else ""
    images = f"{written} image{'s' * (written != 1)}"
    _say(f"Enlarged {images} ×{upscaler.scale} into {cfg.output}{skipped}.")
    _tell(found.passed_over)
    for reason in failed:
        screen.print(reason, soft_wrap=True, markup=False, highlight=False)
    if failed:
        total = len(found.targets) + len(found.refused)
        raise UserError(f"{len(failed)} of {total} could not be enlarged.")
    return Path(cfg.output)


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be done, before anything is written.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    if _waiting(cfg, _plan(cfg)):
        _check_folder(Path(cfg.output))
    _upscaler(cfg)


def _waiting(cfg: DictConfig, found: Plan) -> dict[Path, Path]:
    """What of a plan is not there already, wholly or in part, or is to be replaced."""

    def there(target: Path) -> bool:
        return target.exists() and (not cfg.realism or _believed(target).exists())

    return {s: t for s, t in found.targets.items() if cfg.overwrite or not there(t)}


def _believed(target: Path) -> Path:
    """The file that says what the network believes is wrong with a picture's original."""
    return target.with_name(f"{target.name}.json")


def _check_folder(output: Path) -> None:
    """Refuse an output that may not be written to, before anything is enlarged."""
    from mtlsr.files import nearest

    folder = nearest(output if output.is_dir() else output.parent)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"output is {str(output)!r}; {folder} may not be written to.")


def _enlarge(
    upscaler: Upscaler,
    source: Path,
    target: Path,
    realism: bool,
    passed: Callable[[int, int], None],
) -> str:
    """Enlarge one file and return what is known of it, in words."""
    from mtlsr.files import write_json
    from mtlsr.inference.pictures.picture import read_picture
    from mtlsr.inference.pictures.writing import check_picture, write_picture

    picture = read_picture(source)
    width, height = (upscaler.scale * side for side in picture.size)
    check_picture(target, (width, height), picture.transparent)
    last: list[Band] = []

    def rows() -> Iterator[Levels]:
        for band in upscaler.bands(picture.pixels, passed):
            last[:] = [band]
            yield band.pixels

    write_picture(target, (width, height), rows(), picture.notes)
    found = last[0].realism
    if realism and found is not None:
        write_json(_believed(target), {"realism": found})
    return _said(found)


def _look(upscaler: Upscaler, source: Path, target: Path) -> str:
    """Write what is believed of a file that was enlarged before, and return it in words."""
    from mtlsr.files import write_json
    from mtlsr.inference.pictures.picture import read_picture

    first = next(iter(upscaler.bands(read_picture(source).pixels)))
    write_json(_believed(target), {"realism": first.realism})
    return _said(first.realism)


def _said(realism: dict[str, float] | None) -> str:
    if realism is None:
        return ""
    return ": " + ", ".join(f"{name} {value:.2f}" for name, value in realism.items())


def _named(source: Path, target: Path, error: Exception) -> str:
    """One line that says which file could not be enlarged, and why."""
    from mtlsr.data.decoding import ImageError

    if isinstance(error, OSError) and error.strerror:  # of the hidden file that is written first
        return f"{source}: {target} could not be written: {error.strerror}."
    reason = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        reason = "the memory is too small."
    elif not isinstance(error, UserError):
        reason = f"{type(error).__name__}: {reason}"
    return reason if isinstance(error, ImageError) else f"{source}: {reason}"


def _tell(passed_over: list[Path]) -> None:
    """Name the files that were in the way, or some of them."""
    if passed_over:
        _say(f"Skipped, as no image has such a suffix: {listed(passed_over, LISTED)}.")


def _say(line: str) -> None:
    """Print a line; where nobody reads any more, the pictures are still what was asked for."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _plan(cfg: DictConfig) -> Plan:
    from mtlsr.inference.plan import plan

    return plan(Path(cfg.input), Path(cfg.output), cfg.format)


def _upscaler(cfg: DictConfig) -> Upscaler:
    from mtlsr.inference.upscaler import Upscaler
    from mtlsr.networks.bundled import bundled_for

    model = bundled_for(cfg.scale) if cfg.model is None else cfg.model
    upscaler = Upscaler.from_pretrained(
        model, cfg.device, cfg.precision, cfg.self_ensemble, cfg.tile
    )
    if cfg.scale not in (None, upscaler.scale):
        raise UserError(
            f"scale is {cfg.scale}, but the model {model} enlarges by {upscaler.scale}."
        )
    if cfg.realism and upscaler.network.realism is None:
        raise UserError(f"realism is true, but the model {model} has no stage 1 to say it.")
    return upscaler


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute
    from mtlsr.runs.stopping import ending_tidily

    ending_tidily()
    execute("predict", run, check, sweeps=False)


if __name__ == "__main__":
    main()
