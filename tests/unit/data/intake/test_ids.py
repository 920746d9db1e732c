import polars as pl
import pytest

from tesserec.data.intake.ids import Ids, as_type, common_type


@pytest.mark.parametrize(
    ("column", "typed", "numbers"),
    [
        (["1", "-2", "0"], False, True),
        (["1", "02"], False, False),
        (["1", "+2"], False, False),
        (["1", "2.0"], False, False),
        (["1", "9" * 19], False, False),
        (["1", "2"], True, False),  # parquet says text, so text it is
        ([1, 2], True, True),
        ([1.0, 2.0], True, True),
        ([True, False], True, False),
        ([], True, True),
    ],
)
def test_ids_are_numbers_only_where_nothing_is_lost(column: list, typed: bool, numbers: bool):
    assert Ids(pl.Series(column), typed).are_numbers == numbers


def test_unsigned_numbers_too_large_for_int64_become_text():
    large = pl.Series([2**63], dtype=pl.UInt64)
    assert common_type([Ids(large, True)]) == pl.String
    assert as_type(large, pl.String).to_list() == ["9223372036854775808"]


def test_one_table_with_text_makes_all_of_them_text():
    tables = [Ids(pl.Series([1, 2]), True), Ids(pl.Series(["x"]), False)]
    assert common_type(tables) == pl.String
    assert as_type(pl.Series([1, 2]), pl.String).to_list() == ["1", "2"]
    assert common_type(tables[:1]) == pl.Int64
    assert as_type(pl.Series([17.0]), pl.Int64).to_list() == [17]
    assert as_type(pl.Series([17.0]), pl.String).to_list() == ["17"]
