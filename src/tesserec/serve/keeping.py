"""Keeper: where events and the models there are outlive a request."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Event:
    """Somebody did something with an item. Two events with the same id are one event."""

    id: str
    user: str
    item: str
    time: int | None = None  # seconds since 1970
    kind: str | None = None
    weight: float | None = None


@dataclass(frozen=True)
class Version:
    """A model that can answer, by a name that changes when its files do."""

    name: str
    folder: str


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

    def forget_user(self, user: str) -> int:
        """Remove what a user did, and return how many events that were."""
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

    def forget_user(self, user: str) -> int:
        with self._lock:
            gone = self._events.pop(user, [])
            self._ids -= {event.id for event in gone}
            return len(gone)

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

    def close(self) -> None:
        """Nothing is held open."""
