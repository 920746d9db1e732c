"""Live: one person's history as it grows, read on by one event at a time where the network can."""

from dataclasses import replace
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from tesserec.core import Histories, Ragged, Recommendations, Requests
from tesserec.core.errors import BadRequest


class Encoding(Protocol):
    """The recommender behind: see `EncoderRecommender`."""

    @property
    def network(self) -> torch.nn.Module: ...
    @property
    def item_vectors(self) -> Tensor: ...
    @property
    def input_vectors(self) -> Tensor: ...
    def queries(self, requests: Requests) -> Tensor: ...
    def ranked(self, queries: Tensor, requests: Requests, k: int) -> Recommendations: ...


class Live:
    """Answers as the recommender does for the whole history, without reading it all again.

    A network with `begin(requests, inputs) -> (query, state) | None` and `further(items, inputs,
    state) -> (query, state) | None` is asked to go on from its state; where it has none, or no
    room for another event, the history is read anew.
    """

    def __init__(self, recommender: Encoding, request: Requests) -> None:
        if len(request) != 1:
            raise BadRequest(f"A live history is one person's, and {len(request)} were given.")
        self.recommender, self.request = recommender, request
        self.query, self.state = self._begun()

    def add(self, item: int, time: int | None = None, kind: int | None = None) -> None:
        """One event more: the row of an item, and what is known of the event.

        Raises `BadRequest` for a row that is no item, and where events before it have a time or
        kind and this one has none.
        """
        if not 0 <= item < len(self.recommender.item_vectors):
            raise BadRequest(f"There is no item in row {item}.", "Ask the catalogue for its row.")
        history = self.request.history
        longer = Histories(
            Ragged.packed(*_with(history.items.compact().values, item)),
            _beside("time", history.time, history, time),
            _beside("kind", history.kind, history, kind),
        )
        exclude = None if self.request.exclude is None else _joined(self.request.exclude, item)
        self.request = replace(self.request, history=longer, exclude=exclude)
        further = getattr(self.recommender.network, "further", None)
        state = None
        if self.state is not None and further is not None:
            with torch.inference_mode():
                inputs = self.recommender.input_vectors
                state = further(torch.tensor([item], device=inputs.device), inputs, self.state)
        self.query, self.state = self._begun() if state is None else state

    def recommend(self, k: int) -> Recommendations:
        """The k best items now."""
        with torch.inference_mode():
            return self.recommender.ranked(self.query, self.request, k)

    def _begun(self) -> tuple[Tensor, Any]:
        begin = getattr(self.recommender.network, "begin", None)
        there = bool(self.request.history.items.lengths[0] > 0)
        found = None
        if begin is not None and there:
            with torch.inference_mode():
                found = begin(self.request, self.recommender.input_vectors)
        if found is None:
            found = self.recommender.queries(self.request), None
        return cast(tuple[Tensor, Any], found)


def _with(values: Tensor, one: int) -> tuple[Tensor, Tensor]:
    longer = torch.cat([values, torch.tensor([one])])
    return longer, torch.tensor([len(longer)])


def _beside(name: str, column: Tensor | None, history: Histories, one: int | None) -> Tensor | None:
    """A column beside the items, with one value more."""
    if column is None:
        return None
    if one is None:
        raise BadRequest(f"Events of this history have a {name}.", f"Give the new one a {name}.")
    _, places = history.items.places()
    return torch.cat([column[places], torch.tensor([one], dtype=column.dtype)])


def _joined(rows: Ragged, item: int) -> Ragged:
    return Ragged.packed(*_with(rows.compact().values, item))
