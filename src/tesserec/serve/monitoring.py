"""Monitoring: how the version that answers does, looked at now and then and not for each reader."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from tesserec.core.errors import BadData
from tesserec.core.files import MANIFEST
from tesserec.experiment.folders import RunFolder
from tesserec.lifecycle.monitor import Known, Live, Report, Trained, look
from tesserec.lifecycle.monitor.report import begins
from tesserec.recommenders import load
from tesserec.serve.keeping import Keeper, Version
from tesserec.serve.models import Models, chosen
from tesserec.serve.running import keeper_of

EVENTS = 1_000_000  # the newest, that are looked at
ANSWERS = 100_000


class Monitoring:
    """The last report, while it is new enough; `tell` hears each one that is made."""

    def __init__(
        self, models: Models, keeper: Keeper, seconds: float, tell: Callable[[Report], None]
    ) -> None:
        self.models, self.keeper, self.seconds, self.tell = models, keeper, seconds, tell
        self._looking = threading.Lock()
        self._last: Report | None = None
        self._forgot = 0.0  # when somebody was forgotten last, as the last look began

    def report(self) -> Report:
        """How the active version does; of those who ask at once, one looks and the others wait.

        Nobody stays in the figures who was forgotten since, by whichever process.
        """
        with self._looking:
            served, forgot = self.models.active, self.keeper.latest_forgotten()
            if not self._is_new(served.version.name, forgot):
                self._forgot = forgot
                self._last = monitor(served.version, Known.of(served.model.catalog), self.keeper)
                self.tell(self._last)
            return cast(Report, self._last)

    def _is_new(self, version: str, forgot: float) -> bool:
        """Whether the last report still holds."""
        if self._last is None or self._last.version != version or self._forgot != forgot:
            return False
        return time.time() - self._last.moment < self.seconds


def monitor(version: Version, known: Known, keeper: Keeper) -> Report:
    """How a version does, by the newest events and answers of a store."""
    now, place = time.time(), RunFolder(Path(version.folder)).best().path
    trained = Trained.read(place)
    since = begins(trained, now)
    events = keeper.latest_events(EVENTS)
    shown = keeper.latest_exposures(version.stem, since, ANSWERS)
    return look(
        version.name, known, trained, Live.between(events, shown, since, now), _written(place)
    )


def monitor_run(run: Path, database: str) -> Report:
    """How the version of a run that answers by a store does. Raises `BadData` without a store."""
    path = database.removeprefix("sqlite:///")
    if "://" not in path and not Path(path).is_file():
        raise BadData(
            f"There is no store {path}.", "Name what `tesserec serve` was given: --database URL."
        )
    keeper = keeper_of(database)
    try:
        version = chosen(run, keeper)
        return monitor(version, Known.of(load(Path(version.folder)).catalog), keeper)
    finally:
        keeper.close()


def _written(place: Path) -> float | None:
    """When the model's files were, as the file system says."""
    manifests = [one / MANIFEST for one in (place / "model", place)]
    there = [os.path.getmtime(one) for one in manifests if one.is_file()]
    return there[0] if there else None
