"""A folder of tables named after what they hold.

    interactions.*            events; this or items.* has to be there
    items.*  users.*          features, one row each
    features/NAME.npy         vectors, in the order of items.*
    features/NAME.parquet     vectors, by item id
    semantic_ids.parquet      lists of tokens by item id, a column for each named set
    graphs/NAME.*             pairs: src and dst, or two columns named after what they link
    relations.*               triples: head, relation, tail
    entities.*                what the triples speak of, where that is not items
    item_entity.*             which entity an item is (or a column `entity_id` of items.*)
    images.parquet  audio.parquet  videos.parquet   item id, and the bytes of a file
    images/  audio/  videos/  files called after their items, or named in a column of items.*

`*` is any kind of table. Whatever else lies there is left alone, and named in a note.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from tesserec.core.errors import BadData
from tesserec.data.intake import (
    Knowledge,
    Links,
    Media,
    MediaFolder,
    Raw,
    Vectors,
    is_named,
    plain,
)
from tesserec.data.intake.codes import CODES
from tesserec.data.sources.graphs import graph
from tesserec.data.sources.source import Source
from tesserec.data.tables import SUFFIXES, Table, is_table, kind_of, open_table

_MEDIA = {"images": "image", "audio": "audio", "videos": "video"}
_TABLES = ("interactions", "items", "users", "relations", "entities", "item_entity")
_FOLDERS = ("features", "graphs")
_PAPERS = (".md", ".rst", ".pdf", ".html", "")  # descriptions and licences


class TableFolder(Source):
    """Tables that are called `interactions`, `items`, `users`, in any of the usual formats."""

    def recognises(self, path: Path) -> bool:
        if not path.is_dir() or (path / "dataset.json").is_file():
            return False
        return any(is_table(one) and stem(one) in _TABLES[:2] for one in path.iterdir())

    def tables(self, path: Path) -> Raw:
        files = _named_files(path)
        opened = {name: open_table(files[name]) for name in _TABLES if name in files}
        links, strange = _graphs(path / "graphs")
        return Raw(
            interactions=opened.get("interactions"),
            items=opened.get("items"),
            users=opened.get("users"),
            vectors=tuple(features(path / "features")),
            links=links,
            knowledge=_knowledge(opened),
            media=tuple(_media(path, files)),
            codes=path / CODES if (path / CODES).is_file() else None,
            notes=_left_alone(path, strange),
        )


def stem(path: Path) -> str:
    """A file's name without what says how to read it."""
    return path.name.removesuffix(".gz").removesuffix(kind_of(path))


def features(folder: Path, ending: str = "") -> list[Vectors]:
    """The vectors in a folder; `image_feat.npy` are `image`, `image.v2.npy` are `image_v2`."""
    found = []
    for path in sorted(folder.glob(f"*{ending}")):
        name = stem(path).removesuffix(".npy").removesuffix("_feat").replace(".", "_")
        if path.suffix == ".npy":
            found.append(Vectors(name, array=path))
        elif path.suffix == ".parquet":
            found.append(Vectors(name, table=open_table(path)))
    return found


def _named_files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if is_table(path):
            twin = files.setdefault(stem(path), path)
            if twin is not path and stem(path) in _TABLES:
                raise BadData(
                    f"{folder.name} holds both {twin.name} and {path.name}.", "Keep one of them."
                )
    return files


def _graphs(folder: Path) -> tuple[tuple[Links, ...], list[str]]:
    """The links in a folder, and the files whose ends cannot be told."""
    links, strange = [], []
    for path in sorted(one for one in folder.glob("*") if kind_of(one) in SUFFIXES):
        found = graph(open_table(path), stem(path))
        if found is None:
            strange.append(f"graphs/{path.name}")
        else:
            links.append(found)
    return tuple(links), strange


def _knowledge(opened: dict[str, Table]) -> Knowledge | None:
    if "relations" not in opened:
        return None
    table = opened["relations"]
    head, kind, tail = (_called(table, name) for name in ("head", "relation", "tail"))
    link = None
    for name in ("item_entity", "items"):
        known = opened.get(name)
        if link is None and known is not None:
            item = next((one for one in known.columns if is_named(one, "item")), None)
            entity = next((one for one in known.columns if plain(one) == "entityid"), None)
            if item is not None and entity is not None:
                link = (known, item, entity)
    return Knowledge(table, head, kind, tail, link, entities=opened.get("entities"))


def _called(table: Table, name: str) -> str:
    found = next((one for one in table.columns if plain(one) in (name, f"{name}id")), None)
    if found is None:
        raise BadData(
            f"{table.place} has no column {name!r}; it has {', '.join(table.columns)}.",
            "A table of triples has the columns head, relation and tail.",
        )
    return found


def _media(path: Path, files: dict[str, Path]) -> Iterator[Media | MediaFolder]:
    for name, kind in _MEDIA.items():
        folder = path / name
        if name in files and folder.is_dir():
            raise BadData(
                f"{path.name} holds both {files[name].name} and {name}/.", "Keep one of them."
            )
        if name in files:
            yield _media_table(files[name], kind)
        elif folder.is_dir():
            yield MediaFolder(kind, folder)


def _media_table(path: Path, name: str) -> Media:
    """A parquet file with an item id and the bytes of one file a row."""
    schema = pl.scan_parquet(path).collect_schema() if kind_of(path) == ".parquet" else {}
    item = next((one for one in schema if is_named(one, "item")), None)
    content = next((one for one, dtype in schema.items() if dtype == pl.Binary), None)
    if item is None or content is None:
        raise BadData(
            f"{path.name} has no item column and column of bytes.",
            "Give parquet with an item id and the bytes of a file in each row.",
        )
    return Media(name, path, item, content)


def _left_alone(path: Path, strange: list[str]) -> tuple[str, ...]:
    """What lies in the folder and is no part of a dataset."""
    left = list(strange)
    for one in sorted(path.iterdir()):
        known = (*_TABLES, *_MEDIA) if is_table(one) else (*_FOLDERS, *_MEDIA)
        name = stem(one) if is_table(one) else one.name
        is_paper = one.is_file() and one.suffix.lower() in _PAPERS
        if name not in known and not is_paper and not one.name.startswith((".", CODES)):
            left.append(one.name)
    return (f"Left alone: {', '.join(left)}.",) if left else ()
