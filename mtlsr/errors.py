"""Errors that are the user's to mend: shown as one sentence, without a traceback."""

from collections.abc import Iterable


class UserError(ValueError):
    """What was wrong, the value, and what is allowed."""


def listed(items: Iterable[object], most: int = 3, separator: str = ", ") -> str:
    """The first few of several things in one line, and how many more there are."""
    names = [str(item) for item in items]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more
