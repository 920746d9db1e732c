"""transformers' T5 with the weights of our generator: its `generate`, and a plain training step."""

from collections import defaultdict
from importlib.metadata import version as version_of
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.toys.t5 import t5
from torch import Tensor
from torch.nn import functional

from benchmarks.sides.wire import serve, timed

held: dict[str, Any] = {}


def version() -> dict[str, Any]:
    return {"version": f"transformers {version_of('transformers')}, torch {torch.__version__}"}


def load_generator(folder: str) -> None:
    """The network; ids as tokens from 1, those of a level after those of the one before."""
    codes = np.load(Path(folder) / "codes.npy")
    weights = np.load(Path(folder) / "weights.npz")
    held["weights"] = {name: torch.from_numpy(weights[name]) for name in weights}
    held["network"] = t5(held["weights"])
    size = (len(held["weights"]["tokens"])) // codes.shape[1]
    held["size"], held["levels"] = size, codes.shape[1]
    held["tokens"] = torch.from_numpy(1 + codes + size * np.arange(codes.shape[1]))  # [I, L]
    ids = [tuple(row) for row in held["tokens"].tolist()]
    held["item"] = {row: item for item, row in enumerate(ids)}
    held["follow"] = _trie(ids)


def _trie(ids: list[tuple[int, ...]]) -> dict[tuple[int, ...], list[int]]:
    """What may follow each prefix; all begin with token 0."""
    follow: dict[tuple[int, ...], dict[int, None]] = defaultdict(dict)
    for row in ids:
        for length, token in enumerate(row):
            follow[0, *row[:length]][token] = None
    return {prefix: list(tokens) for prefix, tokens in follow.items()}


def write_items(histories: str, out: str, k: int, times: int = 1) -> dict[str, Any]:
    """Its beam search, so many times; scores are the sums of the logarithms of what may follow."""
    rows = torch.from_numpy(np.load(histories))
    follow = held["follow"]

    def generate() -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            source = held["tokens"][rows].flatten(1)  # [B, 20 L]
            found = held["network"].generate(
                input_ids=source,
                attention_mask=torch.ones_like(source),
                num_beams=k,
                num_return_sequences=k,
                max_new_tokens=held["levels"],
                length_penalty=0.0,
                do_sample=False,
                prefix_allowed_tokens_fn=lambda _, written: follow[tuple(written.tolist())],
                renormalize_logits=True,
                return_dict_in_generate=True,
                output_scores=True,
            )
            ids = found.sequences[:, 1:].tolist()
            items = torch.tensor([held["item"][tuple(one)] for one in ids])
        return items.view(-1, k), found.sequences_scores.view(-1, k)

    taken = [timed(generate) for _ in range(times)]
    items, scores = taken[-1][1]
    np.savez(out, items=items.numpy(), scores=scores.numpy())
    return {"seconds": [seconds for seconds, _ in taken]}


def begin_learning(batch: str, dropout: float) -> None:
    """One batch, padded to its longest, and the same optimiser."""
    said = np.load(batch)
    histories, lengths = torch.from_numpy(said["histories"]), torch.from_numpy(said["lengths"])
    histories = histories[:, : int(lengths.max())]
    there = torch.arange(histories.shape[1]) < lengths[:, None]
    mask = there.repeat_interleave(held["levels"], dim=1)
    source = held["tokens"][histories].flatten(1).masked_fill(~mask, 0)
    network = t5(held["weights"], dropout).train()
    held["adam"] = torch.optim.AdamW(network.parameters(), 5e-4, weight_decay=0.01, fused=True)
    labels = held["tokens"][torch.from_numpy(said["next"])]
    held["batch"] = {"input_ids": source, "attention_mask": mask.long(), "labels": labels}
    held["learner"] = network


def loss_now() -> dict[str, Any]:
    """What ours minimises: a token competes with those of its level alone."""
    labels, size = held["batch"]["labels"], held["size"]
    with torch.no_grad():
        logits = held["learner"](**held["batch"]).logits
    each = []
    for level, (first, last) in enumerate(pairwise(range(1, 2 + size * held["levels"], size))):
        own = logits[:, level, first:last]
        each.append(functional.cross_entropy(own, labels[:, level] - first))
    return {"loss": float(torch.stack(each).mean())}


def learn(count: int) -> dict[str, Any]:
    """Steps with its own loss, over the whole vocabulary."""
    return {"seconds": [timed(_step)[0] for _ in range(count)]}


def _step() -> None:
    held["learner"](**held["batch"]).loss.backward()
    held["adam"].step()
    held["adam"].zero_grad()


if __name__ == "__main__":
    serve(
        version=version,
        load_generator=load_generator,
        write_items=write_items,
        begin_learning=begin_learning,
        loss_now=loss_now,
        learn=learn,
    )
