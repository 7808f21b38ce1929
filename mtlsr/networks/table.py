"""Every network by name, in one explicit table; users add theirs by an entry point.

A package offers networks under the entry-point groups `mtlsr.realism`, `mtlsr.restoration` and
`mtlsr.single_task`, discriminators under `mtlsr.discriminator`; each entry is a class that takes
what `build_pair`, `build_single_task` or `build_discriminator` gives it (see CONTRIBUTING.md).
"""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from mtlsr.networks.base import (
    RealismNet,
    RestorationNet,
    SingleTaskNetwork,
    SRNetwork,
    TwoStageNetwork,
)
from mtlsr.networks.discriminators.base import Discriminator
from mtlsr.networks.discriminators.patchgan import PatchGan
from mtlsr.networks.discriminators.unet import UNetDiscriminator
from mtlsr.networks.realism_attention import AttentionRealism
from mtlsr.networks.realism_residual import ResidualRealism
from mtlsr.networks.realism_seed import SeedRealism
from mtlsr.networks.restoration_seed import SeedRestoration
from mtlsr.networks.restoration_unet import LargeUNetRestoration, UNetRestoration
from mtlsr.networks.single_task.edsr import EDSR
from mtlsr.networks.single_task.imdn import IMDN
from mtlsr.networks.single_task.rlfn import RLFN
from mtlsr.networks.single_task.span import SPAN
from mtlsr.networks.single_task.srcnn import SRCNN
from mtlsr.networks.single_task.vdsr import VDSR

SCALES = (2, 3, 4)

REALISM: dict[str, Callable[..., RealismNet]] = {
    "residual": ResidualRealism,
    "attention": AttentionRealism,
    "seed": SeedRealism,
}
RESTORATION: dict[str, Callable[..., RestorationNet]] = {
    "unet": UNetRestoration,
    "unet_large": LargeUNetRestoration,
    "seed": SeedRestoration,
}
DISCRIMINATORS: dict[str, Callable[..., Discriminator]] = {
    "patchgan": PatchGan,
    "unet": UNetDiscriminator,
}
PARTNERS = {"unet": "residual", "unet_large": "attention", "seed": "seed"}
"""Stage 2 -> the stage 1 that it is measured with; any other of as many sizes goes with it, too."""
SINGLE_TASK: dict[str, Callable[..., SingleTaskNetwork]] = {
    "srcnn": SRCNN,
    "vdsr": VDSR,
    "edsr_baseline": EDSR,
    "imdn": IMDN,
    "rlfn": RLFN,
    "span": SPAN,
}


def build_network(**architecture: Any) -> SRNetwork:
    """Build what a model folder's `config.json` names: `build_single_task` or `build_pair`."""
    build = build_single_task if "single_task" in architecture else build_pair
    return build(**architecture)


def build_pair(
    realism: Mapping[str, Any],
    restoration: Mapping[str, Any],
    *,
    scale: int,
    vector_size: int,
    structure_channels: int,
) -> TwoStageNetwork:
    """Build both networks from plain values.

    Args:
        realism: `name` in `REALISM` and that network's own options.
        restoration: `name` in `RESTORATION` and that network's own options.
        scale: Enlargement, one of `SCALES`.
        vector_size: Length of the realism vector.
        structure_channels: Channels of the structure map.

    Raises:
        ValueError: An unknown name or option, or a value that the network refuses.
    """
    _check_scale(scale)
    stage1 = _build("backbone.realism", REALISM, "mtlsr.realism", realism, vector_size=vector_size)
    stage2 = _build(
        "backbone.restoration",
        RESTORATION,
        "mtlsr.restoration",
        restoration,
        channels=stage1.channels,
        vector_size=vector_size,
        scale=scale,
        structure_channels=structure_channels,
    )
    return TwoStageNetwork(stage1, stage2)


def build_single_task(single_task: Mapping[str, Any], *, scale: int) -> SingleTaskNetwork:
    """Build a network of one task from plain values.

    Args:
        single_task: `name` in `SINGLE_TASK` and that network's own options.
        scale: Enlargement, one of `SCALES`.

    Raises:
        ValueError: An unknown name or option, or a value that the network refuses.
    """
    _check_scale(scale)
    network: SingleTaskNetwork = _build(
        "backbone.single_task", SINGLE_TASK, "mtlsr.single_task", single_task, scale=scale
    )
    return network


def build_discriminator(options: Mapping[str, Any]) -> Discriminator:
    """Build a discriminator from plain values.

    Args:
        options: `name` in `DISCRIMINATORS` and that network's own options.

    Raises:
        ValueError: An unknown name or option, or a value that the network refuses.
    """
    key, group = "loss.adversarial.discriminator", "mtlsr.discriminator"
    discriminator: Discriminator = _build(key, DISCRIMINATORS, group, options)
    return discriminator


def _build(
    key: str,
    table: Mapping[str, Callable[..., Any]],
    group: str,
    options: Mapping[str, Any],
    **given: Any,
) -> Any:
    known = dict(table) | {point.name: point.load for point in entry_points(group=group)}
    if not isinstance(options, Mapping):
        raise ValueError(f"{key} is {options!r}; it must hold a name and that network's options.")
    name = str(options.get("name"))
    if name not in known:
        raise ValueError(f"{key}.name is {name!r}; known are {', '.join(sorted(known))}.")
    network = table[name] if name in table else known[name]()
    own = {option: value for option, value in options.items() if option != "name"}
    allowed = set(inspect.signature(network).parameters) - set(given)
    for option in own:
        if option not in allowed:
            raise ValueError(
                f"{key}.{option} is not an option of {name!r}; "
                f"it takes {', '.join(sorted(allowed)) or 'none'}."
            )
    try:
        return network(**given, **own)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _check_scale(scale: int) -> None:
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}; the networks enlarge by {_or(SCALES)}.")


def _or(values: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, values[:-1]))} or {values[-1]}"
