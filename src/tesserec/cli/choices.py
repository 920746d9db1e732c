"""Words of the command line as the specs they stand for."""

from collections.abc import Sequence

from tesserec.core import Method
from tesserec.core.errors import BadSpec
from tesserec.core.registry import find
from tesserec.core.spec import nearest
from tesserec.data.splits import ByItem, ByTime, ByUser, LeaveLast, Published, Splitter
from tesserec.experiment.study import overrides

SPLITS: dict[str, type[Splitter]] = {
    "time": ByTime,
    "last": LeaveLast,
    "users": ByUser,
    "items": ByItem,
    "published": Published,
}


def splitter_of(
    word: str | None, requests: str | None = None, seen: str | None = None
) -> Splitter | None:
    """The split a word stands for; None where nobody said. Raises `BadSpec` for another word."""
    protocol = {n: v for n, v in (("requests", requests), ("seen", seen)) if v is not None}
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


_WORDS = "|".join(SPLITS)
