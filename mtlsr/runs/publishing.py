"""What a finished run shows: its model, the table, pictures, and what to type next."""

import itertools
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console

from mtlsr.data.datasets import Dataset
from mtlsr.files import write_json
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics.protocol import Protocol
from mtlsr.networks.folder import save_model
from mtlsr.runs import build, hardware, photographs, pictures
from mtlsr.runs.announcing import announce
from mtlsr.runs.evaluation.measuring import evaluate
from mtlsr.runs.evaluation.tables import rich_table, sheet
from mtlsr.runs.reading import read_anew
from mtlsr.runs.terms import TERMS, held_out_terms
from mtlsr.runs.tracking import log_panels
from mtlsr.stages.restoration import RestorationStage

PICTURED = 8
"""Held-out photographs, at the most, of which pictures are drawn."""


@rank_zero_only
def publish(
    cfg: DictConfig, folder: Path, stage: RestorationStage, files: Dataset, loggers: list[Logger]
) -> None:
    """Save the model, measure it on held-out photographs and draw pictures of them."""
    device = hardware.device(cfg)
    model = stage.to(device).eval().network
    if model.realism is not None:
        read_anew(cfg, files, model.realism)
    save_model(folder / "model", model, build.architecture(cfg))
    sets = photographs.held_out(cfg, files)
    if not sets:
        return
    methods = {"bicubic": Interpolation("bicubic"), "mtlsr": own_network(model, Settings(device))}
    results = evaluate(sets, methods, Protocol.preset("literature", cfg.scale))
    results.write(folder)
    write_json(folder / TERMS, held_out_terms(stage, sets))
    rows = []
    for pair in itertools.islice(itertools.chain(*sets), PICTURED):
        versions = pictures.versions(model, pair, device)
        pictures.write_panel(folder / "pictures" / f"{pair.name}.png", versions)
        insights = pictures.insights(model, pair, device, photographs.strengths(cfg))
        if insights:
            pictures.write_panel(folder / "pictures" / f"{pair.name}_insights.png", insights)
        rows.append((pair.name, versions))
    log_panels(loggers, rows)
    Console().print(rich_table(sheet(results)))


@rank_zero_only
def advise(cfg: DictConfig, folder: Path) -> None:
    """Say where everything is and what to type next."""
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    lines = [f"Everything is in {shown}. Next:"]
    if "restoration" in cfg.stages:
        lines.append(f"  python -m mtlsr.predict model={shown} input=<photograph> output=<folder>")
        if build.single_task(cfg) is None:
            lines.append("  python -m mtlsr.train -m loss.lambda2=0.1,0.5")
    else:
        lines.append(f"  python -m mtlsr.train 'stages=[restoration]' stage1={shown}")
    for line in lines:
        announce(line)
