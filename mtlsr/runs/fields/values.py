"""A value, its range, and what is raised where it is out of that."""

import math
from dataclasses import field
from typing import Any, Literal

from omegaconf import MISSING

from mtlsr.errors import UserError

StageName = Literal["realism", "restoration"]
STAGES: tuple[StageName, ...] = ("realism", "restoration")


class ConfigError(UserError):
    """A value that cannot be used: its key, the value, what is allowed."""


def number(
    least: float = -math.inf, most: float = math.inf, above: bool = False, default: Any = MISSING
) -> Any:
    """A value within [least, most], or ]least, most] with `above`; never NaN.

    It must be given, but for the few with a default: what most choices leave alone.
    """
    return field(default=default, metadata={"least": least, "most": most, "above": above})
