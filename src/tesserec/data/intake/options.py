"""What a person may decide about how data are read."""

from dataclasses import dataclass
from typing import Literal, get_args

from tesserec.core.errors import BadSpec

OnError = Literal["fail", "skip", "quarantine"]
"""What happens to rows that cannot be used.

`fail`: nothing is imported, and the first one is named. `skip`: they are left out, and counted
with their row numbers. `quarantine`: the same, and they are kept in `quarantine.parquet`.
"""


@dataclass(frozen=True)
class Columns:
    """Which column is what, where names do not tell; "none" ignores an optional one."""

    user: str | None = None
    item: str | None = None
    time: str | None = None
    weight: str | None = None
    kind: str | None = None
    split: str | None = None

    def named(self, role: str) -> str | None:
        """The column a person named for a role."""
        found: str | None = getattr(self, role, None)
        return found


def checked(on_error: str) -> OnError:
    """One of the three ways. Raises `BadSpec` for any other word."""
    for known in get_args(OnError):
        if on_error == known:
            way: OnError = known
            return way
    raise BadSpec(f"on_error is fail, skip or quarantine, not {on_error!r}.")
