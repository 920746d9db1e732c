"""Texts through a language model: what it makes of a text when it has read all of it.

The hidden state of the last token, which alone has seen every other, as in AlphaRec (Sheng et al.,
ICLR 2025) and E5-Mistral (Wang et al., ACL 2024); an instruction may stand before the text.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from tesserec.content.encoder import Modality, Piece
from tesserec.content.learned.model import LearnedEncoder, opened, package, unit
from tesserec.content.learned.tokens import at_once, in_batches

Count = Annotated[int, Field(ge=1)]


class LanguageModelEncoder(LearnedEncoder):
    """The last hidden state of the last token of each text."""

    modality: ClassVar[Modality] = "text"

    prefix: str = ""  # an instruction before each text
    longest: Count | None = None  # tokens, the instruction's counted; None: what the model takes
    unit_length: bool = False  # vectors of length one
    batch: int = 256  # texts that are tokenised together
    tokens: Count | None = None  # that are looked at together, padding counted; None: by device

    window: ClassVar[int] = 4096
    after_rows: ClassVar[frozenset[str]] = LearnedEncoder.after_rows | {"tokens"}

    def decode(self, piece: Piece) -> Any:
        return f"{self.prefix}{piece!s}"

    def size(self, decoded: Any) -> int:
        return len(decoded)

    def loaded(self, folder: Path, device: str) -> Callable[[Sequence[Any]], Tensor]:
        network = self.network(folder, device)
        tokenizer = _tokenizer(folder)
        longest = self.longest or min(
            tokenizer.model_max_length,
            getattr(network.config, "max_position_embeddings", tokenizer.model_max_length),
        )

        def look(features: dict[str, Any]) -> Tensor:
            mask = features["attention_mask"]
            seen = network(
                input_ids=features["input_ids"],
                attention_mask=mask,
                use_cache=False,
                output_hidden_states=bool(self.layers),
            )
            rows, last = torch.arange(len(mask), device=mask.device), mask.sum(1) - 1
            if self.layers:
                return self.chosen(seen.hidden_states, lambda hidden: hidden[rows, last])
            found: Tensor = seen.last_hidden_state[rows, last]  # [n, T, D] -> [n, D]
            return unit(found) if self.unit_length else found

        def read(texts: Sequence[Any]) -> Tensor:
            features = tokenizer(
                list(texts),
                padding=True,
                truncation=True,
                max_length=longest,
                return_tensors="pt",
                return_attention_mask=True,
            )
            return in_batches(features, self.tokens or at_once(device), device, look)

        return read


def _tokenizer(folder: Path) -> Any:
    """The model's tokenizer, padding on the right, where nothing before it can see it."""
    tokenizer = opened(package("transformers", "text").AutoTokenizer, folder)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:  # whatever stands there is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer
