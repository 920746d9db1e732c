"""Text without downloads: TF-IDF of words and letters, reduced by a truncated SVD.

Latent semantic analysis (Deerwester et al., JASIS 1990). An honest baseline: it knows which words
go together in these texts, and nothing about the world.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from tesserec.content.encoder import Encoder, Vectors, learned_from
from tesserec.content.pieces import texts
from tesserec.core import Dataset
from tesserec.core.errors import NoContent

Count = Annotated[int, Field(ge=1)]
ROUNDING = 1e-6  # lengths below which a text, of length one, has left nothing in its components
BLOCK = 20_000  # texts whose terms are counted together


class TfidfSVD(Encoder):
    """Unit vectors of item texts; items without text get zeros."""

    modality: ClassVar = "text"

    columns: tuple[str, ...] = ()  # joined by a space; (): the first that is called like a title
    dim: Count = 64
    words: tuple[int, int] = (1, 2)  # lengths of word n-grams
    letters: tuple[int, int] | None = (3, 5)  # lengths of letter n-grams within words
    least: Count = 2  # texts that must hold a term
    seed: int = 0  # of the randomised SVD

    def encode(self, data: Dataset) -> Vectors:
        return self.encode_more(data, self.learned(data))

    def learned(self, data: Dataset) -> dict[str, Tensor]:
        # Imported here: scikit-learn takes a second that only this function needs.
        from sklearn.decomposition import TruncatedSVD

        found = texts(data.catalog.items.features, self.columns)
        columns = ", ".join(self.columns) or "the items"
        known = [text for text, there in zip(found, learned_from(data), strict=True) if there]
        terms = self._terms()
        try:
            counts = terms.fit_transform([text for text in known if text])
        except ValueError:  # scikit-learn's word for an empty vocabulary
            raise NoContent(f"The texts of {columns} share no words.", "Lower `least`.") from None
        dim = min(self.dim, counts.shape[1] - 1, counts.shape[0] - 1)
        if dim < 1:
            raise NoContent(f"The texts of {columns} hold too few words.")
        reduce = TruncatedSVD(dim, random_state=self.seed).fit(counts)
        learned = {"components": torch.from_numpy(reduce.components_.astype(np.float32))}
        for number, (_, kind) in enumerate(terms.transformer_list):
            text = "\n".join(kind.get_feature_names_out())  # no term holds a line's end
            letters = np.frombuffer(text.encode(), np.uint8).copy()
            learned[f"terms.{number}"] = torch.from_numpy(letters)
            learned[f"idf.{number}"] = torch.from_numpy(kind.idf_.astype(np.float32))
        return learned

    def encode_more(self, data: Dataset, learned: Mapping[str, Tensor]) -> Vectors:
        found = texts(data.catalog.items.features, self.columns)
        terms, components = self._terms(), learned["components"].float().numpy()
        for number, (_, kind) in enumerate(terms.transformer_list):
            words = bytes(learned[f"terms.{number}"].numpy()).decode().split("\n")
            kind.vocabulary = {word: place for place, word in enumerate(words)}
            kind.idf_ = learned[f"idf.{number}"].numpy()
        vectors = np.zeros((len(found), self.dim), np.float32)
        for first in range(0, len(found), BLOCK):
            block = slice(first, first + BLOCK)
            vectors[block, : len(components)] = _unit(terms.transform(found[block]) @ components.T)
        mask = torch.tensor([bool(text) for text in found], dtype=torch.bool)
        return Vectors(torch.from_numpy(vectors), mask)

    def _terms(self):  # type: ignore[no-untyped-def]
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        shared = {"min_df": self.least, "sublinear_tf": True, "dtype": np.float32}
        kinds = [TfidfVectorizer(ngram_range=self.words, **shared)]
        if self.letters is not None:
            kinds.append(TfidfVectorizer(analyzer="char_wb", ngram_range=self.letters, **shared))
        return make_union(*kinds)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of length one; what all components but for rounding miss is nothing."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > ROUNDING, rows / np.maximum(lengths, ROUNDING), 0)
