"""How this process asks the system for memory."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's `mallopt`."""

KEPT = 64 * 2**20
"""Bytes of freed memory that stay with the process, at the most."""

MAPPED = 16 * 2**20
"""Bytes from which on an array is a piece of memory of its own."""


def keep_freed_memory() -> bool:
    """Keep some freed memory for the next array, where the C library is glibc.

    Measuring allocates a dozen maps of half a megabyte, again and again. By its defaults glibc
    gives each back at once, and the system then clears every page anew: that took 40 % of the time
    of PSNR and SSIM.

    Returns:
        Whether it was done; another C library is left as it is.
    """
    try:
        library = ctypes.CDLL(None)
        done = [
            library.mallopt(M_MMAP_THRESHOLD, MAPPED),
            library.mallopt(M_TRIM_THRESHOLD, KEPT),
        ]
    except (OSError, AttributeError, TypeError):  # TypeError: Windows has no library without a name
        return False
    return all(done)
