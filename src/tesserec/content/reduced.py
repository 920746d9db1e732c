"""Encoders that measure many things of a piece, and keep the directions in which pieces differ."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from tesserec.content.encoder import PieceEncoder, Rows, Vectors
from tesserec.content.reduction import PCA, fitted_pca
from tesserec.core import Dataset


class ReducedEncoder(PieceEncoder):
    """Rows become short unit vectors, by what the training part's rows are like (`PCA`)."""

    after_rows: ClassVar[frozenset[str]] = PieceEncoder.after_rows | {"dim"}

    dim: Annotated[int, Field(ge=1)] = 64

    def reduction(self, rows: Rows) -> PCA:
        return fitted_pca(rows, self.dim)

    def learned(self, data: Dataset) -> dict[str, Tensor]:
        return self.encode_and_learn(data)[1]

    def encode_and_learn(self, data: Dataset) -> tuple[Vectors, dict[str, Tensor]]:
        from tesserec.content.encoding import encode

        outcome = encode(data, self)
        assert isinstance(outcome.reduction, PCA)
        return outcome.vectors, outcome.reduction.tensors()

    def encode_more(self, data: Dataset, learned: Mapping[str, Tensor]) -> Vectors:
        from tesserec.content.encoding import encode

        return encode(data, self, reduction=PCA.of(learned, self.dim)).vectors
