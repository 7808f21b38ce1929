"""What the machine can do: the device and the precision that follow from it."""

import torch
from omegaconf import DictConfig

from mtlsr.runs.schema import ConfigError

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
"""Lightning's names of those that training knows, beside `auto`."""


def precision(cfg: DictConfig) -> str:
    """Lightning's precision; `auto` follows from what the hardware can do, never from timing.

    Raises:
        ConfigError: It is none that training knows.
    """
    asked = str(cfg.trainer.precision)
    if asked in PRECISIONS:
        return asked
    if asked != "auto":
        raise ConfigError(
            f"trainer.precision is {asked!r}; it is one of auto, {', '.join(PRECISIONS)}."
        )
    if cfg.trainer.accelerator != "cpu" and torch.cuda.is_available():
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
        )
    return "bf16-mixed" if computes_bf16() else "32-true"


def computes_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; emulated, it is far slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def device(cfg: DictConfig) -> torch.device:
    """The first device that training uses: a finished model is measured there."""
    gpu = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")
