"""Silence what libraries print about themselves, so that what concerns the user can be seen."""

import logging
import warnings

ADVICE = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*dataloader is not resumable.*",  # it starts at the right sample itself
    ".*no `val_dataloader`.*",
    ".*It is recommended to use `self.log.*sync_dist=True.*",  # the metrics sum over ranks
    r".*isinstance\(treespec, LeafSpec\).*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*`lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`.*",
    ".*The `srun` command is available.*",  # one process beside SLURM is no mistake
)


def quiet() -> None:
    """Leave Lightning's warnings, but not its information, nor advice that does not apply here."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in ADVICE:
        warnings.filterwarnings("ignore", message)
