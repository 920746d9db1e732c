"""What is nearest to what by each table of item vectors, so that a person sees their worth."""

import base64
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from tesserec.content import Undecodable, text_columns
from tesserec.content.encoder import Piece
from tesserec.content.folder import facts_of
from tesserec.content.pictures import thumbnail
from tesserec.content.pieces import pieces, texts
from tesserec.core import Dataset
from tesserec.core.data import BLOCK
from tesserec.core.errors import MissingExtra, NoContent

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
    near, likeness = nearest(items.vectors[name], present, asked, SHOWN)
    shown = torch.unique(torch.cat([asked, near.flatten()]))
    known = dict(zip(shown.tolist(), faces(data, shown, name), strict=True))
    rows = [
        [
            {**known[first], "likeness": None},
            *({**known[row], "likeness": value} for row, value in zip(rest, values, strict=True)),
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


def nearest(table: Tensor, present: Tensor, asked: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """By cosine, themselves left out: [n, k] rows, [n, k]"""
    queries = functional.normalize(table[asked].float(), dim=1)
    likeness = torch.cat(
        [queries @ functional.normalize(rows.float(), dim=1).T for rows in table.split(BLOCK)], 1
    )
    likeness[:, ~present] = -torch.inf
    likeness[torch.arange(len(asked)), asked] = -torch.inf
    values, near = likeness.topk(min(most, int(present.sum()) - 1))
    return near, values


def faces(data: Dataset, rows: Tensor, name: str) -> list[dict[str, str]]:
    """Title and picture of items; pictures are those that vectors of this name were made of."""
    items = data.catalog.items
    titles = [str(one) for one in items.names(rows)]
    columns = text_columns(items.features) or _lists_of_words(items.features)
    if columns:
        given = texts(items.features[rows.tolist()], (columns[0],))
        titles = [_short(one or own) for one, own in zip(given, titles, strict=True)]
    pictures = _pictures(data, rows.tolist(), name)
    return [
        {"title": title, "picture": pictures.get(row, "")}
        for title, row in zip(titles, rows.tolist(), strict=True)
    ]


def _lists_of_words(features: pl.DataFrame) -> list[str]:
    return [name for name, dtype in features.schema.items() if dtype == pl.List(pl.String)]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _pictures(data: Dataset, rows: list[int], name: str) -> dict[int, str]:
    """Thumbnails as data addresses, for the items that have a picture that can be read."""
    facts = facts_of(data.folder, name) if data.folder else None
    columns = facts["encoder"].get("columns", ()) if facts and facts["modality"] == "image" else ()
    found = {}
    try:
        for row, piece, _ in pieces(data, "image", tuple(columns), only=rows).found:
            small = _thumbnail(piece) if piece is not None else None
            if small is not None:
                found[row] = f"data:image/webp;base64,{base64.b64encode(small).decode()}"
    except (NoContent, MissingExtra):  # there are none, or nothing that reads them
        return {}
    return found


def _thumbnail(piece: Piece) -> bytes | None:
    try:
        return thumbnail(piece)
    except Undecodable:
        return None
