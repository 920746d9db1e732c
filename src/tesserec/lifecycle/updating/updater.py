"""Updater: a way to learn from events that came after a model was fitted."""

from abc import abstractmethod

from tesserec.core import Answering, Dataset, Run, Spec


class Updater(Spec):
    """A recommender that learned from `old` becomes one that also knows `new`."""

    @abstractmethod
    def update(self, recommender: Answering, old: Dataset, new: Dataset, run: Run) -> Answering:
        """A new recommender; the one that is given is left as it is.

        Both parts have one catalogue (see `continued`), whose first rows are the recommender's.
        """
