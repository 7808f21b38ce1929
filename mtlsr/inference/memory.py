"""How much memory there is, and how much of it an image takes on its way through a network."""

from contextlib import suppress
from pathlib import Path

import torch

from mtlsr.networks.base import SRNetwork
from mtlsr.networks.measure import LiveMemory

UNKNOWN = 2 * 2**30
"""Bytes that a machine is thought to have free which does not say."""

MOST = 2**28
"""Bytes that are used of a CPU's memory at the most: tiles that fill them are large enough for
what they see twice to be little, and smaller ones leave more in the caches."""

PROBE = 96
"""Side of the image whose memory is measured."""

SCRATCH = 1.5
"""What operations need inside themselves, beside the tensors that are counted."""


def budget(device: torch.device) -> int:
    """Bytes that one pass through a network may take: half of what is free, and a CPU's `MOST`."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return min(_free() // 2, MOST)


def bytes_for_pixel(network: SRNetwork, device: torch.device) -> float:
    """Bytes that the network needs for each low-resolution pixel, its output among them."""
    image = torch.rand(1, 3, PROBE, PROBE, device=device)
    image = image.contiguous(memory_format=torch.channels_last)
    with LiveMemory() as live:
        network.enlarged(image)
    return SCRATCH * live.peak / PROBE**2


def _free() -> int:
    """Free bytes of this machine, and of the container that this process may be in."""
    free = UNKNOWN
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = 1024 * int(next(each for each in lines if "MemAvailable" in each).split()[1])
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no container, or one without a limit
        most = int((group / "memory.max").read_text())
        free = min(free, most - int((group / "memory.current").read_text()))
    return max(free, 0)
