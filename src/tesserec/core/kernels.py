"""Kernels: loops that are compiled when they are first called."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(fastmath: Collection[str] = ()) -> Callable[[Function], Function]:
    """Compile a function over arrays that lets other threads run meanwhile.

    What is compiled is kept beside the module, in NUMBA_CACHE_DIR or in the user's cache folder;
    where none of these can be written to, every process compiles anew, which takes seconds.
    """

    def compiled(function: Function) -> Function:
        options: dict[str, Any] = {"nogil": True, "fastmath": set(fastmath) or False}
        try:
            return cast(Function, numba.njit(cache=True, **options)(function))
        except RuntimeError:  # there is no such folder
            return cast(Function, numba.njit(**options)(function))

    return compiled
