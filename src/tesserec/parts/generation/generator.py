"""Generator: the network that reads a history and writes the semantic id of what comes next."""

from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Codes, Entities, Losses, Requests
from tesserec.parts.batches.packed import Packed
from tesserec.parts.batches.sequences import SequenceBatch
from tesserec.parts.generation.postnorm import PostDecoder
from tesserec.parts.generation.state import State
from tesserec.parts.generation.t5 import Decoder
from tesserec.parts.generation.unlearned import averaged
from tesserec.parts.linear import linear
from tesserec.parts.pick import pick
from tesserec.parts.semantic_ids.quantizer import Codebook
from tesserec.parts.semantic_ids.trie import Trie


class Reader(Protocol):
    """What makes memories of histories."""

    def __call__(self, packed: Packed, users: Tensor, table: Tensor) -> tuple[Tensor, Packed]:
        """Items of S sequences and whose they are [S] -> what was read [T, D], in S sequences.

        `table` [n, D] has a row for every token of every level that is written.
        """
        ...


class Generator(nn.Module):
    """A reader, a decoder, and a table of all tokens, which also tells tokens from states.

    It is trained by `loss`, and answers through `start`, `advance` and `State.follow`.
    """

    popularity: Tensor
    choices: Tensor | None

    def __init__(
        self,
        codes: Codes,
        reader: nn.Module,
        decoder: Decoder | PostDecoder,
        dim: int,
        popularity: Tensor,
        longest: int,
        children: bool = False,
        choices: bool = False,
        tied: bool = True,
        shared: bool = False,
    ) -> None:
        """`children`: a token competes with those alone that may follow, and not with all.

        `choices`: only tokens that others might have been in place of count in the mean.
        `longest` is how many events of a history are read. `tied`: tokens are told by the table
        they are read from, else by one of their own. `shared`: a token is the same at all levels.
        """
        super().__init__()
        if shared:
            codes = Codes(codes.table, (max(codes.sizes),) * codes.levels, codes.codebook)
        self.trie = Trie.of(codes)
        self.sizes, self.longest, self.children_alone = codes.sizes, longest, children
        self.first = [0 if shared else sum(codes.sizes[:level]) for level in range(codes.levels)]
        self.tokens = nn.Parameter(torch.randn(self.first[-1] + codes.sizes[-1], dim))
        self.told = None if tied else nn.Parameter(torch.randn(self.tokens.shape))
        self.begin = nn.Parameter(torch.randn(dim))
        self.reader, self.decoder = reader, decoder
        self.codebook = codes.codebook  # gives ids to new items
        self.register_buffer("codes", codes.table, persistent=False)  # [I, L]
        self.register_buffer("popularity", popularity.float())  # [I] what strangers get
        count = self.trie.choices().float() if choices else None
        self.register_buffer("choices", count, persistent=False)  # [I] levels that count

    def loss(self, batch: SequenceBatch) -> Losses:
        """The mean over levels of what each token of the target costs: [E]

        Over levels with a choice alone, it is one over those of the whole batch.
        """
        memory, packed = self.reader(batch.events, batch.user, self.tokens)
        codes = self.get_buffer("codes")[batch.positive]  # [E, L]
        states = self.decoder(self._written(codes), memory, packed)
        each = torch.zeros(len(batch), device=memory.device)
        for level in range(len(self.sizes)):
            found = self.logits(states[:, level], level)
            if self.children_alone:
                found = found.masked_fill(~self.may_follow(batch.positive, level), -torch.inf)
            each = each + functional.cross_entropy(found, codes[:, level], reduction="none")
        if self.choices is None:
            return Losses(each / len(self.sizes))
        count = self.choices[batch.positive]
        return Losses(each / count.clamp(min=1), weight=count)

    def start(self, requests: Requests) -> tuple[State, Tensor]:
        """Histories, none of them empty, are read: the state, and which request each row is of.

        Rows of the state are the longest first.
        """
        packed, order = Packed.of(requests.history, self.longest)
        device = self.tokens.device
        users = requests.user[order].to(device)
        memory, read = self.reader(packed.to(device), users, self.tokens)
        return self.decoder.begin(memory, read), order

    def advance(self, state: State) -> Tensor:
        """How likely each token of the next level is for each beam: logits [S, W, K]"""
        level = state.level
        if state.tokens is None:
            count = state.seen[0][-1].rows.stop
            values = self.begin.expand(count, 1, -1)
        else:
            values = pick(self.tokens, state.tokens + self.first[level - 1])
        return self.logits(self.decoder.latest(values, state), level)

    def place(self, items: Entities) -> Tensor:
        """The codes of items by their content, which others may have, too: [n, L]"""
        codebook = cast(Codebook, self.codebook)
        return codebook.encode(codebook.read(items))

    def take_in(self, items: Entities) -> None:
        """The last items are these; they may have tokens that were in no id while it learned.

        Such a token is read and told as the mean of those of its level that were.
        """
        codes = self.get_buffer("codes")
        both = codes[: -len(items)], codes[-len(items) :]
        self.tokens = nn.Parameter(averaged(self.tokens.data, *both, self.sizes, self.first))
        if self.told is not None:
            self.told = nn.Parameter(averaged(self.told.data, *both, self.sizes, self.first))

    def logits(self, states: Tensor, level: int) -> Tensor:
        """[..., D] -> [..., K]"""
        tokens = self.tokens if self.told is None else self.told
        table = tokens[self.first[level] : self.first[level] + self.sizes[level]]
        return linear(states * states.shape[-1] ** -0.5, table)

    def item_vectors(self) -> Tensor:
        """The sum of each item's tokens, which tells what is alike: [I, D]"""
        shift = torch.tensor(self.first, device=self.tokens.device)
        return pick(self.tokens, self.get_buffer("codes") + shift).sum(1)

    def may_follow(self, items: Tensor, level: int) -> Tensor:
        """Which tokens of a level follow the first ones of each item in some id: [E] -> [E, K]"""
        trie = self.trie.to(items.device)
        children, there = trie.below(trie.node_of_item[level, items][:, None], level)
        tokens = torch.where(there, trie.tokens[level][children], self.sizes[level])[:, 0]
        allowed = torch.zeros(
            len(items), self.sizes[level] + 1, dtype=torch.bool, device=items.device
        )
        return allowed.scatter_(1, tokens, True)[:, :-1]

    def _written(self, codes: Tensor) -> Tensor:
        """What the decoder reads before it writes each token: [E, L] -> [E, L, D]"""
        shift = torch.tensor(self.first[:-1], dtype=torch.int64, device=codes.device)
        before = pick(self.tokens, codes[:, :-1] + shift)
        return torch.cat([self.begin.expand(len(codes), 1, -1), before], 1)
