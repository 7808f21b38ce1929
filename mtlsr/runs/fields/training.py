"""How a stage is trained, and on what."""

from dataclasses import dataclass

from omegaconf import MISSING

from mtlsr.runs.fields.values import number


@dataclass
class StageScheduleConfig:
    steps: int = number(1)
    """Optimiser steps."""
    batch: int = number(1)
    """Samples a step and process."""
    patch: int = number(8)
    """Side of a patch in low-resolution pixels."""
    optimiser: str = MISSING
    """adamw, or muon: AdamW but for the kernels of convolutions, which move by orthogonal steps."""
    lr: float = number(0, above=True)
    """Highest learning rate."""
    warmup: float = number(0, 1)
    """Share of the steps in which the learning rate rises."""
    final: float = number(0, 1)
    """Last learning rate as a share of the highest."""
    betas: list[float] = MISSING
    """Decay of AdamW's two moving averages."""
    weight_decay: float = number(0)
    clip: float = number(0)
    """Largest norm of the gradient; 0 = no clipping."""
    averaging: float = number(0, 1)
    """Decay of the averaged weights; 0 = the last weights are the model."""
    validations: int = number(0)
    """Validations, one every steps // validations steps: the last one after the last step where
    that divides."""


@dataclass
class ScheduleConfig:
    realism: StageScheduleConfig = MISSING
    restoration: StageScheduleConfig = MISSING


@dataclass
class CheckpointConfig:
    """When the state is written, beside every validation and the last step of a stage."""

    steps: int = number(0)
    """Steps between two checkpoints; 0 = not by steps."""
    minutes: float = number(0)
    """Minutes between two; 0 = not by minutes."""


@dataclass
class GuardConfig:
    """What becomes of a step whose loss or gradient is not finite, or whose loss explodes."""

    policy: str = MISSING
    """stop, skip (no update) or rewind (back to the checkpoint, on with other samples)."""
    explosion: float = number(0)
    """How many times its mean over the last steps a loss may be; 0 = any number."""


@dataclass
class TrainerConfig:
    """Where and how it computes. Lightning's words where Lightning has one."""

    accelerator: str = MISSING
    devices: int = number(1)
    num_nodes: int = number(1)
    strategy: str = MISSING
    precision: str = MISSING
    """32-true, bf16-mixed, 16-mixed, or auto: bf16-mixed where the hardware computes in bf16, else
    32-true."""
    channels_last: bool = MISSING
    """Memory format of the networks."""
    deterministic: bool = MISSING
    threads: int | None = number(1, default=None)
    """CPU threads; null leaves torch's choice."""
    workers: int | None = number(0, default=None)
    """Loader processes; null = none on a CPU, where they would take cores from training, else 4."""
    log_every: int = number(1)
    """Steps between logged values."""
    progress: bool = MISSING
    """Whether the progress bar is shown."""
    compile: bool = MISSING
    """Whether torch.compile translates the networks first, which takes minutes on a CPU."""
    profile: bool = MISSING
    """Whether a trace of some steps of each stage is left in profile/."""
    checkpoint: CheckpointConfig = MISSING
    guard: GuardConfig = MISSING
    requeue: bool = MISSING
    """Whether a SLURM job that is asked to end by SIGTERM, SIGUSR1 or SIGUSR2 is requeued."""
    sync_batchnorm: bool = MISSING
    """Whether batch normalisation takes its statistics over all processes; on GPUs only."""


@dataclass
class SweepConfig:
    """How the jobs of a sweep belong together; a single run has no use for it."""

    resume: str | None = None
    """Folder of a sweep that was stopped: what is missing or failed there is run."""
    stage1: str | None = None
    """Folder of finished stages 1 that jobs share; null = the sweep's own."""
    baseline: str | None = None
    """A job's number or the swept values that the others are compared with; null = the first."""
    metrics: list[str] = MISSING
    """Measures; the first one ranks."""
