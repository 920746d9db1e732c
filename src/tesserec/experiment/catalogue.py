"""What methods there are, as their files tell it: paper, needs, fields, defaults, comments."""

import inspect
import io
import json
import re
import sys
import tokenize
from typing import Any

from tesserec.core import Method, Spec
from tesserec.core.registry import catalogue, every
from tesserec.training import Strategy


def method_entries() -> list[dict[str, Any]]:
    """One entry per method, by family and name."""
    families = {entry.name: entry.family for entry in catalogue().values()}
    entries = [
        {
            "name": method.__name__,
            "family": families.get(method.__name__, "your own"),
            "paper": paper(method),
            "about": first_line(method.__doc__),
            "needs": sorted(method.needs),
            "strategy": issubclass(method, Strategy),
            "fields": fields(method),
        }
        for method in every(Method)
        if method.__module__.startswith("tesserec.methods") or method.__name__ in families
    ]
    return sorted(entries, key=lambda entry: (entry["family"], entry["name"]))


def paper(kind: type[Spec]) -> str:
    """The first sentence of the file a class is written in, which names the paper."""
    return first_line(sys.modules[kind.__module__].__doc__)


def first_line(text: str | None) -> str:
    """The first line of a docstring."""
    return (text or "").strip().splitlines()[0] if text else ""


def fields(kind: type[Spec]) -> list[dict[str, Any]]:
    """Name, type, default and the comment beside each field."""
    said = comments(kind)
    found = []
    for name, field in kind.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        found.append(
            {
                "name": name,
                "type": _type_name(field.annotation),
                "default": plain(default),
                "shown": "(to be given)" if field.is_required() else shown(default),
                "about": said.get(name, ""),
            }
        )
    return found


def plain(value: Any) -> Any:
    """A default in JSON types."""
    return value.to_dict() if isinstance(value, Spec) else value


def shown(value: Any) -> str:
    """A default as one would write it: `Pairs(size=2048)`, with what differs from the class."""
    if isinstance(value, Spec):
        inner = [
            f"{name}={shown(getattr(value, name))}"
            for name, field in type(value).model_fields.items()
            if getattr(value, name) != field.default
        ]
        return f"{type(value).__name__}({', '.join(inner)})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def comments(kind: type[Spec]) -> dict[str, str]:
    """Field -> the comment on its line, for the class and those it derives from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Spec) and base is not Spec:
            found |= _comments_of(inspect.getsource(base))
    return found


def _comments_of(source: str) -> dict[str, str]:
    by_line: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            by_line[token.start[0]] = token.string.lstrip("# ")
    lines = source.splitlines()
    found = {}
    for number, text in by_line.items():
        match = re.match(r"    (\w+): ", lines[number - 1])
        if match:
            found[match[1]] = text
    return found


def _type_name(annotation: Any) -> str:
    text = getattr(annotation, "__name__", None) or str(annotation)
    return re.sub(r"\b(?:tesserec|typing|collections)[\w.]*\.", "", text)
