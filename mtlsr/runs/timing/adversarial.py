"""What the discriminator costs."""

from pathlib import Path

from omegaconf import DictConfig

from mtlsr.runs.timing.common import Figure, short, step_rates

USUAL = 0.002
"""Weight where the configuration has no discriminator."""


def adversarial(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Milliseconds of a step of stage 2 with a discriminator, beside one without.

    - `step`: both players learn, as they do after the warm-up. Ratio: how many times as long; at
      most 2 is wanted.
    """
    without, with_it = short(cfg), short(cfg)
    without.loss.adversarial.weight = 0.0
    with_it.loss.adversarial.weight = cfg.loss.adversarial.weight or USUAL
    rates = step_rates({"with": with_it, "without": without}, folder)
    taken = {name: [1 / rate for rate in found] for name, found in rates.items()}
    return {"step": Figure.of(taken["with"], taken["without"], "ms", 1000)}
