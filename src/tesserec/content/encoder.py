"""The contract of an encoder: raw content of items becomes vectors."""

from abc import abstractmethod

from torch import Tensor

from tesserec.core import Dataset, Spec


class Encoder(Spec):
    """Turns what items are made of into one vector each."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Under which name the vectors join the catalogue: "text", "image", ..."""

    @abstractmethod
    def encode(self, data: Dataset) -> Tensor:
        """One vector per item, zeros where there is nothing to encode: [I, D].

        What is fitted is fitted on items that have events in `data`, so that held-out items
        leave no trace. Raises `NoContent` when the content is not there.
        """


def encoded(data: Dataset, encoder: Encoder) -> Dataset:
    """The dataset with the encoder's vectors as a column of its items."""
    return data.with_vectors(encoder.name, encoder.encode(data))
