"""Is it better to move convolutions by orthogonal steps? AdamW beside Muon, at two learning rates.

    python -m experiments.optimiser.study dataset=cid22 dataset.root=<folder>
        dataset.val_root=<folder> [--seeds 0 1 2] [overrides of mtlsr.train]

Stage 1 is AdamW's in all of them, so that all runs of a seed share it.
"""

from pathlib import Path

from experiments.study import Study, main

MUON = "schedule.restoration.optimiser=muon"
STUDY = Study(
    Path(__file__).parent,
    {
        "AdamW, 2e-3 (default)": [],
        "Muon, 2e-3": [MUON],
        "Muon, 1e-3": [MUON, "schedule.restoration.lr=1e-3"],
    },
)

if __name__ == "__main__":
    main(STUDY)
