import datetime

import polars as pl
import pytest

from tesserec.data.intake.times import seconds

MAY_12 = 1_399_852_800  # 2014-05-12, midnight UTC


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([MAY_12], "seconds"),
        ([MAY_12 * 10**3], "milliseconds"),
        ([MAY_12 * 10**6], "microseconds"),
        ([MAY_12 * 10**9], "nanoseconds"),
        ([float(MAY_12) + 0.75], "seconds"),
        ([str(MAY_12)], "seconds"),
        ([f"{MAY_12}.25"], "seconds"),
        ([f"{MAY_12}000"], "milliseconds"),
        (["1.3998528e9"], "seconds"),
        ([20140512], "dates"),
        (["20140512"], "dates"),
        (["2014-05-12"], "dates"),
        (["2014/05/12"], "dates"),
        (["2014-05-12 00:00"], "dates"),
        (["2014-05-12T00:00:00Z"], "dates"),
        (["2014-05-12 00:00:00.999"], "dates"),
        (["2014-05-12T02:00:00+02:00"], "dates"),
        (["2014-05-11T22:00:00-0200"], "dates"),
        ([datetime.date(2014, 5, 12)], "dates"),
        ([datetime.datetime(2014, 5, 12, 0, 0, 0, 5)], "dates"),
    ],
)
def test_every_way_of_writing_a_time_is_the_same_second(values: list, unit: str):
    found, understood = seconds(pl.Series(values))
    assert found.to_list() == [MAY_12]
    assert (found.dtype, understood) == (pl.Int64, unit)


def test_a_zone_is_heeded():
    berlin = pl.Series([datetime.datetime(2014, 5, 12, 2)]).dt.replace_time_zone("Europe/Berlin")
    assert seconds(berlin)[0].to_list() == [MAY_12]


def test_small_numbers_are_seconds_of_1970():
    assert seconds(pl.Series([1, 2, None]))[0].to_list() == [1, 2, None]


def test_what_is_no_time_is_null_and_the_others_are_read():
    assert seconds(pl.Series(["2014-05-12", "soon", None, "2014-13-01"]))[0].to_list() == [
        MAY_12,
        None,
        None,
        None,
    ]
    assert seconds(pl.Series([str(MAY_12), "?", "-5"]))[0].to_list() == [MAY_12, None, -5]
    assert seconds(pl.Series([1.5, float("nan"), float("inf")]))[0].to_list() == [1, None, None]


def test_days_and_months_in_another_order_are_not_guessed():
    assert seconds(pl.Series(["05/12/2014", "12.05.2014"]))[0].to_list() == [None, None]


def test_whole_numbers_are_dates_only_where_all_of_them_are():
    assert seconds(pl.Series([20140512, 20149999]))[1] == "seconds"


@pytest.mark.parametrize("nothing", [pl.Series([True]), pl.Series([[1]]), pl.Series([None])])
def test_columns_that_hold_no_times_hold_none(nothing: pl.Series):
    assert seconds(nothing)[0].to_list() == [None]
