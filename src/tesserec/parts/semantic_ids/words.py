"""Words: items are called by the first words of their titles.

Textual identifiers, as Zhang et al., "Cold-Starts in Generative Recommendation", SIGIR 2026,
arXiv:2603.29845, compare them with learned codes; here a token is a whole word.
"""

from typing import Any, ClassVar

import polars as pl
import torch
from pydantic import Field
from torch import Tensor

from tesserec.content.pieces import texts
from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.parts.semantic_ids.digests import digests
from tesserec.parts.semantic_ids.quantizer import Codebook, Quantized, Quantizer

WORD = r"[\p{L}\p{N}]+"
NONE = 0xCBF29CE484222325 - 2**64  # what `digests` makes of a word of no letters


class Words(Quantizer):
    """Level after level a word of the title; 0 stands for none and for words that are rare.

    A word has the same number at all levels. Words are counted over the items that a codebook may
    be learned from, and those of new items that are not among them are rare.
    """

    tiny: ClassVar[dict[str, Any]] = {"levels": 2, "codes": 8}

    codes: int = Field(1024, ge=2)  # 0 and the words that are known
    columns: tuple[str, ...] = ()  # read one after the other; (): the first like a title

    def codebook(self, items: Entities) -> "Vocabulary":
        return Vocabulary(self.levels, self.columns, torch.zeros(self.codes - 1).long())

    def fit(self, data: Dataset, run: Run) -> Quantized:
        codebook = self.codebook(data.catalog.items)
        words = codebook.read(data.catalog.items)
        some = words[self.learned_from(data)]
        found, count = some[some != NONE].unique(return_counts=True)
        often = found[count.argsort(descending=True, stable=True)[: self.codes - 1]]
        # Free places hold what no word is read as.
        codebook.words.fill_(NONE)
        codebook.words[: len(often)] = often
        codebook.words.copy_(codebook.words.sort().values)
        codes = Codes(codebook.encode(words), (self.codes,) * self.levels)
        return Quantized(codebook, words, codes)

    def present(self, items: Entities) -> Tensor:
        return (self.codebook(items).read(items) != NONE).any(1)


class Vocabulary(Codebook):
    """The words that are known. What is read of an item is a number for each of its first words."""

    words: Tensor

    def __init__(self, levels: int, columns: tuple[str, ...], words: Tensor) -> None:
        super().__init__()
        self.levels, self.columns = levels, columns
        self.register_buffer("words", words)  # [K - 1] ascending

    def read(self, items: Entities) -> Tensor:
        """64 bits of each word, `NONE` where the title is over: [n, L] int64

        Raises `NoContent` where items have no such text.
        """
        titles = pl.Series(texts(items.features, self.columns), dtype=pl.String)
        words = titles.str.to_lowercase().str.extract_all(WORD)
        places = (words.list.get(n, null_on_oob=True).fill_null("") for n in range(self.levels))
        return torch.stack([digests(place) for place in places], 1)

    def encode(self, vectors: Tensor) -> Tensor:
        place = torch.searchsorted(self.words, vectors).clamp(max=len(self.words) - 1)
        known = (self.words[place] == vectors) & (vectors != NONE)
        return torch.where(known, place + 1, 0)
