"""Learner: a method trained by gradient. Strategy: a learner that holds a learner."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Entities, Epochs, Losses, Method, Run, Spec
from tesserec.core.learning import Batch
from tesserec.training.schedule import Schedule
from tesserec.training.train import train


class Batches(Spec):
    """What one training step sees."""

    @abstractmethod
    def __call__(self, data: Dataset) -> Epochs:
        """Set up once for some data; the result is called once per epoch."""


class Learner(Method):
    """A method whose network has `loss(batch)`. It names its parts; `fit` puts them together."""

    goes_on: ClassVar[bool] = True  # whether its network can be trained further, by its own loss

    def prepare(self, data: Dataset, run: Run) -> Dataset:
        """Earlier stages; what they learn becomes columns of the catalogue."""
        return data

    def recipe(self) -> tuple[Batches, Schedule]:
        """What a step sees and how steps are taken: the fields `batches` and `schedule`."""
        fields = cast(Any, self)
        return fields.batches, fields.schedule

    def fit(self, data: Dataset, run: Run) -> Answering:
        """Prepare, build, train, answer."""
        self.check_data(data)
        data = self.prepare(data, run)
        with run.seeded("network"):
            network = self.network(data)
        batches, schedule = self.recipe()
        trained = train(
            network,
            batches(data),
            schedule,
            run,
            answer=lambda now: self.answer(now, data.catalog),
            key=self.key(data.fingerprint, str(run.seed), run.name),
            title=type(self).__name__,
        )
        return self.answer(trained, data.catalog).by(self)


class Strategy(Learner):
    """A method that holds a method and delegates everything it does not change."""

    method: Learner

    def check_data(self, data: Dataset) -> None:
        super().check_data(data)
        self.method.check_data(data)

    def prepare(self, data: Dataset, run: Run) -> Dataset:
        return self.method.prepare(data, run)

    def prepare_new(self, network: nn.Module, known: Entities, new: Entities) -> Entities:
        return self.method.prepare_new(network, known, new)

    def network(self, data: Dataset) -> nn.Module:
        return self.around(self.method.network(data), data)

    @abstractmethod
    def around(self, network: nn.Module, data: Dataset) -> nn.Module:
        """The inner network wrapped in one that changes what this strategy is about."""

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return self.method.answer(network, catalog)

    def recipe(self) -> tuple[Batches, Schedule]:
        return self.method.recipe()


class Around(nn.Module):
    """Holds a network; what it does not define itself, the inner network answers."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def loss(self, batch: Batch) -> Losses:
        """[E] losses of the inner network, unless a strategy says otherwise."""
        return cast(Losses, cast(Any, self.inner).loss(batch))

    def register_buffer(self, *arguments: Any, **more: Any) -> None:
        """A buffer of one's own, even where the inner network has one of that name."""
        with self._looking_at_itself():
            super().register_buffer(*arguments, **more)

    def register_parameter(self, *arguments: Any, **more: Any) -> None:
        """A parameter of one's own, even where the inner network has one of that name."""
        with self._looking_at_itself():
            super().register_parameter(*arguments, **more)

    @contextmanager
    def _looking_at_itself(self) -> Iterator[None]:
        # torch refuses names that an attribute has, and here the inner network's would count.
        self.__dict__["_alone"] = True
        try:
            yield
        finally:
            self.__dict__["_alone"] = False

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "inner" or self.__dict__.get("_alone"):
                raise
            return cast(Tensor | nn.Module, getattr(super().__getattr__("inner"), name))
