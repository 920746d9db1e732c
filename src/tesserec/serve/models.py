"""Models: the versions there are, the one that answers, those beside it, and the one before."""

import gc
import hashlib
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tesserec.core.errors import BadData, BadRequest, TesserecError, UnknownId
from tesserec.core.files import MANIFEST
from tesserec.experiment.folders import RunFolder
from tesserec.serve.answering import Since, recommend
from tesserec.serve.keeping import Keeper, Version
from tesserec.serve.questions import Question
from tesserec.serve.served import Served
from tesserec.serve.traffic import Traffic


class Models:
    """What is swapped is one reference: a request keeps the model it began with."""

    _beside: tuple[Traffic, Mapping[str, Served]] = (Traffic(), {})  # swapped as one
    _compared: Served | None = None  # on a page, and answers nobody else

    def __init__(self, run: Path, data: str | None, keeper: Keeper) -> None:
        self.run, self.data, self.keeper = run, data, keeper
        self._swapping = threading.Lock()
        self.active = prepared(Served.load(chosen(run, keeper), data))
        self.previous: Served | None = None
        self._loading = threading.Lock()
        # A version that is gone keeps nobody from being answered; `follow` says what is wrong.
        with suppress(TesserecError, OSError):
            self.follow_traffic()

    @property
    def traffic(self) -> Traffic:
        """Which versions answer beside the active one."""
        return self._beside[0]

    @property
    def shadow(self) -> Served | None:
        """The version that is asked, too."""
        traffic, versions = self._beside
        return None if traffic.shadow is None else versions[traffic.shadow]

    @property
    def loaded(self) -> list[Served]:
        """All versions that are in memory, each once."""
        there = (self.active, self.previous, self._compared, *self._beside[1].values())
        return list(dict.fromkeys(served for served in there if served is not None))

    def of(self, user: str | None) -> Served:
        """The version that answers somebody; strangers are answered by the active one."""
        traffic, versions = self._beside
        if user is None or not traffic.weights:
            return self.active
        return versions[traffic.version(user)]

    def versions(self) -> dict[str, Version]:
        """The models in the run folder by name; a model that was fitted anew has a new name."""
        return versions_in(self.run)

    def activate(self, name: str) -> bool:
        """Let a version answer everybody, and remember that; whether it was not active already.

        The version before is kept, so that going back to it takes no time and needs no file.
        Raises `UnknownId` where there is no such version, `DamagedFile` if it cannot be read.
        """
        with self._swapping:
            is_new = name != self.active.version.name
            if is_new:
                served = self._loaded(name)
                self.keeper.activate(served.version)
                self._swap(served)
            traffic = self.traffic
            if traffic.weights or traffic.shadow == name:
                self._direct(Traffic({}, None if traffic.shadow == name else traffic.shadow))
            return is_new

    def split(self, weights: Mapping[str, float]) -> None:
        """Let several versions answer, each its share of the users; without any, the active one.

        Raises `UnknownId`, `DamagedFile`, and `BadRequest` for the shadow, which nobody may see.
        """
        with self._swapping:
            self._direct(replace(self.traffic, weights=dict(weights)))

    def shadow_with(self, name: str | None) -> None:
        """Ask a version whatever the others are asked; None: no more. Raises as `split` does."""
        with self._swapping:
            self._direct(replace(self.traffic, shadow=name))

    def follow_traffic(self) -> bool:
        """Let those versions answer that another process has named; whether that is another way."""
        with self._swapping:
            traffic = self.keeper.traffic()
            if traffic == self.traffic:
                return False
            self._beside = self._made(traffic)
            return True

    def follow(self) -> bool:
        """Let the version answer that another process has activated; whether that is another."""
        with self._swapping:
            version = self.keeper.active()
            if version is None or version.name == self.active.version.name:
                return False
            self._swap(self._loaded(version.name))
            return True

    def get(self, name: str) -> Served:
        """A version to compare with, loaded where it has to be; the last one is kept.

        Raises `UnknownId` where there is no such version, `DamagedFile` if it cannot be read.
        """
        for served in self.loaded:
            if served.version.name == name:
                return served
        with self._loading:  # each takes as much memory as the one that answers: one at a time
            if self._compared is None or self._compared.version.name != name:
                self._compared = None
                self._compared = self._loaded(name)
            return self._compared

    def _swap(self, served: Served) -> None:
        self.previous, self.active = self.active, served

    def _direct(self, traffic: Traffic) -> None:
        """All are loaded before the first one answers."""
        names = {*traffic.weights} or {self.active.version.name}
        if traffic.shadow in names:
            raise BadRequest(
                f"{traffic.shadow!r} answers already.", "A shadow is a version that nobody sees."
            )
        made = self._made(traffic)
        self.keeper.direct(traffic)
        self._beside = made

    def _made(self, traffic: Traffic) -> tuple[Traffic, Mapping[str, Served]]:
        names = {*traffic.weights} | ({traffic.shadow} if traffic.shadow is not None else set())
        return traffic, {name: self._loaded(name) for name in sorted(names)}

    def _loaded(self, name: str) -> Served:
        for served in self.loaded:
            if name == served.version.name:
                return served
        versions = self.versions()
        if name not in versions:
            raise UnknownId(f"There is no version {name!r}.", f"There are {', '.join(versions)}.")
        return prepared(Served.load(versions[name], self.data))


def chosen(run: Path, keeper: Keeper) -> Version:
    """The version that was activated last, or else the one that validated best.

    Raises `BadData` for a folder that holds no model.
    """
    versions = versions_in(run)
    last = keeper.active()
    if last is not None and last.name in versions:
        return versions[last.name]
    best = str(RunFolder(run).best().path)
    found = [one for one in versions.values() if one.folder == best]
    if not found:
        raise BadData(f"{run} holds no model.", "Name what `tesserec fit` has written.")
    return found[0]


def versions_in(run: Path) -> dict[str, Version]:
    """The models in a run folder by name; a model that was fitted anew has a new name."""
    return {version.name: version for version in _versions(run, run.resolve().name)}


def prepared(served: Served) -> Served:
    """The same with everything made that the first request would wait for."""
    if len(served.items) and len(served.shown):
        asked = Question(served, "first", 10, None, [0], (), None, None, None, False)
        for count in (1, 8, 64):  # kernels are compiled, and memory for such batches is there
            recommend([asked] * count, lambda users: [Since([]) for _ in users])
    # What is loaded stays. Looking through it for garbage would stop all answers for 0.1 s a time.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    return served


def _versions(folder: Path, name: str) -> list[Version]:
    """Of a folder and the runs inside it."""
    found = []
    for place in (folder, folder / "model"):
        if (place / "method.json").is_file() and (place / MANIFEST).is_file():
            digest = hashlib.sha256((place / MANIFEST).read_bytes()).hexdigest()[:8]
            found.append(Version(f"{name}-{digest}", str(folder)))
            break
    for run in RunFolder(folder).runs:
        found += _versions(run.path, f"{name}.{run.path.name}")
    return found
