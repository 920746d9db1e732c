"""Stored: a keeper on a database."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tesserec.serve import store
from tesserec.serve.keeping import Version
from tesserec.serve.rows import Event, Exposure, Tally
from tesserec.serve.traffic import Traffic

TRAFFIC = "traffic"  # the setting


class Stored:
    """What is kept outlives the process; several may share it."""

    def __init__(self, url: str) -> None:
        self.store = store.Store(url)

    def add(self, events: Sequence[Event]) -> int:
        return self.store.add(events)

    def history(self, user: str) -> list[Event]:
        return self.histories([user])[0]

    def histories(self, users: Sequence[str]) -> list[list[Event]]:
        return self.store.histories(users)

    def forget_user(self, user: str) -> Mapping[str, int]:
        return self.store.forget_user(user)

    def forgotten(self, users: Sequence[str]) -> list[bool]:
        return self.store.forgotten(users)

    def latest_forgotten(self) -> float:
        return self.store.latest_forgotten()

    def versions(self) -> list[Version]:
        return [Version(one.name, one.folder) for one in self.store.versions()]

    def activate(self, version: Version) -> None:
        folder = str(Path(version.folder).resolve())
        self.store.register(store.Version(version.name, folder, time.time(), active=True))

    def active(self) -> Version | None:
        found = self.store.active()
        return None if found is None else Version(found.name, found.folder)

    def keep_session(self, id: str, state: Mapping[str, Any], seen: float) -> None:
        self.store.keep_session(store.Session(id, None, state, seen))

    def session(self, id: str) -> Mapping[str, Any] | None:
        found = self.store.session(id)
        return None if found is None else found.state

    def end_sessions(self, before: float) -> int:
        return self.store.end_sessions(before)

    def traffic(self) -> Traffic:
        found = self.store.setting(TRAFFIC)
        return Traffic() if found is None else Traffic(**found)

    def direct(self, traffic: Traffic) -> None:
        self.store.set(TRAFFIC, {"weights": dict(traffic.weights), "shadow": traffic.shadow})

    def show(self, exposures: Sequence[Exposure]) -> int:
        return self.store.add_exposures(exposures)

    def end_exposures(self, before: float) -> int:
        return self.store.end_exposures(before)

    def tallies(self, since: float, window: float) -> list[Tally]:
        return self.store.tallies(since, window)

    def latest_events(self, most: int) -> pl.DataFrame:
        return self.store.latest_events(most)

    def latest_exposures(self, version: str, since: float, most: int) -> pl.DataFrame:
        return self.store.latest_exposures(version, since, most)

    def close(self) -> None:
        self.store.close()
