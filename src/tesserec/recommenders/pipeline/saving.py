"""A pipeline is written as its own settings, with each part in a folder beside them.

pipeline.json         the kind of pipeline, its settings, its parts
<part>/               the artifact of each part, which may be a pipeline
vectors.safetensors   tensors among the settings, if any
"""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from tesserec.core import Answering, Spec
from tesserec.core.errors import BadData
from tesserec.core.files import read_json, write_json
from tesserec.recommenders.pipeline.cascade import Cascade
from tesserec.recommenders.pipeline.fallback import Fallback
from tesserec.recommenders.pipeline.filtered import Filtered
from tesserec.recommenders.pipeline.mixture import Mixture
from tesserec.recommenders.pipeline.reranked import Reranked
from tesserec.recommenders.pipeline.stage import Pipeline, is_part

PIPELINE = "pipeline.json"
VERSION = 1
TENSORS = "vectors.safetensors"

KINDS: dict[str, type[Pipeline]] = {
    kind.__name__: kind for kind in (Cascade, Fallback, Filtered, Mixture, Reranked)
}


def write_pipeline(
    pipeline: Pipeline, folder: Path, write: Callable[[Answering, Path], Any]
) -> None:
    """Into an empty folder; `write` writes a part into a folder of its own."""
    settings: dict[str, Any] = {}
    parts: dict[str, int | None] = {}  # how many, where there may be several
    tensors: dict[str, Tensor] = {}
    for one in fields(pipeline):
        value = getattr(pipeline, one.name)
        if is_part(value):
            parts[one.name] = None
        elif isinstance(value, tuple) and value and is_part(value[0]):
            parts[one.name] = len(value)
        elif isinstance(value, Tensor):
            tensors[one.name] = value.detach().cpu().contiguous()
        elif one.name != "method":
            settings[one.name] = _plain(value)
    described = {"version": VERSION, "kind": type(pipeline).__name__, "settings": settings}
    write_json(folder / PIPELINE, {**described, "parts": parts, "tensors": list(tensors)})
    if tensors:
        save_file(tensors, folder / TENSORS)
    for name, part in pipeline.parts.items():
        write(part, folder / name)


def read_pipeline(folder: Path, read: Callable[[Path], Answering]) -> Pipeline:
    """The pipeline of a checked folder; `read` reads a part from its own.

    Raises `BadData` for one of another version, or of a kind there is not.
    """
    facts = read_json(folder / PIPELINE)
    kind = KINDS.get(facts.get("kind"))
    if facts.get("version") != VERSION or kind is None:
        raise BadData(f"{folder} was written by another version of tesserec.", "Save it again.")
    known = {one.name for one in fields(kind)}
    values = {name: _meant(value) for name, value in facts["settings"].items()}
    for name, count in facts["parts"].items():
        if name not in known:  # never a path
            raise BadData(f"{folder} names a part {name!r} that a {kind.__name__} has not.")
        several = None if count is None else range(count)
        values[name] = (
            read(folder / name)
            if several is None
            else tuple(read(folder / f"{name}-{place}") for place in several)
        )
    if facts["tensors"]:
        stored = load_file(folder / TENSORS)
        values |= {name: stored[name].clone() for name in facts["tensors"]}
    return kind(**values)


def _plain(value: Any) -> Any:
    """As JSON writes it: descriptions as tables."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.to_dict() if isinstance(value, Spec) else value


def _meant(value: Any) -> Any:
    """What `_plain` was given."""
    if isinstance(value, list):
        return tuple(_meant(one) for one in value)
    return Spec.from_dict(value) if isinstance(value, dict) else value
