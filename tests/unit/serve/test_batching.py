"""One forward pass for many questions, and the same answers as one by one."""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tesserec.core import Method, Run
from tesserec.core.errors import BadRequest
from tesserec.data.format import write
from tesserec.experiment.asking import Desk
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.generative.tiger import TIGER
from tesserec.methods.sequential.sasrec import SASRec
from tesserec.serve.answering import Since, recommend
from tesserec.serve.asked import Recommend
from tesserec.serve.batching import Batcher
from tesserec.serve.keeping import Memory, Version
from tesserec.serve.limits import Limits
from tesserec.serve.problems import Problem
from tesserec.serve.questions import Question, recommended
from tesserec.serve.rows import Event
from tesserec.serve.served import Served, people_of
from toys.worlds import random_world


@dataclass(frozen=True)
class Number:
    value: int
    group: Hashable = None


async def all_of(batcher: Batcher[Number, int], numbers: Sequence[Number]) -> list[Any]:
    asked = [batcher.ask(number) for number in numbers]
    return await asyncio.gather(*asked, return_exceptions=True)


def halves(numbers: Sequence[Number], sizes: list[list[int]]) -> list[int]:
    sizes.append([one.value for one in numbers])
    return [one.value // 2 for one in numbers]


def test_what_is_read_in_the_same_moment_is_one_batch_of_each_group_and_no_larger_than_said() -> (
    None
):
    sizes: list[list[int]] = []
    batcher: Batcher[Number, int] = Batcher(lambda some: halves(some, sizes), 3, 100)
    numbers = [Number(n, n % 2) for n in range(10)]
    assert asyncio.run(all_of(batcher, numbers)) == [n // 2 for n in range(10)]
    assert sizes == [[0, 2, 4], [1, 3, 5], [6, 8], [7, 9]]
    batcher.close()


def test_one_that_goes_wrong_spoils_no_other_and_what_all_share_is_said_to_all() -> None:
    def answer(numbers: Sequence[Number]) -> list[int]:
        if any(one.value == 2 for one in numbers):
            raise ZeroDivisionError
        if numbers[0].group == "refused":
            raise BadRequest("all alike")
        return [one.value for one in numbers]

    batcher: Batcher[Number, int] = Batcher(answer, 10, 100)
    found = asyncio.run(all_of(batcher, [Number(n) for n in range(4)]))
    assert found[:2] == [0, 1]
    assert isinstance(found[2], ZeroDivisionError)
    assert found[3] == 3
    found = asyncio.run(all_of(batcher, [Number(n, "refused") for n in (0, 1)]))
    assert all(isinstance(one, BadRequest) for one in found)
    batcher.close()


def test_more_than_may_wait_are_refused_and_those_that_nobody_waits_for_are_not_answered() -> None:
    sizes: list[list[int]] = []
    batcher: Batcher[Number, int] = Batcher(lambda some: halves(some, sizes), 10, 1)

    async def ask() -> list[Any]:
        gone = asyncio.ensure_future(batcher.ask(Number(1)))
        await asyncio.sleep(0)
        gone.cancel()
        return await all_of(batcher, [Number(2), Number(3)])

    found = asyncio.run(ask())
    assert found[0] == 1
    assert isinstance(found[1], Problem)
    assert found[1].status == 503
    assert int(found[1].headers["Retry-After"]) >= 1
    assert sizes == [[2]]
    batcher.close()


DATA = random_world(seed=3, users=12, items=25, events=160).with_vectors(
    "text", torch.rand(25, 6, generator=torch.Generator().manual_seed(0))
)
METHODS = {kind.__name__: kind().changed(dict(kind.tiny)) for kind in (EASE, MF, SASRec, TIGER)}


@pytest.fixture(scope="module", params=METHODS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    method: Method = METHODS[request.param]
    folder: Path = tmp_path_factory.mktemp("data")
    write(DATA, folder / "data")
    model = method.fit(DATA, Run(folder=folder / "run"))
    people = people_of(Desk(model, str(folder / "data")))
    return Served(Version("v", ""), model, "exclude", people)


BODIES: list[dict[str, Any]] = [
    *({"user": n, "k": n + 1} for n in range(12)),
    *({"user": n, "k": 3, "exclude": [1, 2, n]} for n in range(4)),
    *({"user": n, "candidates": list(range(n, 20, 3)), "k": 4} for n in range(4)),
    *({"user": n, "where": "id in (1, 5, 7, 9)", "k": n + 1} for n in range(4)),
    *({"history": list(range(n, n * 3)), "k": 2 * n + 1} for n in range(4)),
    {"user": "late", "k": 5},
    {"user": 3, "k": 24},
    {"context": {"device": "phone"}},
]


def test_questions_of_a_group_are_answered_as_each_alone(served: Served) -> None:
    keeper = Memory()
    late = [Event(f"e{n}", "late", str(2 * n), n) for n in range(4)]
    keeper.add([*late, Event("e9", "3", "24", 10**6), Event("e10", "4", "unknown", 3)])
    bodies = [Recommend.model_validate(body, context={"name": 9}) for body in BODIES]
    asked = [recommended(body, served, Limits(), str(n)) for n, body in enumerate(bodies)]

    def later(users: Sequence[str]) -> list[Since]:
        return [Since(events) for events in keeper.histories(users)]

    groups: dict[Hashable, list[Question]] = {}
    for question in asked:
        groups.setdefault(question.group, []).append(question)
    assert len(groups) < len(asked) / 2
    for group in groups.values():
        together = recommend(group, later)
        for question, body in zip(group, together, strict=True):
            alone = recommend([question], later)[0]
            assert same(body, alone), question


def same(one: bytes | Exception, other: bytes | Exception) -> bool:
    """Equal but for the last digits of scores, which a larger product rounds otherwise."""
    import json

    assert isinstance(one, bytes)
    assert isinstance(other, bytes)
    first, second = json.loads(one), json.loads(other)
    scores = [[item.pop("score") for item in told["items"]] for told in (first, second)]
    return first == second and scores[0] == pytest.approx(scores[1], rel=1e-4, abs=1e-6)
