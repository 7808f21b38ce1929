"""What the measures rest on: python -m mtlsr.metrics verify <folder>

    python -m mtlsr.metrics verify <folder with Set5, Set14, B100>
    python -m mtlsr.metrics fit-niqe <folder of photographs> ... --output niqe.json

`verify` holds bicubic's figures on these copies against the literature's, a verdict a line, and
exits with 1 if one fails. `fit-niqe` makes the statistics that NIQE compares with; those of this
package are in mtlsr/metrics/niqe.json.
"""

import argparse
import sys
from pathlib import Path

# Heavy imports stand inside the functions: --help needs none of them.


def verify(folder: Path) -> int:
    """Print a verdict a line, and under a failed one what explains it."""
    from mtlsr.metrics.published import DATASETS
    from mtlsr.metrics.verdicts import VERIFIED, WITHIN, find_benchmarks, verdicts

    passed = total = 0
    for verdict in verdicts(folder):
        print(verdict, *(f"      {reason}" for reason in verdict.reasons), sep="\n", flush=True)
        passed, total = passed + verdict.passed, total + 1
    there = find_benchmarks(folder)
    for name in (name for name in VERIFIED if name not in there):
        print(f"none  {DATASETS[name]}: not in {folder}, not checked")
    print(
        f"{passed} of {total} within {WITHIN['psnr_y']} dB and {WITHIN['ssim_y']} SSIM of the "
        "literature."
    )
    return int(passed < total)


def fit_niqe(folders: list[Path], output: Path) -> int:
    """Write the statistics of these photographs."""
    from rich.progress import track

    from mtlsr.data.images import find_images
    from mtlsr.errors import UserError
    from mtlsr.metrics.niqe_fit import fit, write

    photographs = {folder.resolve().name: find_images(folder) for folder in folders}
    if len(photographs) < len(folders):
        raise UserError("Two of the folders have the same name, by which the fit would know them.")
    files = [path for found in photographs.values() for path in found]
    found = fit(track(files, "Fitting", total=len(files)))
    write(output, found, photographs)
    print(f"{found.blocks} sharp blocks of {len(files)} photographs are in {output}.")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Serve the command line; returns the exit code."""
    parser = argparse.ArgumentParser("python -m mtlsr.metrics", description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("verify")
    one.add_argument("folder", type=Path)
    one.set_defaults(call=verify)
    one = commands.add_parser("fit-niqe")
    one.add_argument("folders", type=Path, nargs="+")
    one.add_argument("--output", type=Path, required=True)
    one.set_defaults(call=fit_niqe)
    given = vars(parser.parse_args(arguments))
    call = given.pop("call")
    try:
        return call(**given)
    except (ValueError, OSError) as error:
        print(f"mtlsr: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
