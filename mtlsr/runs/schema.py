"""The type, the range and the meaning of every plain value in `conf/`.

Hydra refuses a wrong name or type while it composes; `check_ranges` refuses a wrong number. Values
themselves stand in the YAML files alone, but for a few that mean: leave it alone.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, Optional

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

from mtlsr.errors import UserError

StageName = Literal["realism", "restoration"]
STAGES: tuple[StageName, ...] = ("realism", "restoration")


class ConfigError(UserError):
    """A value that cannot be used: its key, the value, what is allowed."""


def number(
    least: float = -math.inf, most: float = math.inf, above: bool = False, default: Any = MISSING
) -> Any:
    """A value within [least, most], or ]least, most] with `above`; never NaN.

    It must be given, but for the few with a default: what most choices leave alone.
    """
    return field(default=default, metadata={"least": least, "most": most, "above": above})


@dataclass
class BackboneConfig:
    """Networks by name, with options of their own."""

    realism: dict[str, Any] = MISSING
    """Stage 1: `name` in mtlsr/networks/table.py and that network's options."""
    restoration: dict[str, Any] = MISSING
    """Stage 2, likewise."""
    single_task: dict[str, Any] | None = None
    """A network of one task in place of both, likewise; null = none."""


@dataclass
class SmoothnessConfig:
    distance: str = MISSING
    """mse, l1 or charbonnier."""
    output: float = number(0)
    """Inner weight of the high-resolution image against the output."""
    reconstruction: float = number(0)
    """Inner weight of the clean low-resolution image against its reconstruction."""
    consistency: float = number(0)
    """Inner weight of the clean low-resolution image against the output brought back to it."""


@dataclass
class RealismConfig:
    detection: float = number(0)
    """Inner weight, in stage 1, of the decision between clean and degraded."""
    statistic: str = MISSING
    """gram, mean_std or centred."""
    start: float = number(0, 1, default=0.0)
    """Share of stage 2's steps before its term joins; with balancing it is there from the first."""
    average: float = number(0, 1)
    """Decay of the statistics' moving average, below 1; 0 = no average."""
    window: int = number(0)
    """Side of the judged window in pixels of the high-resolution patch; 0 = all of it."""


@dataclass
class StructureConfig:
    transform: str = MISSING
    """gradient, corners or identity."""
    map: float = number(0)
    """Inner weight of the predicted structure map."""


@dataclass
class AdversarialConfig:
    """Stage 2's optional game against a discriminator."""

    weight: float = number(0)
    """Of the generator's loss; 0 = there is no discriminator."""
    kind: str = MISSING
    """relativistic, hinge or lsgan."""
    warmup: float = number(0, 1)
    """Share of the steps in which the discriminator learns and the generator does not hear it."""
    lr: float = number(0, above=True)
    """Highest learning rate of the discriminator; it follows the schedule of stage 2."""
    discriminator: dict[str, Any] = MISSING
    """`name` in mtlsr/networks/table.py and that network's options."""


@dataclass
class StageOneLossConfig:
    lambda1: float = number(0)
    lambda2: float = number(0)
    lambda3: float = number(0)


@dataclass
class LossConfig:
    """λ1 smoothness + λ2 realism and style + λ3 structure + λ4 anchor, of stage 2."""

    lambda1: float = number(0)
    lambda2: float = number(0)
    lambda3: float = number(0)
    lambda4: float = number(0)
    smoothness: SmoothnessConfig = MISSING
    realism: RealismConfig = MISSING
    structure: StructureConfig = MISSING
    adversarial: AdversarialConfig = MISSING
    stage1: StageOneLossConfig = MISSING
    """Weights of stage 1, which do not follow those of stage 2: a sweep over λ shares stage 1."""


@dataclass
class BalancingConfig:
    """How much each term counts. What the values of a method mean stands in its docstring, in
    mtlsr/objective/balancing."""

    name: str = MISSING
    """fixed, or a method of mtlsr/objective/balancing/table.py."""
    stages: list[str] = MISSING
    """Stages whose terms are balanced."""
    diagnose_every: int = number(0)
    """Steps between two looks at the terms' gradients, which are logged; 0 = none."""


@dataclass
class WeighingConfig(BalancingConfig):
    """geometric, random; and what every method but fixed has."""

    normalize: str = "sum_to_k"
    """sum_to_k or none."""


@dataclass
class UncertaintyConfig(WeighingConfig):
    lr: float = number(0, above=True)


@dataclass
class DwaConfig(WeighingConfig):
    temperature: float = number(0, above=True)
    interval: int = number(1)


@dataclass
class FamoConfig(WeighingConfig):
    lr: float = number(0, above=True)
    weight_decay: float = number(0)


@dataclass
class StchConfig(WeighingConfig):
    mu: float = number(0, above=True)


@dataclass
class GradNormConfig(WeighingConfig):
    alpha: float = number(0)
    lr: float = number(0, above=True)


@dataclass
class GramianConfig(WeighingConfig):
    """pcgrad, mgda, imtl_g, upgrad, dualproj; and what every Gramian method has."""

    form: str = "exact"
    """exact or cheap."""


@dataclass
class GradVacConfig(GramianConfig):
    beta: float = number(0, 1)


@dataclass
class AlignedMtlConfig(GramianConfig):
    scale: str = MISSING
    """min, median or rmse."""


@dataclass
class CAGradConfig(GramianConfig):
    c: float = number(0)


@dataclass
class NashMtlConfig(GramianConfig):
    iterations: int = number(1)


@dataclass
class FairGradConfig(GramianConfig):
    alpha: float = number(0, above=True)


@dataclass
class PartConfig:
    """One data set of a mixture."""

    name: str = MISSING
    """A data set of mtlsr/data/datasets.py."""
    root: str | None = None
    """Folder where its files are; null = where `python -m mtlsr.prepare` puts them."""
    val_root: str | None = None
    """Folder of validation images, where the data set has none; null holds some of `root` out."""
    holdout: int = number(0, default=0)
    """Images that are held out, where there are no validation images otherwise."""
    fraction: float = number(0, 1, above=True, default=1.0)
    """Share of the training images that is used; a smaller share lies inside every larger one."""
    fraction_seed: int = number(0, default=0)
    """Another seed makes another share."""
    weight: float = number(0, above=True, default=1.0)
    """Over the sum of all weights: the probability that a sample comes from here."""


@dataclass
class DatasetConfig:
    name: str = MISSING
    """A data set of mtlsr/data/datasets.py, or mixture."""
    root: str | None = None
    """Folder where its files are; null = where `python -m mtlsr.prepare` puts them."""
    val_root: str | None = None
    """Folder of validation images, where the data set has none; null holds some of `root` out."""
    holdout: int = number(0)
    """Images that are held out, where there are no validation images otherwise."""
    balance: float = number(0, 1)
    """1: every crop of every photograph is equally likely; 0: every photograph is."""
    fraction: float = number(0, 1, above=True, default=1.0)
    """Share of the training images that is used; a smaller share lies inside every larger one."""
    fraction_seed: int = number(0, default=0)
    """Another seed makes another share; the run's own does not, so that runs stay comparable."""
    unusable: str = "refuse"
    """What becomes of files that cannot be used (animated, smaller than a patch, damaged): refuse
    starts nothing, skip leaves them out and says so."""
    parts: list[PartConfig] = field(default_factory=list)
    """Of a mixture: the data sets, each with its weight."""


@dataclass
class RealismDatasetConfig(DatasetConfig):
    """Photographs for stage 1, which needs low resolution alone. `name` may be same: stage 2's."""

    downscale: bool = MISSING
    """Whether they are shrunk by the scale first; false: they are low-resolution images already."""


@dataclass
class TrainDatasetConfig(DatasetConfig):
    """Stage 2's photographs, and under `realism` stage 1's."""

    realism: RealismDatasetConfig = MISSING


@dataclass
class GeneratorConfig:
    """A degradation. What its values mean stands in mtlsr/data/degradation."""

    name: str = MISSING
    """Its kind: classical or realistic."""
    clean_probability: float = number(0, 1)
    realism: Optional["GeneratorConfig"] = None
    """Beside stage 2's degradation: stage 1's generator, which has none beside it."""


@dataclass
class ClassicalConfig(GeneratorConfig):
    """The ranges of mtlsr/data/degradation/classical.py."""

    blur: list[float] = MISSING
    anisotropy: list[float] = MISSING
    noise: list[float] = MISSING
    jpeg: list[float] = MISSING
    resampling: list[float] = MISSING
    kernels: list[str] = MISSING
    blur_probability: float = number(0, 1)
    anisotropy_probability: float = number(0, 1)
    noise_probability: float = number(0, 1)
    jpeg_probability: float = number(0, 1)
    resampling_probability: float = number(0, 1)


@dataclass
class PassConfig:
    """One of two passes of mtlsr/data/degradation/realistic.py."""

    blur: list[float] = MISSING
    anisotropy: list[float] = MISSING
    shrinking: list[float] = MISSING
    enlarging: list[float] = MISSING
    noise: list[float] = MISSING
    poisson: list[float] = MISSING
    jpeg: list[float] = MISSING
    webp: list[float] = MISSING
    blur_probability: float = number(0, 1)
    anisotropy_probability: float = number(0, 1)
    shrinking_probability: float = number(0, 1)
    enlarging_probability: float = number(0, 1)
    noise_probability: float = number(0, 1)
    poisson_probability: float = number(0, 1)
    grey_probability: float = number(0, 1)
    jpeg_probability: float = number(0, 1)
    webp_probability: float = number(0, 1)


@dataclass
class RealisticConfig(GeneratorConfig):
    """The ranges of mtlsr/data/degradation/realistic.py."""

    first: PassConfig = MISSING
    second: PassConfig = MISSING
    ringing: list[float] = MISSING
    ringing_probability: float = number(0, 1)
    kernels: list[str] = MISSING
    shuffle_probability: float = number(0, 1)


@dataclass
class StageScheduleConfig:
    steps: int = number(1)
    """Optimiser steps."""
    batch: int = number(1)
    """Samples a step and process."""
    patch: int = number(8)
    """Side of a patch in low-resolution pixels."""
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
    """Validations, evenly spread; the last one after the last step."""


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
    """Share of its mean over the last steps above which a loss explodes; 0 = never."""


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
    threads: int | None = None
    """CPU threads; null leaves torch's choice."""
    workers: int | None = None
    """Loader processes; null = none on a CPU, where they would take cores from training, else 4."""
    log_every: int = number(1)
    """Steps between logged values."""
    progress: bool = MISSING
    """Whether the progress bar is shown."""
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
class LoaderBenchmarkConfig:
    """part=loader: the batches whose rate is compared."""

    batch: int = number(1)
    """Samples."""
    patch: int = number(8)
    """Side of a patch in low-resolution pixels."""


@dataclass
class NetworksBenchmarkConfig:
    """part=networks: the image that is enlarged."""

    height: int = number(1)
    """In low-resolution pixels."""
    width: int = number(1)
    """Likewise."""
    field: int = number(32)
    """Widest receptive field that is looked for, in low-resolution pixels."""


@dataclass
class InferenceBenchmarkConfig:
    """part=inference: what is enlarged, and how."""

    sizes: list[list[int]] = MISSING
    """[height, width] of images, in low-resolution pixels."""
    choices: list[str] = MISSING
    """compiled (by torch.compile, which needs a C++ compiler on a CPU), onnx; beside the network
    as it is."""


@dataclass
class EdsrBenchmarkConfig:
    """Parts precision and files: the batches of EDSR."""

    batch: int = number(1)
    """Samples."""
    patch: int = number(8)
    """Side of a patch in low-resolution pixels."""


@dataclass
class GrowthBenchmarkConfig:
    """part=growth: sizes, least to largest."""

    image: list[int] = MISSING
    """Sides of the enlarged image in low-resolution pixels."""
    patch: list[int] = MISSING
    """Sides of a training patch, likewise."""
    batch: list[int] = MISSING
    """Samples."""
    photographs: list[int] = MISSING
    """Of a store."""
    jobs: list[int] = MISSING
    """Trainings of a sweep, one after the other."""
    processes: list[int] = MISSING
    """Of one training."""


@dataclass
class EvaluationBenchmarkConfig:
    """part=evaluation: the images that are measured."""

    root: str | None = None
    """Folder of a benchmark, with HR/ and maybe LR_x4/ in it; null = the held-out photographs."""


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

DEGRADATIONS: dict[str, type] = {"classical": ClassicalConfig, "realistic": RealisticConfig}

BALANCING: dict[str, type] = {
    "weighing": WeighingConfig,
    "uncertainty": UncertaintyConfig,
    "dwa": DwaConfig,
    "famo": FamoConfig,
    "stch": StchConfig,
    "gradnorm": GradNormConfig,
    "gramian": GramianConfig,
    "gradvac": GradVacConfig,
    "aligned_mtl": AlignedMtlConfig,
    "cagrad": CAGradConfig,
    "nash_mtl": NashMtlConfig,
    "fairgrad": FairGradConfig,
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


def check_ranges(cfg: DictConfig) -> None:
    """Refuse the first number that is out of its range.

    Raises:
        ConfigError: With the key, the value and what is allowed; also for a missing value.
    """
    for key, value, limits in _numbers(cfg, ""):
        least, most, above = limits["least"], limits["most"], limits["above"]
        too_low = value <= least if above else value < least
        if not math.isfinite(value) or too_low or value > most:
            raise ConfigError(f"{key} is {value}; {_allowed(least, most, above)}.")


def _numbers(node: DictConfig, prefix: str) -> Iterator[tuple[str, float, Any]]:
    schema = OmegaConf.get_type(node)
    if not is_dataclass(schema):
        return
    for entry in fields(schema):
        key = prefix + entry.name
        if OmegaConf.is_missing(node, entry.name):
            raise ConfigError(f"{key} is missing; give it as {key}=...")
        if OmegaConf.is_interpolation(node, entry.name):
            continue
        value = node[entry.name]
        if isinstance(value, DictConfig):
            yield from _numbers(value, key + ".")
        elif isinstance(value, ListConfig):
            for index, item in enumerate(value):
                if isinstance(item, DictConfig):
                    yield from _numbers(item, f"{key}.{index}.")
        elif "least" in entry.metadata and value is not None:
            yield key, value, entry.metadata


def _allowed(least: float, most: float, above: bool) -> str:
    lower = f"above {least:g}" if above else f"at least {least:g}"
    if math.isinf(most):
        return f"it must be finite and {lower}"
    return f"it must be {lower} and at most {most:g}"
