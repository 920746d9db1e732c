"""Find a class by its name. Files are scanned for class headers, and imported when asked for.

Adding a method is adding a file: no table, no decorator, no import in an `__init__`. Packages
outside join through an entry point in the group `tesserec` whose value is a package name.
"""

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tesserec.core.errors import BadSpec

if TYPE_CHECKING:
    from tesserec.core.spec import Spec

_HEADER = re.compile(r"^class (\w+)(?:\[[^\]]*\])?(?:\(([^)]*)\))?:", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """Where a spec class is written: its module, and the names in its class header."""

    name: str
    module: str
    bases: tuple[str, ...]

    @property
    def family(self) -> str:
        """The folder the file lies in: `collaborative` for methods/collaborative/lightgcn.py."""
        return self.module.split(".")[-2]

    def load(self) -> Any:
        """The class itself, its module imported."""
        return getattr(importlib.import_module(self.module), self.name)


def find(name: str, wanted: "type[Spec] | None" = None) -> Any:
    """The class called `name` (any case), which must be a concrete kind of `wanted`.

    Raises `BadSpec` with the nearest known name.
    """
    from tesserec.core.spec import nearest

    by_case = {known.lower(): entry for known, entry in catalogue().items()}
    entry = by_case.get(str(name).lower())
    found = entry.load() if entry else _live(str(name))
    if wanted is not None and not _is_one(found, wanted):
        names = [one.__name__ for one in every(wanted)]
        raise BadSpec(f"There is no {wanted.__name__} called {name!r}{nearest(str(name), names)}.")
    if found is None:
        raise BadSpec(f"There is nothing called {name!r}{nearest(str(name), catalogue())}.")
    return found


def every(wanted: "type[Spec]") -> Iterator[Any]:
    """Every concrete class that is a `wanted`, in the order of names; their files are imported."""
    for entry in kinds_of(wanted.__name__):
        found = entry.load()
        if found is not wanted and not getattr(found, "__abstractmethods__", None):
            yield found


def kinds_of(base: str) -> list[Entry]:
    """The entries below a class name, told from class headers alone."""
    known = catalogue()

    def is_below(entry: Entry) -> bool:
        return any(b == base or (b in known and is_below(known[b])) for b in entry.bases)

    return sorted((one for one in known.values() if is_below(one)), key=lambda one: one.name)


@cache
def catalogue() -> Mapping[str, Entry]:
    """Every class that derives from Spec, by name. A name that is used twice is an error."""
    named = (point.value for point in entry_points(group="tesserec"))
    packages = dict.fromkeys(["tesserec", *named])  # each once
    written: dict[str, list[Entry]] = {}
    for package in packages:
        for entry in _scan(package):
            written.setdefault(entry.name, []).append(entry)
    specs: dict[str, Entry] = {}
    taken: dict[str, Entry] = {}  # by the name in lower case, as kinds are found in any case
    waiting = {"Spec"}
    while waiting:
        base = waiting.pop()
        for entries in written.values():
            for entry in entries:
                if base in entry.bases and specs.get(entry.name) is not entry:
                    there = taken.setdefault(entry.name.lower(), entry)
                    if there is not entry:
                        raise BadSpec(
                            f"Two classes are called {entry.name}: "
                            f"{there.module} and {entry.module}.",
                            "Rename one; a kind must mean one thing.",
                        )
                    specs[entry.name] = entry
                    waiting.add(entry.name)
    return specs


def _is_one(found: Any, wanted: "type[Spec]") -> bool:
    return found is not None and issubclass(found, wanted) and not inspect.isabstract(found)


def _live(name: str) -> Any:
    """A spec class of that name defined outside any scanned package: in a notebook, say."""
    from tesserec.core.spec import Spec

    waiting = [Spec]
    while waiting:
        kind = waiting.pop()
        if kind.__name__.lower() == name.lower():
            return kind
        waiting.extend(kind.__subclasses__())
    return None


def _scan(package: str) -> Iterator[Entry]:
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise BadSpec(f"The entry point {package!r} names no package.", "Install it, or remove it.")
    if found.submodule_search_locations is None:
        yield from _classes(Path(str(found.origin)), package)
    for place in found.submodule_search_locations or []:
        for path in sorted(Path(place).rglob("*.py")):
            relative = path.relative_to(place).with_suffix("")
            yield from _classes(path, ".".join([package, *relative.parts]))


def _classes(path: Path, module: str) -> Iterator[Entry]:
    """The classes with bases in one file."""
    for name, bases in _HEADER.findall(path.read_text(encoding="utf-8")):
        written = (base.strip().split("[")[0] for base in bases.split(","))
        # nn.Linear is no Spec that happens to be called Linear.
        names = tuple(one.split(".")[-1] for one in written if not one.startswith("nn."))
        yield Entry(name, module.removesuffix(".__init__"), names)
