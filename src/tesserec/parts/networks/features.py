"""What items are made of, inside a network: learned on, or read from where it lies."""

from typing import cast

import torch
from torch import Tensor, nn

from tesserec.core import Entities
from tesserec.parts.pick import pick


class Features(nn.Module):
    """The vectors of items, by the names of their modalities in alphabetical order.

    Tables that are learned on are weights. Others keep their type and their place, a mapped
    float16 file say: the rows of a batch are read and become float32, and no table is held in
    memory a second time, by a checkpoint or a model folder either.
    """

    present: Tensor

    def __init__(self, items: Entities, learned: bool) -> None:
        super().__init__()
        self.names = tuple(sorted(items.vectors))
        self.learned = nn.ParameterDict()
        for name in self.names:
            if learned:
                self.learned[name] = nn.Parameter(items.vectors[name].float().clone())
            else:
                self.register_buffer(f"frozen_{name}", items.vectors[name], persistent=False)
        present = [items.present(name) for name in self.names]
        self.register_buffer("present", torch.stack(present))  # [M, I] which content there is

    def table(self, name: str) -> Tensor:
        """The whole table, in its own type: [I, W]"""
        if name in self.learned:
            return self.learned[name]
        return cast(Tensor, getattr(self, f"frozen_{name}"))

    def width(self, name: str) -> int:
        """W"""
        return self.table(name).shape[1]

    def rows(self, name: str, items: Tensor) -> Tensor:
        """The vectors of some items: [n] -> [n, W] float32"""
        table = self.table(name)
        return pick(table, items) if name in self.learned else table[items].float()

    def take_in(self, items: Entities) -> None:
        """The last rows are of these items."""
        for number, name in enumerate(self.names):
            if name in items.vectors:
                self.present[number, -len(items) :] = items.present(name)
                if name in self.learned:
                    self.learned[name].data[-len(items) :] = items.vectors[name].float()
