"""Groups: the same numbers for parts of the people and parts of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tesserec.core import Holdout
from tesserec.evaluation import metrics as measures
from tesserec.evaluation.metrics import Answers, Floats, Metric

Mask = NDArray[np.bool_]

ACCURACY = ("recall", "precision", "hit", "ndcg", "map", "mrr")


@dataclass(frozen=True)
class Group:
    """Some of the requests, and for groups of items which items count as right."""

    name: str
    rows: Mask  # [B]
    relevant: NDArray[np.int64]  # [B] items to find that belong to the group
    items: Mask | None = None  # [I] None: all

    @property
    def requests(self) -> int:
        """How many requests have something to find in this group."""
        return int(self.rows.sum())


def groups_of(holdout: Holdout) -> list[Group]:
    """People by what is known of them; items by how often they were chosen in training.

    New users come with no history at all, short histories are shorter than the median. Head items
    are the most chosen ones that share half of the training events; new items have none.
    """
    groups = _of_people(holdout)
    if holdout.popularity is not None:
        groups += _of_items(holdout, holdout.popularity.numpy())
    return [group for group in groups if group.requests > 0]


def marks_of_group(group: Group, answers: Answers, wanted: Sequence[Metric]) -> dict[str, Floats]:
    """Accuracy within the group, per request that has something to find there."""
    rows = group.rows
    hits = answers.hits[rows]
    items = answers.items[rows]
    if group.items is not None:
        hits = hits & group.items[np.maximum(items, 0)]
    inside = replace(answers, items=items, hits=hits, relevant=group.relevant[rows])
    return {str(m): measures.RANKED[m.name](inside, m.k) for m in wanted if m.name in ACCURACY}


def _of_people(holdout: Holdout) -> list[Group]:
    lengths = holdout.requests.history.items.lengths.numpy()
    relevant = holdout.truth.lengths.numpy()
    some = lengths > 0
    middle = np.median(lengths[some]) if some.any() else 0
    return [
        Group("new users", ~some, relevant),
        Group("short histories", some & (lengths < middle), relevant),
        Group("long histories", some & (lengths >= middle), relevant),
    ]


def _of_items(holdout: Holdout, popularity: NDArray[np.int64]) -> list[Group]:
    order = np.argsort(-popularity, kind="stable")
    before = np.cumsum(popularity[order]) - popularity[order]
    head = np.zeros(len(popularity), np.bool_)
    head[order[before < popularity.sum() / 2]] = True
    head &= popularity > 0
    kinds = {
        "head items": head,
        "tail items": ~head & (popularity > 0),
        "new items": popularity == 0,
    }
    rows, items = (one.numpy() for one in holdout.truth.pairs())
    groups = []
    for name, inside in kinds.items():
        relevant = np.bincount(rows[inside[items]], minlength=len(holdout))
        groups.append(Group(name, relevant > 0, relevant, inside))
    return groups
