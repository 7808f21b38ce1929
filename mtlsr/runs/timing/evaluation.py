"""What an evaluation costs beside the network's own work."""

import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from mtlsr.data.pairs import EvaluationSet, benchmark_set
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics.image_metrics import measure
from mtlsr.metrics.protocol import Protocol
from mtlsr.runs import build, hardware, photographs
from mtlsr.runs.evaluation.measuring import evaluate
from mtlsr.runs.timing.common import Figure


def evaluation(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Milliseconds an image that decoding and measuring take, beside the network's own.

    The network is a fresh one in float32; the images are those of `evaluation.root`, a benchmark's
    folder, or the held-out photographs. PSNR and SSIM are measured, on Y and on RGB. The limit is
    the network's own time in each.

    - `work`: of one core, when one thread decodes and measures and does nothing else.
    - `cores`: that all cores together spend more, when it runs beside the network.
    - `waiting`: until everything is done, beyond the network's own. Ratio: 0 where all of it runs
      beside the network.
    """
    method = own_network(build.networks(cfg), Settings(hardware.device(cfg)))
    protocol = Protocol.preset("literature", cfg.scale)
    sets = _sets(cfg)
    pairs = list(itertools.chain(*sets))
    outputs = [method([pair])[0] for pair in pairs]

    def network() -> None:
        for pair in pairs:
            method([pair])

    def measuring() -> None:
        for sr, pair in zip(outputs, itertools.chain(*sets), strict=True):
            measure(sr, pair.hr, protocol)

    def everything() -> None:
        evaluate(sets, {"network": method}, protocol)

    found: dict[str, list[Spent]] = {"network": [], "measuring": [], "everything": []}
    for _ in range(cfg.repeats):
        for work in (network, measuring, everything):
            found[work.__name__].append(_spent(work, len(pairs)))
    spent = {
        name: Spent(*map(statistics.median, zip(*each, strict=True)))
        for name, each in found.items()
    }
    own, whole = spent["network"], spent["everything"]
    return {
        "work": _beside(spent["measuring"].cores, own.cores),
        "cores": _beside(whole.cores - own.cores, own.cores),
        "waiting": _beside(whole.time - own.time, own.time),
    }


class Spent(NamedTuple):
    """Milliseconds an image: on the clock, and of all cores."""

    time: float
    cores: float


def _spent(work: Callable[[], None], images: int) -> Spent:
    time_, cores = time.perf_counter(), time.process_time()
    work()
    taken = time.perf_counter() - time_, time.process_time() - cores
    return Spent(*(1000 * each / images for each in taken))


def _beside(value: float, limit: float) -> Figure:
    return Figure(value, "ms", limit, value / limit)


def _sets(cfg: DictConfig) -> list[EvaluationSet]:
    if cfg.evaluation.root is not None:
        return [benchmark_set(cfg.evaluation.root, cfg.scale)]
    return photographs.held_out(cfg, photographs.dataset(cfg))
