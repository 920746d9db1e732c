"""Study: data, split, method, metrics, seeds: a whole experiment as one typed file."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import Field

from tesserec.content import Encoder
from tesserec.core import Method, Spec
from tesserec.core.errors import BadData, BadSpec
from tesserec.core.files import write_text
from tesserec.data.splits import Splitter
from tesserec.evaluation import METRICS


class Study(Spec):
    """What is learned from what, how it is split, and what is measured."""

    data: str  # a folder or file that `data import` reads, or "sample"
    split: Splitter | None = None  # None: published, else by time, by order, by ratio
    vectors: tuple[str, ...] | None = None  # of the data's item vectors, which; None: all there are
    codes: tuple[str, ...] | None = None  # of the data's semantic ids, likewise
    content: tuple[Encoder, ...] | None = None  # None: texts, for methods that need vectors
    method: Method | None = None
    methods: tuple[Method, ...] = ()  # several, side by side
    baselines: bool = True  # popularity and a linear model beside them
    metrics: tuple[str, ...] = METRICS
    seeds: tuple[int, ...] = (0,)
    search: Mapping[str, Any] = Field(default_factory=dict)  # "method.dim" = [32, 64]
    fingerprint: str | None = None  # of the data; refused when they have changed
    notes: str = ""  # where the settings come from

    @classmethod
    def read(cls, path: Path) -> Self:
        """A study file. Raises `BadData` naming the line, `BadSpec` naming the key."""
        try:
            return cls.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise BadData(f"{path} is not there.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadData(f"{path} is no TOML: {error}.") from None

    def write(self, path: Path) -> None:
        """Write this study as TOML."""
        write_text(path, tomli_w.dumps(_for_toml(self)))

    def all_methods(self) -> tuple[Method, ...]:
        """The methods in their order. Raises `BadSpec` where there is none."""
        found = (*((self.method,) if self.method else ()), *self.methods)
        if not found:
            raise BadSpec("The study names no method.", 'Add [method] with kind = "LightGCN".')
        return found


def overrides(settings: Sequence[str]) -> dict[str, Any]:
    """`path.to.field=value` texts as nested tables; values are TOML, or else plain text.

    Raises `BadSpec` for a text without `=`.
    """
    table: dict[str, Any] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path.strip():
            raise BadSpec(f"--set {setting!r} has no value.", "Write --set field=value.")
        place = table
        *outer, last = path.strip().split(".")
        for step in outer:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise BadSpec(f"--set {setting!r} looks inside a field that was set whole.")
        place[last] = _parsed(text.strip())
    return table


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _for_toml(value: Any) -> Any:
    """Tables without null: what is None by default is left out, what was made None is "none"."""
    if isinstance(value, Spec):
        kept = {"kind": type(value).__name__}
        for name, field in type(value).model_fields.items():
            one = getattr(value, name)
            if one is not None or field.default is not None:
                kept[name] = "none" if one is None else _for_toml(one)
        return kept
    if isinstance(value, Mapping):
        return {name: _for_toml(one) for name, one in value.items()}
    return [_for_toml(one) for one in value] if isinstance(value, list | tuple) else value
