"""Text without downloads: TF-IDF of words and letters, reduced by a truncated SVD.

Latent semantic analysis (Deerwester et al., JASIS 1990). An honest baseline: it knows which words
go together in these texts, and nothing about the world.
"""

from typing import Annotated

import numpy as np
import polars as pl
import torch
from pydantic import Field
from torch import Tensor

from tesserec.content.encoder import Encoder
from tesserec.core import Dataset
from tesserec.core.errors import NoContent

Count = Annotated[int, Field(ge=1)]


class TfidfSVD(Encoder):
    """Unit vectors of item texts; items without text get zeros."""

    columns: tuple[str, ...] = ("title",)  # joined by a space
    dim: Count = 64
    words: tuple[int, int] = (1, 2)  # lengths of word n-grams
    letters: tuple[int, int] | None = (3, 5)  # lengths of letter n-grams within words
    least: Count = 2  # texts that must hold a term
    seed: int = 0  # of the randomised SVD

    @property
    def name(self) -> str:
        return "text"

    def encode(self, data: Dataset) -> Tensor:
        # Imported here: scikit-learn takes a second that only this function needs.
        from sklearn.decomposition import TruncatedSVD
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import Normalizer

        texts = _texts(data.catalog.items.features, self.columns)
        learned = [text for text, events in zip(texts, data.popularity, strict=True) if events]
        terms = self._terms()
        try:
            counts = terms.fit_transform([text for text in learned if text])
        except ValueError:  # scikit-learn's word for an empty vocabulary
            raise NoContent(
                f"The texts in {', '.join(self.columns)} share no words.", "Lower `least`."
            ) from None
        dim = min(self.dim, counts.shape[1] - 1, counts.shape[0] - 1)
        if dim < 1:
            raise NoContent(f"The texts in {', '.join(self.columns)} hold too few words.")
        reduce = make_pipeline(TruncatedSVD(dim, random_state=self.seed), Normalizer(copy=False))
        reduce.fit(counts)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        vectors[:, :dim] = reduce.transform(terms.transform(texts))
        return torch.from_numpy(vectors)

    def _terms(self):  # type: ignore[no-untyped-def]
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        shared = {"min_df": self.least, "sublinear_tf": True, "dtype": np.float32}
        kinds = [TfidfVectorizer(ngram_range=self.words, **shared)]
        if self.letters is not None:
            kinds.append(TfidfVectorizer(analyzer="char_wb", ngram_range=self.letters, **shared))
        return make_union(*kinds)


def text_columns(features: pl.DataFrame) -> list[str]:
    """The columns a title-like text is looked for in, best first."""
    wanted = ("title", "name", "description", "text", "summary")
    return [name for name in wanted if features.schema.get(name) == pl.String]


def _texts(features: pl.DataFrame, columns: tuple[str, ...]) -> list[str]:
    missing = [name for name in columns if name not in features.columns]
    if missing:
        there = [n for n in features.columns if features.schema[n] == pl.String]
        raise NoContent(
            f"Items have no column {missing[0]!r}; text columns: {there or 'none'}.",
            "Name another with columns = [...].",
        )
    joined = pl.concat_str(
        [pl.col(n).cast(pl.String) for n in columns], separator=" ", ignore_nulls=True
    )
    return features.select(joined.str.strip_chars().fill_null(""))[:, 0].to_list()
