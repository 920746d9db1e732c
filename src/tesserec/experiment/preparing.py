"""From a study to what a method learns from: data, split, content."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tesserec.content import TfidfSVD, encoded_and_learned, text_columns
from tesserec.core import Dataset, Progress, Silent, Split
from tesserec.core.errors import BadData, NoContent
from tesserec.data.reading import read
from tesserec.data.splits import default_split
from tesserec.experiment.contents import Learned
from tesserec.experiment.study import Study

Table = TypeVar("Table")


@dataclass(frozen=True)
class Prepared:
    """A study with nothing left open, its data, and the split with content in its catalogue."""

    study: Study
    data: Dataset
    split: Split
    learned: Learned = field(default_factory=dict)  # by its encoders, for items that come later


def prepare(study: Study, progress: Progress | None = None, content: bool = True) -> Prepared:
    """Read, split and encode what a study names; what it left open is decided and said.

    Raises `BadData` when the data are not those the study was made with.
    """
    progress = progress or Silent()
    data = _with_codes(_with_vectors(read(study.data), study.vectors), study.codes)
    if study.fingerprint is not None and study.fingerprint != data.fingerprint:
        raise BadData(
            f"{study.data} has changed since this study: {data.fingerprint} instead of "
            f"{study.fingerprint}.",
            "Fit again, or bring the old data back.",
        )
    splitter = study.split
    if splitter is None:
        splitter = default_split(data)
        progress.say(f"split: {type(splitter).__name__} (chosen from what the data have)")
    split = splitter.split(data)
    items = data.catalog.items
    there = {"vectors": tuple(sorted(items.vectors)), "codes": tuple(sorted(items.codes))}
    study = study.changed({"split": splitter, "fingerprint": data.fingerprint, **there})
    if not content:
        return Prepared(study, data, split)
    return _with_content(Prepared(study, data, split), progress)


def _with_vectors(data: Dataset, names: tuple[str, ...] | None) -> Dataset:
    """The data with these item vectors alone: what was encoded since a study changes nothing."""
    if names is None:
        return data
    items = data.catalog.items
    vectors = _only(data, items.vectors, names, "vectors")
    masks = {name: mask for name, mask in items.masks.items() if name in names}
    items = replace(items, vectors=vectors, masks=masks)
    return replace(data, catalog=replace(data.catalog, items=items))


def _with_codes(data: Dataset, names: tuple[str, ...] | None) -> Dataset:
    """The data with these semantic ids alone."""
    if names is None:
        return data
    items = data.catalog.items
    items = replace(items, codes=_only(data, items.codes, names, "semantic ids"))
    return replace(data, catalog=replace(data.catalog, items=items))


def _only(
    data: Dataset, tables: Mapping[str, Table], names: tuple[str, ...], what: str
) -> dict[str, Table]:
    """The tables of these names. Raises `BadData` for one there is not."""
    missing = [name for name in names if name not in tables]
    if missing:
        there = ", ".join(tables) or "none"
        raise BadData(f"{data.name} has no {what} {missing[0]!r}; there are: {there}.")
    return {name: tables[name] for name in names}


def _with_content(prepared: Prepared, progress: Progress) -> Prepared:
    """Encode contents on the training part; texts by default where a method needs vectors."""
    study, data, split = prepared.study, prepared.data, prepared.split
    encoders, learned = study.content, {}
    if encoders is None:
        encoders = _default_encoders(study, data)
        if encoders:
            progress.say(f"content: TF-IDF and SVD of {data.name}'s texts")
    train = split.train
    for encoder in encoders:
        train, found = encoded_and_learned(train, encoder)
        if found:
            learned[encoder.name] = found
    study = study.changed({"content": encoders})
    return Prepared(study, data, replace(split, train=train), learned)


def _default_encoders(study: Study, data: Dataset) -> tuple[TfidfSVD, ...]:
    items = data.catalog.items
    needy = [type(m).__name__ for m in study.all_methods() if "vectors" in m.needs]
    if not needy or items.vectors:
        return ()
    columns = text_columns(items.features)
    if not columns:
        raise NoContent(
            f"{needy[0]} reads item vectors, and {data.name} has neither vectors nor texts.",
            "Import vectors or a title column, or choose a method that needs none.",
        )
    return (TfidfSVD(columns=(columns[0],)),)
