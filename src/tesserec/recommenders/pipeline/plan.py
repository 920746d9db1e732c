"""Plan: a pipeline as a table describes it, before any of its parts is loaded.

    kind = "Reranked"
    inner = { kind = "Filtered", inner = "runs/als", where = "price < 10" }
    rerankers = [{ kind = "MMR", relevance = 0.3 }]

Keys are the fields of the class. Where it has a recommender the table has another table, or the
name of a model; where it has a table of vectors, the name of a model that compares items by some.
"""

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from tesserec.core import Answering, Catalog
from tesserec.core.errors import BadRequest, BadSpec
from tesserec.core.spec import meant, nearest
from tesserec.recommenders.pipeline.align import aligned
from tesserec.recommenders.pipeline.saving import KINDS
from tesserec.recommenders.pipeline.stage import Pipeline, vectors_of

Find = Callable[[str], Answering]


@dataclass(frozen=True)
class Plan:
    """Which recommenders are joined, and how."""

    kind: type[Pipeline]
    settings: Mapping[str, Any]
    parts: Mapping[str, "Plan | str | tuple[Plan | str, ...]"]  # the leading one first
    vectors: Mapping[str, str]  # models whose vectors of items are taken

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """What a table describes. Raises `BadSpec` for an unknown kind, key or value."""
        kind = _kind(table)
        given = {name: value for name, value in table.items() if name != "kind"}
        known = [one for one in fields(kind) if one.name != "method"]  # nobody writes that one
        for name in given:
            if name not in {one.name for one in known}:
                close = nearest(name, (one.name for one in known))
                raise BadSpec(f"{kind.__name__} has no key {name!r}{close}.")
        types = typing.get_type_hints(kind)
        settings: dict[str, Any] = {}
        parts: dict[str, Plan | str | tuple[Plan | str, ...]] = {}
        vectors: dict[str, str] = {}
        for one in known:
            value, place = given.get(one.name), f"{kind.__name__}.{one.name}"
            if one.name not in given:
                _check_default(one, kind)
            elif types[one.name] is Answering:
                parts[one.name] = _part(value, place)
            elif types[one.name] == tuple[Answering, ...]:
                parts[one.name] = tuple(_part(each, place) for each in _several(value, place))
            elif Tensor in typing.get_args(types[one.name]):
                vectors[one.name] = _name(value, place)
            else:
                settings[one.name] = _setting(types[one.name], value, place)
        return cls(kind, settings, parts, vectors)

    @property
    def names(self) -> tuple[str, ...]:
        """The models it is made of, each once, the leading one first."""
        return tuple(dict.fromkeys(self._names()))

    def made(self, find: Find) -> Pipeline:
        """The pipeline, of the models that `find` returns for their names.

        Raises what the pipeline does where its parts do not fit.
        """
        parts: dict[str, Any] = {}
        for name, one in self.parts.items():
            several = [_made(each, find) for each in _each(one)]
            parts[name] = tuple(several) if isinstance(one, tuple) else several[0]
        for name, model in self.vectors.items():
            parts[name] = _vectors(model, find(model), next(iter(parts.values())).catalog)
        return self.kind(**parts, **self.settings)

    def _names(self) -> Iterator[str]:
        for part in self.parts.values():
            for one in _each(part):
                yield from one._names() if isinstance(one, Plan) else (one,)
        yield from self.vectors.values()


def _kind(table: Mapping[str, Any]) -> type[Pipeline]:
    """The class a table names, in any case."""
    if "kind" not in table:
        raise BadSpec(
            f"A pipeline needs a kind{nearest('', KINDS)}.", f'Write kind = "..." in {dict(table)}.'
        )
    by_case = {name.lower(): kind for name, kind in KINDS.items()}
    word = str(table["kind"])
    if word.lower() not in by_case:
        raise BadSpec(f"There is no pipeline called {word!r}{nearest(word, KINDS)}.")
    return by_case[word.lower()]


def _check_default(field: "Field[Any]", kind: type[Pipeline]) -> None:
    if field.default is MISSING and field.default_factory is MISSING:
        raise BadSpec(f"{kind.__name__} needs a value for {field.name!r}.")


def _part(value: Any, place: str) -> Plan | str:
    return Plan.of(value) if isinstance(value, Mapping) else _name(value, place)


def _several(value: Any, place: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise BadSpec(f"{place} = {value!r} is no list.", 'Write ["runs/one", "runs/other"].')
    return value


def _name(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadSpec(f"{place} = {value!r} names no model.", 'Write a run folder: "runs/als".')
    return value


def _setting(annotation: Any, value: Any, place: str) -> Any:
    """A value of the type that the field has; descriptions are read from tables."""
    value = meant(annotation, value, None)
    value = tuple(value) if isinstance(value, list) else value  # TOML has lists alone
    try:
        return TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        raise BadSpec(f"{place} = {value!r}: {error.errors()[0]['msg']}.") from None


def _each(parts: Plan | str | tuple[Plan | str, ...]) -> tuple[Plan | str, ...]:
    return parts if isinstance(parts, tuple) else (parts,)


def _made(part: Plan | str, find: Find) -> Answering:
    return part.made(find) if isinstance(part, Plan) else find(part)


def _vectors(name: str, model: Answering, catalog: Catalog) -> Tensor:
    """What a model compares items by, in the rows of a catalogue: [I, D]"""
    found = vectors_of(aligned(model, catalog, align=True))
    if found is None:
        raise BadRequest(f"{name} has no vectors of items.", "Name a model that has, such as MF.")
    return found
