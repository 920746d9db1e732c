"""Retrained: the exact way to forget, and what all others are measured against."""

from typing import ClassVar

from tesserec.core import Answering, Dataset, Run
from tesserec.core.errors import BadRequest
from tesserec.lifecycle.forgetting.forgetter import Forgetter


class Retrained(Forgetter):
    """Learn again, from the first step on, from what is kept."""

    how: ClassVar = "fitted again from the first step on, without them"

    def forget(self, recommender: Answering, keep: Dataset, drop: Dataset, run: Run) -> Answering:
        if recommender.method is None:
            raise BadRequest(
                "This recommender does not know its method.", "Take what `fit` or `load` returned."
            )
        return recommender.method.fit(keep, run)
