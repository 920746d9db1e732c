"""The contracts of encoders: what items are made of becomes one vector each."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tesserec.core import Dataset, Spec
from tesserec.core.errors import CannotAnswer

Modality = Literal["text", "image", "audio", "video"]
Piece: TypeAlias = str | bytes  # a text, or the bytes of a picture, a sound, a clip
Rows: TypeAlias = NDArray[Any]  # [n, W] float32 or float16
Reduction: TypeAlias = Callable[[Rows], Rows]


class Undecodable(Exception):
    """A piece that is not what it should be; the message says why in a few words."""


class Vectors(NamedTuple):
    """One vector per item, and which items have the content they were made of."""

    table: Tensor  # [I, D], zeros where there is nothing
    mask: Tensor  # [I] bool


class Encoder(Spec):
    """Turns what items are made of into one vector each."""

    modality: ClassVar[Modality]
    version: ClassVar[int] = 1  # raised when equal content gets other vectors than before

    @property
    def name(self) -> str:
        """Under which name the vectors join the catalogue."""
        return self.modality

    @abstractmethod
    def encode(self, data: Dataset) -> Vectors:
        """The vectors of all items.

        What is fitted is fitted on the items of `learned_from(data)`, so that held-out items
        leave no trace. Raises `NoContent` when the content is not there.
        """

    def learned(self, data: Dataset) -> dict[str, Tensor]:
        """What `encode` would learn of the training part, for items that come later."""
        return {}

    def encode_and_learn(self, data: Dataset) -> tuple[Vectors, dict[str, Tensor]]:
        """The vectors of all items, and what was learned on the way. Raises as `encode` does."""
        learned = self.learned(data)
        return (self.encode_more(data, learned) if learned else self.encode(data)), learned

    def encode_more(self, data: Dataset, learned: Mapping[str, Tensor]) -> Vectors:
        """The vectors of items that came later, by what was learned before.

        Raises `CannotAnswer` for an encoder that keeps nothing of what it learns, `NoContent`
        where items have no such content.
        """
        raise CannotAnswer(
            f"{type(self).__name__} learns from all items together, and keeps nothing of it.",
            "Encode old and new items in one data folder (tesserec encode), and fit again.",
        )


class PieceEncoder(Encoder):
    """An encoder that looks at one piece at a time, so that pieces stream and are kept.

    A piece is decoded, batches of decoded pieces become rows, and rows become vectors. Only the
    last step may learn from other pieces, and only from rows of items of the training part.
    """

    columns: tuple[str, ...] = ()  # of texts, or one of paths; (): texts by name, media/ by id
    batch: int = 64  # pieces that are looked at together

    window: ClassVar[int] = 512  # decoded pieces that are held at once, to be put in batches
    after_rows: ClassVar[frozenset[str]] = frozenset({"columns", "batch"})  # do not change rows

    @abstractmethod
    def decode(self, piece: Piece) -> Any:
        """What `reader` takes. Raises `Undecodable`."""

    @abstractmethod
    def reader(self, device: str) -> Callable[[Sequence[Any]], Rows]:
        """What turns decoded pieces into rows [n, W]; whatever is large is loaded here, once."""

    def size(self, decoded: Any) -> int:
        """By how much work pieces differ: batches hold pieces of like size."""
        return 0

    def weights(self) -> str:
        """A digest of everything the rows depend on besides the fields."""
        return ""

    def reduction(self, rows: Rows) -> Reduction:
        """What makes vectors of rows, learned from the rows [n, W] of training items."""
        return lambda block: block

    def encode(self, data: Dataset) -> Vectors:
        from tesserec.content.encoding import encode

        return encode(data, self).vectors

    def encode_more(self, data: Dataset, learned: Mapping[str, Tensor]) -> Vectors:
        return self.encode(data)  # each piece is looked at by itself


def encoded(data: Dataset, encoder: Encoder) -> Dataset:
    """The dataset with the encoder's vectors, and their mask, as a column of its items."""
    return data.with_vectors(encoder.name, *encoder.encode(data))


def encoded_and_learned(data: Dataset, encoder: Encoder) -> tuple[Dataset, dict[str, Tensor]]:
    """The same, and what the encoder learned on the way."""
    vectors, learned = encoder.encode_and_learn(data)
    return data.with_vectors(encoder.name, *vectors), learned


def learned_from(data: Dataset) -> NDArray[np.bool_]:
    """Items that what is fitted may look at: [I].

    Those with events in the published training part; without one, those with events; without
    any events, those that a column `split` of the items calls "train", or all.
    """
    events, features = data.interactions.frame, data.catalog.items.features
    if not events.height and "split" in features.columns:
        return (features["split"] == "train").fill_null(False).to_numpy().copy()
    if "split" in events.columns:
        events = events.filter(events["split"] == "train")
    if not events.height:
        return np.ones(len(data.catalog.items), np.bool_)
    met = np.zeros(len(data.catalog.items), np.bool_)
    met[events["item"].to_numpy()] = True
    return met
