"""A page on this machine: python -m mtlsr.demo, or, to judge pictures, ab=<folder A>,<folder B>

It needs the extra `demo`. Nothing leaves this machine, and nothing is loaded from elsewhere.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio
    from omegaconf import DictConfig

    from mtlsr.inference.upscaler import Upscaler
    from mtlsr.pages.votes import Pair

# Heavy imports stand inside the functions: --help and shell completion need none of them.

KEPT = 4
"""Models that stay loaded."""


def run(cfg: DictConfig) -> None:
    """Serve the page that `cfg` names until it is interrupted.

    Raises:
        UserError: There is no Gradio, no model, nothing to judge, or the port is taken.
    """
    from mtlsr.pages.serving import serve

    def build() -> gradio.Blocks:
        from mtlsr.pages import enlarging, judging

        if cfg.ab is not None:
            return judging.page(_pairs(cfg), Path(cfg.votes))

        @lru_cache(maxsize=KEPT)
        def load(model: str) -> Upscaler:
            return _upscaler(cfg, model)

        return enlarging.page(load, _models(cfg), cfg.pixels)

    serve(build, cfg.port, cfg.megabytes)


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be shown, before anything is served.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.pages.serving import listening, needs_gradio
    from mtlsr.pages.votes import check_votes

    needs_gradio()
    if cfg.ab is not None:
        for pair in _pairs(cfg):
            pair.shown()
        check_votes(Path(cfg.votes))
    else:
        _upscaler(cfg, _models(cfg)[0])
    listening(cfg.port).close()


def _models(cfg: DictConfig) -> list[str]:
    """Names of the models to choose from, the default first."""
    from mtlsr.networks.bundled import bundled, bundled_for

    given = [] if cfg.model is None else [str(cfg.model)]
    default = [] if given else [bundled_for().name]
    return list(dict.fromkeys([*given, *default, *bundled()]))


def _upscaler(cfg: DictConfig, model: str) -> Upscaler:
    from mtlsr.inference.upscaler import Upscaler

    return Upscaler.from_pretrained(model, cfg.device, cfg.precision)


def _pairs(cfg: DictConfig) -> list[Pair]:
    from mtlsr.errors import UserError
    from mtlsr.pages.votes import pairs

    folders = str(cfg.ab).split(",")
    if len(folders) != 2:
        raise UserError(f"ab is {cfg.ab!r}; two folders with a comma between them are needed.")
    return pairs(Path(folders[0]), Path(folders[1]), cfg.seed)


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute
    from mtlsr.runs.stopping import ending_tidily

    ending_tidily()
    execute("demo", run, check, sweeps=False)


if __name__ == "__main__":
    main()
