"""MMGRec: a set of items is read, and what belongs to it is written as a semantic id.

Liu, Wei, Song, Guan, Li and Nie, "MMGRec: Multimodal Generative Recommendation with Transformer
Model", 2024, arXiv:2404.16555. A graph encoder mixes contents along the user-item graph, a residual
quantizer turns what items become into ids, and a Transformer writes ids. The defaults repair the
authors' code: what is to be found is not read, each level has tokens of its own, only ids of items
are written. Their own settings are in examples/studies/mmgrec-faithful.toml.
"""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Entities, Histories, Requests, Run
from tesserec.core.errors import CannotAnswer
from tesserec.parts.batches import Sets, some
from tesserec.parts.generation import Generator, PostDecoder, SetReader, State
from tesserec.parts.generation.setreader import Looking
from tesserec.parts.semantic_ids import named
from tesserec.parts.semantic_ids.graphrqvae import GRAPH, GraphCodebook, GraphRQVAE
from tesserec.recommenders import BeamRecommender
from tesserec.training import Constant, Learner, Schedule

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]

IDS = "ids"  # the codes this method makes, in the catalogue


class MMGRec(Learner):
    """Sets of items in, an id out, both made of content and of who chose what."""

    tiny: ClassVar = {
        "ids": {**GraphRQVAE.tiny, "levels": 1, "codes": 2},
        "children": True,  # new items have last tokens that nobody learned to write
        "layers": 1,
        "heads": 2,
        "width": 8,
        "inner": 16,
        "dropout": 0.0,
        "batches": {"size": 64},
        "schedule": {"epochs": 20, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"vectors"})

    ids: GraphRQVAE = GraphRQVAE()  # its graph encoder's width is that of everything, 64
    layers: Count = 2  # of the encoder, and as many of the decoder
    heads: Count = 4
    width: Count = 64  # d_k, of each head
    inner: Count = 64  # d_ff
    dropout: Share = 0.2
    looking: Looking = "relation"  # what the encoder knows besides contents
    shared: bool = False  # tokens are the same at all levels, as in the authors' code
    children: bool = False  # a token competes with those alone that may follow
    beam: Count = 20
    batches: Sets = Sets(size=1024, length=32)
    # The authors take SGD with momentum 0.99 at 1e-3, and one epoch or 1,000.
    schedule: Schedule = Schedule(
        epochs=200, rate=1e-3, shape=Constant(warmup=0.05), patience=10, metric="ndcg@10"
    )

    def prepare(self, data: Dataset, run: Run) -> Dataset:
        placed = self.ids.placed(data, run.stage(GRAPH))
        found = self.ids.quantised(placed, run.stage(IDS))
        return placed.data.with_codes(IDS, self.ids.unique(found, data.popularity))

    def prepare_new(self, network: nn.Module, known: Entities, new: Entities) -> Entities:
        codebook = cast(Any, network).codebook
        if not isinstance(codebook, GraphCodebook):
            raise CannotAnswer(
                "Ids that are not made of what the graph encoder writes come without it, and "
                "nothing else places new items.",
                'Fit with ids.inner.vectors = "graph".',
            )
        placed = codebook.read(new)
        ids = self.ids.more(codebook, known.codes[IDS], new)
        return replace(new, vectors={**new.vectors, GRAPH: placed}, codes={IDS: ids})

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return BeamRecommender(network, catalog, beam=self.beam)


class Network(Generator):
    """A generator that reads sets."""

    def __init__(self, method: MMGRec, data: Dataset) -> None:
        items, users = data.catalog.items, data.catalog.users
        codes = named(items, IDS, method.ids)
        vectors = items.vectors[GRAPH]
        shape = method.layers, method.heads, method.width, method.inner, method.dropout
        longest = method.batches.length
        super().__init__(
            codes,
            reader=SetReader(vectors, users.vectors[GRAPH], *shape, method.looking, longest),
            decoder=PostDecoder(vectors.shape[1], *shape, codes.levels),
            dim=vectors.shape[1],
            popularity=data.popularity,
            longest=longest,
            children=method.children,
            tied=False,
            shared=method.shared,
        )

    def start(self, requests: Requests) -> tuple[State, Tensor]:
        """As of any generator, the histories being sets."""
        sets = some(requests.history.items, self.longest)
        return super().start(replace(requests, history=Histories(sets)))

    def take_in(self, items: Entities) -> None:
        """The last items are these; they are read where their content alone puts them."""
        super().take_in(items)
        cast(SetReader, self.reader).items[-len(items) :] = items.vectors[GRAPH]

    def item_vectors(self) -> Tensor:
        """What the graph encoder made of items: [I, D]"""
        return cast(SetReader, self.reader).items
