"""Search for the weights of the objective's terms: python -m mtlsr.search

    python -m mtlsr.search search.trials=30
    python -m mtlsr.search search.trials=30 search.resume=<folder>
    python -m mtlsr.search 'search.objectives=[psnr_y,gram]'        # quality against perception

Optuna chooses λ1 to λ4 (conf/search/space) from what the trials before found on the validation
photographs. Each trial is a training; all of them share their stage 1, and a leaderboard ends it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig) -> None:
    """Run the search that `cfg` describes.

    Raises:
        UserError: The folder holds another search, or a trial failed.
    """
    from mtlsr.sweeps.search.searching import search
    from mtlsr.train import job

    search(cfg, Path(cfg.folder), job)


def check(cfg: DictConfig) -> None:
    """Refuse a search one of whose trials could not begin, before anything is written.

    Raises:
        UserError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.runs.schema import ConfigError
    from mtlsr.train import check as trainable

    try:
        from mtlsr.sweeps.search import searching
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"A search needs the package {error.name}: pip install 'mtlsr[search]'."
        ) from error
    searching.check(cfg, trainable)


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("search", run, check)


if __name__ == "__main__":
    main()
