"""Texts through a sentence encoder: one vector for the meaning of a text.

Sentence-BERT (Reimers and Gurevych, EMNLP 2019) and its kin, as sentence-transformers keeps them:
a folder with modules.json says how tokens are pooled and whether vectors have length one. A plain
encoder of transformers is pooled by the mean. Vectors are those of `SentenceTransformer.encode`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import Tensor

from tesserec.content.encoder import Modality, Piece
from tesserec.content.learned.model import LearnedEncoder, opened, package
from tesserec.content.learned.tokens import at_once, in_batches
from tesserec.core.errors import BadSpec

Count = Annotated[int, Field(ge=1)]


class SentenceEncoder(LearnedEncoder):
    """Vectors of texts, texts of like length being looked at together."""

    modality: ClassVar[Modality] = "text"

    prefix: str = ""  # before each text; "": what the model itself puts there, if anything
    longest: Count | None = None  # tokens; None: what the model can take
    batch: int = 512  # texts that are tokenised together
    tokens: Count | None = None  # that are looked at together, padding counted; None: by device

    window: ClassVar[int] = 4096
    after_rows: ClassVar[frozenset[str]] = LearnedEncoder.after_rows | {"tokens"}

    def decode(self, piece: Piece) -> Any:
        return piece

    def size(self, decoded: Any) -> int:
        return len(decoded)

    def loaded(self, folder: Path, device: str) -> Callable[[Sequence[Any]], Tensor]:
        model = self._model(folder, device)
        prompt = self.prefix or model.prompts.get(model.default_prompt_name)
        look = self._vectors(model) if not self.layers else self._layers(model)

        def read(texts: Sequence[Any]) -> Tensor:
            features = model.preprocess(list(texts), prompt=prompt)
            return in_batches(features, self.tokens or at_once(device), device, look)

        return read

    def _model(self, folder: Path, device: str) -> Any:
        kind = package("sentence_transformers", "text").SentenceTransformer
        options = {"use_safetensors": True, "dtype": self.dtype(device)}
        if (folder / "modules.json").is_file() and list(folder.glob("*_*/pytorch_model.bin")):
            raise BadSpec(
                f"{folder} holds weights as pickles, which are not opened.",
                "Save it anew with sentence-transformers, which writes safetensors.",
            )
        model = opened(kind, folder, device=device, model_kwargs=options)
        if self.longest is not None:
            model.max_seq_length = self.longest
        return model.eval()

    def _vectors(self, model: Any) -> Callable[[dict[str, Any]], Tensor]:
        def look(features: dict[str, Any]) -> Tensor:
            found: Tensor = model(features)["sentence_embedding"]
            return found[:, : model.truncate_dim]

        return look

    def _layers(self, model: Any) -> Callable[[dict[str, Any]], Tensor]:
        """Hidden states of the chosen layers, each pooled as the model pools the last."""
        model[0].auto_model.config.output_hidden_states = True
        pooling = next(module for module in model if type(module).__name__ == "Pooling")

        def look(features: dict[str, Any]) -> Tensor:
            seen = model[0](features)

            def pool(hidden: Tensor) -> Tensor:
                pooled: Tensor = pooling({**seen, "token_embeddings": hidden})["sentence_embedding"]
                return pooled

            return self.chosen(seen["all_layer_embeddings"], pool)

        return look
