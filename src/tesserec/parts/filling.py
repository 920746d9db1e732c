"""Filling: items without content get vectors; which of them were there is not forgotten."""

from dataclasses import replace
from typing import Literal

import polars as pl
import torch
from torch import Tensor

from tesserec.content.encoder import learned_from
from tesserec.core import Dataset
from tesserec.core.data import BLOCK
from tesserec.core.errors import NoContent
from tesserec.parts.graphs import cosine_neighbours

Filling = Literal["zero", "mean", "neighbours"]

NEIGHBOURS = 20  # by cosine of co-occurrence; who of them has content is averaged


def filled(data: Dataset, how: Filling = "zero", name: str | None = None) -> Dataset:
    """The data with vectors in the place of missing ones; of one name, or of all names.

    "mean" is the mean over the training items that have content; "neighbours" the mean over
    those of them that are among the `NEIGHBOURS` items met together with an item most, and
    "mean" where none is. `present` answers as before. Raises `NoContent` for a name that is not
    there, and where there is nothing to learn from.
    """
    tables = data.catalog.items.vectors
    if name is not None and name not in tables:
        there = ", ".join(sorted(tables)) or "none"
        raise NoContent(f"Items have no {name!r} vectors; there are: {there}.")
    for one in tables if name is None else [name]:
        data = _filled(data, how, one)
    return data


def _filled(data: Dataset, how: Filling, name: str) -> Dataset:
    items = data.catalog.items
    there, table = items.present(name), items.vectors[name].clone()
    known = there & torch.from_numpy(learned_from(data))  # [I] what may be learned from
    missing = torch.nonzero(~there)[:, 0]
    if how == "zero":
        table[missing] = 0
    elif len(missing):
        if not known.any():
            raise NoContent(f"No training item of {data.name} has {name!r} vectors.")
        table[missing] = _mean(table, known).to(table.dtype)
        if how == "neighbours":
            _fill_from_neighbours(table, missing, known, data)
    return data.with_vectors(name, table, there)


def _mean(table: Tensor, known: Tensor) -> Tensor:
    """The mean of known rows, read a block at a time: [I, D], [I] -> [D]"""
    parts = zip(table.split(BLOCK), known.split(BLOCK), strict=True)
    sums = [rows[kept].double().sum(0) for rows, kept in parts]
    return torch.stack(sums).sum(0) / known.sum()


def _fill_from_neighbours(table: Tensor, missing: Tensor, known: Tensor, data: Dataset) -> None:
    """Write over the missing rows that have a known one among their neighbours."""
    near = cosine_neighbours(_training(data), NEIGHBOURS, 0.0)[0][missing]  # [m, NEIGHBOURS]
    met = (near >= 0) & known[near.clamp(min=0)]
    some = met.any(1)
    near, met = near[some].clamp(min=0), met[some]
    total = torch.zeros(len(near), table.shape[1])
    for place in range(NEIGHBOURS):
        total += torch.where(met[:, place, None], table[near[:, place]].float(), 0.0)
    table[missing[some]] = (total / met.sum(1)[:, None]).to(table.dtype)


def _training(data: Dataset) -> Dataset:
    events = data.interactions
    if "split" not in events.frame.columns:
        return data
    return replace(data, interactions=events.keep(pl.col("split") == "train"))
