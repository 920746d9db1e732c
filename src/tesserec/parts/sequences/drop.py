"""Drop: dropout whose random numbers cost next to nothing on a CPU.

Two 16-bit numbers come from each step of a counter-based generator, for a value of the first half
and its partner in the second: all numbers are 32 bits wide and neighbours are read together, so
that a compiler works on many values at once. The backward pass draws the same numbers again instead
of keeping a mask. Elsewhere torch's own dropout is used.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core.kernels import kernel
from tesserec.core.parallel import even, in_parallel


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
    scale = np.float32(2**16 / (2**16 - below)) if below < 2**16 else np.float32(0)
    arrays = values.view(-1).numpy(), out.view(-1).numpy()
    keys = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    bounds = even((values.numel() + 1) // 2, values.numel())
    in_parallel(_drop, bounds, *arrays, *keys, np.uint32(below), scale)
    return out


@kernel()
def _bits(number, key, other_key):  # type: ignore[no-untyped-def]
    """32 random bits: a multiplicative hash with a key before each of its two rounds."""
    # Numba widens products to 64 bits, of which processors do few at once.
    bits = np.uint32(number ^ key)
    bits = np.uint32(np.uint32(bits ^ (bits >> np.uint32(16))) * np.uint32(0x7FEB352D))
    bits = np.uint32(bits ^ other_key)
    bits = np.uint32(np.uint32(bits ^ (bits >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(bits ^ (bits >> np.uint32(16)))


@kernel()
def _drop(values, out, key, other_key, below, scale, first, last):  # type: ignore[no-untyped-def]
    half = (len(values) + 1) // 2
    both = min(last, len(values) - half)  # of an odd number, the middle one has no partner
    here, there = values[first:both], values[half + first : half + both]
    to_here, to_there = out[first:both], out[half + first : half + both]
    start, zero = np.uint32(first), np.float32(0)
    for n in range(len(here)):
        bits = _bits(np.uint32(start + np.uint32(n)), key, other_key)
        to_here[n] = here[n] * scale if (bits & np.uint32(0xFFFF)) >= below else zero
        to_there[n] = there[n] * scale if (bits >> np.uint32(16)) >= below else zero
    for n in range(max(first, both), last):
        bits = _bits(np.uint32(n), key, other_key)
        out[n] = values[n] * scale if (bits & np.uint32(0xFFFF)) >= below else zero
