"""Rows: a step sees items alone, whatever happened with them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Dataset
from tesserec.training import Batches


@dataclass(eq=False)
class RowBatch:
    """E items."""

    row: Tensor  # [E] the item
    weight: Tensor  # [E]
    step: int = 0

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, share: slice) -> "RowBatch":
        return replace(self, row=self.row[share], weight=self.weight[share])

    def to(self, device: torch.device) -> "RowBatch":
        """The same batch with its tensors on a device."""
        if device == self.row.device:
            return self
        return replace(self, row=self.row.to(device), weight=self.weight.to(device))


class Rows(Batches):
    """Every item once per epoch, in a new order each time."""

    size: Annotated[int, Field(ge=1)] = 1024

    def __call__(self, data: Dataset) -> "RowEpochs":
        return self.over(torch.arange(len(data.catalog.items)))

    def over(self, rows: Tensor) -> "RowEpochs":
        """Batches of these items alone: [n]"""
        return RowEpochs(rows, self.size)


class RowEpochs:
    """Batches over some items."""

    def __init__(self, rows: Tensor, size: int) -> None:
        self.rows, self.size = rows, size

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def __call__(self, generator: torch.Generator) -> Iterator[RowBatch]:
        order = torch.randperm(len(self.rows), generator=generator)
        for rows in self.rows[order].split(self.size):
            yield RowBatch(rows, torch.ones(len(rows)))
