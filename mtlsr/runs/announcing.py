"""Lines for the user, said once however many processes train."""

from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console


@rank_zero_only
def announce(line: str) -> None:
    """Print a line as it is."""
    Console().print(line, highlight=False, markup=False, soft_wrap=True)
