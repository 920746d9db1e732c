"""MSCGRec: histories of several codes per item, and one of them is written.

Vandenhirtz et al., "Multimodal Generative Recommendation for Fusing Semantic and Collaborative
Signals", 2026, arXiv:2602.03713. There is no official code; what the paper does not settle is said
beside the fields.
"""

from dataclasses import replace
from typing import Annotated, ClassVar, Self, cast

import torch
from pydantic import Field, model_validator
from torch import nn

from tesserec.core import Answering, Catalog, Codes, Dataset, Entities, Run
from tesserec.core.errors import BadSpec
from tesserec.parts.batches import Prefixes
from tesserec.parts.generation import Decoder, Encoder, Generator, ItemsAndCodes, ModalityReader
from tesserec.parts.semantic_ids import Codebook, Quantizer, named
from tesserec.parts.semantic_ids.collaborative import Collaborative
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans
from tesserec.recommenders import BeamRecommender
from tesserec.training import AdamW, Cosine, Learner, Schedule

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class MSCGRec(Learner):
    """Text, image and behaviour are quantised apart and read side by side; behaviour is written."""

    tiny: ClassVar = {
        "modalities": [
            {"kind": "RQKMeans", "levels": 2, "codes": 5},
            {"kind": "Collaborative", **Collaborative.tiny},
        ],
        "dim": 32,
        "layers": 1,
        "heads": 2,
        "width": 16,
        "inner": 32,
        "dropout": 0.0,
        "batches": {"size": 60, "length": 2},
        "schedule": {"epochs": 15, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"order", "vectors"})

    # In the order in which they are read. None: RQKMeans of each table of vectors, Collaborative.
    modalities: tuple[Quantizer, ...] = ()
    written: int = -1  # which of them is written: the last; the paper's is the collaborative one
    dim: Count = 128  # sizes are TIGER's, as the paper's are not known
    layers: Count = 4  # of the encoder, and as many of the decoder
    heads: Count = 6
    width: Count = 64  # of a head
    inner: Count = 1024
    dropout: Share = 0.1
    masking: Share = 0.1  # how often a modality of an event is not shown; the rate is not known
    apart: bool = True  # distances of items, and places in their codes; else distances of tokens
    children: bool = True  # a token competes with those alone that may follow
    choices: bool = False  # forced tokens, which cost nothing, do not count in the mean
    beam: Count = 20
    batches: Prefixes = Prefixes(size=256, length=20, negatives=0)
    schedule: Schedule = Schedule(
        epochs=200, rate=5e-4, optimizer=AdamW(), shape=Cosine(warmup=0.01), patience=20
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.modalities:
            self._place(len(self.modalities))
        if self.choices and not self.children:
            raise BadSpec(
                "A token that nothing might be in place of is learned where all compete.",
                "Set children = true, or choices = false.",
            )
        return self

    def prepare(self, data: Dataset, run: Run) -> Dataset:
        told = data
        for name, quantizer in self.quantizers(data.catalog.items).items():
            told = told.with_codes(name, quantizer.ids(data, run.stage(name)))
        return told

    def prepare_new(self, network: nn.Module, known: Entities, new: Entities) -> Entities:
        quantizers = self.quantizers(known)
        generator = cast(Generator, network)
        books = [cast(Codebook, one) for one in cast(ModalityReader, generator.reader).codebooks]
        books.insert(self._place(len(quantizers)), cast(Codebook, generator.codebook))
        codes, masks = {}, {}
        for (name, quantizer), book in zip(quantizers.items(), books, strict=True):
            codes[name] = quantizer.more(book, known.codes[name], new)
            masks[name] = quantizer.present(new)
        return replace(new, codes=codes, masks={**new.masks, **masks})

    def network(self, data: Dataset) -> nn.Module:
        items = data.catalog.items
        quantizers = self.quantizers(items)
        codes = [named(items, name, one) for name, one in quantizers.items()]
        # Where a network is only laid out, words are read all the same, on another device.
        device = torch.get_default_device()
        present = [one.present(items).to(device) for one in quantizers.values()]
        written = self._place(len(codes))
        shape = self.dim, self.layers, self.heads, self.width, self.inner, self.dropout
        encoder = Encoder(*shape, self._bias(codes))
        return Network(
            codes[written],
            reader=ModalityReader(
                codes, written, torch.stack(present, 1), encoder, self.dim, self.masking
            ),
            decoder=Decoder(*shape),
            dim=self.dim,
            popularity=data.popularity,
            longest=self.batches.length,
            children=self.children,
            choices=self.choices,
        )

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return BeamRecommender(network, catalog, beam=self.beam)

    def quantizers(self, items: Entities) -> dict[str, Quantizer]:
        """Of each modality, by the name its codes have in the catalogue."""
        found = self.modalities
        if not found:
            contents = (RQKMeans(vectors=name) for name in sorted(items.vectors))
            found = (*contents, Collaborative())
        return {f"ids{number}": one for number, one in enumerate(found)}

    def _place(self, count: int) -> int:
        """Which of so many modalities is written, from 0. Raises `BadSpec`."""
        if not -count <= self.written < count:
            raise BadSpec(
                f"There are {count} modalities, and written = {self.written} is none of them.",
                f"Count from 0 to {count - 1}, or from the last, which is -1.",
            )
        return self.written % count

    def _bias(self, codes: list[Codes]) -> nn.Module | None:
        if not self.apart:
            return None
        return ItemsAndCodes(self.heads, self.dim, sum(one.levels for one in codes))


class Network(Generator):
    """A generator that reads several codes of each item."""

    def take_in(self, items: Entities) -> None:
        """The last items are these; a mask of each of their codes says whether it is read."""
        super().take_in(items)
        masks = [items.masks[name] for name in items.codes]
        cast(ModalityReader, self.reader).present[-len(items) :] = torch.stack(masks, 1)
