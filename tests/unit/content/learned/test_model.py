"""Folders, names on the hub, digests: what learned encoders share."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tesserec.content.encoding import Options, encode
from tesserec.content.learned.hidden import hidden_states
from tesserec.content.learned.language import LanguageModelEncoder
from tesserec.content.learned.model import digest
from tesserec.content.learned.sentence import SentenceEncoder
from tesserec.core.errors import BadSpec, MissingExtra
from tesserec.data.build import from_tables
from toys.pretrained import bert, llama, texts

transformers = pytest.importorskip("transformers")
hub = pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return bert(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Nothing of the hub, neither far nor near."""
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def titled(titles: list[str]):
    items = pl.DataFrame({"id": range(len(titles)), "title": titles})
    return from_tables(pl.DataFrame({"user": [0], "item": [0]}), items)


@pytest.mark.parametrize("name", ["nobody/nothing", "no/such/folder", "nothing at all"])
def test_a_model_that_is_neither_here_nor_on_the_hub_is_refused(offline, name):
    with pytest.raises(BadSpec, match="no folder") as told:
        SentenceEncoder(model=name).reader("cpu")
    assert "Download it to a folder" in told.value.cure


def test_a_name_on_the_hub_is_fetched_and_weighs_its_commit(monkeypatch, folder, tmp_path):
    snapshot = tmp_path / "snapshots" / "4f2c"
    shutil.copytree(folder, snapshot)
    asked = []

    def fetch(name, **options):
        asked.append((name, options["allow_patterns"]))
        return str(snapshot)

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    encoder = SentenceEncoder(model="owner/name")
    assert encoder.weights() == "owner/name@4f2c"
    found = encode(titled(["red hat"]), encoder).vectors.table
    here = encode(titled(["red hat"]), SentenceEncoder(model=str(folder))).vectors.table
    assert found.equal(here)
    assert {name for name, _ in asked} == {"owner/name"}
    assert not any("bin" in pattern or "py" in pattern for _, some in asked for pattern in some)


def test_weights_are_told_by_content_and_not_by_name_or_time(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    os.utime(other / "model.safetensors", (0, 0))
    (other / "README.md").write_text("about")
    assert digest(str(other)) == digest(str(folder))
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        changed = tmp_path / f"changed {name}"
        shutil.copytree(folder, changed)
        content = bytearray((changed / name).read_bytes())
        content[-1] ^= 1
        (changed / name).write_bytes(content)
        assert digest(str(changed)) != digest(str(folder))


def test_rows_are_kept_for_as_long_as_the_model_is_the_same(folder, tmp_path):
    model, data = tmp_path / "model", titled(texts(9))
    shutil.copytree(folder, model)
    options = Options(cache=tmp_path / "cache")
    encoder = SentenceEncoder(model=str(model))
    assert encode(data, encoder, options).looked_at == 9
    assert encode(data, encoder.changed({"batch": 3, "tokens": 50}), options).looked_at == 0
    settings = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**settings, "hidden_act": "relu"}))
    assert encode(data, encoder, options).looked_at == 9


@pytest.mark.parametrize("kind", [SentenceEncoder, LanguageModelEncoder])
def test_weights_in_pickles_are_not_opened(folder, tmp_path, kind):
    model = tmp_path / "model"
    shutil.copytree(folder, model)
    network = transformers.AutoModel.from_pretrained(model)
    (model / "model.safetensors").unlink()
    torch.save(network.state_dict(), model / "pytorch_model.bin")
    with pytest.raises(BadSpec, match="cannot read"):
        kind(model=str(model)).reader("cpu")


def test_code_that_comes_with_a_model_is_not_run(folder, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(folder, model)
    trap = tmp_path / "ran"
    (model / "own.py").write_text(f"open({str(trap)!r}, 'w')\nclass Own: ...\n")
    settings = json.loads((model / "config.json").read_text())
    names = {"AutoConfig": "own.Own", "AutoModel": "own.Own"}
    settings |= {"auto_map": names, "model_type": "own"}
    (model / "config.json").write_text(json.dumps(settings))
    with pytest.raises(BadSpec, match="cannot read"):
        LanguageModelEncoder(model=str(model)).reader("cpu")
    assert not trap.exists()


def test_a_folder_without_a_config_is_no_model(tmp_path):
    with pytest.raises(BadSpec, match=r"no config\.json"):
        SentenceEncoder(model=str(tmp_path)).reader("cpu")


def test_without_transformers_the_extra_is_named(folder, monkeypatch):
    for name in ("sentence_transformers", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    for kind in (SentenceEncoder, LanguageModelEncoder):
        with pytest.raises(MissingExtra, match=r"tesserec\[text\]"):
            kind(model=str(folder)).reader("cpu")


def test_vectors_that_are_no_numbers_are_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    model = tmp_path / "model"
    shutil.copytree(folder, model)
    weights = load_file(model / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][0] = float("inf")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadSpec, match="no numbers"):
        SentenceEncoder(model=str(model)).reader("cpu")(["red hat"])


@pytest.mark.parametrize("kind", [SentenceEncoder, LanguageModelEncoder])
def test_damaged_weights_are_told(folder, tmp_path, kind):
    model = tmp_path / "model"
    shutil.copytree(folder, model)
    (model / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(BadSpec, match="cannot read"):
        kind(model=str(model)).reader("cpu")


def test_a_network_whose_weights_are_not_all_there_is_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    model = tmp_path / "model"
    shutil.copytree(folder, model)
    weights = load_file(model / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadSpec, match=r"layer\.1\.output\.dense\.weight"):
        LanguageModelEncoder(model=str(model)).reader("cpu")


# Hidden states


@pytest.mark.parametrize("kind", [SentenceEncoder, LanguageModelEncoder])
def test_hidden_states_lie_layer_by_layer_in_a_file(folder, tmp_path, kind):
    model = folder if kind is SentenceEncoder else llama(tmp_path / "llama")
    data, encoder = titled([*texts(5), ""]), kind(model=str(model))
    path = tmp_path / "states.npy"
    found = hidden_states(data, encoder, (0, 2, 1), path)
    assert isinstance(found.table, np.memmap)
    assert found.table.shape == (6, 3, 16)
    assert found.mask.tolist() == [True] * 5 + [False]
    for place, layer in enumerate((0, 2, 1)):
        alone = encode(data, encoder.changed({"layers": (layer,)})).vectors.table
        np.testing.assert_allclose(found.table[:, place], alone, atol=1e-6)
    assert not found.table[5].any()
    last = encode(data, encoder).vectors.table
    np.testing.assert_allclose(found.table[:, 1], last, atol=1e-5)
    assert np.array_equal(np.load(path), found.table)


def test_hidden_states_come_from_the_cache_the_second_time(folder, tmp_path, monkeypatch):
    data, encoder = titled(texts(5)), SentenceEncoder(model=str(folder))
    options = Options(cache=tmp_path / "cache")
    first = hidden_states(data, encoder, (1, 2), tmp_path / "one.npy", options)
    monkeypatch.setattr(SentenceEncoder, "loaded", None)  # nobody looks again
    second = hidden_states(data, encoder, (1, 2), tmp_path / "two.npy", options)
    assert np.array_equal(first.table, second.table)


def test_hidden_states_of_no_layer_are_refused(folder, tmp_path):
    with pytest.raises(BadSpec, match="No layers"):
        hidden_states(titled(["hat"]), SentenceEncoder(model=str(folder)), (), tmp_path / "x.npy")
