"""EncoderRecommender: a network reads a history; items are compared with what it makes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, cast

import torch
from torch import Tensor

from tesserec.core import Entities, Histories, Ragged, Requests
from tesserec.recommenders.live import Live
from tesserec.recommenders.product import ProductRecommender

Tables = Mapping[str, Tensor]

BLOCK = 512  # histories read at once
MET = 4096  # items whose readers are averaged for somebody without a history


@dataclass(frozen=True, eq=False)
class EncoderRecommender(ProductRecommender):
    """Answers for a network that reads histories.

    It has `input_vectors() -> [I, D]`, which histories are read with, `item_vectors() -> [I, D]`,
    which answers are compared with, and `encode(requests, inputs) -> [B, D]`. Known people,
    strangers and live histories are all the same to it. Somebody without a history is answered as
    the average person after one event, by the network's buffer `popularity` [I].

    A network with `place(items)` and `place_inputs(items)` says where new items stand in both.
    """

    stored: Tables | None = None  # tables read from a file, instead of the network's

    @cached_property
    def _tables(self) -> Tables:
        if self.stored is not None:
            return self.stored
        network = cast(Any, self.network)
        with torch.inference_mode():
            return {
                "items": network.item_vectors().detach(),
                "inputs": network.input_vectors().detach(),
            }

    @cached_property
    def _average(self) -> Tensor:
        """The query of somebody without a history: [D]"""
        if "average" in self._tables:
            return self._tables["average"]
        popularity = cast(Tensor, self.network.popularity)
        events, items = popularity.cpu().sort(descending=True, stable=True)
        items, events = items[:MET], events[:MET]
        # No time is known of them: a network that reads times takes none for the beginning.
        history = Histories(Ragged.packed(items, torch.ones_like(items)))
        queries = self.queries(Requests(torch.full_like(items, -1), history))
        share = (events / events.sum().clamp(min=1)).to(queries.device)
        return share @ queries

    def tables(self) -> Tables:
        with torch.inference_mode():
            return {**self._tables, "average": self._average}

    def with_tables(self, tables: Tables) -> Self:
        return replace(self, stored=tables, index=None)

    def taking(self, tables: Tables, items: Entities) -> Self:
        network = cast(Any, self.network)
        known = len(tables["items"])
        before, behind = tables["inputs"][:known], tables["inputs"][known:]  # of no items
        return replace(
            self,
            stored={
                **tables,
                "items": torch.cat([tables["items"], network.place(items)]),
                "inputs": torch.cat([before, network.place_inputs(items), behind]),
            },
        )

    @property
    def item_vectors(self) -> Tensor:
        return self._tables["items"]

    @property
    def input_vectors(self) -> Tensor:
        """What histories are read with: [I, D]"""
        return self._tables["inputs"]

    def live(self, request: Requests) -> Live:
        """One person's history, to be added to and asked again and again."""
        return Live(self, request)

    def queries(self, requests: Requests) -> Tensor:
        inputs = self.input_vectors
        encode = cast(Callable[[Requests, Tensor], Tensor], self.network.encode)
        lengths = requests.history.items.lengths
        order = lengths.argsort(descending=True, stable=True)  # blocks of like lengths
        some = order[: int((lengths > 0).sum())]
        with torch.inference_mode():
            blocks = [encode(requests[rows], inputs) for rows in some.split(BLOCK) if len(rows)]
            if len(requests) == len(some) == 1:
                return blocks[0]
            queries = self.item_vectors.new_empty(len(requests), self.item_vectors.shape[1])
            if blocks:
                queries[some.to(queries.device)] = torch.cat(blocks)
            if len(some) < len(requests):
                queries[order[len(some) :].to(queries.device)] = self._average
        return queries
