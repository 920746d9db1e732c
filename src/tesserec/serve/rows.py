"""What a server keeps as plain values, and what may stand in them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tesserec.core.errors import BadRequest

LONGEST = 512  # characters of an id: PostgreSQL's indexes hold 2,704 bytes, and four make one here
_LARGEST = 2**63


@dataclass(frozen=True)
class Event:
    """Somebody did something with an item."""

    id: str  # the sender's own; an event that is sent twice counts once
    user: str
    item: str
    time: int | None = None  # seconds since 1970
    kind: str | None = None
    weight: float | None = None

    def check(self) -> None:
        """Refuse, with `BadRequest`, what one of the databases cannot hold."""
        for name in ("id", "user", "item"):
            check_id(f"The {name} of an event", getattr(self, name))
        if self.time is not None and not -_LARGEST <= self.time < _LARGEST:
            raise BadRequest(f"The time {self.time} of an event is no 64-bit number.")
        if self.kind is not None:
            check_id("The kind of an event", self.kind)
        if self.weight is not None and not math.isfinite(self.weight):
            raise BadRequest(f"The weight of an event is {self.weight}.", "Leave it out.")


@dataclass(frozen=True)
class Item:
    """An item that came after the model was trained."""

    id: str
    features: Mapping[str, Any] = field(default_factory=dict)  # title, price, ...: JSON

    def check(self) -> None:
        """Refuse, with `BadRequest`, what is no id or no JSON."""
        check_id("The id of an item", self.id)
        _check_json(f"The features of item {self.id!r}", self.features)


@dataclass(frozen=True)
class Session:
    """What is remembered between two requests: a dialogue, an edited history."""

    id: str
    user: str | None
    state: Mapping[str, Any]  # JSON
    seen: float  # when it was last used, in seconds since 1970

    def check(self) -> None:
        """Refuse, with `BadRequest`, what is no id or no JSON."""
        check_id("The id of a session", self.id)
        if self.user is not None:
            check_id("The user of a session", self.user)
        _check_json(f"The state of session {self.id!r}", self.state)


@dataclass(frozen=True)
class Version:
    """A model that can answer."""

    name: str
    folder: str
    created: float  # seconds since 1970
    active: bool = False

    def check(self) -> None:
        """Refuse, with `BadRequest`, what is no name."""
        check_id("The name of a version", self.name)


@dataclass(frozen=True)
class Exposure:
    """What one request was answered with, and by which version."""

    request: str
    version: str
    user: str | None
    items: tuple[str, ...]
    time: float  # seconds since 1970
    shadow: bool = False  # whether nobody saw it

    def check(self) -> None:
        """Refuse, with `BadRequest`, what is no id."""
        check_id("The id of a request", self.request)
        check_id("The version of an exposure", self.version)
        if self.user is not None:
            check_id("The user of an exposure", self.user)
        for item in self.items:
            check_id("An item that was shown", item)


@dataclass(frozen=True)
class Tally:
    """What one version showed, or would have shown, and what came of it."""

    version: str
    shadow: bool
    answers: int
    asked: int  # answers to users with an id: others' clicks are not known
    users: int
    clicked: int  # answers of which at least one item was clicked


def check_id(what: str, text: str) -> None:
    """Refuse, with `BadRequest`, text that cannot be a key in every database."""
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        raise BadRequest(f"{what} has to be text of 1 to {LONGEST} characters.")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise BadRequest(f"{what} holds characters that no text has: {text!r}.")


def _check_json(what: str, value: Mapping[str, Any]) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{what} cannot be written as JSON: {error}.") from None
