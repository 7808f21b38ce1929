"""What do the sets that come with the package say of pictures that are blurred, noisy, compressed?

    python -m experiments.flagship.reading <held-out photographs> [--models x2 x3 x4]
        [--samples 3] [--threads 2]

Every photograph is degraded as for stage 1's training, differently in each sample. The table is
written into README.md beside this file: rank correlations with what was done, where it was done, of
the vector that stage 2 works with and of its reading (`mtlsr.networks.reading`), and the reading of
the photographs as they are.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from experiments.common import markdown, rank_correlations, write_table
from mtlsr.data.degradation import classical
from mtlsr.data.images import find_images
from mtlsr.data.pairs import EvaluationSet
from mtlsr.inference.conversion import to_network
from mtlsr.networks.folder import load_model, model_folder


@torch.inference_mode()
def rows(name: str, folder: Path, samples: int) -> list[list[str]]:
    """A row for each degradation that a set names."""
    model, _ = load_model(model_folder(name))
    stage1 = model.eval().realism
    if stage1 is None or stage1.vector_size != len(classical.names):
        raise SystemExit(f"{name} does not name the degradations {', '.join(classical.names)}.")
    photographs, done, said, clean = find_images(folder), [], [], []
    for number, pair in enumerate(EvaluationSet(folder.name, photographs, model.scale)):
        clean.append(stage1(to_network(pair.lr)).reading)
        for sample in range(samples):
            rng = np.random.default_rng([number, sample])
            done.append(classical.sample(rng))
            output = stage1(to_network(classical.degrade(pair.lr, done[-1], rng)))
            said.append(torch.stack([output.vector, output.reading]))
    true, means = np.stack(done), torch.cat(clean).clamp(0, 1).mean(dim=0).tolist()
    vector, reading = (rank_correlations(each, true) for each in torch.cat(said, dim=1).numpy())
    return [
        [name, degradation, str(count), f"{before:.2f}", f"{after:.2f}", f"{mean:.2f}"]
        for degradation, (count, before), (_, after), mean in zip(
            classical.names, vector, reading, means, strict=True
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--models", nargs="+", default=["x2", "x3", "x4"])
    parser.add_argument("--samples", type=int, default=3, help="degradations of a photograph")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    titles = ["set", "degradation", "pictures with it", "vector", "reading", "reading when clean"]
    table = [row for name in asked.models for row in rows(name, asked.photographs, asked.samples)]
    write_table(Path(__file__).parent / "README.md", markdown(titles, table), "reading")


if __name__ == "__main__":
    main()
