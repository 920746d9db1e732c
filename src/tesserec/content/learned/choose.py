"""Which encoder reads a model: told from its config."""

from collections.abc import Mapping
from typing import Any

from tesserec.content.encoder import Encoder, Modality
from tesserec.content.learned.audio import AudioEncoder
from tesserec.content.learned.clip import ClipImageEncoder, ClipTextEncoder
from tesserec.content.learned.frames import FrameEncoder
from tesserec.content.learned.language import LanguageModelEncoder
from tesserec.content.learned.model import LearnedEncoder, folder_of, settings
from tesserec.content.learned.sentence import SentenceEncoder
from tesserec.content.learned.vision import VisionEncoder
from tesserec.core.errors import BadSpec

TWO_TOWERS = ("clip", "siglip")
VISION = (
    *("vit", "deit", "beit", "data2vec-vision", "dinov2", "dinov2_with_registers", "dinov3_vit"),
    *("ijepa", "swin", "swinv2", "convnext", "convnextv2", "dinov3_convnext", "resnet"),
)
SOUND = (
    *("clap", "wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat"),
    *("sew", "sew-d", "audio-spectrogram-transformer"),
)
TAKES = {
    "text": "a sentence encoder, a language model, or CLIP or SigLIP",
    "image": "CLIP, SigLIP, or a network of pictures such as ViT or DINOv2",
    "audio": "CLAP, or a network of sounds such as wav2vec 2.0, HuBERT or AST",
    "video": "CLIP, SigLIP, or a network of pictures such as ViT or DINOv2",
}


def learned_encoder(modality: Modality, model: str) -> Encoder:
    """The encoder of this modality that reads a model, a folder or a name on the hub.

    Raises `BadSpec` when the model reads something else.
    """
    folder = folder_of(model, ("config.json", "modules.json"))
    if modality == "text" and (folder / "modules.json").is_file():
        return SentenceEncoder(model=model)
    found = settings(folder)
    kind = _kinds(found).get(modality)
    if kind is None:
        raise BadSpec(
            f"{model} is a {found.get('model_type') or 'model of no known type'}, which reads no "
            f"{modality}.",
            f"For {modality}, name {TAKES[modality]}.",
        )
    return kind(model=model)


def _kinds(config: Mapping[str, Any]) -> dict[str, type[LearnedEncoder]]:
    """What reads a model, by modality."""
    model_type, architectures = config.get("model_type"), config.get("architectures") or []
    if model_type in TWO_TOWERS:
        return {"text": ClipTextEncoder, "image": ClipImageEncoder, "video": FrameEncoder}
    if model_type in VISION:
        return {"image": VisionEncoder, "video": FrameEncoder}
    if model_type in SOUND:
        return {"audio": AudioEncoder}
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        return {"text": LanguageModelEncoder}
    return {"text": SentenceEncoder} if "vocab_size" in config else {}
