"""Forgetter: a way to make a model forget some of what it learned from."""

from abc import abstractmethod
from typing import ClassVar

from tesserec.core import Answering, Dataset, Run, Spec
from tesserec.lifecycle.forgetting.receipt import Check


class Forgetter(Spec):
    """A recommender that learned from `keep` and `drop` becomes one that knows `keep` alone."""

    how: ClassVar[str]  # what is done, as a receipt says it
    # Whether it needs `drop`, and of it only what was learned from; or what is kept is enough.
    reads_dropped: ClassVar[bool] = False

    @abstractmethod
    def forget(self, recommender: Answering, keep: Dataset, drop: Dataset, run: Run) -> Answering:
        """A new recommender, whose catalogue is that of `keep`; the old one is left as it is."""

    def refuse(self, recommender: Answering) -> None:
        """Raise `BadRequest` for a recommender that cannot be made to forget in this way."""

    def limits(self, recommender: Answering) -> tuple[str, ...]:
        """What may be left of the forgotten in such a model; nothing after an exact way."""
        return ()

    def verified(self, before: Answering, after: Answering) -> tuple[Check, ...]:
        """What can be looked at besides what every model is asked."""
        return ()
