"""Keeper: where events, the models there are, and what they showed outlive a request."""

import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from tesserec.lifecycle.forgetting.receipt import digest_of
from tesserec.lifecycle.monitor.live import EVENTS, SHOWN
from tesserec.serve.rows import Event, Exposure, Tally
from tesserec.serve.traffic import Traffic

_ADDITIONS = re.compile(r"(?<=-[0-9a-f]{8})\+[0-9]+$")
MANY = 100_000  # answers that are remembered where there is no database


@dataclass(frozen=True)
class Version:
    """A model that can answer, by a name that changes when its files do."""

    name: str
    folder: str

    @property
    def stem(self) -> str:
        """What the model is called however many items are added to it."""
        return stem_of(self.name)


def stem_of(name: str) -> str:
    """The name of a version without the count of additions: best-0123abcd+2 is best-0123abcd."""
    return _ADDITIONS.sub("", name)


class Keeper(Protocol):
    """A store of events and of which model answers; called from several threads."""

    def add(self, events: Sequence[Event]) -> int:
        """Keep events, and return how many were new; only when all of them are durable."""
        ...

    def history(self, user: str) -> list[Event]:
        """The events of one user, in order of arrival."""
        ...

    def histories(self, users: Sequence[str]) -> list[list[Event]]:
        """The events of several users, each in order of arrival."""
        ...

    def forget_user(self, user: str) -> Mapping[str, int]:
        """Remove all there is of a user, note that, and return how much it was of what."""
        ...

    def forgotten(self, users: Sequence[str]) -> list[bool]:
        """Which of these users were ever forgotten."""
        ...

    def latest_forgotten(self) -> float:
        """When somebody was forgotten last, in seconds since 1970; 0 for never."""
        ...

    def versions(self) -> list[Version]:
        """The models that were ever activated, the latest last."""
        ...

    def activate(self, version: Version) -> None:
        """From now on this model answers, also after a new start."""
        ...

    def active(self) -> Version | None:
        """The model that was activated last, if any was."""
        ...

    def keep_session(self, id: str, state: Mapping[str, Any], seen: float) -> None:
        """Keep what is known of a visitor, last seen at a moment in seconds since 1970."""
        ...

    def session(self, id: str) -> Mapping[str, Any] | None:
        """What was kept; None for a session that ended or never was."""
        ...

    def end_sessions(self, before: float) -> int:
        """Remove the sessions last seen before a moment; returns how many."""
        ...

    def traffic(self) -> Traffic:
        """Which versions answer beside the active one."""
        ...

    def direct(self, traffic: Traffic) -> None:
        """From now on these versions answer, also after a new start."""
        ...

    def show(self, exposures: Sequence[Exposure]) -> int:
        """Keep what was shown to people who were not forgotten since; returns how much was new."""
        ...

    def end_exposures(self, before: float) -> int:
        """Remove what was shown before a moment, and return how many answers that were."""
        ...

    def tallies(self, since: float, window: float) -> list[Tally]:
        """What each version showed since a moment; a click comes within so many seconds."""
        ...

    def latest_events(self, most: int) -> pl.DataFrame:
        """The events that arrived last, with a time, at most so many: user, item, time."""
        ...

    def latest_exposures(self, version: str, since: float, most: int) -> pl.DataFrame:
        """What one version showed last, at most so many answers: user, items, time."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class Memory:
    """A keeper that forgets everything when the process ends: for tests, and for a first look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._events: dict[str, list[Event]] = {}
        self._versions: list[Version] = []
        self._sessions: dict[str, tuple[Mapping[str, Any], float]] = {}
        self._forgotten: dict[str, float] = {}
        self._traffic = Traffic()
        self._shown: deque[Exposure] = deque(maxlen=MANY)

    def add(self, events: Sequence[Event]) -> int:
        with self._lock:
            before = len(self._ids)
            for event in events:
                if event.id not in self._ids:
                    self._ids.add(event.id)
                    self._events.setdefault(event.user, []).append(event)
            return len(self._ids) - before

    def history(self, user: str) -> list[Event]:
        return self.histories([user])[0]

    def histories(self, users: Sequence[str]) -> list[list[Event]]:
        with self._lock:
            return [list(self._events.get(user, ())) for user in users]

    def forget_user(self, user: str) -> Mapping[str, int]:
        with self._lock:
            self._forgotten[digest_of(user)] = time.time()
            gone = self._events.pop(user, [])
            self._ids -= {event.id for event in gone}
            before = len(self._shown)
            self._keep(one for one in self._shown if one.user != user)
            return {"events": len(gone), "exposures": before - len(self._shown)}

    def forgotten(self, users: Sequence[str]) -> list[bool]:
        with self._lock:
            return [digest_of(user) in self._forgotten for user in users]

    def latest_forgotten(self) -> float:
        with self._lock:
            return max(self._forgotten.values(), default=0.0)

    def versions(self) -> list[Version]:
        with self._lock:
            return list(dict.fromkeys(reversed(self._versions)))[::-1]

    def activate(self, version: Version) -> None:
        with self._lock:
            self._versions.append(version)

    def active(self) -> Version | None:
        with self._lock:
            return self._versions[-1] if self._versions else None

    def keep_session(self, id: str, state: Mapping[str, Any], seen: float) -> None:
        with self._lock:
            self._sessions[id] = dict(state), seen

    def session(self, id: str) -> Mapping[str, Any] | None:
        with self._lock:
            found = self._sessions.get(id)
            return None if found is None else found[0]

    def end_sessions(self, before: float) -> int:
        with self._lock:
            gone = [id for id, (_, seen) in self._sessions.items() if seen < before]
            for id in gone:
                del self._sessions[id]
            return len(gone)

    def traffic(self) -> Traffic:
        with self._lock:
            return self._traffic

    def direct(self, traffic: Traffic) -> None:
        with self._lock:
            self._traffic = traffic

    def show(self, exposures: Sequence[Exposure]) -> int:
        with self._lock:
            there = {one.request for one in self._shown}
            new = [
                one
                for one in {one.request: one for one in exposures}.values()
                if one.request not in there
                and one.time > self._forgotten.get(digest_of(one.user or ""), float("-inf"))
            ]
            self._shown.extend(new)
            return len(new)

    def end_exposures(self, before: float) -> int:
        with self._lock:
            there = len(self._shown)
            self._keep(one for one in self._shown if one.time >= before)
            return there - len(self._shown)

    def tallies(self, since: float, window: float) -> list[Tally]:
        with self._lock:
            shown = [one for one in self._shown if one.time >= since]
            found = []
            for shadow, version in sorted({(one.shadow, one.version) for one in shown}):
                mine = [one for one in shown if (one.shadow, one.version) == (shadow, version)]
                users = [one.user for one in mine if one.user is not None]
                clicked = sum(self._is_clicked(one, window) for one in mine)
                counts = (len(mine), len(users), len(set(users)), clicked)
                found.append(Tally(version, shadow, *counts))
            return found

    def latest_events(self, most: int) -> pl.DataFrame:
        with self._lock:
            events = [one for several in self._events.values() for one in several]
        rows = [(one.user, one.item, one.time) for one in events if one.time is not None]
        return pl.DataFrame(rows, schema=EVENTS, orient="row").tail(most)

    def latest_exposures(self, version: str, since: float, most: int) -> pl.DataFrame:
        with self._lock:
            shown = [one for one in self._shown if one.version == version and not one.shadow]
        rows = [(one.user, list(one.items), one.time) for one in shown if one.time > since]
        return pl.DataFrame(rows, schema=SHOWN, orient="row").tail(most)

    def close(self) -> None:
        """Nothing is held open."""

    def _keep(self, exposures: Iterable[Exposure]) -> None:
        self._shown = deque(exposures, MANY)

    def _is_clicked(self, shown: Exposure, window: float) -> bool:
        return any(
            event.item in shown.items
            and event.time is not None
            and shown.time - 1 < event.time <= shown.time + window
            for event in self._events.get(shown.user or "", ())
        )
