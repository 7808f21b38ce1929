"""What an evaluation costs beside the network's own work."""

import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from mtlsr.data.pairs import EvaluationSet, benchmark_set
from mtlsr.inference.methods.network import Settings, resolver
from mtlsr.metrics.protocol import Protocol
from mtlsr.runs import build, hardware, photographs
from mtlsr.runs.evaluation.measuring import evaluate
from mtlsr.runs.timing.common import Figure


def evaluation(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Milliseconds an image that decoding and measuring add to the network's own.

    The network is a fresh one in float32; the images are those of `evaluation.root`, a benchmark's
    folder, or the held-out photographs. PSNR and SSIM are measured, on Y and on RGB.

    - `cores`: of one core, beside those that the network uses. Ratio: share.
    - `waiting`: until everything is done, beside the network's. Ratio: share; 0 where all of it
      runs beside the network.
    """
    device = hardware.device(cfg)
    method = resolver(build.networks(cfg), Settings(device))
    protocol = Protocol.preset("literature", cfg.scale)
    images = _images(cfg)
    pairs = list(itertools.chain(*images))

    def network() -> None:
        for pair in pairs:
            method([pair])

    def everything() -> None:
        evaluate(images, {"network": method}, protocol)

    times: dict[Callable[[], None], list[tuple[float, float]]] = {network: [], everything: []}
    for _ in range(cfg.repeats):
        for work, taken in times.items():
            seconds, core_seconds = time.perf_counter(), time.process_time()
            work()
            taken.append((time.perf_counter() - seconds, time.process_time() - core_seconds))

    def figure(clock: int) -> Figure:
        own, whole = (
            1000 * statistics.median(taken[clock] for taken in each) / len(pairs)
            for each in times.values()
        )
        return Figure(whole - own, "ms", own, (whole - own) / own)

    return {"waiting": figure(0), "cores": figure(1)}


def _images(cfg: DictConfig) -> list[EvaluationSet]:
    if cfg.evaluation.root is not None:
        return [benchmark_set(cfg.evaluation.root, cfg.scale)]
    return photographs.held_out(cfg, photographs.dataset(cfg))
