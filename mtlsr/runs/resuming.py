"""Where a run that was stopped goes on."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from mtlsr.files import remove_unfinished
from mtlsr.runs.announcing import announce
from mtlsr.runs.checkpoints import folder_of, newest
from mtlsr.runs.schema import STAGES, ConfigError, StageName


@dataclass(frozen=True)
class Start:
    """What there is of a run already."""

    stage: StageName | None = None
    """The stage that was in training or had ended; None = the run begins."""
    rows: int | None = None
    """Rows of metrics.csv that were written by then; None = all of them."""


def find_start(cfg: DictConfig, folder: Path) -> Start:
    """Look where the run in `folder` goes on, and tidy up what was cut off.

    Stage 2's checkpoint holds both networks, so that stage 1's is not looked at where there is one.

    Raises:
        CheckpointError: No checkpoint of the stage is intact.
        ConfigError: A new run's folder holds another one's checkpoints: they would become its own.
    """
    if cfg.resume is None:
        check_free(folder)
        return Start()
    tidy(folder)
    for stage in reversed(STAGES):
        if stage in cfg.stages and (found := newest(folder_of(folder, stage))) is not None:
            path, state, errors = found
            step, total = int(state["global_step"]), cfg.schedule[stage].steps
            for error in errors:
                announce(str(error))
            announce(f"Going on with {stage} after step {step} of {total}, from {path.name}.")
            return Start(stage, state["rows"])
    return Start(rows=0)


@rank_zero_only
def check_free(folder: Path) -> None:
    """Refuse the folder of another run (ConfigError)."""
    if any((folder / "checkpoints").glob("*/*.ckpt")):
        raise ConfigError(
            f"{str(folder)!r} holds a training already; go on with it by resume={folder}, or "
            "choose another folder with hydra.run.dir=<folder>."
        )


tidy = rank_zero_only(remove_unfinished)
