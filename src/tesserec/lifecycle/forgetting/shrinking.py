"""What a model has for each user and item, without the rows of those who are forgotten."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tesserec.core import Catalog
from tesserec.core.errors import BadRequest

Places = Mapping[str, tuple[int, bool, bool]]
"""Of each tensor the dimension that has a row for every user, every item, or both."""


@dataclass(frozen=True)
class Rows:
    """Where the users and items that are kept were before."""

    users: Tensor  # [U'] in the old catalogue
    items: Tensor  # [I']
    before: tuple[int, int]  # how many users and items there were

    @classmethod
    def of(cls, old: Catalog, kept: Catalog) -> "Rows":
        """Raises `BadRequest` for data with somebody or something the model never knew."""
        users, items = old.users.rows(kept.users.ids), old.items.rows(kept.items.ids)
        strange = int((users < 0).sum()) + int((items < 0).sum())
        if strange:
            raise BadRequest(
                f"The data hold {strange} users and items that this model does not know.",
                "Fit again, on all that there is: --how exact.",
            )
        return cls(users, items, (len(old.users), len(old.items)))

    @property
    def gone_users(self) -> Tensor:
        """[n] in the old catalogue"""
        return _others(self.users, self.before[0])

    @property
    def gone_items(self) -> Tensor:
        """[n] in the old catalogue"""
        return _others(self.items, self.before[1])

    def kept(self, count: int, users: bool, items: bool) -> Tensor:
        """Rows of a tensor that stay: users come first, then items, then whatever else: [n]"""
        parts, start = [], 0
        for there, rows, before in (
            (users, self.users, self.before[0]),
            (items, self.items, self.before[1]),
        ):
            if there:
                parts.append(start + rows)
                start += before
        return torch.cat([*parts, torch.arange(start, count)])


def shortened(network: nn.Module, places: Places, rows: Rows) -> Mapping[str, Tensor]:
    """The weights of a network, of what is kept alone; `places` are those of `places_of`."""
    weights = {name: one.detach() for name, one in network.state_dict().items()}
    for name, (dim, users, items) in places.items():
        one = weights[name]
        chosen = rows.kept(one.shape[dim], users, items).to(one.device)
        weights[name] = one.index_select(dim, chosen)
    return weights


def _others(rows: Tensor, count: int) -> Tensor:
    there = torch.zeros(count, dtype=torch.bool)
    there[rows] = True
    return torch.nonzero(~there)[:, 0]
