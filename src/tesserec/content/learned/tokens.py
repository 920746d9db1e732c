"""Texts of many lengths in batches of like length, so that little is computed for padding."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

Features = Mapping[str, Any]  # what a tokenizer returns: tensors [n, T], and settings


def at_once(device: str) -> int:
    """Tokens a network looks at together: what stays in the caches of a CPU, what fills a GPU."""
    return 1024 if device == "cpu" else 32_768


def in_batches(
    features: Features, tokens: int, device: str, look: Callable[[dict[str, Any]], Tensor]
) -> Tensor:
    """`look` at so many tokens at a time, longer texts later: its rows in the given order [n, W].

    Padding may be on either side.
    """
    mask = features["attention_mask"]
    lengths = mask.sum(1)
    order = lengths.argsort(stable=True)
    left = bool((mask[:, 0] < mask[:, -1]).any())
    found: list[Tensor] = []
    for rows in shares(order, lengths, tokens):
        longest = int(lengths[rows[-1]])
        columns = slice(mask.shape[1] - longest, None) if left else slice(longest)
        part = {
            name: value[rows, columns].to(device)
            if isinstance(value, Tensor) and value.shape == mask.shape
            else value
            for name, value in features.items()
        }
        found.append(look(part))
    together = torch.cat(found)
    return torch.empty_like(together).index_copy_(0, order.to(together.device), together)


def shares(order: Tensor, lengths: Tensor, tokens: int) -> Iterator[Tensor]:
    """Runs of rows, shortest first, that hold at most so many tokens when padded, or one row."""
    first = 0
    for last, length in enumerate(lengths[order].tolist()):
        if last > first and (last + 1 - first) * length > tokens:
            yield order[first:last]
            first = last
    yield order[first:]
