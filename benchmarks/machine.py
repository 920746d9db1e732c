"""What this machine allows, measured in the process that is judged by it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch


@dataclass(frozen=True)
class Limits:
    """Bytes a copy reads and writes in a second, and operations of a matrix product."""

    bytes_per_second: float
    operations_per_second: float

    @classmethod
    def told(cls, answer: Mapping[str, Any]) -> Self:
        """As a side has measured them."""
        return cls(answer["bytes_per_second"], answer["operations_per_second"])

    def seconds(self, bytes_moved: float = 0.0, operations: float = 0.0) -> float:
        """The least time for counted work: both go on at once, so the longer one decides."""
        by_memory = bytes_moved / self.bytes_per_second
        return max(by_memory, operations / self.operations_per_second)


def measure(size: int = 2048, megabytes: int = 256) -> Limits:
    """Float32, with as many threads as torch has here."""
    source = torch.rand(megabytes * 2**18)
    target = torch.empty_like(source)
    copy = _best(lambda: target.copy_(source))
    one, other = torch.rand(size, size), torch.rand(size, size)
    product = _best(lambda: one @ other)
    return Limits(2 * source.nbytes / copy, 2 * size**3 / product)


def _best(work: Callable[[], Any], times: int = 7) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
