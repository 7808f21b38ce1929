"""Make a data set ready: python -m mtlsr.prepare dataset=div2k

    python -m mtlsr.prepare dataset=bsds400 scale=2
    python -m mtlsr.prepare dataset=folder dataset.root=<folder> benchmarks=[<folder of Set5>]
    python -m mtlsr.prepare dataset=div2k mirror=http://127.0.0.1:8000     archives from elsewhere
    python -m mtlsr.prepare dataset=div2k verify_only=true                 writes a report alone

What is missing is downloaded from its authors, every file is decoded, the photographs are stored as
training reads them, and manifest.json says what there is: beside the data where they were fetched,
in `output` where `dataset.root` was given. Then all of it is verified, and a contact sheet shows
what a network will see. However it is stopped, the same command goes on.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig) -> Path:
    """Prepare the data set that `cfg` names and return the output folder.

    Raises:
        UserError: No usable file is left; or, with `strict`, one could not be used or the report
            finds something.
        ValueError, OSError: What cannot be done at all.
        Interrupted: Ctrl-C.
    """
    from mtlsr.runs.preparing import steps
    from mtlsr.runs.preparing.screen import Screen
    from mtlsr.runs.stopping import Interrupted

    folder = Path(cfg.folder)
    try:
        with Screen() as screen:
            steps.fetch_missing(cfg, screen)
            found = steps.inspect_files(cfg, screen)
            if not cfg.verify_only:
                steps.store(cfg, found, screen)
                steps.write_manifest(cfg, found)
            if cfg.verify or cfg.verify_only:
                steps.write_report(cfg, found, screen)
            if cfg.samples and not cfg.verify_only:
                steps.draw_samples(cfg, found)
        found.print()
        found.judge(cfg.strict)
    except KeyboardInterrupt:
        raise Interrupted("Stopped. The same command goes on where it was.") from None
    finally:
        with suppress(OSError):
            folder.rmdir()  # Hydra made it; empty, it would be litter
    return folder


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be prepared, before anything is written or fetched.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.runs.preparing import steps

    steps.check(cfg)


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("prepare", run, check)


if __name__ == "__main__":
    main()
