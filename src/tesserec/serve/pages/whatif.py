"""What if: changes of somebody's history that live in an address, and nowhere else."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tesserec.serve.asked import Asked, Count, Id
from tesserec.serve.limits import Limits
from tesserec.serve.pages.rendering import link
from tesserec.serve.problems import Problem
from tesserec.serve.questions import check_size

MOST = 50  # changes of each sort; addresses have to stay short enough for browsers
LISTS = ("add", "drop", "no")


class WhatIf(Asked):
    """Somebody (nobody: somebody new), with items put to the history, taken out, and not wanted."""

    user: Id | None = None
    add: list[Id] = Field([])
    drop: list[Id] = Field([])
    no: list[Id] = Field([])
    k: int = Field(10, ge=1)
    find: str = ""  # what is searched for to be added
    all: Count | None = None  # the whole history is shown

    @classmethod
    def checked(cls, given: "WhatIf", limits: Limits) -> "WhatIf":
        """The same within the limits. Raises `Problem`."""
        check_size("k", given.k, limits.k)
        for name in LISTS:
            if len(getattr(given, name)) > MOST:
                raise Problem(422, f"A page takes {MOST} changes of a sort.", "Start again.")
        return given

    @property
    def is_edited(self) -> bool:
        """Whether the history differs from what happened."""
        return bool(self.add or self.drop or self.no)

    @property
    def address(self) -> str:
        """The page that shows this."""
        return link("/person", **self.model_dump(exclude=_same(self)))

    def put(self, item: str) -> Self:
        """With one more item at the end of the history."""
        rest = self._without(item)
        return rest.model_copy(update={"add": [*rest.add, item]})

    def taken(self, item: str) -> Self:
        """With an item of the history taken out."""
        rest = self._without(item)
        was_put = item in self.add
        return rest if was_put else rest.model_copy(update={"drop": [*rest.drop, item]})

    def refused(self, item: str) -> Self:
        """With an item that is not to be answered."""
        rest = self._without(item)
        return rest.model_copy(update={"no": [*rest.no, item]})

    def as_before(self, item: str) -> Self:
        """With nothing changed about an item."""
        return self._without(item)

    @property
    def afresh(self) -> "WhatIf":
        """The same person as they are."""
        return WhatIf(user=self.user, k=self.k)

    def with_k(self, k: int) -> Self:
        """With another number of answers."""
        return self.model_copy(update={"k": k})

    @property
    def whole(self) -> Self:
        """With the whole history shown."""
        return self.model_copy(update={"all": 1})

    def hidden(self) -> list[tuple[str, Any]]:
        """What a form sends along that asks for something to add."""
        given = self.model_dump(exclude={"find"} | _same(self))
        pairs = [(n, v if isinstance(v, list) else [v]) for n, v in given.items()]
        return [(name, one) for name, values in pairs for one in values]

    def history(self, items: NDArray[np.int64], rows: Mapping[str, int]) -> NDArray[np.int64]:
        """What happened [n], as it would have been: rows of items [m]."""
        dropped = [rows[one] for one in self.drop if one in rows]
        added = np.array([rows[one] for one in self.add if one in rows], np.int64)
        return np.concatenate([items[~np.isin(items, dropped)], added])

    def _without(self, item: str) -> Self:
        left = {name: [one for one in getattr(self, name) if one != item] for name in LISTS}
        return self.model_copy(update=left)


def _same(what: WhatIf) -> set[str]:
    """Fields that are as they are without being said."""
    return {
        name for name, field in WhatIf.model_fields.items() if getattr(what, name) == field.default
    }
