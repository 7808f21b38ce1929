"""Say what a sweep found out: python -m mtlsr.report sweep=<multirun folder>

    python -m mtlsr.report sweep=<folder> baseline='loss.lambda2=0'
    python -m mtlsr.report sweep=<folder>,<folder> output=<folder>

Every sweep ends with this by itself. It is there to be made again: of a sweep that is still at work
or was stopped, against another baseline, or over several sweeps together.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig) -> None:
    """Show and write the leaderboard of the sweeps that `cfg` names.

    Raises:
        UserError, OSError: A folder that is no sweep's, an unknown baseline or measure.
    """
    from mtlsr.sweeps.report import report

    folders = _folders(cfg)
    output = folders[0] if cfg.output is None else Path(cfg.output)
    output.mkdir(parents=True, exist_ok=True)
    report(folders, cfg.baseline, cfg.metrics, output)


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be reported, before anything is written.

    Raises:
        UserError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.runs.schema import ConfigError
    from mtlsr.sweeps.leaderboard import leaderboard

    leaderboard(_folders(cfg), cfg.baseline, cfg.metrics)
    if cfg.output is not None and Path(cfg.output).is_file():
        raise ConfigError(f"output is {cfg.output!r}, which is a file; a folder is needed.")


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("report", run, check, sweeps=False)


def _folders(cfg: DictConfig) -> list[Path]:
    """The sweeps' folders: one, a list, or several with commas between."""
    from mtlsr.runs.schema import ConfigError

    asked = cfg.sweep
    listed = str(asked).split(",") if isinstance(asked, str | int | float) else list(asked)
    names = [str(each).strip() for each in listed]
    if not names or "" in names:
        raise ConfigError(f"sweep is {asked!r}, which has an empty entry.")
    return [Path(name) for name in names]


if __name__ == "__main__":
    main()
