"""What the parts of a benchmark measure."""

from dataclasses import dataclass

from omegaconf import MISSING

from mtlsr.runs.fields.values import number


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
