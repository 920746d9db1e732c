"""Texts and pictures in one space: CLIP (Radford et al., ICML 2021) and SigLIP (Zhai et al., 2023).

A text lies near the pictures it describes. Vectors are the projected ones, of length one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tesserec.content.encoder import Modality, Piece
from tesserec.content.learned.model import LearnedEncoder, opened, package, unit
from tesserec.content.learned.pixels import PictureEncoder
from tesserec.content.learned.tokens import at_once, in_batches
from tesserec.core.errors import BadSpec


class ClipTextEncoder(LearnedEncoder):
    """Texts, beside the pictures of `ClipImageEncoder`; what is too long is cut."""

    modality: ClassVar[Modality] = "text"

    batch: int = 512  # texts that are tokenised together

    window: ClassVar[int] = 4096

    def decode(self, piece: Piece) -> Any:
        return piece

    def size(self, decoded: Any) -> int:
        return len(decoded)

    def loaded(self, folder: Path, device: str) -> Callable[[Sequence[Any]], Tensor]:
        network = two_towers(self.network(folder, device), self.model)
        tokenizer = opened(package("transformers", "text").AutoTokenizer, folder)
        tokenizer.padding_side = "right"
        # SigLIP has learned from texts padded to one length, with the padding in sight.
        padded = network.config.model_type == "siglip"

        def look(features: dict[str, Any]) -> Tensor:
            given = {"input_ids": features["input_ids"]}
            last = features["attention_mask"].sum(1) - 1
            if not padded:
                given["attention_mask"] = features["attention_mask"]
            if not self.layers:
                return unit(network.get_text_features(**given).pooler_output)
            seen = network.text_model(**given, output_hidden_states=True)
            rows = torch.arange(len(last), device=last.device)
            return self.chosen(seen.hidden_states, lambda hidden: hidden[rows, last])

        def read(texts: Sequence[Any]) -> Tensor:
            features = tokenizer(
                list(texts),
                padding="max_length" if padded else True,
                truncation=True,
                max_length=network.config.text_config.max_position_embeddings,
                return_tensors="pt",
                return_attention_mask=True,
            )
            if padded:
                features["attention_mask"] = torch.ones_like(features["input_ids"])
            return in_batches(features, at_once(device), device, look)

        return read


class ClipImageEncoder(PictureEncoder):
    """Pictures, beside the texts of `ClipTextEncoder`."""

    def looking(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        towers = two_towers(network, self.model)
        has_class = hasattr(towers.vision_model.embeddings, "class_embedding")

        def look(pixels: Tensor) -> Tensor:
            if not self.layers:
                return unit(towers.get_image_features(pixel_values=pixels).pooler_output)
            seen = towers.vision_model(pixel_values=pixels, output_hidden_states=True)
            return self.chosen(seen.hidden_states, lambda h: h[:, 0] if has_class else h.mean(1))

        return look


def two_towers(network: Any, model: str) -> Any:
    """The network. Raises `BadSpec` when it does not read both texts and pictures."""
    if not hasattr(network, "get_text_features") or not hasattr(network, "get_image_features"):
        raise BadSpec(
            f"{model} is a {network.config.model_type}, which does not put texts and pictures in "
            "one space.",
            "CLIP and SigLIP do.",
        )
    return network
