"""What a request may ask for, and how much may wait."""

from pydantic import Field

from tesserec.core import Spec


class Limits(Spec):
    """Beyond these a request is refused before it costs anything."""

    body: int = Field(1 << 20, ge=1)  # bytes
    k: int = Field(200, ge=1)  # answers
    history: int = Field(1000, ge=1)  # items of a history
    candidates: int = Field(1000, ge=1)
    exclude: int = Field(1000, ge=1)
    events: int = Field(1000, ge=1)  # of one request
    items: int = Field(1000, ge=1)  # new ones of one request
    additions: int = Field(16, ge=1)  # requests with new items that wait
    name: int = Field(256, ge=1)  # characters of an id, a kind, a word of the context
    where: int = Field(1000, ge=1)  # characters of an expression
    context: int = Field(20, ge=1)  # things said of a moment
    seconds: float = Field(10.0, gt=0)  # from the first byte to the answer
    waiting: int = Field(512, ge=1)  # questions that wait for the model
    batch: int = Field(64, ge=1)  # questions answered by one forward pass
    exposures: int = Field(1 << 24, ge=0)  # bytes of answers that wait to be noted for the report
    noted: float = Field(0.0, ge=0, le=1)  # share of people whose answers are noted at all times
    exposure_days: float = Field(30.0, gt=0)  # for which they are kept
    shadows: int = Field(1 << 22, ge=0)  # bytes of requests that wait for the shadow
    monitor_seconds: float = Field(900.0, gt=0)  # for which what the monitor says stays
    versions: int = Field(4, ge=1)  # among which traffic is split; each is in memory
    rate: float | None = Field(None, gt=0)  # requests a second for each key; None: as they come
    stop_seconds: int = Field(30, ge=1)  # for what was begun, once the server is told to stop
