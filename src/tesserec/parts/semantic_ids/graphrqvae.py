"""GraphRQVAE: items are quantised as a graph encoder places them among those who chose them.

Liu et al., "MMGRec: Multimodal Generative Recommendation with Transformer Model", 2024,
arXiv:2404.16555: contents are mixed along the user-item graph, and what items become is quantised
by residuals. A new item has no edges, and is read by its contents alone.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.core.errors import BadSpec
from tesserec.core.registry import find
from tesserec.parts.graphs import Alone
from tesserec.parts.networks import contents
from tesserec.parts.semantic_ids.collisions import Collisions, PopularityLevel
from tesserec.parts.semantic_ids.quantizer import (
    Codebook,
    Quantized,
    Quantizer,
    VectorCodebook,
)
from tesserec.parts.semantic_ids.rqvae import RQVAE
from tesserec.training import Learner

GRAPH = "graph"  # the column that the encoder writes, for users and items


def _sage() -> Learner:
    """MMGRec's encoder, found by its name, as no part imports a method."""
    return find("GraphSAGE", Learner)()


class GraphRQVAE(Quantizer):
    """A graph encoder, and a quantizer of the item vectors it writes, which are called "graph"."""

    tiny: ClassVar[dict[str, Any]] = {
        "levels": 2,
        "codes": 4,
        "graph": {
            "start": 8,
            "dim": 8,
            "lonely": 0.5,
            "batches": {"size": 64},
            "schedule": {"epochs": 20, "rate": 0.02},
        },
        "inner": {"kind": "RQKMeans", "vectors": GRAPH, "unit": True},  # needs no training
    }

    codes: int = Field(128, ge=1)  # of each level
    collisions: Collisions = PopularityLevel()
    graph: Learner = Field(default_factory=_sage)
    # Its levels, codes and items to learn from are this quantizer's. It may read other vectors.
    # The authors' is 64 -> 16 -> 4 wide, begins near 0, and lets idle codes be.
    inner: Quantizer = RQVAE(vectors=GRAPH, hidden=(64,), dim=32, means=True)

    @model_validator(mode="after")
    def _check_graph(self) -> Self:
        if not hasattr(self.graph, "alone"):
            raise BadSpec(
                f"{type(self.graph).__name__} cannot place new items by their content.",
                "Set graph = GraphSAGE, or another method that has `alone(items)`.",
            )
        return self

    @property
    def residual(self) -> Quantizer:
        """The inner quantizer with the levels and codes that are asked for."""
        return self.inner.changed({n: getattr(self, n) for n in ("levels", "codes", "warm")})

    def codebook(self, items: Entities) -> Codebook:
        bare = _bare(items)
        alone = cast(Alone, cast(Any, self.graph).alone(bare))
        width = alone.last.out_features
        shape = torch.empty(len(items), width, device="meta")
        seen = replace(bare, vectors={**bare.vectors, GRAPH: shape})
        return _around(alone, self.residual.codebook(seen))

    def fit(self, data: Dataset, run: Run) -> Quantized:
        return self.quantised(self.placed(data, run.stage(GRAPH)), run)

    def placed(self, data: Dataset, run: Run) -> "Placed":
        """The graph encoder is learned; what it makes of users and items becomes columns."""
        items = _bare(data.catalog.items)
        bare = replace(data, catalog=replace(data.catalog, items=items))
        network = cast(Any, self.graph.fit(bare, run).network).cpu()
        with torch.no_grad():
            users, vectors = network.vectors()
        known = data.active[:, None]
        # Who did nothing is the average person, and so is a stranger.
        average = (users * known).sum(0) / known.sum().clamp(min=1)
        users = torch.where(known, users, average)
        seen = bare.with_vectors(GRAPH, vectors).with_user_vectors(GRAPH, users)
        return Placed(seen, network.alone())

    def quantised(self, placed: "Placed", run: Run) -> Quantized:
        """What the encoder has placed gets its codes."""
        found = self.residual.fit(placed.data, run.stage("codes"))
        codebook = _around(placed.alone, found.codebook)
        codes = Codes(found.codes.table, found.codes.sizes)
        return Quantized(codebook, found.vectors, codes)


@dataclass(frozen=True, eq=False)
class Placed:
    """Data with the columns of a graph encoder, and what places new items."""

    data: Dataset
    alone: Alone


class GraphCodebook(Codebook):
    """Contents, where they put an item by themselves, and the codes of that."""

    def __init__(self, alone: Alone, inner: Codebook) -> None:
        super().__init__()
        self.alone, self.inner = alone, inner

    def read(self, items: Entities) -> Tensor:
        """Where content alone puts items: [n, D]"""
        return cast(Tensor, self.alone(contents(items, self.alone.names, self.alone.scaled)))

    def encode(self, vectors: Tensor) -> Tensor:
        return self.inner.encode(vectors)

    def decode(self, codes: Tensor) -> Tensor:
        return self.inner.decode(codes)

    def meant(self, vectors: Tensor) -> Tensor:
        return self.inner.meant(vectors)


def _around(alone: Alone, inner: Codebook) -> Codebook:
    """The codebook of what the encoder writes, or one of other vectors as it is."""
    reads = isinstance(inner, VectorCodebook) and inner.name == GRAPH
    return GraphCodebook(alone, inner) if reads else inner


def _bare(items: Entities) -> Entities:
    """Without what an encoder has written before."""
    kept = {name: table for name, table in items.vectors.items() if name != GRAPH}
    masks = {name: mask for name, mask in items.masks.items() if name != GRAPH}
    return replace(items, vectors=kept, masks=masks)
