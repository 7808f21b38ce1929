"""The type, the range and the meaning of every plain value in `conf/`.

Hydra refuses a wrong name or type while it composes; `check_ranges` refuses a wrong number. Values
themselves stand in the YAML files alone, but for a few that mean: leave it alone.
"""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from mtlsr.runs.fields.benchmark import (
    EdsrBenchmarkConfig,
    EvaluationBenchmarkConfig,
    GrowthBenchmarkConfig,
    InferenceBenchmarkConfig,
    LoaderBenchmarkConfig,
    NetworksBenchmarkConfig,
)
from mtlsr.runs.fields.data import DEGRADATIONS, DatasetConfig, GeneratorConfig, TrainDatasetConfig
from mtlsr.runs.fields.objective import BALANCING, BackboneConfig, BalancingConfig, LossConfig
from mtlsr.runs.fields.ranges import check_ranges
from mtlsr.runs.fields.training import ScheduleConfig, SweepConfig, TrainerConfig
from mtlsr.runs.fields.values import STAGES, ConfigError, StageName, number

__all__ = ["STAGES", "ConfigError", "StageName", "check_ranges", "plain", "register"]


@dataclass
class TrainConfig:
    name: str = MISSING
    """Name of the run's folder and of its W&B project's group."""
    seed: int = number(0, 2**32 - 1)
    scale: int = MISSING
    """Enlargement: 2, 3 or 4."""
    stages: list[str] = MISSING
    """realism, restoration or both; without realism and without stage1: joint from scratch."""
    stage1: str | None = None
    """Run folder whose stage 1 is taken."""
    freeze_realism: bool = MISSING
    """Keep stage 1's network fixed in stage 2."""
    init: str | None = None
    """Model or run folder whose weights both networks start from."""
    resume: str | None = None
    """Run folder that was stopped and goes on; auto = `folder`, if there is a run in it."""
    replay: str | None = None
    """step.json of a run's replay/: nothing but that step is done, and told."""
    folder: str = MISSING
    """The run's folder."""
    cache: str | None = None
    """Folder of decoded photographs; null = the user's cache folder."""
    backbone: BackboneConfig = MISSING
    loss: LossConfig = MISSING
    balancing: BalancingConfig = MISSING
    dataset: TrainDatasetConfig = MISSING
    degradation: GeneratorConfig = MISSING
    schedule: ScheduleConfig = MISSING
    trainer: TrainerConfig = MISSING
    logger: dict[str, Any] = MISSING
    """Loggers by name, each with its `_target_`; metrics.csv is always written."""
    sweep: SweepConfig = MISSING


@dataclass
class SearchSettings:
    """How values are chosen, and how often."""

    resume: str | None = None
    """Folder of a search that was stopped, or that goes on with more trials."""
    trials: int = number(1)
    """In all, those of earlier calls counted."""
    objectives: list[str] = MISSING
    """psnr_y, gram or both, on the validation photographs."""
    random: int = number(0)
    """Trials before TPE chooses."""
    seed: int = number(0, 2**32 - 1)
    """Of the trials' values."""
    parallel: int = number(1)
    """Trials at a time, where the launcher can."""
    pruning: bool = MISSING
    """Whether a trial below the median of the others' validations is ended; for psnr_y alone."""
    whole: int = number(1)
    """Trials that end whole before any is pruned."""
    space: dict[str, Any] = MISSING
    """Key -> low and high, with log or step, or choices."""


@dataclass
class SearchConfig(TrainConfig):
    """A training, and which of its values are searched for."""

    search: SearchSettings = MISSING


@dataclass
class EvaluateConfig:
    model: Any = MISSING
    """Run folder, model folder, a kernel, images:<folder>, onnx:<file>, spandrel:<file>; a list of
    them; or a mapping that names them."""
    dataset: DatasetConfig = MISSING
    datasets: Any = None
    """Several in place of `dataset`: names, or mappings of name, root ..."""
    benchmarks: str | None = None
    """Folder of benchmarks: of those in `datasets`, else of every one that it holds."""
    split: str = MISSING
    """test, val, held_out (both, as training measures them) or all (every image)."""
    scale: int | None = number(2, 16)
    """Enlargement; null = the model's."""
    protocol: Any = MISSING
    """A preset of mtlsr/metrics/protocol.py, or {preset: <name>, border: 0} and so on."""
    metrics: list[str] = MISSING
    """What is measured; the first one ranks pictures and is what is plotted."""
    batch: int = number(1)
    """Images of equal size that a network sees at a time, at the most."""
    self_ensemble: bool = MISSING
    """Whether networks see an image turned and mirrored eight times, and the mean counts."""
    tile: Any = None
    """Side of tiles in low-resolution pixels, auto, or null: the whole image."""
    device: str = MISSING
    """auto, cpu, cuda ..."""
    precision: str = MISSING
    """float32, bfloat16 or auto (bfloat16 on a GPU that computes in it)."""
    beside: list[str] = MISSING
    """Folders of earlier results to rank with these, of the same protocol and images."""
    published: bool = MISSING
    """Whether the literature's figures are shown beside."""
    pictures: bool = MISSING
    """Whether the worst, the median and the best image of each data set are drawn."""
    pareto: bool = MISSING
    """Whether quality is plotted against parameters, multiply-adds and latency."""
    output: str = MISSING
    """Folder that receives everything."""
    folder: str = MISSING
    """`output`, and in a sweep the job's folder in it."""


@dataclass
class CompareConfig:
    a: str | None = None
    """Results folder."""
    b: str | None = None
    """The one that it is compared with."""
    results: Any = None
    """Instead of `a` and `b`: one results folder, a list, or a mapping that names them."""
    methods: list[str] | None = None
    """By the names that results have, or <folder>:<name>; null = all of one folder, of several all
    but interpolation."""
    baseline: str | None = None
    """A method that all others are compared with; null = each with each."""
    datasets: list[str] | None = None
    """Null = all that every method was measured on."""
    metrics: list[str] = MISSING
    """Names as in per_image.csv."""
    output: str | None = None
    """Folder that receives comparison.md, comparison.csv and differences.csv; null = no files."""


@dataclass
class ReportConfig:
    sweep: Any = MISSING
    """Folder of a sweep, or several of them: a,b or [a,b]."""
    baseline: str | None = None
    """A job's number or the swept values that the others are compared with; null = the first."""
    metrics: list[str] = MISSING
    """Measures; the first one ranks."""
    output: str | None = None
    """Folder for the report; null = the sweep's, of several sweeps the first one's."""


@dataclass
class PredictConfig:
    model: str | None = None
    """Run folder, model folder or name of a bundled model; null = the bundled one of `scale`."""
    scale: int | None = None
    """Enlargement; null = the model's."""
    input: str = MISSING
    """Image file, folder of images, or pattern."""
    output: str = MISSING
    """Folder of the enlarged images; for one image also a file."""
    format: str | None = None
    """png, tif, webp, jpg, bmp, same; null = what the suffix of `output` says, else png."""
    realism: bool = MISSING
    """Whether what stage 1 says of an image is written beside it as JSON."""
    overwrite: bool = MISSING
    """Enlarge again what is in `output` already."""
    device: str = MISSING
    """auto, cpu, cuda ..."""
    precision: str = MISSING
    """auto (bfloat16 on a GPU that computes in it, else float32), float32 or bfloat16."""
    self_ensemble: bool = MISSING
    """Whether the network sees an image turned and mirrored eight times, and the mean counts."""
    tile: Any = None
    """Side of tiles in low-resolution pixels, auto (whole where it fits), or null: the whole."""


@dataclass
class DemoConfig:
    model: str | None = None
    """Run folder or model folder, beside the bundled models."""
    device: str = MISSING
    """auto, cpu, cuda ..."""
    precision: str = MISSING
    """auto, float32 or bfloat16."""
    pixels: int = number(1)
    """Of an uploaded picture, at the most."""
    megabytes: int = number(1)
    """Of its file, at the most."""
    port: int = number(0, 65535)
    """On 127.0.0.1; 0 = any free one."""
    ab: str | None = None
    """Two folders, a comma between them, whose pictures are to be judged."""
    votes: str = MISSING
    """CSV file of what was said of them."""
    seed: int = number(0, 2**32 - 1)
    """Of their order and sides."""


@dataclass
class ExportConfig:
    model: str = MISSING
    """Run folder or model folder."""
    output: str = MISSING
    """File, or folder for safetensors."""
    format: str = MISSING
    """onnx or safetensors."""


@dataclass
class PrepareConfig:
    dataset: DatasetConfig = MISSING
    degradation: GeneratorConfig = MISSING
    """Of the contact sheet."""
    scale: int = number(1, 16)
    """Enlargement that the photographs are stored for."""
    seed: int = number(0, 2**32 - 1)
    """Of the contact sheet."""
    patch: int = number(1)
    """Side in low-resolution pixels that every photograph must hold."""
    cache: str | None = None
    """Folder of decoded photographs; null = the user's cache folder."""
    mirror: str | None = None
    """Address of a folder that holds the archives, instead of their authors'."""
    keep_archives: bool = MISSING
    """Leave what was downloaded on the disk when it is unpacked."""
    verify: bool = MISSING
    """Report low resolution that is not HR's, duplicates, photographs that are in a benchmark."""
    verify_only: bool = MISSING
    """Report, and write nothing else."""
    benchmarks: list[str] = MISSING
    """Folders of benchmark images; those that are prepared are known."""
    samples: int = number(0, 1000)
    """Samples on the contact sheet; 0 = no sheet."""
    strict: bool = MISSING
    """Exit code 1 if a file cannot be used or the report finds something."""
    output: str = MISSING
    """Folder that receives verification.json and contact_sheet.png."""
    folder: str = MISSING
    """`output`, and in a sweep the job's folder in it."""


@dataclass
class BenchmarkConfig(TrainConfig):
    """A training, and how it is measured."""

    part: str = MISSING
    """One of mtlsr/runs/timing, or all: those that do not take long."""
    history: str | None = None
    """File that receives a line for every run; null = none."""
    base: str | None = None
    """benchmark.json, or its folder, that the figures are compared with."""
    measured: str | None = None
    """benchmark.json, or its folder, that is compared with `base` instead of measuring now."""
    repeats: int = number(1)
    """Interleaved repeats; the median counts."""
    measured_steps: int = number(10)
    """Measured steps of each repeat."""
    loader: LoaderBenchmarkConfig = MISSING
    networks: NetworksBenchmarkConfig = MISSING
    inference: InferenceBenchmarkConfig = MISSING
    evaluation: EvaluationBenchmarkConfig = MISSING
    edsr: EdsrBenchmarkConfig = MISSING
    growth: GrowthBenchmarkConfig = MISSING
    methods: list[str] = MISSING
    """part=balancing: some of what it measures, beside fixed; none = all."""
    overrides: list[str] = MISSING
    """Of the trainings that parts startup, jobs, memory and growth start as processes."""
    gigabytes: float = number(0, above=True)
    """part=memory: size of the store that is made, in 10^9 bytes; twice that must be free."""


SCHEMAS: dict[str, type] = {
    "train": TrainConfig,
    "search": SearchConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "report": ReportConfig,
    "predict": PredictConfig,
    "demo": DemoConfig,
    "export": ExportConfig,
    "prepare": PrepareConfig,
    "benchmark": BenchmarkConfig,
}


def register() -> None:
    """Make the schemas known to Hydra: `schema/<command>`, `schema/<group>/<kind>`."""
    store = ConfigStore.instance()
    # Hydra copies whatever holds the store each time that it looks into conf/, over a hundred times
    # for --help. There is one store a process, and what is loaded from it is a copy already.
    store.__deepcopy__ = lambda memo: store  # type: ignore[attr-defined]
    for command, schema in SCHEMAS.items():
        store.store(group="schema", name=command, node=schema, package="_global_")
    for kind, schema in DEGRADATIONS.items():
        store.store(group="schema/degradation", name=kind, node=schema)
    for kind, schema in BALANCING.items():
        store.store(group="schema/balancing", name=kind, node=schema)


def plain(node: DictConfig) -> dict[str, Any]:
    """A part of the composed configuration as plain containers."""
    return OmegaConf.to_container(node, resolve=True)  # type: ignore[return-value]
