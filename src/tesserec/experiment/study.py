"""Study: data, split, method, metrics, seeds: a whole experiment as one typed file."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import Field, model_validator

from tesserec.content import Encoder
from tesserec.core import Method, Spec
from tesserec.core.errors import BadData, BadSpec
from tesserec.core.files import write_text
from tesserec.core.spec import nearest
from tesserec.data.splits import Splitter
from tesserec.evaluation import METRICS
from tesserec.recommenders.pipeline.plan import Plan

FOLDER = re.compile(r"[\w.+-]*\w[\w.+-]*")  # what a pipeline may be called
TAKEN = ("baselines", "model", "settings")  # folders of a study


class Study(Spec):
    """What is learned from what, how it is split, and what is measured."""

    data: str  # a folder or file that `data import` reads, or "sample"
    split: Splitter | None = None  # None: published, else by time, by order, by ratio
    vectors: tuple[str, ...] | None = None  # of the data's item vectors, which; None: all there are
    codes: tuple[str, ...] | None = None  # of the data's semantic ids, likewise
    content: tuple[Encoder, ...] | None = None  # None: texts, for methods that need vectors
    method: Method | None = None
    methods: tuple[Method, ...] = ()  # several, side by side
    pipelines: tuple[Mapping[str, Any], ...] = ()  # made of them, beside them
    pipeline: Mapping[str, Any] | None = None  # of a run that `compose` has made of other runs
    baselines: bool = True  # popularity and a linear model beside them
    metrics: tuple[str, ...] = METRICS
    seeds: tuple[int, ...] = (0,)
    search: Mapping[str, Any] = Field(default_factory=dict)  # "method.dim" = [32, 64]
    fingerprint: str | None = None  # of the data; refused when they have changed
    notes: str = ""  # where the settings come from

    @classmethod
    def read(cls, path: Path) -> Self:
        """A study file. Raises `BadData` naming the line, `BadSpec` naming the key."""
        return cls.from_dict(read_toml(path))

    def write(self, path: Path) -> None:
        """Write this study as TOML."""
        write_text(path, tomli_w.dumps(_for_toml(self)))

    def all_methods(self) -> tuple[Method, ...]:
        """The methods in their order. Raises `BadSpec` where there is none."""
        if self.pipeline is not None:
            raise BadSpec(f"{self.title} is made of fitted runs.", "See: tesserec compose --help")
        found = (*((self.method,) if self.method else ()), *self.methods)
        if not found:
            raise BadSpec("The study names no method.", 'Add [method] with kind = "LightGCN".')
        return found

    @property
    def title(self) -> str:
        """What is learned here, in the names of methods, or what was composed."""
        if self.pipeline is not None:
            return name_of(self.pipeline)
        return ", ".join(dict.fromkeys(type(method).__name__ for method in self.all_methods()))

    @property
    def has_several(self) -> bool:
        """Whether each model lies in a folder of its own."""
        return bool(self.methods or self.pipelines)

    def named_methods(self) -> list[tuple[str, Method]]:
        """The methods with the names of their folders."""
        found = self.all_methods()
        return list(
            zip(numbered([type(one).__name__.lower() for one in found]), found, strict=True)
        )

    def named_pipelines(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The pipelines with the names of their folders."""
        names = [name_of(table).lower() for table in self.pipelines]
        return list(zip(numbered(names), self.pipelines, strict=True))

    def only(self, method: Method) -> Self:
        """The same study of one method."""
        return self.changed({"method": method, "methods": (), "pipelines": ()})

    @model_validator(mode="after")
    def _check_pipelines(self) -> Self:
        if self.pipeline is not None:
            plan_of(self.pipeline)
        there = [name for name, _ in self.named_methods()] if self.pipelines else []
        for name, table in self.named_pipelines():
            for part in plan_of(table).names:
                if part not in there:
                    raise BadSpec(
                        f"The pipeline {name!r} is made of {part!r}, which the study has not"
                        f"{nearest(part, there)}.",
                        "Methods go by their class in lower case, the second of a class by als-2.",
                    )
            if name in (*there, *TAKEN) or not FOLDER.fullmatch(name):
                raise BadSpec(f"A pipeline cannot be called {name!r}.", "Choose another name.")
            there.append(name)
        return self


def name_of(pipeline: Mapping[str, Any]) -> str:
    """What a pipeline is called in tables: its own name, or its class's."""
    return str(pipeline.get("name", plan_of(pipeline).kind.__name__))


def plan_of(pipeline: Mapping[str, Any]) -> Plan:
    """What a table describes, its name left out."""
    return Plan.of({key: value for key, value in pipeline.items() if key != "name"})


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a file. Raises `BadData` naming the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadData(f"{path} is not there.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadData(f"{path} is no TOML: {error}.") from None


def numbered(names: Sequence[str]) -> list[str]:
    """The names, with a number from the second of the same on."""
    earlier = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}-{n + 1}" if n else name for name, n in zip(names, earlier, strict=True)]


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
