"""Layer: a linear layer whose products oneDNN computes.

On an AMD processor the library that torch asks for products of float32 matrices is half as fast as
oneDNN, which does the bias and the ReLU on the way, too. The numbers are the same but for rounding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Layer(nn.Module):
    """A linear layer, and ReLU after it if asked for."""

    def __init__(self, inner: int, outer: int, relu: bool = False) -> None:
        super().__init__()
        self.relu = relu
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(outer, inner)))
        self.bias = nn.Parameter(torch.zeros(outer))

    def forward(self, seen: Tensor) -> Tensor:
        """[n, inner] -> [n, outer]"""
        if _by_onednn(seen):
            found: Tensor = _OneDNN.apply(seen, self.weight, self.bias, self.relu)  # type: ignore[no-untyped-call]
            return found
        found = functional.linear(seen, self.weight, self.bias)
        return functional.relu(found) if self.relu else found


class _OneDNN(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, seen: Tensor, weight: Tensor, bias: Tensor, relu: bool) -> Tensor:
        found = _product(seen, weight, bias, "relu" if relu else "none")
        ctx.save_for_backward(seen, weight, found if relu else None)
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:  # type: ignore[override]
        seen, weight, found = ctx.saved_tensors
        if found is not None:
            grad = torch.ops.aten.threshold_backward(grad, found, 0)
        before = _product(grad, weight.T) if ctx.needs_input_grad[0] else None
        return before, _product(grad.T, seen.T), grad.sum(0), None


def _product(left: Tensor, right: Tensor, bias: Tensor | None = None, then: str = "none") -> Tensor:
    """[n, i] x [o, i] -> [n, o]"""
    return torch.ops.mkldnn._linear_pointwise(left, right, bias, then, [], "")  # type: ignore[no-any-return]


def _by_onednn(seen: Tensor) -> bool:
    """Whether this is what oneDNN is faster at: float32 on a processor that it knows."""
    return (
        seen.device.type == "cpu"
        and seen.dtype == torch.float32
        and seen.ndim == 2
        and len(seen) > 0
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
