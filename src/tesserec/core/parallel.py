"""Run a compiled kernel over shares of its rows, one thread a share.

Kernels are numba functions that release the GIL and end in the arguments `first, last`. Every row
is computed by one thread from start to end, so the number of threads never changes a result.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

SMALL = 20_000  # units of work below which a second thread costs more than it saves


def in_parallel(kernel: Callable[..., Any], bounds: Sequence[int], *arguments: Any) -> None:
    """Call `kernel(*arguments, first, last)` for each pair of neighbouring bounds."""
    pairs = [pair for pair in pairwise(bounds) if pair[0] < pair[1]]
    if not pairs:
        return
    others = [_pool(os.getpid()).submit(kernel, *arguments, *pair) for pair in pairs[1:]]
    kernel(*arguments, *pairs[0])
    for other in others:
        other.result()


def even(rows: int, work: int) -> list[int]:
    """Bounds that give each thread as many rows; one share when there is little to do."""
    threads = torch.get_num_threads() if work >= SMALL else 1
    return [rows * part // threads for part in range(threads + 1)]


def balanced(ends: NDArray[np.int64], width: int = 1) -> list[int]:
    """Bounds that give each thread as many values of ragged rows that end at `ends`."""
    total = int(ends[-1]) if len(ends) else 0
    threads = torch.get_num_threads() if (total + len(ends)) * width >= SMALL else 1
    cuts = [total * part // threads for part in range(1, threads)]
    return [0, *np.searchsorted(ends, cuts).tolist(), len(ends)]


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked child makes its own."""
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1)), thread_name_prefix=f"kernel-{process}")
