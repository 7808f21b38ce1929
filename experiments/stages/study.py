"""Does it help to train stage 1 first? Two stages, both at once, stage 1 fixed, one task.

    python -m experiments.stages.study [--seeds 0 1 2] [overrides of mtlsr.train]

All have the same networks and the same number of steps, those of stage 1 counted in.
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
    },
)

if __name__ == "__main__":
    main(STUDY)
