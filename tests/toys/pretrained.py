"""Tiny networks with random weights, saved as real ones are: config, safetensors, preparation."""

import json
from pathlib import Path
from typing import Any

import torch

WORDS = [
    *("red", "blue", "green", "wool", "cotton", "shirt", "hat", "scarf", "lamp", "desk"),
    *("for", "of", "a", "the", "and", "very", "warm"),
]
TINY = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def texts(count: int, longest: int = 30, seed: int = 0) -> list[str]:
    """Different texts of known words, of many lengths."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (count,), generator=draw).tolist()
    return [
        " ".join(WORDS[n] for n in torch.randint(len(WORDS), (length,), generator=draw).tolist())
        for length in lengths
    ]


def saved(network: Any, folder: Path, *beside: Any) -> Path:
    """The folder with a network and what prepares its input."""
    network.save_pretrained(folder)
    for one in beside:
        one.save_pretrained(folder)
    return folder


def bert(folder: Path, **config: Any) -> Path:
    """A plain encoder of texts."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    settings = BertConfig(vocab_size=len(WORDS) + 4, max_position_embeddings=64, **TINY, **config)
    return saved(BertModel(settings), folder, tokens("[CLS]", "[SEP]"))


def llama(folder: Path) -> Path:
    """A language model; its tokenizer pads on the left."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    settings = LlamaConfig(vocab_size=len(WORDS) + 4, max_position_embeddings=64, **TINY)
    return saved(LlamaForCausalLM(settings), folder, tokens("[CLS]", "", padding_side="left"))


def gpt2(folder: Path) -> Path:
    """A language model with learned positions; its tokenizer has no token for padding."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    shape = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    network = GPT2LMHeadModel(GPT2Config(vocab_size=len(WORDS) + 4, **shape))
    return saved(network, folder, tokens("", "", pad_token=None, eos_token="[SEP]"))


def clip(folder: Path) -> Path:
    """Two towers, with their tokenizer and image processor."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    text = {"vocab_size": len(WORDS) + 4, "max_position_embeddings": 20, "eos_token_id": 3}
    shape = CLIPConfig(
        text_config={**TINY, **text, "pad_token_id": 1, "bos_token_id": 2},
        vision_config={**TINY, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    prepares(folder, "CLIPImageProcessor", size={"shortest_edge": 32}, crop_size=32)
    return saved(CLIPModel(shape), folder, tokens("[CLS]", "[SEP]", pad_token="[SEP]"))


def siglip(folder: Path) -> Path:
    """Two towers whose texts are all padded to one length."""
    from transformers import SiglipConfig, SiglipModel

    torch.manual_seed(0)
    text = {"vocab_size": len(WORDS) + 4, "max_position_embeddings": 20}
    shape = SiglipConfig(
        text_config={**TINY, **text},
        vision_config={**TINY, "image_size": 32, "patch_size": 8},
    )
    prepares(folder, "SiglipImageProcessor", size={"height": 32, "width": 32})
    return saved(SiglipModel(shape), folder, tokens("", "[SEP]"))


def vit(folder: Path) -> Path:
    """A network of pictures with a class token."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    prepares(folder, "ViTImageProcessor", size={"height": 32, "width": 32})
    return saved(ViTModel(ViTConfig(image_size=32, patch_size=8, **TINY)), folder)


def dinov2(folder: Path) -> Path:
    """A network of pictures with a class token and two registers; it cuts pictures square."""
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    torch.manual_seed(0)
    shape = {name: value for name, value in TINY.items() if name != "intermediate_size"}
    settings = Dinov2WithRegistersConfig(
        image_size=28, patch_size=7, num_register_tokens=2, **shape
    )
    prepares(folder, "BitImageProcessor", size={"shortest_edge": 32}, crop_size=28)
    return saved(Dinov2WithRegistersModel(settings), folder)


def resnet(folder: Path) -> Path:
    """A network of pictures without any token."""
    from transformers import ResNetConfig, ResNetModel

    torch.manual_seed(0)
    shape = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    prepares(folder, "ConvNextImageProcessor", size={"shortest_edge": 32}, crop_pct=0.875)
    return saved(ResNetModel(shape), folder)


def clap(folder: Path, fusion: bool = False) -> Path:
    """A network of sounds beside one of texts."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    torch.manual_seed(0)
    audio = {
        "spec_size": 64,
        "num_mel_bins": 16,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "window_size": 4,
        "depths": [1, 1],
        "num_attention_heads": [1, 2],
        "hidden_size": 32,
        "patch_embeds_hidden_size": 16,
        "num_hidden_layers": 2,
        "enable_fusion": fusion,
    }
    text = {**TINY, "vocab_size": 20, "max_position_embeddings": 20, "projection_dim": 12}
    shape = ClapConfig(
        text_config=text, audio_config={**audio, "projection_dim": 12}, projection_dim=12
    )
    prepare = ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=8000,
        max_length_s=2,
        fft_window_size=256,
        hop_length=80,
        frequency_max=4000,
        truncation="fusion" if fusion else "rand_trunc",
        padding="repeatpad",
    )
    return saved(ClapModel(shape), folder, prepare)


def wav2vec2(folder: Path, norm: str = "group") -> Path:
    """A network of waveforms."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    shape = Wav2Vec2Config(
        conv_dim=(8, 8),
        conv_kernel=(10, 8),
        conv_stride=(5, 4),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm=norm,
        vocab_size=8,
        **TINY,
    )
    prepare = Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=True)
    return saved(Wav2Vec2Model(shape), folder, prepare)


def ast(folder: Path) -> Path:
    """A transformer over spectrograms."""
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    torch.manual_seed(0)
    shape = ASTConfig(
        max_length=64,
        num_mel_bins=16,
        patch_size=8,
        frequency_stride=8,
        time_stride=8,
        **TINY,
    )
    prepare = ASTFeatureExtractor(sampling_rate=8000, max_length=64, num_mel_bins=16)
    return saved(ASTModel(shape), folder, prepare)


def prepares(folder: Path, kind: str, **settings: Any) -> None:
    """How pictures are prepared, in the words of models on the hub."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(crop := settings.get("crop_size"), int):
        settings |= {"do_center_crop": True, "crop_size": {"height": crop, "width": crop}}
    scale = {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28], "resample": 3}
    table = {"image_processor_type": kind, "do_resize": True, **scale, **settings}
    (folder / "preprocessor_config.json").write_text(json.dumps(table))


def tokens(before: str, after: str, **options: Any) -> Any:
    """A tokenizer of whole words, with something before and after each text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    rules = Tokenizer(
        models.WordLevel({w: n for n, w in enumerate([*special, *WORDS])}, unk_token="[UNK]")
    )
    rules.normalizer = normalizers.Lowercase()
    rules.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [(name, special.index(name)) for name in (before, after) if name]
    if around:
        single = " ".join(part for part in (before, "$A", after) if part)
        rules.post_processor = processors.TemplateProcessing(single=single, special_tokens=around)
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", **options}
    return PreTrainedTokenizerFast(tokenizer_object=rules, model_max_length=64, **named)
