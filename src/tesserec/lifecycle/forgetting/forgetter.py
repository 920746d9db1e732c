"""Forgetter: a way to make a model forget some of what it learned from."""

from abc import abstractmethod

from tesserec.core import Answering, Dataset, Run, Spec


class Forgetter(Spec):
    """A recommender that learned from `keep` and `drop` becomes one that knows `keep` alone."""

    @abstractmethod
    def forget(self, recommender: Answering, keep: Dataset, drop: Dataset, run: Run) -> Answering:
        """A new recommender, whose catalogue is that of `keep`; the old one is left as it is."""
