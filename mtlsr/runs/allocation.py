"""How this process asks the system for memory."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Numbers of glibc's `mallopt`."""

KEPT = 2**30
"""Bytes of freed memory that stay with the process, at the most."""


def keep_freed_memory() -> bool:
    """Keep freed memory for the next array, where the C library is glibc.

    Networks and measures allocate maps of the same sizes again and again. By its defaults glibc
    gives large ones back at once, and the system then clears every page of the next one anew:
    that took half of the time of a network on a CPU, and 40 % of that of PSNR and SSIM.

    Returns:
        Whether it was done; another C library is left as it is.
    """
    try:
        library = ctypes.CDLL(None)
        done = [library.mallopt(M_MMAP_MAX, 0), library.mallopt(M_TRIM_THRESHOLD, KEPT)]
    except (OSError, AttributeError, TypeError):  # TypeError: Windows has no library without a name
        return False
    return all(done)
