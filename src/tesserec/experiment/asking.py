"""Questions by id, answers by id: what `recommend`, `similar` and `explain` do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from tesserec.content import text_columns
from tesserec.core import (
    Answering,
    Dataset,
    Explainer,
    Histories,
    Neighbours,
    Ragged,
    Recommendations,
    Requests,
    Seen,
)
from tesserec.core.errors import BadData, BadRequest, CannotAnswer, TesserecError, UnknownId
from tesserec.data.reading import read
from tesserec.experiment.folders import RunFolder
from tesserec.recommenders.where import allowed_items


@dataclass(frozen=True)
class Desk:
    """A model, and where the histories of known users are read."""

    model: Answering
    source: str | None  # DATA, as the study or --data names it
    seen: Seen = "exclude"

    @classmethod
    def of(cls, folder: Path, data: str | None) -> "Desk":
        """For a run or model folder; `data` goes before what the run's study names."""
        there = RunFolder(folder)
        model = there.model()
        if not (folder / "study.toml").is_file():
            return cls(model, data)
        study = there.study
        seen: Seen = "exclude" if study.split is None else study.split.seen
        return cls(model, data or study.data, "allow" if seen == "allow" else "exclude")

    @cached_property
    def data(self) -> Dataset:
        """What people did. Raises `BadData` rather than answering as if they had done nothing."""
        if self.source is None:
            raise BadData("A model does not hold what people did.", _BRING)
        try:
            return read(self.source)
        except (TesserecError, OSError) as error:
            raise BadData(f"{self.source} cannot be read: {error}", _BRING) from None

    def users(self, ids: Sequence[Any], where: str | None = None) -> Requests:
        """Requests of known users with everything they did. Raises `UnknownId`."""
        rows = self.data.catalog.users.rows(list(ids))
        missing = [one for one, row in zip(ids, rows.tolist(), strict=True) if row < 0]
        if missing:
            raise UnknownId(
                f"No such user in {self.source}: {', '.join(map(repr, missing[:5]))}.",
                "Ask with --history item,item,... instead.",
            )
        history = self.in_model_rows(self.data.histories[rows])
        known = self.model.catalog.users.rows(list(ids))
        return self._asked(known, history, where)

    def history(self, ids: Sequence[Any], where: str | None = None) -> Requests:
        """A request of a stranger who chose these items. Raises `UnknownId` if none is known."""
        rows = self.model.catalog.items.rows(list(ids))
        if len(ids) and bool((rows < 0).all()):
            raise UnknownId(f"None of these items is known: {', '.join(map(repr, ids[:5]))}.")
        history = Histories(Ragged.of([rows[rows >= 0].tolist()]))
        return self._asked(torch.tensor([-1]), history, where)

    def recommend(self, requests: Requests, k: int) -> list[list[dict[str, Any]]]:
        """Answers with ids, scores and titles, one list per request."""
        return self.named(self.model.recommend(requests, k))

    def similar(self, item: Any, k: int) -> list[dict[str, Any]]:
        """The items nearest to one. Raises `CannotAnswer` for models that do not compare items."""
        if not isinstance(self.model, Neighbours):
            raise CannotAnswer(f"{self._name} does not compare items.")
        row = torch.tensor([self.model.catalog.items.row(item)])
        return self.named(self.model.similar(row, k))[0]

    def explain(self, requests: Requests, item: Any) -> list[dict[str, Any]]:
        """The events an answer rests on and their shares, largest first."""
        if not isinstance(self.model, Explainer):
            raise CannotAnswer(f"{self._name} cannot explain its answers.")
        row = torch.tensor([self.model.catalog.items.row(item)])
        shares = self.model.shares(requests, row)
        history = requests.history.items.pairs()[1]
        if not len(history):
            raise BadRequest("Nothing is known of this user, so there are no reasons.")
        found = pl.DataFrame({"row": history.numpy(), "share": shares.numpy()})
        ranked = (
            found.group_by("row")
            .agg(pl.col("share").sum())
            .sort("share", "row", descending=[True, False])
        )
        rows = torch.from_numpy(ranked["row"].to_numpy().copy())
        named = self.describe(rows)
        return [
            {**one, "share": round(share, 6)}
            for one, share in zip(named, ranked["share"].to_list(), strict=True)
            if share > 0
        ]

    def table(self, ids: Sequence[Any], k: int, where: str | None) -> Iterator[pl.DataFrame]:
        """Answers for many users in blocks: user, rank, item, score."""
        for start in range(0, len(ids), 4096):
            block = ids[start : start + 4096]
            found = self.model.recommend(self.users(block, where), k)
            count = (found.items >= 0).sum(1)
            rows = torch.repeat_interleave(torch.arange(len(block)), count)
            there = found.items >= 0
            items = self.model.catalog.items.ids.gather(found.items[there].numpy())
            ranks = torch.arange(1, k + 1).expand(len(block), -1)[there]
            users = pl.Series("user", list(block)).gather(rows.numpy())
            scores = pl.Series("score", found.scores[there].numpy())
            yield pl.DataFrame(
                [users, pl.Series("rank", ranks.numpy()), items.alias("item"), scores]
            )

    def named(self, found: Recommendations) -> list[list[dict[str, Any]]]:
        """Answers as ids, scores and titles."""
        lists = []
        for items, scores in zip(found.items, found.scores, strict=True):
            there = items >= 0
            named = self.describe(items[there])
            lists.append(
                [
                    {
                        "id": one["id"],
                        "score": score,
                        **({"title": one["title"]} if "title" in one else {}),
                    }
                    for one, score in zip(named, scores[there].tolist(), strict=True)
                ]
            )
        return lists

    def describe(self, rows: Tensor) -> list[dict[str, Any]]:
        """Id and title (where there is one) of items."""
        items = self.model.catalog.items
        ids = items.names(rows)
        columns = text_columns(items.features)
        if not columns:
            return [{"id": one} for one in ids]
        titles = items.features[columns[0]].gather(rows.numpy()).to_list()
        return [{"id": one, "title": title} for one, title in zip(ids, titles, strict=True)]

    @property
    def _name(self) -> str:
        return type(self.model.method or self.model).__name__

    def _asked(self, users: Tensor, history: Histories, where: str | None) -> Requests:
        allowed = None if where is None else allowed_items(self.model.catalog.items, where)
        exclude = None if self.seen == "allow" else history.items
        return Requests(users, history, exclude=exclude, allowed=allowed)

    def in_model_rows(self, history: Histories) -> Histories:
        """Histories of the data as rows of the model's catalogue; items it lacks are left out."""
        mine, theirs = self.model.catalog.items.ids, self.data.catalog.items.ids
        if len(mine) == len(theirs) and mine.dtype == theirs.dtype and (mine == theirs).all():
            return history
        return history.renumbered(self.model.catalog.items.rows(theirs))


_BRING = "Name the data with --data, or give the history with --history item,item,..."
