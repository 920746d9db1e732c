"""Products by oneDNN against torch's, their gradients too."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tesserec.parts import linear as module
from tesserec.parts.linear import Layer, filled, linear

IS_INTELS = module._is_intels


@pytest.fixture(autouse=True)
def however_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN computes the small products of these tests, too, on Intel's processors as well."""
    monkeypatch.setattr(module, "ENOUGH", 0)
    monkeypatch.setattr(module, "_is_intels", lambda: False)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(7, 5, 3), (7, 3, 5), (1, 4, 4), (2, 3, 6, 9)])
def test_values_and_gradients_are_torchs(shape: tuple[int, ...], bias: bool, relu: bool) -> None:
    torch.manual_seed(0)
    *rows, inner, outer = shape
    seen = torch.randn(*rows, inner, requires_grad=True)
    weight = torch.randn(outer, inner, requires_grad=True)
    added = torch.randn(outer, requires_grad=True) if bias else None
    weights = torch.randn(*rows, outer)
    found = linear(seen, weight, added, relu)
    wanted = functional.linear(seen, weight, added)
    wanted = wanted.relu() if relu else wanted
    torch.testing.assert_close(found, wanted)
    leaves = [seen, weight] + ([added] if added is not None else [])
    ours = torch.autograd.grad((found * weights).sum(), leaves)
    theirs = torch.autograd.grad((wanted * weights).sum(), leaves)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_what_oneDNN_does_not_do_is_left_to_torch() -> None:
    layer = Layer(4, 3, relu=True)
    assert layer(torch.zeros(0, 4)).shape == (0, 3)
    half = layer.double()(torch.ones(2, 4, dtype=torch.float64))
    assert half.dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.float()(torch.ones(2, 4)).dtype == torch.bfloat16


def test_on_intels_processors_torch_asks_its_own_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maker = tmp_path / "cpuinfo"
    told = []
    for name in ("AuthenticAMD", "GenuineIntel"):
        maker.write_text(f"processor\t: 0\nvendor_id\t: {name}\n")
        told.append(IS_INTELS.__wrapped__(maker))
    assert told == [False, True]
    values, weight = torch.randn(100, 5), torch.randn(3, 5)
    assert len(filled(values)) == (112 if torch.backends.mkldnn.is_available() else 100)
    monkeypatch.setattr(module, "_is_intels", lambda: True)
    if torch.backends.mkl.is_available():
        monkeypatch.setattr(module, "_product", None)  # nobody may ask it
        assert len(filled(values)) == 100
        assert linear(values, weight).equal(functional.linear(values, weight))


def test_columns_that_lie_apart_are_read_where_they_are() -> None:
    seen, weight = torch.randn(6, 10)[:, ::2], torch.randn(5, 8).T
    torch.testing.assert_close(linear(seen, weight), functional.linear(seen, weight))


def test_rows_are_filled_up_to_numbers_that_come_again() -> None:
    counts = {len(filled(torch.ones(count, 2))) for count in range(4096, 8193)}
    assert sorted(counts) == list(range(4096, 8193, 256))
    values = torch.randn(1000, 3, requires_grad=True)
    more = filled(values)
    assert len(more) == 1024
    assert more[:1000].equal(values)
    assert not more[1000:].any()
    few = [len(filled(torch.ones(count, 2))) for count in (0, 1, 64, 65, 128)]
    assert few == [0, 1, 64, 80, 128]
    assert len(filled(torch.ones(1000, 3, dtype=torch.float64))) == 1000


def test_without_gradients_the_numbers_are_the_same() -> None:
    seen, layer = torch.randn(32, 5), Layer(5, 7, relu=True)
    with torch.no_grad():
        without = layer(seen)
    assert without.equal(layer(seen).detach())
    assert not without.requires_grad


def test_what_is_little_or_odd_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    ask = module._product

    def noted(left: torch.Tensor, *more: object) -> torch.Tensor:
        asked.append(len(left))
        return ask(left, *more)

    monkeypatch.setattr(module, "_product", noted)
    monkeypatch.setattr(module, "ENOUGH", 1000)
    weight = torch.randn(5, 10)
    with torch.no_grad():
        for rows in (19, 20, 64, 65, 80):
            torch.testing.assert_close(
                linear(torch.ones(rows, 10), weight), weight.sum(1).expand(rows, -1)
            )
    there = torch.backends.mkldnn.is_available()
    assert asked == ([20, 64, 80] if there else [])
