"""Categories of items, as a column tells them, and how much of them codes know."""

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl
import torch
from torch import Tensor

from tesserec.core import Codes
from tesserec.core.errors import BadRequest
from tesserec.core.spec import nearest
from tesserec.parts.semantic_ids.statistics import mutual_information, prefixes

NAMES = ("category", "categories", "genre", "genres", "department", "cluster", "tags", "brand")
BETWEEN = "|"  # several categories in one text
TENTHS = 10


@dataclass(frozen=True)
class Categories:
    """One category of each item that has any."""

    column: str
    names: tuple[str, ...]
    of_item: Tensor  # [I], -1 for none


@dataclass(frozen=True)
class Shared:
    """What levels know of a column of categories, as normalised mutual information."""

    column: str
    categories: int
    items: int  # that have one
    of_level: tuple[float, ...]
    of_prefix: tuple[float, ...]
    by_chance: tuple[float, ...]  # of_prefix, with the categories dealt to the items by lot

    def to_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        lists = {name: list(getattr(self, name)) for name in ("of_level", "of_prefix", "by_chance")}
        return {**asdict(self), **lists}


def categories(features: pl.DataFrame, column: str | None = None) -> Categories | None:
    """The categories in a column; without a name, in the first that is called like one.

    Without such a column, in that of the fewest texts, if each stands for ten items or more.
    Of several of an item it takes that which most items have, if possible one that no more than
    half of them have: what all share tells nothing apart. Numbers with a fraction are cut into
    tenths. None where nothing looks like categories; raises `BadRequest` for an unknown column.
    """
    column = column or _likely(features)
    if column is None:
        return None
    if column not in features.columns:
        raise BadRequest(f"Items have no column {column!r}{nearest(column, features.columns)}.")
    texts = _texts(features[column])
    if isinstance(texts.dtype, pl.List):
        texts = _telling(texts)
    names = texts.drop_nulls().unique().sort()
    place = texts.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int64)
    return Categories(column, tuple(names.to_list()), torch.from_numpy(place.to_numpy().copy()))


def shared(codes: Codes, found: Categories) -> Shared:
    """How much each level, and all levels up to it, say of the categories."""
    rows = torch.nonzero(found.of_item >= 0)[:, 0]
    table, kinds = codes.table[rows], found.of_item[rows]
    lot = torch.randperm(len(kinds), generator=torch.Generator().manual_seed(0))
    groups = prefixes(table)
    return Shared(
        column=found.column,
        categories=len(found.names),
        items=len(rows),
        of_level=tuple(mutual_information(column, kinds) for column in table.T),
        of_prefix=tuple(mutual_information(group, kinds) for group in groups),
        by_chance=tuple(mutual_information(group, kinds[lot]) for group in groups),
    )


def _likely(features: pl.DataFrame) -> str | None:
    by_name = {name.lower(): name for name in reversed(features.columns)}
    for name in NAMES:
        if name in by_name:
            return by_name[name]
    counts = {
        name: _texts(features[name]).n_unique()
        for name, dtype in features.schema.items()
        if name != "split" and (dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum))
    }
    few = {name: count for name, count in counts.items() if 2 <= count <= features.height / 10}
    return min(few, key=lambda name: few[name]) if few else None


def _texts(column: pl.Series) -> pl.Series:
    """A column as texts or lists of them, null for what is empty."""
    if column.dtype.is_float():
        return _tenths(column)
    if isinstance(column.dtype, pl.List | pl.Array):
        return column.cast(pl.List(pl.String))
    texts = column.cast(pl.String).str.strip_chars()
    if texts.str.contains(BETWEEN, literal=True).any():
        return texts.str.split(BETWEEN)
    return texts.to_frame("text").select(pl.col("text").replace("", None)).to_series()


def _tenths(column: pl.Series) -> pl.Series:
    """Numbers as the span of the tenth of all numbers that they lie in: `0.85 to 1.25`"""
    numbers = column.fill_nan(None).to_frame("number")
    place = (pl.col("number").rank("average") - 0.5) * TENTHS / pl.col("number").count()
    numbers = numbers.with_columns(tenth=place.floor())
    ends = [pl.col("number").min().over("tenth"), pl.col("number").max().over("tenth")]
    spans = numbers.with_columns(span=pl.format("{} to {}", *(one.round(2) for one in ends)))
    return spans.select(pl.when(pl.col("number").is_not_null()).then("span")).to_series()


def _telling(lists: pl.Series) -> pl.Series:
    """Of each list the text that most items have, of those that no more than half have, if any."""
    single = pl.DataFrame({"item": range(len(lists)), "text": lists}).explode("text").drop_nulls()
    single = single.filter(pl.col("text") != "").unique()
    counted = single.with_columns(count=pl.len().over("text"))
    ranked = counted.with_columns(common=pl.col("count") > len(lists) / 2)
    order = ["item", "common", "count", "text"]
    ranked = ranked.sort(order, descending=[False, False, True, False])
    chosen = ranked.unique("item", keep="first")
    place = pl.DataFrame({"item": range(len(lists))})
    return place.join(chosen, on="item", how="left", maintain_order="left")["text"]
