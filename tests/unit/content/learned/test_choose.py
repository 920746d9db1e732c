"""Models find their encoder by their config, on the command line, too."""

import pytest

from tesserec.cli.choices import encoder_of
from tesserec.content import TfidfSVD
from tesserec.content.learned.audio import AudioEncoder
from tesserec.content.learned.choose import learned_encoder
from tesserec.content.learned.clip import ClipImageEncoder, ClipTextEncoder
from tesserec.content.learned.frames import FrameEncoder
from tesserec.content.learned.language import LanguageModelEncoder
from tesserec.content.learned.sentence import SentenceEncoder
from tesserec.content.learned.vision import VisionEncoder
from tesserec.core.errors import BadSpec
from toys.pretrained import (
    ast,
    bert,
    clap,
    clip,
    dinov2,
    gpt2,
    llama,
    resnet,
    siglip,
    vit,
    wav2vec2,
)

pytest.importorskip("transformers")
MODELS = (ast, bert, clap, clip, dinov2, gpt2, llama, resnet, siglip, vit, wav2vec2)
TOWERS = {"text": ClipTextEncoder, "image": ClipImageEncoder, "video": FrameEncoder}
EYES = {"image": VisionEncoder, "video": FrameEncoder}
EARS = {"audio": AudioEncoder}
EXPECTED = {
    ast: EARS,
    bert: {"text": SentenceEncoder},
    clap: EARS,
    clip: TOWERS,
    dinov2: EYES,
    gpt2: {"text": LanguageModelEncoder},
    llama: {"text": LanguageModelEncoder},
    resnet: EYES,
    siglip: TOWERS,
    vit: EYES,
    wav2vec2: EARS,
}


@pytest.fixture(scope="module", params=MODELS, ids=lambda kind: kind.__name__)
def model(request, tmp_path_factory):
    return request.param, str(request.param(tmp_path_factory.mktemp("model")))


@pytest.mark.parametrize("modality", ["text", "image", "audio", "video"])
def test_a_model_is_read_by_what_it_was_made_for(model, modality):
    kind, folder = model
    if modality not in EXPECTED[kind]:
        with pytest.raises(BadSpec, match=f"which reads no {modality}"):
            learned_encoder(modality, folder)
        return
    found = learned_encoder(modality, folder)
    assert type(found) is EXPECTED[kind][modality]
    assert found.modality == modality
    assert found.model == folder


def test_a_folder_of_sentence_transformers_is_a_sentence_encoder_whatever_is_inside(tmp_path):
    folder = llama(tmp_path)
    (folder / "modules.json").write_text("[]")
    assert isinstance(learned_encoder("text", str(folder)), SentenceEncoder)


def test_a_config_that_says_nothing_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadSpec, match="model of no known type, which reads no text"):
        learned_encoder("text", str(tmp_path))


# On the command line


def test_a_folder_is_named_in_place_of_an_encoder(tmp_path):
    folder = str(bert(tmp_path / "model"))
    found = encoder_of("text", folder, "title, brand", ["prefix=item: ", "longest=40"])
    expected = SentenceEncoder(model=folder, columns=("title", "brand"), prefix="item:", longest=40)
    assert found == expected


def test_a_learned_encoder_is_named_with_its_model(tmp_path):
    folder = str(bert(tmp_path / "model"))
    found = encoder_of("text", "sentenceencoder", None, [f"model={folder}"])
    assert found == SentenceEncoder(model=folder)
    with pytest.raises(BadSpec, match="needs a value for 'model'"):
        encoder_of("text", "SentenceEncoder", None, None)


def test_a_name_with_a_slash_is_looked_for_on_the_hub(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    folder = vit(tmp_path / "model")
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **options: str(folder))
    assert encoder_of("image", "owner/name", None, None) == VisionEncoder(model="owner/name")


def test_other_names_are_encoders_as_before():
    assert encoder_of("text", None, "title", ["dim=7"]) == TfidfSVD(columns=("title",), dim=7)
    with pytest.raises(BadSpec, match="no encoder 'tfidf'; did you mean 'TfidfSVD'"):
        encoder_of("text", "tfidf", None, None)
    with pytest.raises(BadSpec, match="TfidfSVD reads text, no image"):
        encoder_of("image", "TfidfSVD", None, None)
