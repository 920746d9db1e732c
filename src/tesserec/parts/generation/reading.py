"""CodeReader: a history is read as the semantic ids of its items, one after the other."""

import torch
from torch import Tensor, nn

from tesserec.core import Codes
from tesserec.parts.batches.packed import Packed
from tesserec.parts.generation.t5 import Encoder
from tesserec.parts.pick import pick


class CodeReader(nn.Module):
    """Tokens of the items, oldest first, and before them one for the person, if there are any."""

    def __init__(
        self, codes: Codes, encoder: Encoder, dim: int, users: int = 0, shared: bool = False
    ) -> None:
        """`shared`: a token is the same at all levels."""
        super().__init__()
        self.encoder = encoder
        self.users = nn.Parameter(torch.randn(users, dim)) if users else None
        sizes = [0] * (codes.levels - 1) if shared else codes.sizes[:-1]
        shift = torch.tensor([0, *sizes], device=codes.table.device).cumsum(0)
        self.register_buffer("tokens", codes.table + shift, persistent=False)  # [I, L]

    def forward(self, packed: Packed, users: Tensor, table: Tensor) -> tuple[Tensor, Packed]:
        """Items of S sequences and whose they are [S] -> what was read [T, D], in sequences.

        `table` [n, D] has a row for every token of every level; -1 among users is a stranger.
        """
        tokens = self.get_buffer("tokens")[packed.items].flatten()  # [T L]
        levels = len(tokens) // max(len(packed.items), 1)
        read = Packed(tokens, packed.lengths * levels)
        values = pick(table, tokens)
        if self.users is not None:
            read, values = self._with_users(read, values, users)
        return self.encoder(values, read), read

    def _with_users(self, read: Packed, values: Tensor, users: Tensor) -> tuple[Packed, Tensor]:
        """The same with a token before each sequence; a stranger's is the mean of all."""
        assert self.users is not None
        known = pick(self.users, users.clamp(min=0) % len(self.users))
        person = torch.where((users >= 0)[:, None], known, self.users.mean(0))
        count = len(read.items)
        source = read.items.new_empty(count + len(read))
        longer = Packed(source, read.lengths + 1)
        source[longer.starts] = torch.arange(len(read), device=source.device)
        behind = torch.arange(count, device=source.device)
        source[behind + read.sequence + 1] = len(read) + behind
        return longer, pick(torch.cat([person, values]), source)
