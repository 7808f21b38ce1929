"""Pairs for a network that learns from another one what of a photograph can be known.

    python -m experiments.flagship.targets <photographs> <folder> [--teacher <run or bundled name>]
        [--share 0.6] [--shrunk 0.75 0.5] [--precision bfloat16] [--threads 2]

<folder>/LR holds the bicubic of every photograph, and of what it is shrunk to. <folder>/HR holds
what is to be learned: the photograph, and by `share` the mean of eight views of the teacher;
without a teacher the photograph itself. `dataset=pairs dataset.root=<folder>` trains on it.
Stopped, the same command goes on where it was; files that cannot be used are named.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from experiments.common import SCALE
from mtlsr import Upscaler
from mtlsr.data.images import ImageError, find_images, write_image
from mtlsr.data.store import resolutions


def write(
    photographs: Path,
    folder: Path,
    teacher: Upscaler | None,
    share: float,
    shrunk: list[float],
) -> list[ImageError]:
    """Write the pairs that are not there yet; returns what was wrong with other files."""
    for name in ("HR", "LR"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    errors = []
    for number, path in enumerate(find_images(photographs)):
        try:
            for size, (_, hr, lr) in enumerate(resolutions(path, SCALE, shrunk)):
                name = f"{number:04}_{size}_{path.stem}.png"
                if (folder / "LR" / name).exists():
                    continue
                target = hr
                if teacher is not None:
                    target = ((1 - share) * hr + share * np.asarray(teacher(lr))).round()
                write_image(folder / "HR" / name, target.astype(np.uint8))
                write_image(folder / "LR" / name, lr)  # last: it says that the pair is there
        except ImageError as error:
            errors.append(error)
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teacher", help="a run, a model folder or a bundled model")
    parser.add_argument("--share", type=float, default=0.6, help="how much is the teacher's")
    parser.add_argument("--shrunk", type=float, nargs="*", default=[], help="sizes beside the own")
    parser.add_argument("--precision", default="auto", help="what the teacher computes in")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    teacher = None
    if asked.teacher is not None:
        teacher = Upscaler.from_pretrained(
            asked.teacher, precision=asked.precision, self_ensemble=True
        )
        if teacher.scale != SCALE:
            parser.error(f"{asked.teacher} enlarges by {teacher.scale}; {SCALE} is needed.")
    for error in write(asked.photographs, asked.folder, teacher, asked.share, asked.shrunk):
        print(f"Left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
