"""Models: the versions there are, the one that answers, those beside it, and the one before."""

import gc
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tesserec.core.errors import BadData, BadRequest, TesserecError, UnknownId
from tesserec.core.files import alone
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.updated import home_of
from tesserec.recommenders.artifact import description_of
from tesserec.recommenders.lineage import Lineage
from tesserec.serve.answering import Since, recommend
from tesserec.serve.keeping import Keeper, Version, stem_of
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
        self.active = prepared(_read(chosen(run, keeper), data))
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
    def answering(self) -> list[Served]:
        """The versions that people are answered by."""
        traffic, versions = self._beside
        return list(dict.fromkeys([self.active, *(versions[name] for name in traffic.weights)]))

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
            name = stem_of(name)
            is_new = name != self.active.version.stem
            if is_new:
                served = self._loaded(name)
                self.keeper.activate(Version(name, served.version.folder))
                self._swap(served)
            traffic = self.traffic
            if traffic.weights or traffic.shadow == name:
                self._direct(Traffic({}, None if traffic.shadow == name else traffic.shadow))
            return is_new

    def split(self, weights: Mapping[str, float]) -> None:
        """Let several versions answer, each its share of the users; without any, the active one.

        Raises `UnknownId`, `DamagedFile`, and `BadRequest` for the shadow, which nobody may see.
        """
        stems = {stem_of(name): weight for name, weight in weights.items()}
        if len(stems) < len(weights):
            raise BadRequest("The same version is named twice.", "Name it once.")
        with self._swapping:
            self._direct(replace(self.traffic, weights=stems))

    def shadow_with(self, name: str | None) -> None:
        """Ask a version whatever the others are asked; None: no more. Raises as `split` does."""
        with self._swapping:
            shadow = None if name is None else stem_of(name)
            self._direct(replace(self.traffic, shadow=shadow))

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
            if version is None or version.stem == self.active.version.stem:
                return False
            self._swap(self._loaded(version.name))
            return True

    def follow_items(self) -> bool:
        """Know the items that another process added to the folders; whether there were any."""
        if not any(self._is_longer(served) for served in self.loaded):
            return False
        with self.alone():
            return True

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else, of this process or another, changes versions in memory or their folders.

        What others added before is known when the block begins.
        """
        with self._swapping, ExitStack() as stack:
            homes = {_home(served.version) for served in self.loaded}
            for home in sorted(one for one in homes if one.is_dir()):
                stack.enter_context(alone(home))
            longer = [served for served in self.loaded if self._is_longer(served)]
            self.put({served: self._longer(served) for served in longer})
            yield

    def put(self, others: Mapping[Served, Served]) -> None:
        """Let other versions take the places of some in memory; who calls is `alone`."""
        traffic, versions = self._beside
        self.active = others.get(self.active, self.active)
        self._beside = traffic, {name: others.get(one, one) for name, one in versions.items()}
        if self.previous is not None:
            self.previous = others.get(self.previous, self.previous)
        if self._compared is not None:
            self._compared = others.get(self._compared, self._compared)

    def now(self, version: Version) -> Version | None:
        """What lies in the folder of a version by now."""
        return _version(Path(version.folder), version.stem.rpartition("-")[0])

    def _there(self, served: Served) -> Version:
        return self.now(served.version) or served.version

    def _longer(self, served: Served) -> Served:
        """The same as its folder has it now."""
        model = RunFolder(Path(served.version.folder)).model()
        return prepared(served.longer(self._there(served), model, self.data), (1,))

    def _is_longer(self, served: Served) -> bool:
        """Whether its folder holds the same model with other items than are in memory."""
        there = self._there(served)
        return there.stem == served.version.stem and there.name != served.version.name

    def get(self, name: str) -> Served:
        """A version to compare with, loaded where it has to be; the last one is kept.

        Raises `UnknownId` where there is no such version, `DamagedFile` if it cannot be read.
        """
        name = stem_of(name)
        for served in self.loaded:
            if served.version.stem == name:
                return served
        with self._loading:  # each takes as much memory as the one that answers: one at a time
            if self._compared is None or self._compared.version.stem != name:
                self._compared = None
                self._compared = self._loaded(name)
            return self._compared

    def _swap(self, served: Served) -> None:
        self.previous, self.active = self.active, served

    def _direct(self, traffic: Traffic) -> None:
        """All are loaded before the first one answers."""
        names = {*traffic.weights} or {self.active.version.stem}
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
            if name == served.version.stem:
                return served
        versions = self.versions()
        found = next((one for one in versions.values() if one.stem == name), None)
        if found is None:
            raise UnknownId(f"There is no version {name!r}.", f"There are {', '.join(versions)}.")
        return prepared(_read(found, self.data))


def chosen(run: Path, keeper: Keeper) -> Version:
    """The version that was activated last, or else the one that validated best.

    Raises `BadData` for a folder that holds no model.
    """
    versions = versions_in(run)
    last = keeper.active()
    for version in versions.values():
        if last is not None and version.stem == last.stem:
            return version
    best = str(RunFolder(run).best().path)
    found = [one for one in versions.values() if one.folder == best]
    if not found:
        raise BadData(f"{run} holds no model.", "Name what `tesserec fit` has written.")
    return found[0]


def versions_in(run: Path) -> dict[str, Version]:
    """The models in a run folder by name; a model that was fitted anew has a new name."""
    return {version.name: version for version in _versions(run, run.resolve().name)}


def prepared(served: Served, counts: Sequence[int] = (1, 8, 64)) -> Served:
    """The same with everything made that the first request would wait for."""
    if len(served.items) and len(served.shown):
        asked = Question(served, "first", 10, None, [0], (), None, None, None, False)
        for count in counts:  # kernels are compiled, and memory for such batches is there
            recommend([asked] * count, lambda users: [Since([]) for _ in users])
    # What is loaded stays. Looking through it for garbage would stop all answers for 0.1 s a time.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    return served


def _read(version: Version, data: str | None) -> Served:
    """A version from its folder, in which nobody writes meanwhile."""
    with alone(_home(version)):
        return Served.load(version, data)


def _home(version: Version) -> Path:
    return home_of(RunFolder(Path(version.folder)).best().path)


def _version(folder: Path, name: str) -> Version | None:
    """The model in a folder, by the digest that it began with and how often items were added."""
    description = description_of(folder)
    if description is None:
        return None
    lineage = Lineage.of(description.parent)
    more = f"+{lineage.additions}" if lineage.additions else ""
    return Version(f"{name}-{lineage.root[:8]}{more}", str(folder))


def _versions(folder: Path, name: str) -> list[Version]:
    """Of a folder and the runs inside it."""
    own = _version(folder, name)
    found = [] if own is None else [own]
    for run in RunFolder(folder).runs:
        found += _versions(run.path, f"{name}.{run.path.name}")
    return found
