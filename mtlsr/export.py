"""A model for other programs: python -m mtlsr.export model=<run> output=<file>.onnx

ONNX runs wherever there is a runtime for it. `format=safetensors` writes the model folder alone, as
`predict` and `evaluate` take it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig) -> Path:
    """Write the model that `cfg` names and return the file or folder.

    Raises:
        UserError: There is no such model, or the file does not give what the network gives.
    """
    from mtlsr.inference.exporting import export_onnx
    from mtlsr.networks.folder import load_model, model_folder, save_model

    network, architecture = load_model(model_folder(cfg.model))
    output = Path(cfg.output)
    if cfg.format == "safetensors":
        save_model(output, network, architecture)
        print(f"{output} holds config.json and model.safetensors.")
        return output
    difference = export_onnx(network, output)
    size = output.stat().st_size / 1e6
    print(
        f"{output} ({size:.1f} MB) enlarges ×{network.scale}: input, float (N, 3, h, w), RGB in "
        f"[0, 1] -> output. It differs from the network by {difference:.1g} at the most."
    )
    return output


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be written, before anything is.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.errors import UserError
    from mtlsr.inference.exporting import check_packages
    from mtlsr.networks.folder import load_model, model_folder

    output = Path(cfg.output)
    if cfg.format == "onnx":
        if output.is_dir() or output.suffix.lower() != ".onnx":
            raise UserError(f"output is {cfg.output!r}; the name of a file, .onnx, is needed.")
        check_packages()
    elif cfg.format == "safetensors":
        if output.is_file():
            raise UserError(f"output is {cfg.output!r}, which is a file; a folder is needed.")
    else:
        raise UserError(f"format is {cfg.format!r}; it is one of onnx, safetensors.")
    load_model(model_folder(cfg.model))


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("export", run, check, sweeps=False)


if __name__ == "__main__":
    main()
