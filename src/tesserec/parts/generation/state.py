"""State: what was read, kept for all beams, and what each beam has written so far."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from tesserec.parts.pick import pick


@dataclass(frozen=True, eq=False)
class Seen:
    """Keys and values of a group of readers' memories; the beams of one share them."""

    rows: slice  # of the S sequences
    keys: Tensor  # [s, H, T, Dh]
    values: Tensor  # [s, H, T, Dh]
    mask: Tensor | None  # [s, 1, 1, T] which of them there are; None: all


@dataclass
class State:
    """S sequences with W beams each, `level` tokens written."""

    seen: list[list[Seen]]  # of each layer, of each group
    level: int = 0
    tokens: Tensor | None = None  # [S, W] what was written last; None: nothing yet
    # Keys and values of what was written, of each layer, of each token: [S, W or 1, 2 inner]
    own: list[list[Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.own = self.own or [[] for _ in self.seen]

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Beams go on: which of the old ones each comes from, and what it writes: [S, W], [S, W]"""
        self.tokens = tokens
        first = torch.arange(len(parents), device=parents.device)[:, None]
        for kept in self.own:
            for place, one in enumerate(kept):
                if one.shape[1] > 1:  # else all beams come from the same
                    rows = first * one.shape[1] + parents
                    kept[place] = pick(one.flatten(0, 1), rows)
