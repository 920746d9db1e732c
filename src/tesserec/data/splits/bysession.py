"""BySession: learn from earlier sessions, be asked within later ones."""

from typing import Annotated, Self

import torch
from pydantic import Field, model_validator

from tesserec.core import Asked, Dataset, Seen
from tesserec.core.errors import BadSpec
from tesserec.data.splits.splitter import TEST, TRAIN, VALID, Parts, Share, Splitter, by_end


class BySession(Splitter):
    """Whole sessions are held out, the last to end; a session is what has one user id.

    Each event after a session's first is asked for, with the events before it. Where times do not
    tell which sessions were last, their numbers do, or else the seed.
    """

    requests: Asked = "event"
    seen: Seen = "allow"
    shortest: Annotated[int, Field(ge=0)] = 1  # events a history must hold to be asked with
    valid: Share = 0.1  # share of all sessions
    test: Share = 0.1
    seed: int = 0

    @model_validator(mode="after")
    def _show_something(self) -> Self:
        """A session that is held out whole has a history within itself alone."""
        if self.requests == "user" or self.seen == "exclude_train":
            raise BadSpec(
                f'With requests = "{self.requests}" and seen = "{self.seen}" nothing is known of '
                "a session that is held out whole.",
                'Use requests = "event" or "last", and seen = "allow" or "exclude".',
            )
        return self

    def parts(self, data: Dataset) -> Parts:
        users = data.interactions.users
        sessions, order = by_end(data, torch.arange(len(users)), self.seed)
        of_user = torch.full((len(data.catalog.users),), TRAIN, dtype=torch.int8)
        count = len(sessions)
        of_user[sessions[count - round(count * (self.test + self.valid)) :]] = VALID
        of_user[sessions[count - round(count * self.test) :]] = TEST
        return Parts(of_user[users], (f"Sessions are {order}.",))
