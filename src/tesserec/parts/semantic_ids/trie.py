"""Trie: which token may follow which, for the semantic ids of a catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from tesserec.core import Codes
from tesserec.core.errors import BadData


@dataclass(frozen=True, eq=False)
class Trie:
    """Prefixes as nodes, level by level; children lie side by side, in the order of their tokens.

    Level 0 has one node, the root. A node of level l stands for l tokens, and the nodes of level
    L for items.
    """

    sizes: tuple[int, ...]  # tokens of each level
    starts: tuple[Tensor, ...]  # [N_l + 1] of each level but the last: where children begin
    tokens: tuple[Tensor, ...]  # [N_l] of each level but the first: the last token of each node
    parents: tuple[Tensor, ...]  # [N_l] of each level but the first: the node above
    node_of_item: Tensor  # [L + 1, I] the node of each level that an item lies below, or is
    item_of_leaf: Tensor  # [I] the item each node of level L stands for

    @classmethod
    def of(cls, codes: Codes) -> "Trie":
        """The tree of unique codes. Raises `BadData` where items share some."""
        if not codes.unique:
            raise BadData(
                f"{len(codes)} items share {codes.distinct} semantic ids.",
                "Let a quantizer resolve collisions: its field `collisions` says how.",
            )
        # By numpy, as a model is loaded where torch makes no real tensors.
        table = codes.table.cpu().numpy()
        order = np.lexsort(table.T[::-1])  # items in the order of their codes
        rows = table[order]
        node = np.zeros(len(rows), np.int64)  # of the level before, for each item in order
        node_of_item = np.zeros((codes.levels + 1, len(rows)), np.int64)
        starts, tokens, parents, count = [], [], [], 1
        for level in range(codes.levels):
            new = np.ones(len(rows), bool)
            new[1:] = (node[1:] != node[:-1]) | (rows[1:, level] != rows[:-1, level])
            first = np.flatnonzero(new)
            children = np.bincount(node[first], minlength=count)
            starts.append(np.concatenate([[0], children.cumsum()]))
            tokens.append(rows[first, level])
            parents.append(node[first])
            node, count = new.cumsum() - 1, len(first)
            node_of_item[level + 1, order] = node
        return cls(
            codes.sizes,
            _tensors(starts),
            _tensors(tokens),
            _tensors(parents),
            torch.from_numpy(node_of_item),
            torch.from_numpy(order),
        )

    def to(self, device: torch.device) -> "Trie":
        """The same on a device."""
        if device == self.item_of_leaf.device:
            return self
        return replace(
            self,
            starts=tuple(one.to(device) for one in self.starts),
            tokens=tuple(one.to(device) for one in self.tokens),
            parents=tuple(one.to(device) for one in self.parents),
            node_of_item=self.node_of_item.to(device),
            item_of_leaf=self.item_of_leaf.to(device),
        )

    @property
    def levels(self) -> int:
        """L"""
        return len(self.sizes)

    def nodes(self, level: int) -> int:
        """How many nodes a level has; level 0 has one."""
        return 1 if level == 0 else len(self.tokens[level - 1])

    def below(self, nodes: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """The children of nodes of a level: nodes of the next level, and which of them there are.

        [B, W] -> [B, W, C], [B, W, C]. C is the most that any of them has; -1 has none.
        """
        starts = self.starts[level]
        known = nodes.clamp(min=0)
        first, last = starts[known], starts[known + 1]
        count = torch.where(nodes >= 0, last - first, 0)
        places = torch.arange(int(count.max()) if count.numel() else 0, device=nodes.device)
        there = places < count[..., None]
        return torch.where(there, first[..., None] + places, 0), there

    def leaves(self, level: int, items: Tensor | None = None) -> Tensor:
        """How many items, or how many of these, lie below each node of a level: [N]"""
        if items is None:
            return self._leaves[level]
        return torch.bincount(self.node_of_item[level][items], minlength=self.nodes(level))

    @cached_property
    def _leaves(self) -> tuple[Tensor, ...]:
        """How many items lie below each node: [N_l] of each level"""
        return tuple(torch.bincount(nodes) for nodes in self.node_of_item)

    def choices(self) -> Tensor:
        """At how many levels more than one token might follow, on the way to each item: [I]"""
        several = [
            starts.diff()[nodes] > 1
            for starts, nodes in zip(self.starts, self.node_of_item[:-1], strict=True)
        ]
        return torch.stack(several).sum(0)

    def find(self, prefix: Sequence[int]) -> int:
        """The node of a prefix, -1 where no item begins with it."""
        node = 0
        for level, token in enumerate(prefix):
            first, last = self.starts[level][node : node + 2].tolist()
            inside = self.tokens[level][first:last]
            place = int(torch.searchsorted(inside, token))
            if place == len(inside) or int(inside[place]) != token:
                return -1
            node = first + place
        return node


def _tensors(arrays: list[np.ndarray]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(one, dtype=np.int64)) for one in arrays)
