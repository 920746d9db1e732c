"""Questions, answers, and what would have been right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import polars as pl
import torch
from torch import Tensor

from tesserec.core.data import Catalog, Dataset, Histories
from tesserec.core.errors import BadRequest, UnknownId
from tesserec.core.ragged import Ragged

Seen = Literal["exclude", "exclude_train", "allow"]
"""What happens to items that a request's history holds.

`exclude`: they are not answered, and taken out of the truth. `exclude_train`: the same, and the
history ends with the training part, as in evaluators that mask training items alone. `allow`:
they may be answered, and count when they are right.
"""

Asked = Literal["user", "event", "last"]
"""`user`: one request per user at the cutoff, truth = the distinct later items.
`event`: one request per later event, with what came before it.
`last`: one request per user, for the last of these events alone, with what came before it."""


@dataclass(frozen=True, eq=False)
class Requests:
    """B questions, each asked at a moment by somebody who did something before."""

    user: Tensor  # [B] rows, -1 for a stranger
    history: Histories  # B rows
    time: Tensor | None = None  # [B]
    context: pl.DataFrame | None = None  # B rows
    candidates: Tensor | None = None  # [B, C] rank only these; -1 pads
    exclude: Ragged | None = None  # B rows, never answered
    allowed: Tensor | None = None  # [I] bool: the items that may be answered, for all B alike

    def __repr__(self) -> str:
        known = int((self.user >= 0).sum())
        events = int(self.history.items.lengths.sum())
        return (
            f"Requests({known:,} of known users, {len(self) - known:,} of strangers; "
            f"{events:,} events in their histories)"
        )

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: slice | Tensor) -> "Requests":
        context = None
        if self.context is not None:
            context = self.context[rows] if isinstance(rows, slice) else self.context[rows.numpy()]
        return replace(
            self,
            user=self.user[rows],
            history=self.history[rows],
            time=None if self.time is None else self.time[rows],
            context=context,
            candidates=None if self.candidates is None else self.candidates[rows],
            exclude=None if self.exclude is None else self.exclude[rows],
        )

    @classmethod
    def of(
        cls,
        known: Dataset | Catalog,
        users: Sequence[Any] | pl.Series | None = None,
        histories: Sequence[Sequence[Any]] | None = None,
        seen: Seen = "exclude",
    ) -> "Requests":
        """Requests of known users (with what the dataset says they did) or of given histories.

        Ids are the raw ones. Ids in a history that the catalogue does not know are left out.
        Raises `UnknownId` for an unknown user, `BadRequest` for users without a dataset.
        """
        catalog = known.catalog if isinstance(known, Dataset) else known
        if (users is None) == (histories is None):
            raise BadRequest("Ask for users or with histories: one of the two.")
        if users is not None:
            if not isinstance(known, Dataset):
                raise BadRequest(
                    "A catalogue does not hold what people did.",
                    "Pass the dataset, or the histories themselves.",
                )
            rows = catalog.users.rows(users)
            if (rows < 0).any():
                missing = [one for one, row in zip(users, rows.tolist(), strict=True) if row < 0]
                raise UnknownId(f"Unknown users: {missing[:5]}.", "Give their histories instead.")
            history = known.histories[rows]
        else:
            history = Histories(_known_items(catalog, histories or []))
            rows = torch.full((len(history),), -1)
        return cls(rows, history, exclude=None if seen == "allow" else history.items)


def _known_items(catalog: Catalog, histories: Sequence[Sequence[Any]]) -> Ragged:
    """The rows of the ids in many histories, looked up at once; unknown ones are left out."""
    asked = torch.repeat_interleave(
        torch.arange(len(histories)), torch.tensor([len(row) for row in histories]).long()
    )
    items = catalog.items.rows([str(one) for row in histories for one in row])
    known = items >= 0
    return Ragged.grouped(asked[known], items[known], len(histories))


@dataclass(frozen=True, eq=False)
class Recommendations:
    """B answers."""

    items: Tensor  # [B, k] rows, best first, padded with -1
    scores: Tensor  # [B, k], descending; -inf beside -1
    reasons: Sequence[str] | None = None
    # [B, k] how likely each item was at its place, given those before it; where chance chose
    propensities: Tensor | None = None

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def joined(cls, parts: Sequence["Recommendations"]) -> "Recommendations":
        """Answers to consecutive requests, put together."""
        reasons = [one for part in parts for one in part.reasons or []]
        items, scores = (
            torch.cat([one.items for one in parts]),
            torch.cat([one.scores for one in parts]),
        )
        chances = [one.propensities for one in parts if one.propensities is not None]
        whole = torch.cat(chances) if chances and len(chances) == len(parts) else None
        return cls(items, scores, reasons or None, whole)


@dataclass
class Seal:
    """Counts how often a test holdout was opened."""

    opened: int = 0


@dataclass(frozen=True, eq=False)
class Holdout:
    """Requests, what was right, and how right."""

    requests: Requests
    truth: Ragged  # B rows
    gain: Tensor | None = None  # beside truth.values, or [B, C] beside requests.candidates
    popularity: Tensor | None = None  # [I] training events per item
    asked: Asked = "user"
    seen: Seen = "exclude"
    left_out: Mapping[str, int] = field(default_factory=dict)  # why -> how many, for the report
    source: Mapping[str, Any] = field(
        default_factory=dict
    )  # data, fingerprint and split it is from
    seal: Seal = field(default_factory=Seal)

    def __repr__(self) -> str:
        found = int(self.truth.lengths.sum())
        return f"Holdout({len(self):,} requests, {found:,} to find; seen={self.seen!r})"

    def __len__(self) -> int:
        return len(self.requests)

    def __getitem__(self, rows: slice | Tensor) -> "Holdout":
        return replace(self, requests=self.requests[rows], truth=self.truth[rows])


@dataclass(frozen=True, eq=False)
class Split:
    """What may be learned from, what decides when to stop, and what is asked once at the end."""

    train: Dataset
    valid: Holdout | None
    test: Holdout  # opened by `evaluate` alone
    notes: tuple[str, ...] = ()  # what a reader of a report has to know
    settings: Mapping[str, Holdout] = field(default_factory=dict)
    """Test parts that are reported side by side and never as one, by name; `test` is the first."""
