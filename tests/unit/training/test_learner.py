import copy

import pytest
import torch
from torch import nn

from tesserec.core import Dataset, Method, Run
from tesserec.methods.collaborative.mf import MF
from tesserec.training import Around, ClosedForm, Learner, Strategy
from toys.strategies import Remembering
from toys.worlds import random_world

SHORT = {"dim": 4, "batches": {"size": 64}, "schedule": {"epochs": 2, "rate": 0.05}}


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.ones(2))
        self.head = nn.Linear(2, 1)
        self.register_buffer("known", torch.tensor([True]))

    def vectors(self) -> str:
        return "inner"

    def loss(self, batch) -> str:
        return "loss of the inner one"


class Outer(Around):
    def vectors(self) -> str:
        return f"around the {self.inner.vectors()}"


def test_what_a_strategy_does_not_define_the_inner_network_answers():
    network = Outer(Outer(Inner()))
    assert network.vectors() == "around the around the inner"
    assert network.loss(None) == "loss of the inner one"
    assert network.table.tolist() == [1.0, 1.0]
    assert network.known.tolist() == [True]
    assert not hasattr(network, "stepped")
    with pytest.raises(AttributeError, match="nothing"):
        _ = network.nothing


def test_what_is_inside_is_counted_once_and_copied_whole():
    network = Outer(Inner())
    assert set(network.state_dict()) == {
        "inner.table",
        "inner.head.weight",
        "inner.head.bias",
        "inner.known",
    }
    assert len(list(network.parameters())) == 3
    twin = copy.deepcopy(network)
    twin.inner.table.data.zero_()
    assert network.table.tolist() == [1.0, 1.0]
    assert twin.vectors() == "around the inner"


def test_a_strategy_may_use_a_name_of_the_inner_network_for_its_own():
    class Named(Around):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__(inner)
            self.table = nn.Parameter(torch.zeros(3))
            self.head = nn.Linear(5, 1)
            self.register_buffer("known", torch.tensor([False]))

    network = Named(Inner())
    assert network.table.tolist() == [0.0] * 3
    assert network.inner.table.tolist() == [1.0] * 2
    assert network.head.in_features == 5
    assert network.known.tolist() == [False]
    assert len(network.state_dict()) == 8
    with pytest.raises(KeyError, match="already exists"):  # its own names are still its own
        network.register_buffer("head", torch.zeros(1))


def test_a_strategy_is_a_method_and_describes_itself_with_what_it_holds():
    method = Remembering(method=Remembering(method=MF(dim=3), drop=0.1))
    assert Method.from_dict(method.to_dict()) == method
    assert method.recipe() == method.method.method.recipe()
    assert method.key() != method.method.key()
    changed = method.changed({"method": {"method": {"dim": 5}}})
    assert changed.method.method.dim == 5
    assert changed.method.drop == 0.1


def test_fitting_a_strategy_returns_it_as_the_method(two_tastes: Dataset):
    method = Remembering(method=MF().changed(SHORT))
    fitted = method.fit(two_tastes, Run())
    assert fitted.method == method
    assert int(fitted.network.steps) == 2
    assert isinstance(fitted.network.inner.users, nn.Parameter)


def test_a_strategy_that_drops_nothing_changes_nothing():
    data = random_world()
    plain = MF().changed(SHORT)
    alone, held = (
        method.fit(data, Run(seed=4)).network.state_dict()
        for method in (plain, Remembering(method=plain, drop=0.0))
    )
    for name, value in alone.items():
        assert torch.equal(held[f"inner.{name}"], value)


def test_prepared_data_are_what_the_network_is_built_and_trained_on():
    seen = []

    class Preparing(MF):
        def prepare(self, data: Dataset, run: Run) -> Dataset:
            return data.with_vectors("made", torch.ones(len(data.catalog.items), 2))

        def network(self, data: Dataset) -> nn.Module:
            seen.append(sorted(data.catalog.items.vectors))
            return super().network(data)

    fitted = Preparing().changed(SHORT).fit(random_world(), Run())
    assert seen == [["made"]]
    assert "made" in fitted.catalog.items.vectors


def test_contracts_cannot_be_built():
    for contract in (Learner, Strategy, ClosedForm, Method):
        with pytest.raises(TypeError, match="abstract"):
            contract()
