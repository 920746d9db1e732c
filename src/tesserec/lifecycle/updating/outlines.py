"""Outlines: what a saved model knows of its catalogue, from which networks are built."""

from dataclasses import replace

import torch
from torch import Tensor

from tesserec.core import Catalog, Codes, Entities


def outlined(catalog: Catalog, fewer_users: int = 0, fewer_items: int = 0) -> Catalog:
    """Of vectors only shapes, of codebooks nothing; without some of the last users and items."""
    users, items = len(catalog.users) - fewer_users, len(catalog.items) - fewer_items
    return replace(catalog, users=_of(catalog.users, users), items=_of(catalog.items, items))


def shape_of(table: Tensor, count: int) -> Tensor:
    """A table of so many rows that holds no numbers."""
    return torch.empty(count, *table.shape[1:], dtype=table.dtype, device="meta")


def _of(known: Entities, count: int) -> Entities:
    vectors = {name: shape_of(one, count) for name, one in known.vectors.items()}
    codes = {name: Codes(one.table[:count].cpu(), one.sizes) for name, one in known.codes.items()}
    return Entities(known.ids[:count], known.features[:count], vectors, codes=codes)
