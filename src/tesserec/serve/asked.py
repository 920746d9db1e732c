"""What clients may send, as types that refuse the rest; sizes are in `Limits`."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationInfo,
    WithJsonSchema,
)

LATEST = 1 << 40  # seconds since 1970; what is later was meant as milliseconds
NAME = 256  # characters of an id, where nobody says otherwise
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _word(value: object, info: ValidationInfo) -> str:
    """As text; databases and logs take no control characters."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("should be text or an integer")
    text, most = str(value), (info.context or {}).get("name", NAME)
    if not text or _CONTROL.search(text):
        raise ValueError("should not be empty, or hold control characters")
    if len(text) > most:
        raise ValueError(f"should have at most {most} characters")
    return text


_WRITTEN = {"type": ["string", "integer"], "minLength": 1, "maxLength": NAME}
Id = Annotated[str, BeforeValidator(_word), WithJsonSchema(_WRITTEN)]
Count = Annotated[StrictInt, Field(ge=1)]


Weight = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Recommend(Asked):
    """Of a known user, or of a stranger with a history, or of nobody in a context."""

    user: Id | None = None
    history: list[Id] | None = Field(None, description="Of a stranger, oldest first.")
    context: dict[Id, StrictStr | StrictInt | StrictFloat | StrictBool] | None = None
    k: Count = 10
    exclude: list[Id] = Field([], description="Items that are not answered.")
    where: StrictStr | None = Field(None, description="A filter on columns of items.")
    candidates: list[Id] | None = Field(None, description="The only items that are ranked.")
    reasons: StrictBool = Field(False, description="Say which items of the history speak for each.")


class Similar(Asked):
    item: Id
    k: Count = 10


class Explain(Asked):
    """Why somebody would get an item."""

    user: Id | None = None
    history: list[Id] | None = None
    item: Id
    k: Count = 10


class GivenEvent(Asked):
    """Something that somebody did; sent twice with the same id, it is kept once."""

    id: Id
    user: Id
    item: Id
    time: Annotated[StrictInt, Field(ge=0, lt=LATEST)] | None = Field(
        None, description="Seconds since 1970; when it arrived, if left out."
    )
    kind: Id | None = None
    weight: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = None


class Events(Asked):
    events: list[GivenEvent] = Field(min_length=1)


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Value = StrictStr | StrictBool | StrictInt | Number


class GivenItem(Asked):
    """A new item. What its vectors are made of has to be here: no path and no address is read."""

    id: Id
    features: dict[Id, Value | list[Value] | None] = Field(
        {}, description="By the names that the columns of items have."
    )
    media: dict[Literal["image", "audio", "video"], Base64Bytes] = Field(
        {}, description="Files that the model's encoders read, in Base64."
    )
    vectors: dict[Id, list[Number] | None] = Field(
        {}, description="Those that the server does not make itself; null: it has none of these."
    )


class Items(Asked):
    items: list[GivenItem] = Field(min_length=1)


class Activate(Asked):
    version: Id


class Split(Asked):
    weights: dict[Id, Weight] = Field(
        description="Of each version, its share of the users; none: the active one answers all."
    )


class Shadow(Asked):
    version: Id | None = Field(description="Asked whatever the others are; null: no more.")


class Person(Asked):
    user: Id


EXAMPLES: dict[type[Asked], dict[str, Any]] = {
    Recommend: {
        "a known user": {"user": "u1", "k": 3, "reasons": True},
        "a stranger": {"history": ["i7", "i9"], "k": 3, "where": "price < 10"},
        "some items, ranked": {"user": "u1", "candidates": ["i1", "i2", "i3"]},
    },
    Similar: {"the nearest": {"item": "i7", "k": 3}},
    Explain: {"a known user": {"user": "u1", "item": "i7"}},
    Events: {
        "one event": {"events": [{"id": "e1", "user": "u1", "item": "i7", "time": 1_700_000_000}]}
    },
    Items: {
        "one with a text": {
            "items": [{"id": "i90", "features": {"title": "Tea mug, blue", "price": 4.5}}]
        },
        "one with a vector": {"items": [{"id": "i91", "vectors": {"image": [0.1, 0.2]}}]},
    },
    Split: {"a tenth tries": {"weights": {"best-89ab4567": 0.9, "best-0123abcd": 0.1}}},
    Shadow: {"one to look at": {"version": "best-0123abcd"}, "no more": {"version": None}},
    Activate: {"a version": {"version": "best-0123abcd"}},
}
