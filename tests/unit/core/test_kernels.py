"""Kernels: what is compiled is kept, and where it cannot be kept it works all the same."""

import numpy as np
import pytest
from numba.core import caching

from tesserec.core.kernels import kernel
from tesserec.recommenders.top_k import _keep_best


def total(values: np.ndarray) -> float:
    found = 0.0
    for value in values:
        found += value
    return found


def test_what_is_compiled_is_kept() -> None:
    assert _keep_best.stats.cache_path


def test_without_a_folder_to_write_to_it_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    compiled = kernel(fastmath=("reassoc",))(total)
    assert compiled(np.array([1.0, 2.0, 4.0])) == 7.0
    assert compiled.nopython_signatures
