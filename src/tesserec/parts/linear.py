"""Products of float32 matrices, computed by oneDNN on a CPU that is not Intel's.

The library that torch asks for such products, MKL, is less than half as fast as oneDNN on AMD
processors, and the faster one on its maker's (docs/design/decisions/0014-products-by-onednn.md).
The numbers are the same but for rounding.

For each shape oneDNN makes code and memory of its own and keeps both: it is asked where shapes come
again. Packed sequences, of which no two batches hold as many events, are `filled`.
"""

import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW = 64  # rows; any number of so few comes again
EVEN = 16  # rows, of which larger numbers are a multiple
NARROW = 128 * 128  # numbers of a weight
ENOUGH = 2**20  # multiplications; oneDNN takes 15 microseconds before the first of them


def linear(seen: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False) -> Tensor:
    """[..., i] x [o, i] -> [..., o], and ReLU of it if asked for."""
    rows = seen.reshape(-1, seen.shape[-1])
    if _by_onednn(rows, weight) and _pays(rows.shape[0], weight):
        if torch.is_grad_enabled():
            found: Tensor = _Product.apply(rows, weight, bias, relu)  # type: ignore[no-untyped-call]
        else:
            found = _product(rows, weight, bias, "relu" if relu else "none")
        return found.view(*seen.shape[:-1], weight.shape[0])
    found = functional.linear(seen, weight, bias)
    return functional.relu_(found) if relu else found


def filled(values: Tensor) -> Tensor:
    """Rows of zeros are put behind [n, d], up to a number of rows that often comes again.

    That is the next of 16 steps on the way to twice as many: at most 6 % more where they are many.
    """
    if not _by_onednn(values, values) or len(values) <= FEW:
        return values
    step = max(EVEN, 2 ** (len(values).bit_length() - 5))
    behind = -len(values) % step
    return values if not behind else functional.pad(values, (0, 0, 0, behind))


class Layer(nn.Linear):
    """torch's layer, by `linear`; with ReLU after it if asked for."""

    def __init__(self, inner: int, outer: int, bias: bool = True, relu: bool = False) -> None:
        super().__init__(inner, outer, bias)
        self.relu = relu

    def forward(self, seen: Tensor) -> Tensor:
        """[..., inner] -> [..., outer]"""
        return linear(seen, self.weight, self.bias, self.relu)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, seen: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        found = _product(seen, weight, bias, "relu" if relu else "none")
        ctx.save_for_backward(seen, weight, found if relu else None)
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        seen, weight, found = ctx.saved_tensors
        for_seen, for_weight, for_bias, _ = ctx.needs_input_grad
        if found is not None:
            grad = torch.ops.aten.threshold_backward(grad, found, 0)
        return (
            _product(grad, weight.T) if for_seen else None,
            _between(grad, seen) if for_weight else None,
            grad.sum(0) if for_bias else None,
            None,
        )


def _between(grad: Tensor, seen: Tensor) -> Tensor:
    """[n, o] x [n, i] -> [o, i]: the wider of the two is taken as the weight.

    Where both are narrow, bringing them to lie as oneDNN wants takes longer than it saves.
    """
    if grad.shape[1] * seen.shape[1] <= NARROW:
        return grad.T @ seen
    if grad.shape[1] > seen.shape[1]:
        return _product(seen.T, grad.T).T
    return _product(grad.T, seen.T)


def product(left: Tensor, right: Tensor) -> Tensor:
    """The same without gradients, for shapes that come again: [n, d] x [m, d] -> [n, m]"""
    return _product(left, right) if _by_onednn(left, right) else left @ right.T


def _product(left: Tensor, right: Tensor, bias: Tensor | None = None, then: str = "none") -> Tensor:
    """[n, i] x [o, i] -> [n, o]"""
    return torch.ops.mkldnn._linear_pointwise(left, right, bias, then, [], "")  # type: ignore[no-any-return]


def _pays(rows: int, weight: Tensor) -> bool:
    """Whether there is enough to do, and the number of rows one that comes again."""
    return rows * weight.numel() >= ENOUGH and (rows <= FEW or rows % EVEN == 0)


def _by_onednn(seen: Tensor, weight: Tensor) -> bool:
    """Whether this is what oneDNN is faster at: float32 on a CPU."""
    return (
        _is_faster()
        and seen.device.type == "cpu"
        and bool(torch.backends.mkldnn.enabled)  # off where a graph is traced that others compute
        and seen.dtype == weight.dtype == torch.float32
        and seen.numel() > 0
        and weight.numel() > 0
        and not torch.is_autocast_enabled("cpu")
    )


def _is_faster() -> bool:
    """Whether this processor and this torch are such that oneDNN is the faster of the two."""
    return _is_there() and not (torch.backends.mkl.is_available() and _is_intels())


@cache
def _is_there() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@cache
def _is_intels(facts: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether Intel made this processor; `facts` is where Linux says so."""
    # Asked, not measured: all runs on one machine must compute with one library.
    told = facts.read_text() if facts.is_file() else platform.processor()
    return "GenuineIntel" in told
