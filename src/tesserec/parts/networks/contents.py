"""What items are made of, all contents side by side."""

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Entities
from tesserec.core.errors import NoContent


def contents(items: Entities, names: tuple[str, ...], scaled: bool) -> Tensor:
    """Vectors of these names as one row per item, zeros for what is missing: [n, W]

    `scaled`: each is made as long as a random one of its width is, so that no modality drowns the
    others. Raises `NoContent` for a name that no vectors have.
    """
    width(items, names)
    tables = [_rows(items, name, scaled) for name in names]
    return torch.cat([torch.zeros(len(items), 0), *tables], 1)


def _rows(items: Entities, name: str, scaled: bool) -> Tensor:
    rows = torch.where(items.present(name)[:, None], items.vectors[name].float(), 0.0)
    return functional.normalize(rows, dim=1) * rows.shape[1] ** 0.5 if scaled else rows


def width(items: Entities, names: tuple[str, ...]) -> int:
    """W. Raises `NoContent` for a name that no vectors have."""
    unknown = [name for name in names if name not in items.vectors]
    if unknown:
        there = ", ".join(sorted(items.vectors)) or "none"
        raise NoContent(
            f"Item vectors called {', '.join(unknown)} are asked for, and there are {there}.",
            "Encode them (`tesserec encode`), or name others.",
        )
    return sum(items.vectors[name].shape[1] for name in names)
