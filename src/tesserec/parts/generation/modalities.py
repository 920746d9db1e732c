"""ModalityReader: a history is read as several codes of each item, one for each modality."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from tesserec.core import Codes, Entities
from tesserec.parts.batches.packed import Packed
from tesserec.parts.generation.t5 import Encoder
from tesserec.parts.generation.unlearned import averaged
from tesserec.parts.pick import pick


class ModalityReader(nn.Module):
    """The codes of all modalities of an item, then those of the next, oldest first (MSCGRec).

    A modality that an item does not have is read as so many tokens that say so, and while training
    so are others by chance, but never all of an item.
    """

    present: Tensor
    rows: Tensor
    modality: Tensor

    def __init__(
        self,
        codes: Sequence[Codes],
        written: int,
        present: Tensor,
        encoder: Encoder,
        dim: int,
        masking: float = 0.0,
    ) -> None:
        """`written` is the modality whose tokens the decoder writes, and has; `present` [I, M]."""
        super().__init__()
        self.encoder, self.masking = encoder, masking
        self.codebooks = nn.ModuleList(
            one.codebook for m, one in enumerate(codes) if m != written and one.codebook is not None
        )
        totals = [sum(one.sizes) for one in codes]
        self.written, self.behind = written, totals[written]  # where its own tokens begin
        self.sizes = [size for m, one in enumerate(codes) if m != written for size in one.sizes]
        self.tokens = nn.Parameter(torch.randn(sum(totals) - totals[written], dim))
        self.missing = nn.Parameter(torch.randn(len(codes), dim))
        self.register_buffer("present", present)  # [I, M] which of its modalities an item has
        device = codes[0].table.device
        levels = torch.tensor([one.levels for one in codes], device=device)
        numbers = torch.arange(len(codes), device=device)
        self.register_buffer("modality", numbers.repeat_interleave(levels), persistent=False)  # [C]
        self.register_buffer("rows", token_rows(codes, written), persistent=False)  # [I, C]

    def forward(self, packed: Packed, users: Tensor, table: Tensor) -> tuple[Tensor, Packed]:
        """Items of S sequences, whose they are is not read -> what was read [T, D], in sequences.

        `table` [n, D] has a row for every token of every level that is written.
        """
        whole = torch.cat([table, self.tokens, self.missing])  # as `token_rows` counts
        shown = self.shown(packed.items)[:, self.modality]
        instead = len(whole) - len(self.missing) + self.modality
        rows = torch.where(shown, self.rows[packed.items], instead)  # [T, C]
        read = Packed(rows.flatten(), packed.lengths * rows.shape[1])
        return self.encoder(pick(whole, read.items), read), read

    def take_in(self, items: Entities) -> None:
        """The last items are these; tokens that no item had are read as the mean of their level."""
        own = self.rows[:, self.modality != self.written] - self.behind
        first = list(accumulate(self.sizes, initial=0))[:-1]
        codes = own - torch.tensor(first, dtype=torch.int64)
        both = codes[: -len(items)], codes[-len(items) :]
        self.tokens = nn.Parameter(averaged(self.tokens.data, *both, self.sizes, first))

    def shown(self, items: Tensor) -> Tensor:
        """Which modalities of each event are read: [T] -> [T, M]"""
        there = self.present[items]
        if not self.training or not self.masking:
            return there
        return some_of(there, self.masking)


def some_of(there: Tensor, masking: float) -> Tensor:
    """What is left of each row when each may be left out by chance, but never all: [T, M]"""
    chance = torch.rand(there.shape, device=there.device).masked_fill(~there, -1.0)
    luckiest = chance == chance.amax(1, keepdim=True)
    return there & ((chance >= masking) | luckiest)


def token_rows(codes: Sequence[Codes], written: int) -> Tensor:
    """The row of each item's tokens in a table of all, those of the written modality first: [I, C]

    The levels of a modality follow each other, and the other modalities in their order.
    """
    order = [written, *(m for m in range(len(codes)) if m != written)]
    first, rows = 0, {}
    for m in order:
        sizes = torch.tensor([first, *codes[m].sizes], device=codes[m].table.device)
        shifts = sizes.cumsum(0)
        rows[m] = codes[m].table + shifts[:-1]
        first = int(shifts[-1])
    return torch.cat([rows[m] for m in range(len(codes))], 1)
