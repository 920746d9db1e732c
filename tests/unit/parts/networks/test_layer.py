import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tesserec.parts.networks.layer import Layer


def plain(layer: Layer, input: Tensor) -> Tensor:
    """What torch makes of it."""
    seen = functional.linear(input, layer.weight, layer.bias)
    return seen.relu() if layer.relu else seen


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("rows", [0, 1, 33])
def test_values_and_gradients_are_those_of_torch(relu: bool, rows: int) -> None:
    torch.manual_seed(0)
    layer = Layer(24, 17, relu)
    input = torch.randn(rows, 24, requires_grad=True)
    told = torch.randn(rows, 17)
    found = [layer(input), *torch.autograd.grad((layer(input) * told).sum(), _of(layer, input))]
    wanted = [
        plain(layer, input),
        *torch.autograd.grad((plain(layer, input) * told).sum(), _of(layer, input)),
    ]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_an_input_without_gradient_gets_none() -> None:
    layer, input = Layer(4, 3, relu=True), torch.randn(5, 4)
    layer(input).sum().backward()
    assert input.grad is None
    assert layer.weight.grad is not None


def test_half_the_digits_stay_half_the_digits() -> None:
    layer, input = Layer(4, 3, relu=True), torch.randn(5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(input).dtype == torch.bfloat16
    assert layer(input).dtype == torch.float32


def _of(layer: Layer, input: Tensor) -> list[Tensor]:
    return [input, layer.weight, layer.bias]
