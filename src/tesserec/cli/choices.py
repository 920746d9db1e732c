"""Words of the command line as the specs they stand for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tesserec.content.encoder import Encoder, Modality
from tesserec.content.learned.choose import learned_encoder
from tesserec.core import Method
from tesserec.core.errors import BadSpec
from tesserec.core.registry import every, find
from tesserec.core.spec import nearest
from tesserec.data.splits import (
    ByItem,
    BySession,
    ByTime,
    ByUser,
    ColdStart,
    LeaveLast,
    Published,
    Splitter,
)
from tesserec.experiment.study import overrides
from tesserec.parts.semantic_ids import Quantizer

SPLITS: dict[str, type[Splitter]] = {
    "time": ByTime,
    "last": LeaveLast,
    "users": ByUser,
    "items": ByItem,
    "sessions": BySession,
    "published": Published,
    "cold": ColdStart,
}

# What reads each modality where nobody says: encoders that need no download.
ENCODERS = {
    "text": "TfidfSVD",
    "image": "ImageStatistics",
    "audio": "AudioStatistics",
    "video": "VideoStatistics",
}


def splitter_of(
    word: str | None,
    requests: str | None = None,
    seen: str | None = None,
    shortest: int | None = None,
) -> Splitter | None:
    """The split a word stands for; None where nobody said. Raises `BadSpec` for another word."""
    said = {"requests": requests, "seen": seen, "shortest": shortest}
    protocol = {name: value for name, value in said.items() if value is not None}
    if word is None:
        if protocol:
            raise BadSpec(f"--{next(iter(protocol))} goes with --split.", f"Add --split {_WORDS}.")
        return None
    if word not in SPLITS:
        raise BadSpec(f"There is no split {word!r}{nearest(word, SPLITS)}.")
    return SPLITS[word]().changed(protocol)


def method_of(name: str, settings: Sequence[str] | None) -> Method:
    """A method by name, in any case, with `--set` applied."""
    method: Method = find(name, Method)()
    return method.changed(overrides(settings or []))


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def encoder_of(
    modality: Modality, name: str | None, columns: str | None, settings: Sequence[str] | None
) -> Encoder:
    """An encoder by its class name in any case, or by the model it reads; `--set` applied.

    Raises `BadSpec` for an encoder of another modality, or one there is not.
    """
    changes = overrides(settings or [])
    if columns is not None:
        changes = {"columns": names_in(columns), **changes}
    kinds = {kind.__name__.lower(): kind for kind in every(Encoder)}
    fitting = [kind.__name__ for kind in kinds.values() if kind.modality == modality]
    name = name or ENCODERS[modality]
    if name.lower() not in kinds and ("/" in name or Path(name).is_dir()):
        return learned_encoder(modality, name).changed(changes)
    if name.lower() not in kinds:
        raise BadSpec(
            f"There is no encoder {name!r}{nearest(name, fitting)}.",
            "A model is a folder, or OWNER/NAME on the hub.",
        )
    kind = kinds[name.lower()]
    if kind.modality != modality:
        raise BadSpec(f"{kind.__name__} reads {kind.modality}, no {modality}.", f"{fitting} do.")
    chosen: Encoder = kind.from_dict(changes)
    return chosen


def quantizer_of(
    name: str | None, fields: Mapping[str, object], settings: Sequence[str] | None
) -> Quantizer:
    """A quantizer by name, in any case, with the fields that were given and `--set` applied."""
    kind = find(name or "RQKMeans", Quantizer)
    given = {field: value for field, value in fields.items() if value is not None}
    chosen: Quantizer = kind.from_dict({**given, **overrides(settings or [])})
    return chosen


_WORDS = "|".join(SPLITS)
