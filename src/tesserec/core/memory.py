"""Memory: what a step or an answer frees is kept for the next one.

glibc gives large blocks back to the system as soon as they are free, and gets them anew, page by
page, at the next step: a tenth of a training step on a CPU, half of a beam search. What
`keep_freed` asks for holds for the whole process (docs/design/decisions, 0016 and 0018).
"""

import ctypes
import sys

TRIM, MAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
KEPT = 2**31 - 1  # bytes that may lie free before any is given back
LARGEST = 2**25  # of a block that is kept; malloc takes no more


def keep_freed() -> bool:
    """Ask the allocator to keep freed blocks up to 32 MB, 2 GB in all; whether it said yes."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(TRIM, KEPT) and mallopt(MAP, LARGEST))
