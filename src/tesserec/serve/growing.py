"""Growing: new items become part of the versions in memory, and of their folders on the disk.

All models with the items are made first, then written, then swapped in together. A kill in between
leaves some folders with the items and some without: the same request, sent again, does the rest.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tesserec.core.errors import NoContent, TesserecError
from tesserec.core.files import CLOSED
from tesserec.experiment.adding import Addition, described
from tesserec.experiment.contents import Encoders, encoders_of
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.updated import mend
from tesserec.lifecycle.updating import add, contents_of
from tesserec.serve.asked import GivenItem
from tesserec.serve.media import check_kinds, check_read, reading, shelved
from tesserec.serve.models import Models, prepared
from tesserec.serve.newcomers import BRING, NO_FILES, check_contents, check_names, entities_of
from tesserec.serve.problems import Problem
from tesserec.serve.served import Served

SOURCE = "POST /v1/items"  # as the notes of a run call it


@dataclass(frozen=True)
class Left:
    """A version that was left without the items, and why."""

    version: str
    why: str


@dataclass(frozen=True)
class Taken:
    """What became of posted items."""

    model: str  # the active version, as it is called now
    added: Sequence[str]  # ids that were new to it
    known: Sequence[str]  # ids that stay as they were
    versions: Sequence[str]  # all that know them
    left: Sequence[Left]  # that answer nobody


def take_in(models: Models, posted: Sequence[GivenItem]) -> Taken:
    """The versions that answer get items, and where they can, the shadow and the one before.

    Nothing is changed where one that answers cannot. Raises what `lifecycle.updating.add` does,
    and `Problem` for what cannot be read, or a folder that holds another model by now.
    """
    with models.alone():
        additions, left = _made(models, posted)
        for place, one in additions.items():
            with _writable(place):
                mend(place, one.served.model)
                one.done.write(models.run, SOURCE, time.perf_counter() - one.began)
        grown = {
            served: _grown(models, served, additions[place])
            for served in _targets(models)
            if (place := _place(served)) in additions and len(additions[place].done.items)
        }
        active = additions[_place(models.active)].done
        models.put(grown)
        new = set(active.items.ids.cast(str).to_list())
        given = [one.id for one in posted]
        there = [one.version.name for one in _targets(models) if _place(one) in additions]
        return Taken(
            models.active.version.name,
            [one for one in given if one in new],
            [one for one in given if one not in new],
            there,
            left,
        )


@dataclass(frozen=True)
class _Made:
    """A model with the items, and the version that it was made of."""

    served: Served
    done: Addition
    began: float


def _made(models: Models, posted: Sequence[GivenItem]) -> tuple[dict[Path, _Made], list[Left]]:
    """The models with the items, by the runs they are of; nothing is written."""
    made: dict[Path, _Made] = {}
    left = []
    targets = _targets(models)
    check_names(posted, [contents_of(one.model) for one in targets])
    check_kinds(posted, [one for served in targets for one in Encoders.of(_place(served)).made])
    for served in targets:
        place, began = _place(served), time.perf_counter()
        if place in made:
            continue
        try:
            _check_is_there(models, served)
            made[place] = _Made(served, _addition(served, place, posted), began)
        except (TesserecError, Problem) as error:
            if served in models.answering:
                raise _named(error, served) from None
            left.append(Left(served.version.name, f"{error.cause} {error.cure}".strip()))
    return made, left


def _addition(served: Served, place: Path, posted: Sequence[GivenItem]) -> Addition:
    """One model with the items, encoded as its run encoded those before."""
    encoders = reading(posted, encoders_of(place))
    model = served.model
    given = entities_of(posted, contents_of(model), {one.name for one in encoders})
    with shelved(posted, given.ids) as folder:
        items = described(model, given, place, encoders, folder)
    check_read(items, posted, encoders)
    check_contents(items, posted)
    try:
        return Addition(place, add(model, items), items, len(posted) - len(items))
    except NoContent as error:
        raise NoContent(error.cause, NO_FILES if encoders else BRING) from None


def _grown(models: Models, served: Served, made: _Made) -> Served:
    """The same version with more items, ready to answer."""
    version = models.now(served.version)
    assert version is not None  # it was just written, and nobody else writes there
    return prepared(served.longer(version, made.done.model, models.data), (1,))


def _targets(models: Models) -> list[Served]:
    """Who gets items: all who answer, then the shadow and the one before."""
    others = (models.shadow, models.previous)
    return list(dict.fromkeys([*models.answering, *(one for one in others if one is not None)]))


def _place(served: Served) -> Path:
    return RunFolder(Path(served.version.folder)).best().path


def _check_is_there(models: Models, served: Served) -> None:
    """Refuse to write over a model that is not the one in memory. Raises `Problem`."""
    there = models.now(served.version)
    if there is None or there.name != served.version.name:
        name = "nothing" if there is None else there.name
        raise Problem(
            409,
            f"Where {served.version.name} was, there is {name} now.",
            "Activate what is there (POST /v1/models/activate), and send the items again.",
        )


def _named(error: TesserecError | Problem, served: Served) -> TesserecError | Problem:
    cause = f"{served.version.name}: {error.cause}"
    if isinstance(error, Problem):
        return Problem(error.status, cause, error.cure, error.headers, error.errors)
    return type(error)(cause, error.cure)


@contextmanager
def _writable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in CLOSED:
            raise
        raise Problem(
            409,
            f"The server may not write into the folder of {place.name}.",
            "Let it: items become part of the model there. Or add them with tesserec update.",
        ) from None
