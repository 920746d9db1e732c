"""Spec: a frozen, typed description that can be written down and read back."""

import difflib
import hashlib
import inspect
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_serializer, model_validator

from tesserec.core import registry
from tesserec.core.errors import BadSpec


class Spec(BaseModel):
    """What something is, in fields that have types and defaults.

    The same description is an object in Python, a table in TOML and JSON in an artifact:
    `{"kind": "<class name>", <field>: <value>, ...}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise BadSpec(_sentence(type(self), error)) from None

    def to_dict(self) -> dict[str, Any]:
        """This description with its kind, nested ones included; only JSON types."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Self:
        """The description a table speaks of; its `kind` must be this class or one below it.

        Raises `BadSpec` for an unknown kind, field or value.
        """
        return typing.cast(Self, _described(cls, table, None))

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with some fields changed; a nested table changes only what it names."""
        return typing.cast(Self, _described(type(self), changes, self))

    def key(self, *more: str) -> str:
        """A short digest of this description and whatever else a cached value depends on."""
        text = json.dumps([self.to_dict(), *more], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def check(self, owner: "Spec") -> None:
        """Refuse, with `BadSpec`, an owner that this part cannot work in."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        for name in type(self).model_fields:
            part = getattr(self, name)
            if isinstance(part, Spec):
                part.check(self)
        return self

    @model_validator(mode="before")
    @classmethod
    def _read_tables(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        kind = str(values.get("kind", cls.__name__))
        if kind.lower() != cls.__name__.lower():
            raise BadSpec(f"A {cls.__name__} is not a {kind}.", "Leave out kind, or correct it.")
        values = {name: value for name, value in values.items() if name != "kind"}
        for name, value in values.items():
            field = cls.model_fields.get(name)
            if field is not None:
                default = field.get_default(call_default_factory=True)
                values[name] = meant(field.annotation, value, default)
        return values

    @model_serializer(mode="plain")
    def _write(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {"kind": type(self).__name__, **fields}


def meant(annotation: Any, value: Any, default: Any) -> Any:
    """A field's value with the specs that its annotation asks for in the place of their tables.

    TOML and command lines have no null: the word "none" is None where a field may be None.
    """
    inside = typing.get_args(annotation)
    if value == "none" and type(None) in inside and str not in inside:
        return None
    wanted = _spec_in(annotation)
    if wanted is None:
        return value
    if isinstance(value, str):
        value = {"kind": value}
    if isinstance(value, Mapping):
        return _described(wanted, value, default if isinstance(default, Spec) else None)
    if isinstance(value, list | tuple):
        return tuple(meant(wanted, one, None) for one in value)
    return value


def _described(wanted: type[Spec], table: Mapping[str, Any], default: Spec | None) -> Spec:
    """The spec of a table. Without `kind`, or with the default's, it changes the default."""
    kind = table.get("kind")
    if kind is None and default is None and inspect.isabstract(wanted):
        raise BadSpec(f"A {wanted.__name__} needs a kind.", f'Write kind = "..." in {dict(table)}.')
    if kind is None:
        found = type(default) if default is not None else wanted
    else:
        found = registry.find(kind, wanted)
    if default is None or type(default) is not found:
        return found(**{name: value for name, value in table.items() if name != "kind"})
    values = {name: getattr(default, name) for name in found.model_fields}
    for name, value in table.items():
        field = found.model_fields.get(name)
        old = values.get(name)
        if name == "kind":
            continue
        if field is not None and isinstance(value, Mapping | str) and isinstance(old, Spec):
            values[name] = meant(field.annotation, value, old)
        else:
            values[name] = value
    return found(**values)


def _spec_in(annotation: Any) -> type[Spec] | None:
    """The spec class inside `Objective`, `Objective | None` or `tuple[Objective, ...]`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Spec) else None
    inside = (_spec_in(part) for part in typing.get_args(annotation))
    return next((part for part in inside if part is not None), None)


def _sentence(kind: type[Spec], error: ValidationError) -> str:
    """Pydantic's list of findings as one sentence that says what to do."""
    parts = []
    for finding in error.errors():
        path = ".".join(str(step) for step in finding["loc"]) or kind.__name__
        if finding["type"] == "extra_forbidden":
            parts.append(
                f"{kind.__name__} has no field {path!r}{nearest(path, kind.model_fields)}."
            )
        elif finding["type"] == "missing":
            parts.append(f"{kind.__name__} needs a value for {path!r}.")
        else:
            reason = finding["msg"].removeprefix("Value error, ")
            parts.append(f"{kind.__name__}.{path} = {finding['input']!r}: {reason}.")
    return " ".join(parts)


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """`; did you mean 'x'?` when a known name is close, else the list of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name.lower(), [one.lower() for one in known], n=1, cutoff=0.5)
    if close:
        match = next(one for one in known if one.lower() == close[0])
        return f"; did you mean {match!r}?"
    return f"; there are {', '.join(known)}" if known else ""
