"""The contract of a loss over positives and negatives, and the scores it looks at."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Spec
from tesserec.core.errors import BadSpec
from tesserec.parts.batches import PairBatch
from tesserec.parts.negatives import Drawn
from tesserec.parts.pick import pick

PART = 2**20  # scores of a part: memory of this size is used again, larger comes fresh each time

Similarity = Literal["dot", "cosine"]


@dataclass(frozen=True, eq=False)
class PairScores:
    """Scores of each example's positive and of its negatives, -inf where one does not count."""

    positive: Tensor  # [E]
    negative: Tensor  # [E, N]
    log_chance: Tensor | None = None  # [N] or [E, N], log of the chance of each negative
    catalogue: int = 0  # items that negatives were drawn from


class Objective(Spec):
    """One loss per example, from how its positive and its negatives score."""

    fewest: ClassVar[int] = 1  # negatives it needs

    @property
    def similarity(self) -> Similarity:
        """How vectors are compared; cosine gives them unit length, in training and in answers."""
        return "dot"

    @abstractmethod
    def __call__(self, scores: PairScores) -> Tensor:
        """[E], [E, N] -> [E]"""

    def over_everything(self, queries: Tensor, items: Tensor, chosen: Tensor) -> Tensor | None:
        """The loss with all other items as negatives, where there is a faster way to it.

        [E, D], [I, D], [E] -> [E]
        """
        return None

    def check(self, owner: Spec) -> None:
        """Refuse an owner whose batches draw too few negatives for this objective."""
        drawn = getattr(getattr(owner, "batches", None), "negatives", self.fewest)
        if drawn < self.fewest:
            raise BadSpec(
                f"{type(self).__name__} needs at least {self.fewest} negatives per positive, "
                f"and batches.negatives is {drawn}.",
                f"Set batches.negatives = {self.fewest} or more.",
            )


def prepared(objective: Objective, *tables: Tensor) -> Any:
    """Vectors as the objective compares them: of unit length where it says cosine."""
    if objective.similarity == "cosine":
        tables = tuple(functional.normalize(table, dim=-1) for table in tables)
    return tables if len(tables) > 1 else tables[0]


@dataclass(frozen=True, eq=False)
class Picked:
    """The vectors that the pairs of a batch speak of, read from their tables once."""

    user: Tensor  # [E, D]
    positive: Tensor  # [E, D]
    negative: Tensor  # [E, N, D]; [N, D] where all examples share them

    def split(self, size: int) -> list["Picked"]:
        """The same in parts of at most `size` examples."""
        users, positives = self.user.split(size), self.positive.split(size)
        shared = self.negative.ndim == 2
        others = [self.negative] * len(users) if shared else self.negative.split(size)
        return [Picked(*part) for part in zip(users, positives, others, strict=True)]

    def squared_norm(self) -> Tensor:
        """Half the squared length of the vectors per example; the negatives count as one."""
        own = self.user.square().sum() + self.positive.square().sum()
        return 0.5 * (own / len(self.user) + self.negative.square().sum(-1).mean())


class Compared(Protocol):
    """What an objective needs to know of a batch."""

    positive: Tensor  # [E]
    negative: Drawn | None

    def __len__(self) -> int: ...


def picked(users: Tensor, items: Tensor, batch: PairBatch) -> Picked:
    """Read a batch's vectors: [U, D], [I, D] -> [E, D], [E, D], negatives"""
    return paired(pick(users, batch.user), items, batch)


def paired(user: Tensor, items: Tensor, batch: Compared) -> Picked:
    """Read the items of a batch, for the given vectors: [E, D], [I, D] -> [E, D], negatives"""
    drawn = batch.negative
    assert drawn is not None, "an objective compares positives with negatives"
    if drawn.items is None:
        return Picked(user, pick(items, batch.positive), items)
    # One read of the item table: each read has a dense gradient of its own.
    both = pick(items, torch.cat([batch.positive, drawn.items.reshape(-1)]))
    # Cut once: each slice would have a gradient as large as both.
    positive, negative = both.split([len(batch), drawn.items.numel()])
    return Picked(user, positive, negative.view(*drawn.items.shape, -1))


def pair_scores(objective: Objective, vectors: Picked, batch: Compared) -> PairScores:
    """How the pairs of a batch score: [E], [E, N]"""
    assert batch.negative is not None
    return _scores(_prepared(objective, vectors), batch.negative)


def pair_losses(objective: Objective, vectors: Picked, batch: Compared) -> Tensor:
    """One loss per example, computed for a part of the batch at a time: [E]"""
    drawn = batch.negative
    assert drawn is not None
    vectors = _prepared(objective, vectors)
    if drawn.items is None:
        faster = objective.over_everything(vectors.user, vectors.negative, batch.positive)
        if faster is not None:
            return faster
    size = max(256, PART // max(vectors.negative.shape[-2], 1))
    if size >= len(batch):
        return objective(_scores(vectors, drawn))
    starts = range(0, len(batch), size)
    parts = zip(vectors.split(size), (drawn[slice(at, at + size)] for at in starts), strict=True)
    return torch.cat([objective(_scores(part, negatives)) for part, negatives in parts])


def _prepared(objective: Objective, vectors: Picked) -> Picked:
    return Picked(*prepared(objective, vectors.user, vectors.positive, vectors.negative))


def _scores(vectors: Picked, drawn: Drawn) -> PairScores:
    user, positive, other = vectors.user, vectors.positive, vectors.negative
    own = other.ndim == 3  # each example has negatives of its own
    negative = (other @ user[:, :, None])[:, :, 0] if own else user @ other.T
    if drawn.excluded is not None:
        negative[drawn.excluded] = -torch.inf
    return PairScores((user * positive).sum(1), negative, drawn.log_chance, drawn.catalogue)
