"""Train super-resolution in two stages: python -m mtlsr.train

Stage 1 learns from low-resolution images alone what makes them realistic. Stage 2 trains it jointly
with a UNet that restores structure and texture. Then both are measured on held-out photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from pytorch_lightning import Callback

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig, watching: Sequence[Callback] = ()) -> Path:
    """Train what `cfg` describes and return the run's folder.

    Args:
        cfg: The configuration.
        watching: Further callbacks of stage 2.

    Raises:
        ValueError: The configuration cannot be trained.
        Interrupted: The run was stopped; its folder holds all that is needed to go on.
    """
    from mtlsr.runs import life, starting
    from mtlsr.runs.quiet import quiet
    from mtlsr.runs.replay import replay

    quiet()
    if cfg.replay is not None:
        return replay(Path(cfg.replay))
    cfg = starting.settled(cfg)
    folder = Path(cfg.folder)
    with life.alone(folder):
        _train(cfg, folder, watching)
    return folder


def _train(cfg: DictConfig, folder: Path, watching: Sequence[Callback]) -> None:
    """Both stages, from what the folder holds to what it is to hold."""
    from mtlsr.runs import build, life, photographs, publishing, starting
    from mtlsr.runs.interruption import listening
    from mtlsr.runs.resuming import find_start
    from mtlsr.runs.tracking import tracked
    from mtlsr.runs.training import Training
    from mtlsr.sweeps.sharing import shared_stage1

    files = photographs.dataset(cfg)
    model = build.networks(cfg)
    reference = starting.start_weights(cfg, model)

    start = find_start(cfg, folder)
    advice = f"Go on with: python -m mtlsr.train resume={folder}"
    with (
        life.recorded(cfg, folder, files) as manifest,
        listening(advice, manifest.fail) as signals,
        tracked(cfg, folder, start.rows) as loggers,
    ):
        progress = life.progress(cfg)
        training = Training(cfg, files, folder, loggers, progress, signals)

        if "realism" in cfg.stages and start.stage != "restoration":
            stage1 = build.realism_stage(cfg, model)
            with (
                shared_stage1(cfg, folder, manifest, loggers),
                manifest.timed("realism"),
            ):
                training.fit(stage1)
            reference = stage1.network.first_block  # from here on a frozen copy judges, anchors

        if "restoration" in cfg.stages:
            stage2 = build.restoration_stage(cfg, model, reference)
            with manifest.timed("restoration"):
                training.fit(stage2, watching)
            progress.close()
            with manifest.timed("evaluation"):
                publishing.publish(cfg, folder, stage2, files, loggers)

        progress.close()
        publishing.advise(cfg, folder)


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be trained, before anything is written.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.runs import checking
    from mtlsr.runs.quiet import quiet

    quiet()
    checking.check(cfg)


def job(cfg: DictConfig, watching: Sequence[Callback] = ()) -> Path | None:
    """A job of the command line: a run, unless a sweep that goes on has done it already."""
    from mtlsr.sweeps import sweeping

    left = sweeping.job(cfg)
    return None if left is None else run(left, watching)


def around(
    cfgs: list[DictConfig], folder: Path, jobs: list[list[str]]
) -> AbstractContextManager[None]:
    """What stands around a sweep: what it goes on from, and its report."""
    from mtlsr.sweeps.sweeping import sweeping

    return sweeping(cfgs, folder, jobs)


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("train", job, check, around)


if __name__ == "__main__":
    main()
