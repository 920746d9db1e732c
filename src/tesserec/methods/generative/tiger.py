"""TIGER: what comes next is written as a semantic id, token by token.

Rajput et al., "Recommender Systems with Generative Retrieval", NeurIPS 2023, arXiv:2305.05065.
"""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field
from torch import nn

from tesserec.core import Answering, Catalog, Dataset, Entities, Run
from tesserec.parts.batches import Prefixes
from tesserec.parts.generation import CodeReader, Decoder, Encoder, Generator
from tesserec.parts.semantic_ids import Quantizer, named
from tesserec.parts.semantic_ids.rqvae import RQVAE
from tesserec.recommenders import BeamRecommender
from tesserec.training import AdamW, Cosine, Learner, Schedule

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]

IDS = "ids"  # the codes this method makes, in the catalogue


class TIGER(Learner):
    """An encoder reads the semantic ids of a history; a decoder writes that of the next item."""

    tiny: ClassVar = {
        "dim": 32,
        "layers": 1,
        "heads": 2,
        "width": 16,
        "inner": 32,
        "dropout": 0.0,
        "ids": {"kind": "RQKMeans", "levels": 2, "codes": 5},
        "batches": {"size": 60, "length": 2},
        "schedule": {"epochs": 15, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"order", "vectors"})

    ids: Quantizer = RQVAE()  # 3 levels of 256 codes of 32 dimensions, and one more level
    dim: Count = 128
    layers: Count = 4  # of the encoder, and as many of the decoder
    heads: Count = 6
    width: Count = 64  # of a head: all of them together are wider than dim
    inner: Count = 1024
    dropout: Share = 0.1
    users: Annotated[int, Field(ge=0)] = 0  # tokens people share by their row; the paper: 2,000
    shared: bool = False  # a token means the same at all levels, as words do
    children: bool = False  # a token competes only with those that may follow, as in MSCGRec
    beam: Count = 20
    batches: Prefixes = Prefixes(size=256, length=20, negatives=0)
    # The paper's optimiser is not known; this is LETTER's released recipe for the same network.
    schedule: Schedule = Schedule(
        epochs=200, rate=5e-4, optimizer=AdamW(), shape=Cosine(warmup=0.01), patience=20
    )

    def prepare(self, data: Dataset, run: Run) -> Dataset:
        return data.with_codes(IDS, self.ids.ids(data, run.stage(IDS)))

    def prepare_new(self, network: nn.Module, known: Entities, new: Entities) -> Entities:
        ids = self.ids.more(cast(Any, network).codebook, known.codes[IDS], new)
        return replace(new, codes={IDS: ids})

    def network(self, data: Dataset) -> nn.Module:
        codes = named(data.catalog.items, IDS, self.ids)
        shape = self.dim, self.layers, self.heads, self.width, self.inner, self.dropout
        return Generator(
            codes,
            reader=CodeReader(codes, Encoder(*shape), self.dim, self.users, self.shared),
            decoder=Decoder(*shape),
            dim=self.dim,
            popularity=data.popularity,
            longest=self.batches.length,
            children=self.children,
            shared=self.shared,
        )

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return BeamRecommender(network, catalog, beam=self.beam)
