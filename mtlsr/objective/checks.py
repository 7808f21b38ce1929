"""Refusals that several terms share: the option, its value, what is allowed."""

from collections.abc import Iterable


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a name that is none of `choices` with a sentence (ValueError)."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it is one of {', '.join(choices)}.")


def check_weight(name: str, value: float) -> None:
    """Refuse a weight that is negative or not finite with a sentence (ValueError)."""
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} is {value}; it must be finite and ≥ 0.")
