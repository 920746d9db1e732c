"""Models: the versions there are, the one that answers, and the one before it."""

import gc
import hashlib
import threading
from pathlib import Path

from tesserec.core.errors import BadData, UnknownId
from tesserec.core.files import MANIFEST
from tesserec.experiment.folders import RunFolder
from tesserec.serve.answering import recommend
from tesserec.serve.keeping import Keeper, Version
from tesserec.serve.questions import Question
from tesserec.serve.served import Served


class Models:
    """What is swapped is one reference: a request keeps the model it began with."""

    def __init__(self, run: Path, data: str | None, keeper: Keeper) -> None:
        self.run, self.data, self.keeper = run, data, keeper
        self._swapping = threading.Lock()
        self.active = prepared(Served.load(self._first(), data))
        self.previous: Served | None = None
        self._loading = threading.Lock()
        self._beside: Served | None = None

    def versions(self) -> dict[str, Version]:
        """The models in the run folder by name; a model that was fitted anew has a new name."""
        return {version.name: version for version in _versions(self.run, self.run.resolve().name)}

    def activate(self, name: str) -> bool:
        """Let a version answer, and remember that; whether it did not already.

        The version before is kept, so that going back to it takes no time and needs no file.
        Raises `UnknownId` where there is no such version, `DamagedFile` if it cannot be read.
        """
        with self._swapping:
            if name == self.active.version.name:
                return False
            served = self._loaded(name)
            self.keeper.activate(served.version)
            self._swap(served)
            return True

    def follow(self) -> bool:
        """Let the version answer that another process has activated; whether that is another."""
        with self._swapping:
            version = self.keeper.active()
            if version is None or version.name == self.active.version.name:
                return False
            self._swap(self._loaded(version.name))
            return True

    @property
    def loaded(self) -> list[Served]:
        """The versions that are in memory."""
        there = (self.active, self.previous, self._beside)
        return [one for one in there if one is not None]

    def get(self, name: str) -> Served:
        """A version to compare with, loaded where it has to be; the last one is kept.

        Raises `UnknownId` where there is no such version, `DamagedFile` if it cannot be read.
        """
        for served in self.loaded:
            if served.version.name == name:
                return served
        with self._loading:  # each takes as much memory as the one that answers: one at a time
            if self._beside is None or self._beside.version.name != name:
                self._beside = None
                self._beside = self._loaded(name)
            return self._beside

    def _swap(self, served: Served) -> None:
        self.previous, self.active = self.active, served

    def _loaded(self, name: str) -> Served:
        if self.previous is not None and name == self.previous.version.name:
            return self.previous
        versions = self.versions()
        if name not in versions:
            raise UnknownId(f"There is no version {name!r}.", f"There are {', '.join(versions)}.")
        return prepared(Served.load(versions[name], self.data))

    def _first(self) -> Version:
        """The version that was activated last, or else the one that validated best."""
        versions = self.versions()
        last = self.keeper.active()
        if last is not None and last.name in versions:
            return versions[last.name]
        best = str(RunFolder(self.run).best().path)
        found = [one for one in versions.values() if one.folder == best]
        if not found:
            raise BadData(f"{self.run} holds no model.", "Name what `tesserec fit` has written.")
        return found[0]


def prepared(served: Served) -> Served:
    """The same with everything made that the first request would wait for."""
    if len(served.items) and len(served.shown):
        asked = Question(served, "first", 10, None, [0], (), None, None, None, False)
        for count in (1, 8, 64):  # kernels are compiled, and memory for such batches is there
            recommend([asked] * count, lambda users: [[] for _ in users])
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
