"""What is nearest to what by each table of item vectors, so that a person sees their worth."""

import base64
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from tesserec.content import text_columns
from tesserec.core import Dataset
from tesserec.core.data import BLOCK

ASKED = 8  # items whose neighbours are shown
SHOWN = 7  # neighbours of each
LONGEST = 70  # letters of a title


def neighbours(data: Dataset) -> list[dict[str, Any]]:
    """For each table of vectors: some items, and those whose vectors are nearest, in JSON types."""
    return [table for name in data.catalog.items.vectors if (table := _of_table(data, name))]


def _of_table(data: Dataset, name: str) -> dict[str, Any] | None:
    items = data.catalog.items
    present = items.present(name)
    if int(present.sum()) < 2:
        return None
    asked = _asked(present, data.popularity)
    near, likeness = _nearest(items.vectors[name], present, asked)
    shown = torch.unique(torch.cat([asked, near.flatten()]))
    faces = dict(zip(shown.tolist(), _faces(data, shown), strict=True))
    rows = [
        [
            {**faces[first], "likeness": None},
            *({**faces[row], "likeness": value} for row, value in zip(rest, values, strict=True)),
        ]
        for first, rest, values in zip(
            asked.tolist(), near.tolist(), likeness.tolist(), strict=True
        )
    ]
    width, count = items.vectors[name].shape[1], int(present.sum())
    about = f"{count:,} of {len(items):,} items have such vectors, {width} wide."
    return {"name": name, "about": about, "rows": rows}


def _asked(present: Tensor, popularity: Tensor) -> Tensor:
    """The most chosen items with content, and as many drawn by lot: [n]"""
    known = present.nonzero()[:, 0]
    most = known[popularity[known].argsort(descending=True, stable=True)[: ASKED // 2]]
    others = known[~torch.isin(known, most)].numpy()
    count = min(ASKED - len(most), len(others))
    drawn = np.random.default_rng(0).choice(others, count, replace=False)
    return torch.cat([most, torch.from_numpy(drawn)])


def _nearest(table: Tensor, present: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """By cosine, themselves left out: [n, k] rows, [n, k]"""
    queries = functional.normalize(table[asked].float(), dim=1)
    likeness = torch.cat(
        [queries @ functional.normalize(rows.float(), dim=1).T for rows in table.split(BLOCK)], 1
    )
    likeness[:, ~present] = -torch.inf
    likeness[torch.arange(len(asked)), asked] = -torch.inf
    values, near = likeness.topk(min(SHOWN, int(present.sum()) - 1))
    return near, values


def _faces(data: Dataset, rows: Tensor) -> list[dict[str, str]]:
    """Title and picture of items."""
    items = data.catalog.items
    names = items.names(rows)
    titles = [str(name) for name in names]
    columns = text_columns(items.features)
    if columns:
        given = items.features[columns[0]].gather(rows.numpy()).to_list()
        titles = [_short(one or name) for one, name in zip(given, titles, strict=True)]
    pictures = _pictures(data, names)
    return [
        {"title": title, "picture": pictures.get(name, "")}
        for title, name in zip(titles, names, strict=True)
    ]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _pictures(data: Dataset, names: list[Any]) -> dict[Any, str]:
    """Thumbnails as data addresses, for the items that have a picture that can be read."""
    path = data.folder / "media" / "image.parquet" if data.folder else None
    if path is None or not path.is_file():
        return {}
    from tesserec.content.encoder import Undecodable
    from tesserec.content.pictures import thumbnail
    from tesserec.core.errors import MissingExtra

    wanted = pl.scan_parquet(path).filter(pl.col("item").is_in(names)).collect()
    found = {}
    for name, piece in wanted.select("item", "bytes").iter_rows():
        try:
            small = base64.b64encode(thumbnail(piece)).decode()
            found[name] = f"data:image/webp;base64,{small}"
        except Undecodable:
            continue
        except MissingExtra:
            return {}
    return found
