"""Audience: what some people drawn by lot are recommended, so that an item sees who gets it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tesserec.serve.pages.answers import Answer, recommend
from tesserec.serve.pages.look import Look
from tesserec.serve.service import Service

ASKED = 128  # people
FIRST = 20  # answers of each that are looked at
SECONDS = 2.0  # until no more people are asked
FRESH = 300.0  # seconds that an audience is remembered


@dataclass(frozen=True)
class Audience:
    """The first answers of some people, at a moment."""

    answers: Mapping[str, Sequence[str]]  # user -> items, best first
    first: int
    made: float

    def of(self, item: str) -> list[tuple[str, int]]:
        """Who gets an item, and at which place; the best place first."""
        found = [
            (user, 1 + items.index(item)) for user, items in self.answers.items() if item in items
        ]
        return sorted(found, key=lambda one: one[1])


@dataclass(eq=False)
class Audiences:
    """One for each version that is looked at, asked for once in a while."""

    service: Service
    _made: dict[str, Audience] = field(default_factory=dict)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, look: Look, request_id: str) -> Audience:
        """The audience of a version: through the queue of all questions, some at a time."""
        name = look.served.version.name
        async with self._asking:  # whoever comes meanwhile gets the same
            known = self._made.get(name)
            if known is None or known.made < time.monotonic() - FRESH:
                self._made = {name: await self._asked(look, request_id)}
            return await asyncio.to_thread(self._remembered, self._made[name])

    def _remembered(self, audience: Audience) -> Audience:
        """The same without people who were forgotten since."""
        users = list(audience.answers)
        gone = self.service.keeper.forgotten(users)
        kept = [user for user, is_gone in zip(users, gone, strict=True) if not is_gone]
        return replace(audience, answers={user: audience.answers[user] for user in kept})

    async def _asked(self, look: Look, request_id: str) -> Audience:
        people, limits = look.served.people, self.service.limits
        first, began = min(FIRST, limits.k), time.monotonic()
        answers: dict[str, Sequence[str]] = {}
        users = [] if people is None else _drawn(list(people.rows))
        # A quarter of what may wait: others are asking, too.
        size = max(1, min(limits.batch, limits.waiting // 4))
        for start in range(0, len(users), size):
            some = users[start : start + size]
            asked = [self._ask(look, request_id, user, first) for user in some]
            found = await asyncio.gather(*asked)
            told = zip(some, found, strict=True)
            answers |= {user: answer.ids for user, answer in told if answer.trouble is None}
            if time.monotonic() - began > SECONDS:
                break
        return Audience(answers, first, time.monotonic())

    async def _ask(self, look: Look, request_id: str, user: str, k: int) -> Answer:
        return await recommend(self.service, look, request_id, why=False, user=user, k=k)


def _drawn(users: Sequence[str]) -> list[str]:
    rows = np.random.default_rng(0).choice(len(users), min(ASKED, len(users)), replace=False)
    return [users[row] for row in rows]
