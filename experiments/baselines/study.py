"""How good are the two stages beside SRCNN, VDSR and EDSR of the same and of twice the size?

    python -m experiments.baselines.study [--seeds 0 1 2] [overrides of mtlsr.train]

The networks of the literature have one task and widths that bring them to as many parameters as our
two networks have together (± 5 %), and to twice as many. All train for the same number of steps,
those of our stage 1 counted in, on the same photographs. Bicubic and Lanczos interpolation stand
beside them.
"""

from pathlib import Path

from omegaconf import OmegaConf

from experiments.study import WITHOUT_STAGE1, Study, main
from mtlsr.data.interpolation import interpolate
from mtlsr.metrics import Protocol, measure
from mtlsr.networks.folder import load_model, model_folder
from mtlsr.networks.measure import multiply_adds, parameters
from mtlsr.runs import photographs
from mtlsr.runs.evaluation.pareto import OUTPUT
from mtlsr.runs.manifest import read_manifest

WIDTHS = {
    "SRCNN": ("srcnn", "+backbone.single_task.widths=[128,{}]", (56, 114)),
    "VDSR": ("vdsr", "+backbone.single_task.channels={}", (34, 48)),
    "EDSR": ("edsr_baseline", "backbone.single_task.channels={}", (22, 32)),
}
"""Name -> its configuration, the override of its width, and the widths of equal and double size."""
SIZES = ("equal size", "twice the size")


def size(run: Path) -> dict[str, float]:
    """Parameters and work; and what Lanczos interpolation reaches on the validation photographs."""
    cfg = OmegaConf.create(read_manifest(run, "run")["config"])
    protocol = Protocol.preset("literature", cfg.scale)
    pairs = photographs.dataset(cfg).evaluation("val", cfg.scale)
    plain = [
        measure(interpolate(pair.lr, cfg.scale, "lanczos"), pair.hr, protocol).psnr_y
        for pair in pairs
    ]
    model, _ = load_model(model_folder(run))
    work = multiply_adds(model.enlarged, *(side // cfg.scale for side in OUTPUT))
    return {
        "parameters": parameters(model),
        "multiply-adds to 1280×720, 10⁹": work / 1e9,
        "Lanczos, validation PSNR-Y": sum(plain) / len(plain),
    }


STUDY = Study(
    Path(__file__).parent,
    {
        "two stages": [],
        **{
            f"{name}, {title}": [
                "experiment=single_task",
                f"backbone/single_task={file}",
                override.format(widths[number]),
                WITHOUT_STAGE1,
            ]
            for number, title in enumerate(SIZES)
            for name, (file, override, widths) in WIDTHS.items()
        },
    },
    more=size,
)

if __name__ == "__main__":
    main(STUDY)
