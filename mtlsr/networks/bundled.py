"""Models that come with this package, by name: folders in `mtlsr/weights`.

Each is a model folder with a model card, README.md: what it was trained on, what it is for and what
not. The folder `x4` is what a scale of 4 means where no model is named, `x3` and `x2` likewise.
"""

import re
from pathlib import Path

from mtlsr.errors import UserError

CONFIG = "config.json"
ROOT = Path(__file__).parents[1] / "weights"


def bundled() -> dict[str, Path]:
    """Name of each model that comes with this package -> its folder."""
    return {path.parent.name: path.parent for path in sorted(ROOT.glob(f"*/{CONFIG}"))}


def bundled_for(scale: int | None = None) -> Path:
    """The model that enlarges by `scale`; None: by the largest that there is one for.

    Raises:
        UserError: There is none.
    """
    named = {re.fullmatch(r"x(\d+)", name): path for name, path in bundled().items()}
    plain = {int(found[1]): path for found, path in named.items() if found}
    if scale is None and plain:
        scale = max(plain)
    if scale not in plain:
        wanted = "" if scale is None else f" that enlarges by {scale}"
        raise UserError(
            f"No model{wanted} comes with this package; {there_are()} "
            "model=<run or model folder> takes one of your own."
        )
    return plain[scale]


def there_are() -> str:
    """A sentence for error messages: which models come with this package."""
    names = ", ".join(bundled())
    return f"those that do are {names}." if names else "none does."
