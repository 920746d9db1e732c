"""Sessions of visitors, in memory and in a database."""

from pathlib import Path

import pytest

from tesserec.serve.keeping import Keeper, Memory
from tesserec.serve.stored import Stored


@pytest.fixture(params=["memory", "stored"])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Keeper:
    return Memory() if request.param == "memory" else Stored(f"sqlite:///{tmp_path / 'store.db'}")


def test_a_session_is_what_was_kept_last_and_ends_when_it_is_old(keeper: Keeper) -> None:
    assert keeper.session("a") is None
    keeper.keep_session("a", {"mark": "1"}, 10.0)
    keeper.keep_session("a", {"mark": "2"}, 20.0)
    keeper.keep_session("b", {}, 5.0)
    assert keeper.session("a") == {"mark": "2"}
    assert keeper.end_sessions(15.0) == 1
    assert keeper.session("b") is None
    assert keeper.session("a") == {"mark": "2"}
    keeper.close()
