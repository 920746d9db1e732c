"""The contracts: a method learns; a recommender answers."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor, nn

from tesserec.core.data import Catalog, Dataset, Entities
from tesserec.core.errors import NoOrder
from tesserec.core.request import Recommendations, Requests
from tesserec.core.run import Run
from tesserec.core.spec import Spec


@runtime_checkable
class Recommender(Protocol):
    """Something that answers. Requests come and answers go on the CPU."""

    @property
    def catalog(self) -> Catalog:
        """Who and what it speaks of."""
        ...

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        """The k best allowed items of each request; a row of -1 where there is no answer."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A recommender that can also rate given items."""

    def score(self, requests: Requests, items: Tensor) -> Tensor:
        """[B, C] -> [B, C]; -inf beside -1."""
        ...


@runtime_checkable
class Explainer(Protocol):
    """A recommender that can say which events of a history an answer rests on."""

    def shares(self, requests: Requests, items: Tensor) -> Tensor:
        """For one item per request [B]: a share for each place of the histories, packed: [n]"""
        ...


@runtime_checkable
class Neighbours(Protocol):
    """A recommender that knows which items are alike."""

    def similar(self, items: Tensor, k: int) -> Recommendations:
        """The k items nearest to each given one [B], itself left out."""
        ...


class Method(Spec):
    """A frozen description of a way to learn; its fields are its hyper-parameters."""

    tiny: ClassVar[Mapping[str, Any]] = {}  # the changes that make it small, for contract tests
    # Of "vectors" (of items), "order" (of events) and "repeats" (people come back to old items).
    needs: ClassVar[frozenset[str]] = frozenset()
    keeps_events: ClassVar[bool] = False  # whether its model holds what each person did

    @abstractmethod
    def network(self, data: Dataset) -> nn.Module:
        """A new network. At load the data are a catalogue alone, its vectors shapes only."""

    @abstractmethod
    def answer(self, network: nn.Module, catalog: Catalog) -> "Answering":
        """A recommender that answers with this network."""

    @abstractmethod
    def fit(self, data: Dataset, run: Run) -> "Answering":
        """Learn from all interactions of `data`; `run.valid` may decide when to stop.

        Raises `NoOrder` for a method that needs an order, and events that have none.
        """

    def prepare_new(self, network: nn.Module, known: Entities, new: Entities) -> Entities:
        """What earlier stages would have made of new items, by what the network holds of them.

        `known` are the items the network was made for.
        """
        return new

    def check_data(self, data: Dataset) -> None:
        """Refuse data that cannot teach this method."""
        if "order" in self.needs and data.interactions.clock == "none":
            raise NoOrder(
                f"{type(self).__name__} learns from the order of events, and these have none.",
                "Import a time or position column, or take a method that needs no order.",
            )


class Answering(Recommender, Protocol):
    """A recommender that can be written to a folder and read back."""

    @property
    def method(self) -> Method | None:
        """The outermost description, once `fit` or `load` has returned it."""
        ...

    @property
    def network(self) -> nn.Module:
        """What was learned."""
        ...

    def tables(self) -> Mapping[str, Tensor]:
        """What it answers from besides the network's weights."""
        ...

    def with_tables(self, tables: Mapping[str, Tensor]) -> Self:
        """The same recommender, answering from these tables."""
        ...

    def by(self, method: Method) -> Self:
        """The same recommender, described by the method that made it."""
        ...
