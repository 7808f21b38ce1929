"""Does it help to train stage 1 first? Two stages, both at once, stage 1 fixed, one task.

    python -m experiments.stages.study dataset=cid22 dataset.root=<folder> dataset.val_root=<folder>
        [--seeds 0 1 2] [overrides of mtlsr.train]

All have the same networks and the same number of steps, those of stage 1 counted in. From scratch
nobody judges style, so two stages without the term of λ2 stand beside them: what is trained at once
differs from those in the stages alone.
"""

from pathlib import Path

from experiments.study import WITHOUT_STAGE1, Study, main

STUDY = Study(
    Path(__file__).parent,
    {
        "two stages": [],
        "joint from scratch": ["experiment=joint", WITHOUT_STAGE1],
        "stage 1 frozen": ["experiment=frozen"],
        "single task": ["experiment=single_task", WITHOUT_STAGE1],
        "two stages, λ2 = 0": ["loss.lambda2=0"],
    },
)

if __name__ == "__main__":
    main(STUDY)
