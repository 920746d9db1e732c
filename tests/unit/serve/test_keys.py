"""Keys: who may do what, and where a server may listen."""

import json
from pathlib import Path

import pytest

from tesserec.core.errors import BadSpec
from tesserec.serve.keys import Keys, is_loopback, may
from tesserec.serve.rates import Rates

A, B, C = "a" * 16, "b" * 16, "c" * 16


def test_keys_come_from_the_environment_and_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"read": [A, B], "admin": C}))
    keys = Keys.read(file, {"TESSEREC_WRITE_KEY": "w" * 20, "OTHER": "x"})
    assert [keys.role(key) for key in (A, B, C, "w" * 20, "x")] == [
        "read",
        "read",
        "admin",
        "write",
        None,
    ]
    toml = tmp_path / "keys.toml"
    toml.write_text(f'write = ["{A}"]')
    assert Keys.read(toml, {}).role(A) == "write"
    assert not Keys.read(None, {})


@pytest.mark.parametrize(
    "table",
    [{"read": ["short"]}, {"root": [A]}, {"read": [A], "admin": [A]}, {"read": [1]}, [A], "{"],
)
def test_keys_that_cannot_be_used_are_refused_and_not_repeated(
    tmp_path: Path, table: object
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(table if isinstance(table, str) else json.dumps(table))
    with pytest.raises(BadSpec) as refused:
        Keys.read(file, {})
    assert A not in str(refused.value)
    assert "short" not in str(refused.value)


def test_a_key_is_not_in_what_is_printed_of_keys() -> None:
    assert A not in repr(Keys.of({"read": [A]}))


def test_beyond_loopback_nobody_listens_without_a_key() -> None:
    for host in ("127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost"):
        assert is_loopback(host)
        Keys().check_host(host)
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"):
        assert not is_loopback(host)
        Keys.of({"read": [A]}).check_host(host)
        with pytest.raises(BadSpec):
            Keys().check_host(host)


def test_a_role_may_do_what_the_lesser_ones_may() -> None:
    assert may("admin", "read")
    assert may("write", "read")
    assert not may("read", "write")
    assert not may("write", "admin")
    assert not may(None, "read")


def test_a_bucket_holds_a_second_of_requests_and_fills_evenly() -> None:
    rates = Rates(4.0)
    assert [rates.wait("a", 10.0) == 0 for _ in range(5)] == [True] * 4 + [False]
    assert rates.wait("b", 10.0) == 0
    assert rates.wait("a", 10.0) == pytest.approx(0.25)
    assert rates.wait("a", 10.25) == 0
    assert rates.wait("a", 10.25) > 0
    assert [rates.wait("a", 99.0) == 0 for _ in range(5)] == [True] * 4 + [False]
