"""Drop: dropout whose random numbers cost next to nothing on a CPU.

Four 16-bit numbers come from each step of a counter-based generator (splitmix64), in parallel, and
the backward pass draws the same ones again instead of keeping a mask. Elsewhere torch's own
dropout is used.
"""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core.parallel import even, in_parallel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Drop(nn.Module):
    """Zeros for a share of the values, the others made larger by as much (Srivastava, 2014)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        """The same shape."""
        if not self.training or self.share == 0:
            return values
        if values.device.type != "cpu" or values.dtype != torch.float32:
            return functional.dropout(values, self.share)
        key = int(torch.randint(2**62, (1,)))
        dropped: Tensor = _Dropped.apply(values, key, self.share)  # type: ignore[no-untyped-call]
        return dropped


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, key: int, share: float) -> Tensor:
        ctx.key, ctx.share = key, share
        return _dropped(values, key, share)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _dropped(gradient, ctx.key, ctx.share), None, None


def _dropped(values: Tensor, key: int, share: float) -> Tensor:
    values = values.contiguous()
    out = torch.empty_like(values)
    below = round(share * 2**16)
    blocks = -(-values.numel() // 4)
    arrays = values.view(-1).numpy(), out.view(-1).numpy()
    scale = np.float32(2**16 / (2**16 - below)) if below < 2**16 else np.float32(0)
    bounds = even(blocks, values.numel())
    in_parallel(_drop, bounds, *arrays, np.uint64(key), np.uint64(below), scale)
    return out


@numba.njit(nogil=True, cache=True)
def _bits(key, number):  # type: ignore[no-untyped-def]
    bits = key + np.uint64(number + 1) * _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@numba.njit(nogil=True, cache=True)
def _drop(values, out, key, below, scale, first, last):  # type: ignore[no-untyped-def]
    whole = min(last, len(values) // 4)
    for block in range(first, whole):
        bits = _bits(key, block)
        for one in range(4):
            kept = ((bits >> np.uint64(16 * one)) & np.uint64(0xFFFF)) >= below
            out[4 * block + one] = values[4 * block + one] * scale if kept else 0.0
    for block in range(max(first, whole), last):  # what is left of the last four
        bits = _bits(key, block)
        for one in range(len(values) - 4 * block):
            kept = ((bits >> np.uint64(16 * one)) & np.uint64(0xFFFF)) >= below
            out[4 * block + one] = values[4 * block + one] * scale if kept else 0.0
